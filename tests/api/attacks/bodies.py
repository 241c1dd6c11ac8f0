"""Bodies too large, too deep or no JSON, and fragments of SQL and of paths in every field of text."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import quote
from uuid import uuid4

from serve_apps.examples import strategies
from tests.api.attacks.target import Attack, Target
from tests.support.api.accounts import log_in_operator, set_up
from tests.support.api.api_document import Operation, Place, operations, places, replaced

VARIANT: dict[str, Any] = strategies.NEW_STRATEGIES["variant"]["value"]["strategy"]
JSON = {"Content-Type": "application/json"}


def nested(depth: int) -> str:
    return '{"strategy": ' + '{"risk": ' * depth + "1" + "}" * depth + "}"


HOSTILE = {
    "too large": json.dumps({"strategy": {**VARIANT, "timeframe": "x" * 1_000_000}}),
    "too deep": nested(200_000 // 10),
    "deep": nested(500),
    "deep lists": "[" * 100_000,
    "no object": "[]",
    "no strategy": "{}",
    "many indicators": json.dumps({"strategy": {**VARIANT, "indicators": [{"id": "sma"}] * 20_000}}),
    "many wrong values": json.dumps({"strategy": {**VARIANT, "risk": {"sl_pct": {"values": ["x"] * 200_000}}}}),
    "many keys": json.dumps({"strategy": {**VARIANT, "sizing": {f"k{i}": i for i in range(5000)}}}),
    "endless number": '{"strategy": {"fee_pct": ' + "9" * 5000 + "}}",
    "NaN": '{"strategy": {"fee_pct": NaN}}',
    "sql": json.dumps(
        {"strategy": {**VARIANT, "instrument": {"market_id": 1, "symbol": "'; DROP TABLE users--"}}}
    ),
    "path": json.dumps({"strategy": {**VARIANT, "indicators": [{"id": "../../etc/passwd"}]}}),
    "zero byte": json.dumps({"strategy": {**VARIANT, "instrument": {"market_id": 1, "symbol": "BTC\0"}}}),
    "half a surrogate": '{"strategy": {"timeframe": "\\ud800"}}',
    "axes": json.dumps({"strategy": {**VARIANT, "risk": {"sl_pct": {"start": 1, "stop": 1e9, "step": 1e-9}}}}),
}
"""Strategies; every other route with a body gets them too, and knows none of them."""

FRAGMENTS = ("'; DROP TABLE users; --", "1' OR '1'='1", "../../../etc/passwd", "..%2f..%2fetc%2fpasswd\x00")

FREE_TEXT = {
    ("POST /tokens", "name"),
    ("POST /exchange-keys", "label"),
    ("POST /portfolios/backtests", "name"),
    ("POST /portfolios/suggestions", "name"),
    ("POST /exchange-keys", "api_key"),
    ("POST /exchange-keys", "api_secret"),
    ("GET /market-data/instruments", "q"),
    ("POST /market-data/candles", "source"),
    ("POST /market-data/instruments", "source"),
}
"""People's own words and an exchange's: text that looks like a path may be one of them, and is kept as text."""

WHOLE = {("PUT /me/telegram/policy", "{}")}
"""Bodies that are hostile elsewhere and say something there: a policy of defaults."""

WITH_BODY = [one for one in operations() if one.bodies]
CODED = "/second-factor"
"""Codes are counted: these are refused with 429 after some."""


def text_places(operation: Operation) -> Iterator[tuple[Any, Place]]:
    """Every field of text in the documented bodies, once, with a body that it stands in."""
    seen = set()
    for body in operation.bodies:
        for place, value in places(body):
            shape = tuple("*" if isinstance(part, int) else part for part in place)
            if isinstance(value, str) and shape not in seen:
                seen.add(shape)
                yield body, place


def some_path(operation: Operation) -> str:
    return operation.path.format(**{name: uuid4() for name in operation.ids})


async def be_somebody(target: Target) -> None:
    """An operator: everything lets them in as far as what they send."""
    await log_in_operator(target.api)
    await set_up(target.api)


def fragments_in_body(operation: Operation) -> Callable[[Target], Any]:
    async def send(target: Target) -> None:
        await be_somebody(target)
        for body, place in text_places(operation):
            if (str(operation), str(place[-1])) not in FREE_TEXT:
                for text in FRAGMENTS:
                    await target.attack(operation.method, some_path(operation), json=replaced(body, place, text))

    return send


async def fragments_in_queries(target: Target) -> None:
    await be_somebody(target)
    for operation in operations():
        for name in operation.query:
            for text in FRAGMENTS if (str(operation), name) not in FREE_TEXT else ():
                query = {**operation.required_query, name: text}
                body = next(iter(operation.bodies), None)
                await target.attack(operation.method, some_path(operation), params=query, json=body)


async def fragments_in_paths(target: Target) -> None:
    await be_somebody(target)
    for operation in operations():
        body = next(iter(operation.bodies), None)
        for text in FRAGMENTS if operation.ids else ():
            path = operation.path.format(**{name: quote(text, safe="") for name in operation.ids})
            await target.attack(operation.method, path, json=body)


def hostile(body: str) -> Callable[[Target], Any]:
    async def send(target: Target) -> None:
        await be_somebody(target)
        for operation in WITH_BODY:
            if not operation.path.startswith(CODED) and (str(operation), body) not in WHOLE:
                await target.attack(operation.method, some_path(operation), content=body, headers=JSON)

    return send


REFUSED = frozenset({401, 403, 404, 409, 413, 422, 429})
ATTACKS = [
    *(Attack(f"body, {name}, on every route", REFUSED, hostile(body)) for name, body in HOSTILE.items()),
    *(
        Attack(f"fragments in the fields of {one}", REFUSED, fragments_in_body(one))
        for one in WITH_BODY
        if any((str(one), str(place[-1])) not in FREE_TEXT for _, place in text_places(one))
    ),
    Attack("fragments in every query", REFUSED, fragments_in_queries),
    Attack("fragments in every path", REFUSED, fragments_in_paths),
]
