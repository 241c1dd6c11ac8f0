"""An exchange that runs fast: its REST interface is the simulator's, its sockets are played in memory."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import httpx
import numpy as np

from candleray.candles import CandleRows
from candleray.errors import ServiceUnavailable
from candleray.exchanges.rest import RestClient
from candleray.markets import MARKETS, Market
from candleray.settings import HistorySettings, LiveSettings
from candleray.simulator.generated_candles import GeneratedCandles
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
    refuses: bool = False
    loses: Callable[[str, int], bool] = lambda symbol, ts_ms: False
    """Minutes that no socket brings."""
    refused_symbols: frozenset[str] = frozenset()
    opened: int = 0
    requests: list[Any] = field(default_factory=list)
    sockets: list[_PlayedSocket] = field(default_factory=list)
    most_at_once: int = 0
    """Sockets that were open at once, at most."""
    _began_s: float = field(default_factory=time.monotonic)

    def now_ms(self) -> int:
        return START_MS + int((time.monotonic() - self._began_s) * 1000 * SPEED)

    def candles(self, market: Market, symbol: str, start_ms: int, end_ms: int) -> CandleRows:
        return self.source.candles(market, symbol, start_ms, end_ms)

    def rest(self) -> RestClient:
        app = build_simulator(self.source, with_limits=False, clock=lambda: self.now_ms() / 1000)
        config = HistorySettings(max_attempts=1, timeout_s=20)
        return RestClient(config, transport=httpx.ASGITransport(app))

    @asynccontextmanager
    async def connect(self, url: str) -> AsyncIterator[_PlayedSocket]:
        if self.refuses:
            raise ServiceUnavailable(f"{url}: refused")
        self.opened += 1
        socket = _PlayedSocket(self, _market_of(url))
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
    def __init__(self, venue: PlayedVenue, market: Market) -> None:
        self._venue, self._market = venue, market
        self.topics: set[str] = set()
        self.told: asyncio.Queue[str | bytes | None] = asyncio.Queue()

    async def frames(self) -> AsyncIterator[str | bytes]:
        minute_ms = self._venue.now_ms() // MINUTE_MS * MINUTE_MS
        while True:
            try:
                frame = await asyncio.wait_for(self.told.get(), 0.01)
                if frame is None:
                    raise ServiceUnavailable("cut")
                yield frame
            except TimeoutError:
                pass
            while self._venue.now_ms() >= minute_ms + MINUTE_MS:
                for symbol in sorted(self.topics):
                    brings = not self._venue.is_silent and not self._venue.loses(symbol, minute_ms)
                    if brings and (frame := self._frame(symbol, minute_ms)):
                        yield frame
                minute_ms += MINUTE_MS

    async def send(self, text: str) -> None:
        request = json.loads(text)
        self._venue.requests.append(request)
        if "method" not in request and "args" not in request:
            return
        topics = request.get("params") or request["args"]
        symbols = {_symbol_of(topic) for topic in topics}
        bad = symbols & self._venue.refused_symbols
        if "unsub" in (request.get("method") or request["op"]).lower():
            self.topics -= symbols
        elif not bad:
            self.topics |= symbols
        if self._market.exchange == "binance":
            said = {"error": {"code": 2, "msg": f"unknown {sorted(bad)}"}} if bad else {"result": None}
            self.told.put_nowait(json.dumps(said | {"id": request["id"]}))
        else:
            reply = {"success": not bad, "ret_msg": f"unknown {sorted(bad)}" if bad else "", "op": request["op"]}
            self.told.put_nowait(json.dumps(reply | {"req_id": request["req_id"]}))

    def _frame(self, symbol: str, ts_ms: int) -> str:
        rows = self._venue.candles(self._market, symbol, ts_ms, ts_ms + MINUTE_MS)
        return frame_of(self._market, symbol, rows) if len(rows) else ""


def frame_of(market: Market, symbol: str, rows: CandleRows) -> str:
    """The frame of a closed minute in the venue's dialect."""
    ts_ms = int(rows.ts_open_ms[0])
    open_, high, low, close, volume = (repr(value) for value in rows.values[:, 0].tolist())
    quote = repr(float(rows.quote_volume[0]))
    if market.exchange == "binance":
        kline = {"t": ts_ms, "s": symbol, "i": "1m", "o": open_, "h": high, "l": low, "c": close, "v": volume}
        kline |= {"n": int(rows.trades[0]), "x": True, "q": quote}
        return json.dumps({"stream": "", "data": {"e": "kline", "E": ts_ms + MINUTE_MS, "s": symbol, "k": kline}})
    entry = {"start": ts_ms, "interval": "1", "open": open_, "high": high, "low": low, "close": close}
    entry |= {"volume": volume, "turnover": quote, "confirm": True}
    return json.dumps({"topic": f"kline.1.{symbol}", "data": [entry]})


def _symbol_of(topic: str) -> str:
    return topic.partition("@")[0].upper() if "@" in topic else topic.rpartition(".")[2]


def _market_of(url: str) -> Market:
    exchange = "bybit" if "bybit" in url else "binance"
    is_futures = "/market" in url or "linear" in url
    name = f"{exchange}-{'futures' if is_futures else 'spot'}"
    return next(market for market in MARKETS.values() if market.name == name)
