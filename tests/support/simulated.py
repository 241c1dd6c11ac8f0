"""The exchange simulator without a socket and without waiting, for the tests of what talks to exchanges."""

from __future__ import annotations

from collections.abc import Sequence

import httpx
import numpy as np

from candleray import settings
from candleray.candles import CandleRows
from candleray.market_data.history import History
from candleray.markets import InstrumentReference, Market
from candleray.simulator.candle_source import CandleSource
from candleray.simulator.generated_candles import GeneratedCandles
from candleray.timeframes import MINUTE_MS
from serve_apps.simulator import Faults, build_simulator

NOW_MS = 1_750_600_035_000
"""The venues' time at the start: 2025-06-22T13:47:15Z."""


class Clock:
    """Time that passes only where somebody sleeps; `venue` runs ahead of it by `venue_ahead_s`."""

    def __init__(self, venue_ahead_s: float = NOW_MS / 1000) -> None:
        self.now_s = 0.0
        self.slept: list[float] = []
        self.venue_ahead_s = venue_ahead_s

    def __call__(self) -> float:
        return self.now_s

    def venue(self) -> float:
        return self.now_s + self.venue_ahead_s

    async def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.now_s += seconds


class Holes:
    """A source with stretches during which its exchange was out."""

    def __init__(self, source: CandleSource, *outages_ms: tuple[int, int]) -> None:
        self._source, self._outages_ms = source, outages_ms

    def instruments(self, market: Market) -> Sequence[InstrumentReference]:
        return self._source.instruments(market)

    def span_ms(self, market: Market, symbol: str) -> tuple[int, int]:
        return self._source.span_ms(market, symbol)

    def candles(self, market: Market, symbol: str, start_ms: int, end_ms: int) -> CandleRows:
        rows = self._source.candles(market, symbol, start_ms, end_ms)
        out = np.zeros(len(rows), bool)
        for first_ms, last_ms in self._outages_ms:
            out |= (rows.ts_open_ms >= first_ms) & (rows.ts_open_ms < last_ms)
        return rows.take(np.flatnonzero(~out))


class Recorder(httpx.AsyncBaseTransport):
    """Passes requests on and remembers what was answered."""

    def __init__(self, transport: httpx.AsyncBaseTransport, seen: list[httpx.Response]) -> None:
        self._transport, self._seen = transport, seen

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        response = await self._transport.handle_async_request(request)
        self._seen.append(response)
        return response


def history_of(
    source: CandleSource | None = None,
    faults: Faults | None = None,
    *,
    clock: Clock,
    with_limits: bool = False,
    seen: list[httpx.Response] | None = None,
) -> History:
    app = build_simulator(source or GeneratedCandles(), faults, with_limits=with_limits, clock=clock.venue)
    transport = Recorder(httpx.ASGITransport(app), [] if seen is None else seen)
    return History(settings.HistorySettings(timeout_s=5), transport=transport, clock=clock, sleep=clock.sleep)


def minutes_before_now(minutes: int) -> int:
    """Return the moment that many minutes before the start of the minute under way."""
    return (NOW_MS // MINUTE_MS - minutes) * MINUTE_MS
