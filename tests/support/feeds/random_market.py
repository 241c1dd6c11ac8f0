"""One market under a random schedule of faults, without sockets and without waiting.

The venue, its socket, its REST interface and the store are played here; the core under test is told what they do.
"""

from __future__ import annotations

import math
import random
from collections import defaultdict
from dataclasses import dataclass, field

import numpy as np

from candleray.candles import CandleRows
from candleray.exchanges.stream import LiveKline
from candleray.feeds.market_feed import Ask, MarketFeed
from candleray.feeds.minutes import Verdict
from candleray.feeds.pace import Pace
from candleray.feeds.row_buffer import LiveRow, RowBuffer
from candleray.markets import find_market
from candleray.timeframes import MINUTE_MS

START_MS = 1_750_000_020_000 // MINUTE_MS * MINUTE_MS
STEP_MS = 500
CALM_MINUTES = 12
SYMBOLS = ("AAAUSDT", "BBBUSDT", "CCCUSDT")


def kline_of(symbol: str, ts_ms: int, version: int = 0) -> LiveKline:
    price = 100 + (ts_ms // MINUTE_MS * 7919 + sum(map(ord, symbol))) % 997 / 7 + version
    return LiveKline(symbol, ts_ms, price, price + 1, price - 1, price + 0.5, 10.0 + version, 1000.0, 5.0)


@dataclass
class Venue:
    """The exchange: what it has of each minute, drawn as the minute closes."""

    chance: random.Random
    never: set[tuple[str, int]] = field(default_factory=set)
    appears_ms: dict[tuple[str, int], int] = field(default_factory=dict)
    version: dict[tuple[str, int], int] = field(default_factory=dict)

    def draw(self, symbol: str, ts_ms: int, is_last: bool) -> None:
        key = symbol, ts_ms
        self.version[key] = 0
        self.appears_ms[key] = ts_ms + MINUTE_MS + self.chance.choice([0, 0, 0, 500, 6_000, 20_000])
        if not is_last and self.chance.random() < 0.03:
            self.never.add(key)

    def rest(self, ask: Ask, now_ms: int) -> CandleRows:
        klines = [
            kline_of(ask.symbol, ts_ms, self.version[ask.symbol, ts_ms])
            for ts_ms in range(ask.start_ms, ask.end_ms, MINUTE_MS)
            if (ask.symbol, ts_ms) in self.version
            and (ask.symbol, ts_ms) not in self.never
            and self.appears_ms[ask.symbol, ts_ms] <= now_ms
        ]
        return LiveKline.rows(klines)


@dataclass
class RandomMarket:
    seed: int
    minutes: int = 25

    def __post_init__(self) -> None:
        self.chance = random.Random(self.seed)
        self.venue = Venue(self.chance)
        self.pace = Pace(verdict_ms=120_000)
        self.now_ms = START_MS
        self.store: dict[tuple[str, int], list[LiveKline]] = defaultdict(list)
        self.holes: dict[tuple[str, int], Verdict] = {}
        self.told: list[tuple[int, LiveKline]] = []
        self.asked: list[tuple[int, Ask]] = []
        self.under_way: list[tuple[int, Ask]] = []
        self.is_connected = False
        self.rest_down_until_ms = self.store_down_until_ms = 0
        self.kills = 0
        self._start_process()

    def run(self) -> None:
        """A faulty stretch, then a calm one in which everything must become whole."""
        end_ms = START_MS + (self.minutes + CALM_MINUTES) * MINUTE_MS
        self.calm_ms = START_MS + self.minutes * MINUTE_MS
        while self.now_ms < end_ms:
            self.now_ms += STEP_MS
            if self.now_ms < self.calm_ms:
                self._faults()
            elif not self.is_connected:
                self._connect()
            if self.now_ms % MINUTE_MS == 0:
                self._close(self.now_ms - MINUTE_MS)
            self._socket()
            self._rest()
            self._flush()

    def _start_process(self) -> None:
        """A process begins: it knows what the store and the verdicts say, and nothing else."""
        self.feed = MarketFeed(find_market("binance-spot"), self.pace, page_minutes=self.chance.choice([5, 1000]))
        self.buffer = RowBuffer(self.pace, batch_rows=self.chance.choice([2, 1000]), most_rows=40)
        self.under_way, self.is_connected = [], False
        for symbol in SYMBOLS:
            known = [ts_ms for owner, ts_ms in self.holes if owner == symbol]
            self.feed.follow(symbol, START_MS, self.now_ms)
            self.feed.adopt_holes(symbol, known, self.now_ms)
            minutes = self.feed.minutes[symbol]
            for owner, ts_ms in list(self.store):
                if owner == symbol:
                    minutes.acknowledge(ts_ms)

    def _faults(self) -> None:
        roll = self.chance.random()
        if roll < 0.002:
            self.kills += 1
            self._start_process()
        elif roll < 0.01 and self.is_connected:
            self.is_connected = False
            self.feed.desert(SYMBOLS, self.now_ms)
        elif roll < 0.012:
            self.rest_down_until_ms = self.now_ms + self.chance.randrange(1, 120_000)
        elif roll < 0.014:
            self.store_down_until_ms = self.now_ms + self.chance.randrange(1, 60_000)
        elif not self.is_connected and roll > 0.97:
            self._connect()

    def _connect(self) -> None:
        self.is_connected = True
        self.feed.serve(SYMBOLS, self.now_ms)

    def _close(self, ts_ms: int) -> None:
        for symbol in SYMBOLS:
            self.venue.draw(symbol, ts_ms, is_last=self.now_ms >= self.calm_ms)
            if (symbol, ts_ms) in self.venue.never:
                continue
            fate = self.chance.random() if self.now_ms < self.calm_ms else 1.0
            kline = kline_of(symbol, ts_ms)
            if fate < 0.1:  # the socket never tells it
                continue
            if fate < 0.15:  # told with nonsense
                self.told.append((self.now_ms, LiveKline(symbol, ts_ms, math.nan, 1, 1, 1, 1)))
                continue
            self.told.append((self.now_ms + (30_000 if fate < 0.2 else 0), kline))
            if fate < 0.3:  # twice
                self.told.append((self.now_ms + 700, kline))
            elif fate < 0.35:  # and again with other values, which REST has from then on
                self.venue.version[symbol, ts_ms] = 1
                self.told.append((self.now_ms + 1_000, kline_of(symbol, ts_ms, 1)))
            elif fate < 0.4:  # REST alone has others
                self.venue.version[symbol, ts_ms] = 1

    def _socket(self) -> None:
        due = [kline for at_ms, kline in self.told if at_ms <= self.now_ms]
        self.told = [(at_ms, kline) for at_ms, kline in self.told if at_ms > self.now_ms]
        for kline in due if self.is_connected else ():
            if row := self.feed.tell(kline, self.now_ms):
                self.feed.lose(self.buffer.add(row, self.now_ms))

    def _rest(self) -> None:
        for ask in self.feed.asks(self.now_ms):
            self.asked.append((self.now_ms, ask))
            self.under_way.append((self.now_ms + self.chance.choice([0, 500, 3_000]), ask))
        due = [ask for at_ms, ask in self.under_way if at_ms <= self.now_ms]
        self.under_way = [(at_ms, ask) for at_ms, ask in self.under_way if at_ms > self.now_ms]
        for ask in due:
            if self.now_ms < self.rest_down_until_ms:
                self.feed.fail(ask, self.now_ms)
                continue
            rows, verdicts = self.feed.answer(ask, self.venue.rest(ask, self.now_ms), self.now_ms)
            for row in rows:
                self.feed.lose(self.buffer.add(row, self.now_ms))
            for verdict in verdicts:
                if self.chance.random() < 0.8:  # else Postgres is away
                    self.holes[verdict.symbol, verdict.ts_open_ms] = verdict
                    self.feed.declare_hole(verdict, self.now_ms)

    def _flush(self) -> None:
        if not (batch := self.buffer.take(self.now_ms)):
            return
        is_down = self.now_ms < self.store_down_until_ms
        if not is_down or self.chance.random() < 0.3:
            self._insert(batch)
        if is_down:
            self.buffer.failed(self.now_ms)
            return
        self.buffer.kept()
        for row in batch:
            if self.feed.keep(row, self.now_ms):
                del self.holes[row.kline.symbol, row.kline.ts_open_ms]

    def _insert(self, batch: list[LiveRow]) -> None:
        assert len({row.minute for row in batch}) == len(batch), "two versions of a minute in one insert"
        assert len({row.source for row in batch}) == 1, "two sources in one insert"
        for row in batch:
            versions = self.store[row.kline.symbol, row.kline.ts_open_ms]
            if not versions or versions[-1] != row.kline:
                versions.append(row.kline)

    def stamps(self) -> np.ndarray:
        return np.arange(START_MS, START_MS + (self.minutes + CALM_MINUTES - 1) * MINUTE_MS, MINUTE_MS)
