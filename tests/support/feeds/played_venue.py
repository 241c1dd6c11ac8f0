"""An exchange that runs fast: its REST interface is the simulator's, its sockets are played in memory."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import cache
from typing import Any
from urllib.parse import urlsplit

import httpx
import numpy as np

from candleray.candles import CandleRows
from candleray.errors import ServiceUnavailable
from candleray.exchanges.rest import RestClient
from candleray.markets import InstrumentReference, Market
from candleray.settings import HistorySettings, LiveSettings
from candleray.simulator.generated_candles import GeneratedCandles
from candleray.simulator.kline_frames import candles_of, closed_frame
from candleray.simulator.stream_dialect import Session, StreamDialect
from candleray.simulator.venues import simulated_venues
from candleray.timeframes import MINUTE_MS
from serve_apps.simulator import build_simulator

START_MS = 1_750_000_020_000 // MINUTE_MS * MINUTE_MS
SPEED = 300.0
"""A minute takes 0.2 s."""


def fast_settings(**changes: Any) -> LiveSettings:
    """Settings whose waits are long enough, at that speed, for a busy machine."""
    known: dict[str, Any] = {
        "clock_speed": SPEED,
        "max_clock_difference_s": 1e10,
        "flush_s": 5.0,
        "late_s": 60.0,
        "poll_s": 20.0,
        "stale_s": 600.0,
        "retry_s": 15.0,
        "longest_retry_s": 120.0,
        "verdict_s": 180.0,
        "recheck_s": 1200.0,
    }
    return LiveSettings(**(known | changes))


class WithHole(GeneratedCandles):
    """A minute that the exchange does not have until `is_open`."""

    def __init__(self, hole_ms: int) -> None:
        super().__init__(seed=5)
        self.hole_ms = hole_ms
        self.is_open = False

    def candles(self, market: Market, symbol: str, start_ms: int, end_ms: int) -> CandleRows:
        rows = super().candles(market, symbol, start_ms, end_ms)
        return rows if self.is_open else rows.take(np.flatnonzero(rows.ts_open_ms != self.hole_ms))


@dataclass
class PlayedVenue:
    """Faults are switched on and off while it plays."""

    source: GeneratedCandles = field(default_factory=lambda: GeneratedCandles(seed=5))
    is_silent: bool = False
    """Sockets open and acknowledge, and bring no candle."""
    loses: Callable[[str, int], bool] = lambda symbol, ts_ms: False
    """Minutes that no socket brings."""
    refused_symbols: frozenset[str] = frozenset()
    opened: int = 0
    sockets: list[_PlayedSocket] = field(default_factory=list)
    most_at_once: int = 0
    """Sockets that were open at once, at most."""
    _began_s: float = field(default_factory=time.monotonic)
    _standing_s: float | None = None

    async def stand(self, for_s: float) -> None:
        """Let the clock stand and then go on from there, as a simulator's does whose machine is busy."""
        self._standing_s = time.monotonic()
        await asyncio.sleep(for_s)
        self._began_s += time.monotonic() - self._standing_s
        self._standing_s = None

    def now_ms(self) -> int:
        now_s = self._standing_s or time.monotonic()
        return START_MS + int((now_s - self._began_s) * 1000 * SPEED)

    def candles(self, market: Market, symbol: str, start_ms: int, end_ms: int) -> CandleRows:
        return self.source.candles(market, symbol, start_ms, end_ms)

    def rest(self) -> RestClient:
        app = build_simulator(self.source, with_limits=False, clock=lambda: self.now_ms() / 1000)
        config = HistorySettings(max_attempts=1, timeout_s=20)
        return RestClient(config, transport=httpx.ASGITransport(app))

    @asynccontextmanager
    async def connect(self, url: str) -> AsyncIterator[_PlayedSocket]:
        self.opened += 1
        socket = _PlayedSocket(self, url)
        self.sockets.append(socket)
        self.most_at_once = max(self.most_at_once, len(self.sockets))
        try:
            yield socket
        finally:
            self.sockets.remove(socket)

    def cut(self) -> None:
        """End every socket without a word."""
        for socket in self.sockets:
            socket.told.put_nowait(None)

    def say(self, frame: str | bytes) -> None:
        for socket in self.sockets:
            socket.told.put_nowait(frame)


class _PlayedSocket:
    """The simulator's dialect of the URL's venue, without a wire."""

    def __init__(self, venue: PlayedVenue, url: str) -> None:
        self._venue = venue
        self._dialect, self.session = _opened(url)
        self._market = self.session.market
        self._listed = {each.symbol for each in venue.source.instruments(self._market)} - venue.refused_symbols
        self.told: asyncio.Queue[str | bytes | None] = asyncio.Queue()

    async def frames(self) -> AsyncIterator[str | bytes]:
        minute_ms = self._venue.now_ms() // MINUTE_MS * MINUTE_MS
        while True:
            try:
                async with asyncio.timeout(0.01):
                    frame = await self.told.get()
                if frame is None:
                    raise ServiceUnavailable("cut")
                yield frame
            except TimeoutError:
                pass
            while self._venue.now_ms() >= minute_ms + MINUTE_MS:
                for closed in self._closed(minute_ms):
                    yield closed
                minute_ms += MINUTE_MS

    async def send(self, text: str) -> None:
        for answer in self._dialect.read(self.session, text, self._listed):
            self.told.put_nowait(answer)

    def _closed(self, ts_ms: int) -> Iterator[str]:
        for symbol in sorted(self._listed):
            is_asked = self._dialect.topic(symbol) in self.session.topics
            if is_asked and not self._venue.is_silent and not self._venue.loses(symbol, ts_ms):
                rows = self._venue.candles(self._market, symbol, ts_ms, ts_ms + MINUTE_MS)
                if len(rows):
                    yield frame_of(self._market, symbol, rows)


def frame_of(market: Market, symbol: str, rows: CandleRows) -> str:
    """The frame of a closed minute in the venue's dialect."""
    (candle,) = candles_of(rows)
    streams = simulated_venues()[market.exchange].streams
    frame = closed_frame(market, streams.rules[market.market_type], symbol, candle)
    return streams.write_kline(Session(market, is_combined=True), _instruments(market)[symbol], frame)


@cache
def _instruments(market: Market) -> dict[str, InstrumentReference]:
    return {each.symbol: each for each in GeneratedCandles().instruments(market)}


def _opened(url: str) -> tuple[StreamDialect, Session]:
    for venue in simulated_venues().values():
        if session := venue.streams.open_session(urlsplit(url).path, {}):
            return venue.streams, session
    raise ServiceUnavailable(f"{url}: no exchange has this path")
