"""The course of a shard: it takes its runs up, gives them their minutes, writes and tells what they say.

Each step is repeated for ever, whatever it raises; only a later process of the same shard ends the course. What
was taken is committed before anything more is taken, and a stream's entry is acknowledged after that, so a kill at
any moment loses nothing, and repeats what Postgres and Valkey refuse to take twice.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from uuid import UUID

from candleray.errors import CandlerayError, in_words
from candleray.live.paper.shard_paper import ShardPaper
from candleray.live.runners.keeping import SnapshotKeeper
from candleray.live.runners.late_candles import LateCandles
from candleray.live.runners.live_minutes import LiveMinutes
from candleray.live.runners.run_roster import RunRoster
from candleray.live.runners.shard_figures import ShardFigures
from candleray.live.runners.shard_standings import ShardStandings
from candleray.live.runners.shard_state import ShardServices, ShardState
from candleray.live.standing import RunStanding
from candleray.live.stores.shard_store import EpochOver
from candleray.logs import get_logger
from candleray.settings import Settings

log = get_logger("runners")

FIRST_PAUSE_S, LONGEST_PAUSE_S = 0.2, 5.0
FIGURES_EVERY_S = 5.0


class ShardCourse:
    def __init__(self, shard: int, settings: Settings, services: ShardServices) -> None:
        self.state = ShardState(shard, settings.live_runs, services, settings.live.clock_speed, settings.backtests)
        self._roster = RunRoster(self.state)
        self._minutes = LiveMinutes(self.state)
        self._late = LateCandles(self.state)
        self._keeper = SnapshotKeeper(self.state)
        self._standings = ShardStandings(self.state, settings.live)
        self._paper = ShardPaper(self.state)
        self.waits: dict[str, str] = {}
        """Steps that failed last time, with the reason."""
        self._has_completed = False

    async def run(self) -> None:
        """Take the shard over and run it until another process does.

        Raises:
            EpochOver: another process has.
        """
        await self._until_done("begin", self._begin)
        async with asyncio.TaskGroup() as steps:
            for name, step in (
                ("runs", self._roster.look),
                ("streams", self._minutes.read_streams),
                ("tapes", self._minutes.read_tapes),
                ("without streams", self._minutes.read_without_streams),
                ("late candles", self._late.look),
                ("orders on paper", self._paper.look),
                ("standings", self._standings.tell),
                ("snapshots", self._keeper.look),
                ("waits", self._standings.find_waits),
                ("events", self._tell_what_waits),
                ("figures", self._tell_figures),
            ):
                steps.create_task(self._repeat(name, step), name=name)

    def standings(self, user_id: UUID) -> list[RunStanding]:
        """The standings of a user's runs."""
        return self._standings.by_user([user_id]).get(user_id, [])

    def figures(self) -> ShardFigures:
        state, commits = self.state, self.state.commits
        return ShardFigures(
            shard=state.shard,
            epoch=state.store.epoch,
            runs=self._roster.counts(),
            untaken=self._roster.untaken().total(),
            failed=commits.failed,
            last_failed_s=commits.last_failed_s,
            bars=state.bars,
            restored=state.restored,
            snapshots_refused=state.snapshots_refused,
            events=commits.events,
            lag_s=state.lag_s(state.book.reads),
            waited_for=len(state.waits),
            failing_steps=len(self.waits),
            commit_ms={str(share): commits.times.quantile_ms(share) for share in (0.5, 0.99)},
        )

    async def _begin(self) -> float:
        epoch = await self.state.store.begin(self.state.limits.shards)
        log.info("shard_begins", shard=self.state.shard, shards=self.state.limits.shards, epoch=epoch)
        return 0.0

    async def _until_done(self, name: str, step: Callable[[], Awaitable[float]]) -> None:
        pause_s = FIRST_PAUSE_S
        while await self._attempt(name, step) is None:
            _heed_cancellation()
            await asyncio.sleep(pause_s)
            pause_s = min(2 * pause_s, LONGEST_PAUSE_S)

    async def _repeat(self, name: str, step: Callable[[], Awaitable[float]]) -> None:
        failed_pause_s = FIRST_PAUSE_S
        while True:
            pause_s = await self._attempt(name, step)
            _heed_cancellation()
            if pause_s is None:
                pause_s, failed_pause_s = failed_pause_s, min(2 * failed_pause_s, LONGEST_PAUSE_S)
            else:
                failed_pause_s = FIRST_PAUSE_S
            await asyncio.sleep(pause_s)

    async def _attempt(self, name: str, step: Callable[[], Awaitable[float]]) -> float | None:
        """Take a step; None where it failed."""
        try:
            pause_s = await step()
        except EpochOver:
            raise
        except (CandlerayError, TimeoutError) as error:
            reason = in_words(error)
            if self.waits.get(name) != reason:
                log.warning("shard_waits", shard=self.state.shard, step=name, reason=reason)
            self.waits[name] = reason
            return None
        except Exception as error:
            log.exception("shard_step_failed", shard=self.state.shard, step=name)
            self.waits[name] = in_words(error)
            return None
        self.waits.pop(name, None)
        return pause_s

    async def _tell_what_waits(self) -> float:
        """Tell what was committed and could not be told; first what a process before has left."""
        if not self._has_completed:
            await (await self.state.streams()).complete()
            self._has_completed = True
        await self.state.commits.tell()
        return 1.0

    async def _tell_figures(self) -> float:
        self.state.services.observe(self.figures())
        return FIGURES_EVERY_S


def _heed_cancellation() -> None:
    """End this task if it was cancelled: a driver may turn that into a failure of its own, and all others wait."""
    task = asyncio.current_task()
    if task is not None and task.cancelling():
        raise asyncio.CancelledError
