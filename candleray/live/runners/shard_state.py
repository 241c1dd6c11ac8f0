"""The parts that all steps of a shard share, and their turn: one step at a time changes what runs have seen."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import NamedTuple
from uuid import UUID

from candleray.databases.postgres import Postgres
from candleray.databases.valkey import Valkey
from candleray.feeds.hole_store import HoleStore
from candleray.live.received.received_tape import ReceivedTapes
from candleray.live.run import RunAction, RunMode
from candleray.live.runners.commits import Commits, Move
from candleray.live.runners.exchange_time import ExchangeTime
from candleray.live.runners.run_book import ALL_BARS, RunBook
from candleray.live.runners.shard_figures import Observe, unobserved
from candleray.live.runners.waits import Waits
from candleray.live.sessions import LiveRun
from candleray.live.stores.event_store import StrategyEvents
from candleray.live.stores.shard_store import ShardStore
from candleray.live.stores.user_streams import UserStreams
from candleray.market_data.candle_store_client import CandleStoreClient
from candleray.markets import Instrument
from candleray.settings import BacktestSettings, LiveRunSettings
from candleray.timeframes import MINUTE_MS


@dataclass(frozen=True)
class ShardServices:
    postgres: Postgres
    valkey: Callable[[], Awaitable[Valkey]]
    store: CandleStoreClient
    observe: Observe = unobserved
    """Called again and again with the figures of the shard."""


@dataclass
class AttachedRun:
    """A run that the book has, and what a late candle is judged by."""

    live: LiveRun
    seams_ms: dict[Instrument, int]
    spec_hash: str


PIECE_BARS = 20
"""Bars of 5,000 runs of minutes that take some 0.7 s, at 32 ms each."""


FROZEN_TOGETHER = 50
"""New runs from which on the garbage collector is told of them."""


class ToCome(NamedTuple):
    """The reason that a run cannot be taken up yet."""

    words: str
    instrument: Instrument | None
    """The one whose minutes it waits for."""
    init_cash_quote: float


@dataclass
class ShardState:
    shard: int
    limits: LiveRunSettings
    services: ShardServices
    speed: float
    backtest: BacktestSettings
    attached: dict[UUID, AttachedRun] = field(default_factory=dict)

    def __post_init__(self) -> None:
        postgres = self.services.postgres
        self.book = RunBook(self.backtest)
        self.store = ShardStore(postgres, self.shard)
        self.holes = HoleStore(postgres)
        self.events = StrategyEvents(postgres)
        self.tapes = ReceivedTapes(self.services.store, self.holes)
        self.commits = Commits(self.store, self.streams)
        self.waits = Waits(self.speed)
        self.time = ExchangeTime(self.speed)
        self.not_taken_up: dict[UUID, str] = {}
        """Running runs that this process has not taken up yet, with the keys of their instruments."""
        self.to_come: dict[UUID, tuple[LiveRun, ToCome]] = {}
        """Runs that are tried again, each with the reason."""
        self.looks_at_all = True
        """Runs may have left the states that they are known in: look at all of them."""
        self.bars = 0
        """Bars that runs have taken."""
        self.kept_ms: dict[Instrument, int] = {}
        """The first minute that the last snapshot of each instrument's runs has not taken."""
        self.restored = 0
        """Runs that were taken up from snapshots."""
        self.snapshots_refused = 0
        self.has_paper = False
        """This process has taken up a run that trades on paper."""
        self._turn = asyncio.Lock()
        self._frozen_runs = 0

    @property
    def name(self) -> str:
        """The name of the runner, of its consumer group and its consumer."""
        return f"live-runner-{self.shard}"

    async def streams(self) -> UserStreams:
        return UserStreams(await self.services.valkey(), self.events)

    @asynccontextmanager
    async def turn(self) -> AsyncIterator[None]:
        """Have the book alone; nothing that was left over from a turn before is unwritten."""
        async with self._turn:
            await self.commit()
            yield

    async def advance_in_pieces(self) -> None:
        """Let the runs take what has come, within a turn, and write what they say, piece by piece.

        Where much has come at once, the loop turns between the pieces: one that stands still is killed.
        """
        is_piece = True
        while is_piece:
            is_piece = await self.advance(PIECE_BARS)
            await asyncio.sleep(0)

    async def advance(self, most_bars: int = ALL_BARS) -> bool:
        """Let the runs take what has come, or so many bars of it, and write that together; True for a piece."""
        try:
            advanced = self.book.advance(most_bars)
        except BaseException:
            self._begin_anew()
            raise
        batch = self.commits.batch
        batch.events += advanced.events
        # A checkpoint speaks for every running run of its instrument, those that are still to come back too.
        behind = set(self.not_taken_up.values())
        batch.taken_ms |= {one: ms for one, ms in advanced.taken_ms.items() if one.key not in behind}
        self.bars += advanced.bars
        for run_id, reason in advanced.failed.items():
            self.fail(self.attached.pop(run_id).live, reason)
        for instrument, taken_ms in advanced.taken_ms.items():
            self.time.closed(instrument.market_id, taken_ms + MINUTE_MS)
        await self.commit()
        self.freeze()
        return advanced.is_piece

    def freeze(self) -> None:
        """Have the garbage collector leave out what runs consist of, where many have come.

        To look through 5,000 of them it stands still for half a second, now and then, while minutes wait. A run
        that ends is freed all the same, but for cycles; so this is done for many new runs at once.
        """
        if len(self.attached) < 1.02 * self._frozen_runs + FROZEN_TOGETHER:
            return
        gc.collect(1)
        gc.freeze()
        self._frozen_runs = len(self.attached)

    def take_up_again(self, instrument: Instrument) -> None:
        """Let go of the runs that read an instrument, so that they are taken up from their histories, at once."""
        for run_id, run in list(self.attached.items()):
            if instrument in run.seams_ms:
                self.not_taken_up[run_id] = run.live.run.metadata.instrument_key
                self.detach(run_id)
        self.looks_at_all = True

    def _begin_anew(self) -> None:
        """Have all runs taken up again from their histories: what the book has half taken, nobody has said."""
        for run_id, run in self.attached.items():
            self.not_taken_up[run_id] = run.live.run.metadata.instrument_key
        self.attached.clear()
        self.book = RunBook(self.backtest)
        self.waits.keep(())
        # Who was to go live with what was lost has not caught up.
        batch = self.commits.batch
        batch.moves = [one for one in batch.moves if one.action is not RunAction.GO_LIVE]
        self.looks_at_all = True

    def fail(self, live: LiveRun, reason: str) -> None:
        """Have a run fail with the next commit; the others go on."""
        self.forget(live)
        self.commits.batch.moves.append(Move(live.user_id, live.run.run_id, RunAction.FAIL, reason))

    def attach(self, live: LiveRun, seams_ms: dict[Instrument, int], spec_hash: str) -> None:
        """Note that the book has a run."""
        self.attached[live.run.run_id] = AttachedRun(live, seams_ms, spec_hash)
        self.has_paper |= live.run.mode is RunMode.PAPER
        self.forget(live)

    def forget(self, live: LiveRun) -> None:
        """Wait no longer until a run can be taken up."""
        self.not_taken_up.pop(live.run.run_id, None)
        self.to_come.pop(live.run.run_id, None)

    def detach(self, run_id: UUID) -> None:
        if self.attached.pop(run_id, None) is not None:
            self.book.detach(run_id)
            self.waits.keep(self.book.reads)

    def waits_for_all(self, now_s: float) -> None:
        """Wait for the next minute of everything that is read."""
        for one in self.book.reads:
            self.waits.want(one, self.book.decided_ms(one) or 0, now_s)

    def lag_s(self, instruments: Iterable[Instrument]) -> float | None:
        """The lag of the one that is furthest behind."""
        lags = [self.time.lag_s(one.market_id, self.book.decided_ms(one) or 0) for one in instruments]
        return max((lag_s for lag_s in lags if lag_s is not None), default=None)

    async def commit(self) -> None:
        if await self.commits.commit():
            self.looks_at_all = True
