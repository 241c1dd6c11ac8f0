"""The parts that every venue's answering side is made of: questions, replies and candles as they looked then."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np

from candleray.candles import CandleRows
from candleray.markets import InstrumentReference, Market
from candleray.timeframes import MINUTE_MS

_SCAN_MS = 5_000 * MINUTE_MS
"""How far a search across a hole looks at once."""


class CandleSource(Protocol):
    """Where the simulator's candles come from."""

    def instruments(self, market: Market) -> Sequence[InstrumentReference]:
        """Those of one market, in order of the symbol."""
        ...

    def span_ms(self, market: Market, symbol: str) -> tuple[int, int]:
        """`[start, end)` outside of which there is no candle."""
        ...

    def candles(self, market: Market, symbol: str, start_ms: int, end_ms: int) -> CandleRows:
        """The candles that open in `[start_ms, end_ms)`, ascending, final, every column known."""
        ...


@dataclass(frozen=True)
class Question:
    """A GET as the venue receives it, and the venue's clock."""

    path: str
    params: Mapping[str, str]
    now_ms: int


@dataclass(frozen=True)
class Reply:
    status: int
    body: bytes
    headers: Mapping[str, str] = field(default_factory=dict)
    weight: int = 1


def json_reply(content: Any, *, status: int = 200, weight: int = 1, **headers: str) -> Reply:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return Reply(status, json.dumps(content, separators=(",", ":")).encode(), named, weight)


def find_instrument(source: CandleSource, market: Market, symbol: str) -> InstrumentReference | None:
    return next((known for known in source.instruments(market) if known.symbol == symbol), None)


def decimals_of(step: float | None, default: int = 8) -> int:
    """The digits after the point of a tick or a step: 0.01 has 2."""
    if not step:
        return default
    return len(f"{step:.12f}".rstrip("0").partition(".")[2])


@dataclass(frozen=True)
class KlinesQuery:
    """At most `limit` of the candles that open in `[start_ms, end_ms)`: the newest of them, or the oldest."""

    symbol: str
    start_ms: int
    end_ms: int
    limit: int
    newest: bool


def select_klines(source: CandleSource, market: Market, query: KlinesQuery, now_ms: int) -> CandleRows:
    """What a query finds, in ascending order and as it looks now; holes do not count against the limit."""
    known_start_ms, known_end_ms = source.span_ms(market, query.symbol)
    start_ms, end_ms = max(query.start_ms, known_start_ms), min(query.end_ms, known_end_ms, now_ms + 1)
    parts: list[CandleRows] = []
    count, reach_ms = 0, query.limit * MINUTE_MS
    while start_ms < end_ms and count < query.limit:
        if query.newest:
            first_ms = max(start_ms, end_ms - reach_ms)
            parts.insert(0, source.candles(market, query.symbol, first_ms, end_ms))
            count, end_ms = count + len(parts[0]), first_ms
        else:
            last_ms = min(end_ms, start_ms + reach_ms)
            parts.append(source.candles(market, query.symbol, start_ms, last_ms))
            count, start_ms = count + len(parts[-1]), last_ms
        reach_ms = max(reach_ms, _SCAN_MS)
    first = max(0, count - query.limit) if query.newest else 0
    found = CandleRows.join(parts)
    return as_seen_at(found.take(np.arange(count)[first : first + query.limit]), now_ms)


def as_seen_at(rows: CandleRows, now_ms: int) -> CandleRows:
    """The rows as the venue shows them at that time: the minute under way is half done and will change."""
    if not len(rows) or rows.ts_open_ms[-1] + MINUTE_MS <= now_ms:
        return rows
    share = (now_ms - int(rows.ts_open_ms[-1])) / MINUTE_MS
    values, quote_volume, trades = rows.values.copy(), rows.quote_volume.copy(), rows.trades.copy()
    open_, close = values[0, -1], values[3, -1]
    values[1:4, -1] = max(open_, close), min(open_, close), open_
    values[4, -1] *= share
    quote_volume[-1] *= share
    trades[-1] = np.floor(trades[-1] * share)
    return CandleRows(rows.ts_open_ms, values, quote_volume, trades)
