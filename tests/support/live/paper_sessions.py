"""A session of a run on paper over drawn minutes: what it says, and the orders that it makes of that."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import asynccontextmanager
from random import Random
from typing import Any

import numpy as np

from candleray.candles import Candles
from candleray.databases.postgres import Postgres
from candleray.live.certificates.replay import Replay, SessionSpan, replayed
from candleray.live.events import Entry
from candleray.live.order_records import RunFill
from candleray.live.paper.paper_events import PaperEvent
from candleray.live.paper.paper_trading import PaperTrading
from candleray.live.received.session_sources import sources_of
from candleray.live.run import RunMode
from candleray.live.runners.run_book import RunBook
from candleray.live.stores.event_store import append
from candleray.live.stores.order_pages import OrderPages
from candleray.live.stores.shard_store import ShardStore
from candleray.settings import BacktestSettings
from candleray.timeframes import MINUTE_MS, from_ms
from tests.support.live.saved_runs import saved_run, spec_with
from tests.support.random_walk import random_walk
from tests.support.simulated import Clock

START_MS = 1_735_689_600_000  # 2025-01-01
HISTORY = 300
GAPS = BacktestSettings(max_gap_hours=0.05)


class PaperSession:
    """Minutes with holes; a strategy of both sides that trades every half hour or so."""

    def __init__(self, postgres: Postgres, days: float, seed: int = 5) -> None:
        self.postgres, self.draw, self.clock = postgres, Random(seed), Clock()
        self.minutes = self._drawn(HISTORY + round(days * 1440), seed)
        self.end_ms = START_MS + round(days * 1440) * MINUTE_MS

    def _drawn(self, count: int, seed: int) -> Candles:
        there = np.ones(count, bool)
        for _ in range(count // 120):
            at = self.draw.randrange(HISTORY, count - 1)
            there[at : at + self.draw.choice([1, 5, 9])] = False
        stamps = START_MS + np.arange(-HISTORY, count - HISTORY) * MINUTE_MS
        values = random_walk(count, seed, 0.004)
        return Candles(stamps[there], np.ascontiguousarray(values[:, there]))

    async def say(self, window: int = 20, **parts: Any) -> None:
        """Start a run, and have it say all that it has to say of its bars."""
        self.spec = spec_with(
            timeframe="1m",
            indicators=[{"id": "sma", "params": {"window": window}}],
            **{"direction": "long-short", "fee_pct": 0.01, "slippage_pct": 0.003, **parts},
        )
        self.run = await saved_run(self.postgres, self.spec, from_ms(START_MS), mode=RunMode.PAPER)
        runs = await ShardStore(self.postgres, 0).runs()
        (self.live,) = [one for one in runs if one.run.run_id == self.run.run_id]
        self._drop_minutes_behind_an_entry()
        ((instrument, first_ms),) = sources_of(self.live, self.spec).items()
        history = {instrument: self.minutes.between(first_ms, self.end_ms)}
        decided_ms = {instrument: self.end_ms}
        events = RunBook(GAPS).attach(self.live, self.spec, history, decided_ms, None)
        for first in range(0, len(events), 5000):
            async with self.postgres.transaction() as transaction:
                await append(transaction, events[first : first + 5000])

    def _drop_minutes_behind_an_entry(self) -> None:
        """Have an entry be annulled by a gap."""
        entry = [one for one in self.replayed().events if isinstance(one.body, Entry)][1]
        gap_ms = entry.ts_open_ms + MINUTE_MS
        stamps = self.minutes.ts_open_ms
        kept = (stamps < gap_ms) | (stamps >= gap_ms + 9 * MINUTE_MS)
        self.minutes = Candles(stamps[kept], np.ascontiguousarray(self.minutes.values[:, kept]))

    def replayed(self) -> Replay:
        """The same by the batch."""
        span = SessionSpan.of(self.live, self.spec, self.end_ms)
        ((instrument, first_ms),) = sources_of(self.live, self.spec).items()
        return replayed(self.spec, span, {instrument: self.minutes.between(first_ms, self.end_ms)}, GAPS)

    def trading(self, postgres: Any = None) -> PaperTrading:
        """A process of it, with nothing but what is stored."""
        postgres = postgres or self.postgres

        async def close_of(event: PaperEvent) -> float:
            bar = self.minutes.between(event.bar_ms, event.bar_end_ms)
            return float(bar.column("close")[-1])

        async def told(_users: object) -> None:
            return None

        is_ours: Callable[[str], bool] = self.live.run.metadata.instrument_key.__eq__
        return PaperTrading(postgres, postgres.transaction, close_of, is_ours, told, self.clock)

    async def fills(self) -> Sequence[RunFill]:
        page = await OrderPages(self.postgres, self.run.run_id).fills(None, 0, 100_000)
        return page.fills


class Killed(BaseException):
    """The process ends here."""


class MortalPostgres:
    """A database whose client may be killed before or after any statement."""

    def __init__(self, inner: Postgres, random: Random, share: float) -> None:
        self._inner, self._random, self._share = inner, random, share

    def _die(self) -> None:
        if self._random.random() < self._share:
            raise Killed

    async def fetch(self, *arguments: Any) -> Any:
        self._die()
        rows = await self._inner.fetch(*arguments)
        self._die()
        return rows

    async def fetch_one(self, *arguments: Any) -> Any:
        rows = await self.fetch(*arguments)
        return rows[0] if rows else None

    @asynccontextmanager
    async def transaction(self) -> Any:
        self._die()
        async with self._inner.transaction() as transaction:
            yield transaction
            self._die()
        self._die()
