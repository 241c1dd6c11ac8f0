"""Handles: addresses of exact values. Each is read by asking the API again, so any replica knows any of them."""

from __future__ import annotations

import base64
import binascii
import zlib
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple
from urllib.parse import unquote
from uuid import UUID

from candleray.agents.documentation import page_named
from candleray.errors import NotFound
from candleray.sdk.client import Client
from candleray.sdk.connection import QueryValue, encoded, segment
from candleray.sdk.references import request_body

SCHEME = "candleray://"
INDICATORS = f"{SCHEME}indicators"
STRATEGIES = f"{SCHEME}strategies"
DOCS = f"{SCHEME}docs/"
MOST_PACKED = 1500
"""Characters of a packed request: with more, a handle would fill the answer that it stands in."""

_MOST_UNPACKED = 1_000_000


class Exact(NamedTuple):
    """A kind of handle: how it is written, its name, what it holds, and the bytes behind it."""

    template: str
    name: str
    holds: str
    read: Callable[[Client, tuple[str, ...]], bytes]


def indicator_of(indicator_id: str) -> str:
    return f"{INDICATORS}/{segment(indicator_id)}"


def coverage_of(market_id: int, symbol: str) -> str:
    return f"{SCHEME}coverage/{market_id}/{segment(symbol)}"


def strategy_of(strategy_id: UUID) -> str:
    return f"{STRATEGIES}/{strategy_id}"


def job_of(job_id: UUID) -> str:
    return f"{SCHEME}jobs/{job_id}/top"


def run_of(run_id: UUID) -> str:
    return f"{SCHEME}runs/{run_id}"


def certificate_of(run_id: UUID) -> str:
    return f"{SCHEME}runs/{run_id}/certificate"


def exact_backtest(request: Mapping[str, Any]) -> str | None:
    """The handle of a search's whole answer; None where the request is too long for one."""
    packed = _packed(request)
    return packed and f"{SCHEME}backtests/{packed}"


def exact_report(request: Mapping[str, Any], variant_index: int) -> str | None:
    packed = _packed(request)
    return packed and f"{SCHEME}reports/{packed}/{variant_index}"


def exact_robustness(request: Mapping[str, Any], variant_index: int) -> str | None:
    packed = _packed(request)
    return packed and f"{SCHEME}robustness/{packed}/{variant_index}"


def _packed(request: Mapping[str, Any]) -> str | None:
    text = base64.urlsafe_b64encode(zlib.compress(encoded(request), 9)).decode().rstrip("=")
    return text if len(text) <= MOST_PACKED else None


def _unpacked(text: str) -> bytes:
    try:
        unpacking = zlib.decompressobj()
        content = unpacking.decompress(base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)), _MOST_UNPACKED)
        if unpacking.eof:
            return content
    except (ValueError, binascii.Error, zlib.error):
        pass
    raise NotFound("this handle holds no request: take it from an answer as it is")


def _got(path: str, **params: QueryValue) -> Callable[[Client, tuple[str, ...]], bytes]:
    """Read a route whose path has the parts of the handle in its places."""

    def read(client: Client, parts: tuple[str, ...]) -> bytes:
        return client.send("GET", path.format(*map(segment, parts)), params=params)

    return read


def _coverage(client: Client, parts: tuple[str, ...]) -> bytes:
    return client.send("GET", "/market-data/coverage", params={"market_id": parts[0], "symbol": parts[1]})


def _backtest(client: Client, parts: tuple[str, ...]) -> bytes:
    return client.send("POST", "/backtests", content=request_body(client, _unpacked(parts[0])))


def _of_variant(path: str) -> Callable[[Client, tuple[str, ...]], bytes]:
    def read(client: Client, parts: tuple[str, ...]) -> bytes:
        body = request_body(client, _unpacked(parts[0]))
        return client.send("POST", path, content=body, params={"variant_index": parts[1]})

    return read


KINDS = (
    Exact(
        f"{INDICATORS}", "Indicators", "every indicator with its parameters, bounds and rule", _got("/indicators")
    ),
    Exact(f"{INDICATORS}/{{id}}", "Indicator", "one indicator", _got("/indicators/{0}")),
    Exact(f"{STRATEGIES}", "Strategies", "the user's saved strategies", _got("/strategies", limit=500)),
    Exact(f"{STRATEGIES}/{{id}}", "Strategy", "one saved strategy", _got("/strategies/{0}")),
    Exact(
        f"{SCHEME}coverage/{{market_id}}/{{symbol}}",
        "Coverage",
        "stored candles of an instrument, every hole",
        _coverage,
    ),
    Exact(
        f"{SCHEME}jobs/{{id}}", "Job", "a job with its request and its transitions", _got("/backtests/jobs/{0}")
    ),
    Exact(
        f"{SCHEME}jobs/{{id}}/top",
        "Best of a job",
        "the best variants of a job",
        _got("/backtests/jobs/{0}/top", limit=50),
    ),
    Exact(f"{SCHEME}runs/{{id}}", "Run", "a run and how it came to its state", _got("/runs/{0}")),
    Exact(
        f"{SCHEME}runs/{{id}}/certificate",
        "Certificate",
        "a run beside its backtest",
        _got("/runs/{0}/certificate"),
    ),
    Exact(f"{SCHEME}backtests/{{packed}}", "Search", "the whole answer of a search, computed again", _backtest),
    Exact(
        f"{SCHEME}reports/{{packed}}/{{variant_index}}",
        "Report",
        "the report of a variant, computed again",
        _of_variant("/backtests/report"),
    ),
    Exact(
        f"{SCHEME}robustness/{{packed}}/{{variant_index}}",
        "Robustness",
        "the robustness of a variant, computed again",
        _of_variant("/backtests/robustness"),
    ),
)


def docs_of(page: str) -> str:
    return f"{DOCS}{page}"


def read_exact(client: Client, handle: str) -> bytes:
    """The exact bytes behind a handle: a page of the documentation, or what the API gives.

    Raises:
        NotFound: there is no such kind of handle.
    """
    if handle.startswith(DOCS):
        return page_named(handle.removeprefix(DOCS)).read_bytes()
    parts = handle.removeprefix(SCHEME).split("/") if handle.startswith(SCHEME) else []
    for kind in KINDS:
        places = kind.template.removeprefix(SCHEME).split("/")
        if len(places) == len(parts) and all(_fits(*pair) for pair in zip(places, parts, strict=True)):
            found = [unquote(part) for place, part in zip(places, parts, strict=True) if place.startswith("{")]
            return kind.read(client, tuple(found))
    known = ", ".join(kind.template for kind in KINDS)
    raise NotFound(f"no resource has that address: there are {known}")


def _fits(place: str, part: str) -> bool:
    return bool(part) if place.startswith("{") else place == part
