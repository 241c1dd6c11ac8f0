"""The same bad request gets the same bytes, on every route there is."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Iterator
from typing import Any
from urllib.parse import quote

import httpx
import pytest

from candleray.market_data.arrow_stream import ARROW
from candleray.market_data.candle_store import CandleStore
from tests.api.attacks.bodies import CODED, FRAGMENTS, FREE_TEXT
from tests.support.api.accounts import log_in, set_up
from tests.support.api.api_document import Operation, operations
from tests.support.api.in_process_api import backend, serving_strangers, stored_walk
from tests.support.canaries import PUBLIC

SOME_ID = "0b4bd4f2-6c1a-4f0e-9d43-2a8c55a7f0b1"
JSON = {"Content-Type": "application/json"}
DEEP = json.loads("[" * 200 + "]" * 200)
POISONS = ["'; DROP TABLE users; --", "../../etc/passwd", "\x00", "\ud800", "x" * 10_000, DEEP, {"$ne": 1}]
PUBLIC.update(text for text in POISONS if isinstance(text, str))
WRONG_CODES = ["ABCDEF", "0000000", "AAAA-AAAA-AAAA-AAAA", "short", ""]

Request = dict[str, Any]


@pytest.fixture
async def api(embedded_store: CandleStore) -> AsyncIterator[httpx.AsyncClient]:
    stored_walk(embedded_store, "BTCUSDT")
    async with serving_strangers(backend(embedded_store)) as client:
        await be_new(client)
        yield client


async def be_new(api: httpx.AsyncClient) -> None:
    await log_in(api)
    await set_up(api)


def spoiled(value: Any, poison: Any) -> Any:
    """The same content with every text replaced."""
    if isinstance(value, dict):
        return {key: spoiled(inner, poison) for key, inner in value.items()}
    if isinstance(value, list):
        return [spoiled(inner, poison) for inner in value]
    return poison if isinstance(value, str) else value


def path_of(operation: Operation, text: str = SOME_ID) -> str:
    return operation.path.format(**{name: quote(text, safe="") for name in operation.ids})


def wrong_bodies(operation: Operation) -> Iterator[Request]:
    if not operation.described.get("requestBody"):
        return
    url, examples = path_of(operation), operation.bodies
    for body in (b"", b"{ no json", b'{"a": 1, "a": 2}', b"\xff"):
        yield {"url": url, "content": body, "headers": JSON}
    yield {"url": url, "content": b"a=1", "headers": {"Content-Type": "application/x-www-form-urlencoded"}}
    for example in examples:
        for wrong in [*(spoiled(example, poison) for poison in POISONS), [], DEEP, {"x": example}]:
            if wrong != example:
                yield {"url": url, "content": json.dumps(wrong), "headers": JSON}
    if operation.path.startswith(CODED):
        for code in WRONG_CODES:
            yield {"url": url, "json": {"code": code}}
    if not examples:
        yield {"url": url, "content": b"no Arrow", "headers": {"Content-Type": ARROW}}


def wrong_queries(operation: Operation) -> Iterator[Request]:
    body = {"json": operation.bodies[0]} if operation.bodies else {}
    for name in operation.query:
        for text in FRAGMENTS if (str(operation), name) not in FREE_TEXT else ():
            yield {"url": path_of(operation), "params": {**operation.required_query, name: text}, **body}
    if operation.query:
        yield {"url": path_of(operation), "params": {**operation.required_query, "nonsense": 1}, **body}
    for name in operation.required_query:
        others = {other: value for other, value in operation.required_query.items() if other != name}
        yield {"url": path_of(operation), "params": others, **body}


def wrong_paths(operation: Operation) -> Iterator[Request]:
    body = {"json": operation.bodies[0]} if operation.bodies else {}
    for text in (SOME_ID, "x", *FRAGMENTS) if operation.ids else ():
        yield {"url": path_of(operation, text), **body}
    yield {"url": f"{path_of(operation)}/more", **body}
    yield {"url": path_of(operation), "method": "PATCH"}
    if not operation.is_public:
        for header in ("", "Bearer x", "Basic eDp5"):
            yield {"url": path_of(operation), "headers": {"Authorization": header}, **body}


@pytest.mark.parametrize("operation", operations(), ids=str)
async def test_the_same_bad_request_gets_the_same_bytes(api: httpx.AsyncClient, operation: Operation):
    """Wrong codes are counted, so that a second one may rightly be answered otherwise: each is somebody new's."""
    bad = [*wrong_bodies(operation), *wrong_queries(operation), *wrong_paths(operation)]
    assert len(bad) >= 2
    for request in bad:
        answers = []
        for _ in range(2):
            if operation.path.startswith(CODED):
                await be_new(api)
            answers.append(await api.request(**{"method": operation.method, **request}))
        first, again = answers
        assert 400 <= first.status_code < 500, (request, first.text)
        assert (first.status_code, first.content) == (again.status_code, again.content)
        assert len(first.content) < 24_000
