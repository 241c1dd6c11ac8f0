"""The source of the simulator's candles, and queries of it that see what the venue shows at a given time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from candleray.candles import CandleRows
from candleray.markets import InstrumentReference, Market
from candleray.timeframes import MINUTE_MS

_SCAN_MS = 5_000 * MINUTE_MS
"""The step of a search across a hole."""


class CandleSource(Protocol):
    """Instruments and candles that the simulated venues serve."""

    def instruments(self, market: Market) -> Sequence[InstrumentReference]:
        """The instruments of one market, in order of the symbol."""
        ...

    def span_ms(self, market: Market, symbol: str) -> tuple[int, int]:
        """`[start, end)`: outside of it there is no candle."""
        ...

    def candles(self, market: Market, symbol: str, start_ms: int, end_ms: int) -> CandleRows:
        """The candles that open in `[start_ms, end_ms)`, ascending, final, every column known."""
        ...


def find_instrument(source: CandleSource, market: Market, symbol: str) -> InstrumentReference | None:
    return next((each for each in source.instruments(market) if each.symbol == symbol), None)


@dataclass(frozen=True)
class KlinesQuery:
    """Query for at most `limit` candles that open in `[start_ms, end_ms)`: the newest of them, or the oldest."""

    symbol: str
    start_ms: int
    end_ms: int
    limit: int
    newest: bool


def select_klines(source: CandleSource, market: Market, query: KlinesQuery, now_ms: int) -> CandleRows:
    """The candles of a query, ascending, as they look at `now_ms`; holes do not count against the limit."""
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
    rows = CandleRows.join(parts)
    return as_seen_at(rows.take(np.arange(count)[first : first + query.limit]), now_ms)


def as_seen_at(rows: CandleRows, now_ms: int) -> CandleRows:
    """The rows as the venue shows them at that time: the minute under way is incomplete."""
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
