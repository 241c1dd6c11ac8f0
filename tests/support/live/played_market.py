"""A market that a test plays: its minutes come into the store and the streams when the test says so."""

from __future__ import annotations

import random
import string
from collections.abc import Awaitable, Callable, Collection, Sequence
from typing import Any
from uuid import UUID

import numpy as np

from candleray.candles import CandleRows, Candles, FloatArray
from candleray.databases.postgres import Postgres
from candleray.databases.valkey import StreamEntry, Valkey
from candleray.feeds.candle_stream import KEPT_MS, entries_of
from candleray.live.events import EventKind, StrategyEvent
from candleray.live.received.session_sources import sources_of
from candleray.live.run import RunMode
from candleray.live.runners.run_book import RunBook
from candleray.live.sessions import LiveRun
from candleray.live.stores.event_store import NewEvent, StrategyEvents
from candleray.live.stores.shard_store import ShardStore
from candleray.markets import Instrument
from candleray.settings import BacktestSettings
from candleray.strategies.strategy import StrategySpec
from candleray.timeframes import MINUTE_MS, from_ms
from tests.support.live.saved_runs import SavedRun, saved_run, spec_with
from tests.support.random_walk import random_walk

START_MS = 1_735_689_600_000  # 2025-01-01
HISTORY = 120
"""Minutes that are known before a run begins."""
TRADES: Sequence[dict[str, Any]] = (
    {"id": "ema", "params": {"window": 5}},
    {"id": "rsi", "params": {"window": 7}},
    {"id": "sma", "params": {"window": 9}},
    {"id": "macd", "params": {"fast": 5, "slow": 11, "signal": 4}},
)
"""Indicators whose signals change every few minutes."""


class PlayedMarket:
    """Some instruments of Binance; minute 0 is the first after the history."""

    trades = TRADES

    def __init__(self, insert: Callable[..., Awaitable[Any]], instruments: int = 2, minutes: int = 2000) -> None:
        """
        Args:
            insert: called with pairs of instruments and rows; the store has them once it returns.
        """
        self._insert = insert
        name = "".join(random.choices(string.ascii_uppercase, k=10))
        self.instruments = [Instrument(market_id=1, symbol=f"{name}{number}") for number in range(instruments)]
        stamps = START_MS + np.arange(-HISTORY, minutes) * MINUTE_MS
        self.minutes = {
            one: Candles(stamps, self._walk(len(stamps), number)) for number, one in enumerate(self.instruments)
        }

    def _walk(self, count: int, seed: int) -> FloatArray:
        return random_walk(count, seed, 0.004)

    async def begin(self) -> None:
        await self._insert([(one, self._rows(one, range(-HISTORY, 0))) for one in self.instruments])

    async def start(
        self,
        postgres: Postgres,
        number: int = 0,
        user_id: UUID | None = None,
        mode: RunMode = RunMode.SIGNALS,
    ) -> SavedRun:
        """Start a run of a strategy on one of the instruments, as it is known now to close minute -1."""
        return await saved_run(postgres, self.spec(number), from_ms(START_MS), user_id, mode)

    def spec(self, number: int) -> StrategySpec:
        instrument = self.instruments[number % len(self.instruments)]
        return spec_with(
            instrument=instrument.model_dump(include={"market_id", "symbol"}),
            timeframe="1m",
            indicators=[self.trades[number // len(self.instruments) % len(self.trades)]],
        )

    def candles(self, one: Instrument, minutes: Collection[int]) -> Candles:
        wanted = [HISTORY + minute for minute in minutes]
        every = self.minutes[one]
        return Candles(every.ts_open_ms[wanted], np.ascontiguousarray(every.values[:, wanted]))

    async def store(self, one: Instrument, minutes: Collection[int]) -> None:
        await self._insert([(one, self._rows(one, minutes))])

    def _rows(self, one: Instrument, minutes: Collection[int]) -> CandleRows:
        candles = self.candles(one, minutes)
        return CandleRows.of(candles.ts_open_ms, candles.values)

    def entries(self, one: Instrument, minutes: Collection[int]) -> list[StreamEntry]:
        return entries_of(one, self.candles(one, minutes), -1)

    async def close(self, minutes: Collection[int], valkey: Valkey | None) -> None:
        """Have minutes close on all instruments: into the store, then into the streams."""
        await self._insert([(one, self._rows(one, minutes)) for one in self.instruments])
        if valkey is not None:
            entries = [entry for one in self.instruments for entry in self.entries(one, minutes)]
            await valkey.append(entries, f"{START_MS - KEPT_MS}-0", begins=True)

    async def expected(
        self, postgres: Postgres, run: SavedRun, end: int, without: Collection[int] = ()
    ) -> list[tuple[Any, ...]]:
        """The events of an undisturbed course, which takes the minutes before `end` at once."""
        (live,) = [one for one in await ShardStore(postgres, 0).runs() if one.run.run_id == run.run_id]
        return [told_of(event.ts_open, event.body) for event in self.undisturbed(live, run.spec, end, without)]

    def undisturbed(
        self, live: LiveRun, spec: StrategySpec, end: int, without: Collection[int] = ()
    ) -> list[NewEvent]:
        history = {
            one: self.candles(one, [minute for minute in range(-HISTORY, end) if minute not in without]).between(
                first_ms, START_MS + end * MINUTE_MS
            )
            for one, first_ms in sources_of(live, spec).items()
        }
        decided_ms = dict.fromkeys(history, START_MS + end * MINUTE_MS)
        return RunBook(BacktestSettings()).attach(live, spec, history, decided_ms, None)


class FlippingMarket(PlayedMarket):
    """A market that goes up and down by turns, and strategies that change their signal with every minute."""

    trades = ({"id": "sma", "params": {"window": 2}},)

    def _walk(self, count: int, seed: int) -> FloatArray:
        values = super()._walk(count, seed)
        values[:, 1::2] = values[:, : 2 * (count // 2) : 2] * 1.01
        return values


async def said(postgres: Postgres, run: SavedRun, kinds: Sequence[EventKind] | None = None) -> list[StrategyEvent]:
    """All events of a run but those of its states and waits, or those of these kinds."""
    chosen = kinds or [kind for kind in EventKind if kind not in (EventKind.STATE, EventKind.WAIT)]
    return await StrategyEvents(postgres).of_run(run.user_id, run.run_id, kinds=chosen, limit=100_000)


def told_of(ts_open: Any, body: Any) -> tuple[Any, ...]:
    return ts_open, body.kind, body


def in_order(events: Sequence[StrategyEvent]) -> list[tuple[Any, ...]]:
    return [told_of(event.ts_open, event.body) for event in events]
