"""Runs that come back from snapshots: what they knew then is there, and the minutes since are walked.

A snapshot speaks for a session of a run with its strategy. Whatever it lacks, or whatever is wrong with it, costs
time alone: such a run goes over its history.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple
from uuid import UUID

from candleray.errors import in_words
from candleray.live.received.received_tape import KnownMinutes
from candleray.live.run import RunState
from candleray.live.runners.lane import NEVER_MS
from candleray.live.runners.run_book import StaleHistory
from candleray.live.runners.saved_lanes import Wanted
from candleray.live.runners.shard_state import ShardState
from candleray.live.runners.strategy import StrategyText, strategy_texts
from candleray.live.sessions import LiveRun
from candleray.live.snapshots.packing import Tree
from candleray.live.snapshots.snapshot_store import read_snapshots
from candleray.logs import get_logger
from candleray.markets import Instrument
from candleray.timeframes import MINUTE_MS, to_ms

log = get_logger("runners")

WALKED_MS = 240 * MINUTE_MS
SHARE_WALKED = 50
"""A minute of a run that is walked among those of others takes 6 µs, one of a history a fiftieth of that."""


class _Kept(NamedTuple):
    """A run that a snapshot speaks for."""

    wanted: Wanted
    seams_ms: dict[Instrument, int]


@dataclass
class _Lane:
    saved: Tree
    runs: list[_Kept]

    @property
    def position_ms(self) -> int:
        return int(self.saved["lane"]["position_ms"])

    @property
    def instruments(self) -> list[Instrument]:
        """The ones that its runs read."""
        return list(self.runs[0].seams_ms)

    @property
    def own(self) -> Instrument:
        """The one that its runs trade on."""
        key = self.runs[0].wanted.live.run.metadata.instrument_key
        return next(one for one in self.instruments if one.key == key)

    def is_far_behind(self, decided_ms: int) -> bool:
        """Tell if its runs come back sooner over their histories."""
        behind_ms = decided_ms - self.position_ms
        first_ms = min(to_ms(one.wanted.live.run.metadata.warmup_from) for one in self.runs)
        return behind_ms > max(WALKED_MS, (decided_ms - first_ms) // SHARE_WALKED)


class SnapshotRestorer:
    def __init__(self, state: ShardState) -> None:
        self._state = state

    async def restore(self, due: Sequence[LiveRun]) -> list[LiveRun]:
        """Take up those of these runs that snapshots speak for; return the others."""
        running = {str(one.run.run_id): one for one in due if one.run.state is RunState.RUNNING}
        if not running:
            return [*due]
        lanes = await self._lanes(running)
        if lanes:
            known = await self._state.tapes.known(_starts(lanes))
            async with self._state.turn():
                await self._take_up(lanes, known)
                await self._state.advance_in_pieces()
            await self._state.commits.tell()
        return [one for one in due if not self._is_taken(one)]

    def _is_taken(self, live: LiveRun) -> bool:
        taken = self._state.attached.get(live.run.run_id)
        return taken is not None and taken.live.last.session == live.last.session

    async def _lanes(self, running: Mapping[str, LiveRun]) -> list[_Lane]:
        """The lanes of snapshots that speak for some of these runs, those that have come least far first."""
        postgres = self._state.services.postgres
        found = await read_snapshots(postgres, {one.run.metadata.instrument_key for one in running.values()})
        self._state.snapshots_refused += found.refused
        texts = await strategy_texts(postgres, running.values()) if found.trees else {}
        lanes = []
        for tree in found.trees.values():
            for saved in tree["lanes"]:
                kept = [_kept(running[one], tree["runs"][one], texts) for one in saved["runs"] if one in running]
                if runs := [one for one in kept if one is not None]:
                    lanes.append(_Lane(saved, runs))
        return sorted(lanes, key=lambda lane: lane.position_ms)

    async def _take_up(self, lanes: Sequence[_Lane], known: Mapping[Instrument, KnownMinutes]) -> None:
        # Within the turn: nobody moves them before these runs are there.
        checkpoints = await self._state.store.checkpoints(list({lane.own for lane in lanes}))
        tapes = {one: known[one].live(start_ms) for one, start_ms in _starts(lanes).items()}
        for lane in lanes:
            decided_ms = min(tapes[one].decided_ms for one in lane.instruments)
            if not lane.is_far_behind(decided_ms):
                self._restore(lane, checkpoints.get(lane.own))
                for one in lane.instruments:
                    self._state.book.take(one, tapes[one].candles, tapes[one].decided_ms)
                self._state.freeze()
            await asyncio.sleep(0)

    def _restore(self, lane: _Lane, checkpoint_ms: int | None) -> None:
        told_until_ms = NEVER_MS if checkpoint_ms is None else checkpoint_ms + MINUTE_MS
        for one in lane.runs:
            self._state.detach(one.wanted.live.run.run_id)  # an earlier session of it
        try:
            restored = self._state.book.restore(lane.saved, [one.wanted for one in lane.runs], told_until_ms)
        except StaleHistory as error:
            log.info("snapshot_passed_over", reason=in_words(error))
            return
        for one in lane.runs:
            run_id = one.wanted.live.run.run_id
            if run_id in restored:
                self._state.attach(one.wanted.live, one.seams_ms, one.wanted.text.hash)
        self._state.restored += len(restored)
        self._state.kept_ms[lane.own] = lane.position_ms


def _kept(live: LiveRun, told: Tree, texts: Mapping[UUID, StrategyText]) -> _Kept | None:
    """The run where this speaks for its last session with the strategy that it has."""
    text = texts.get(live.run.strategy_id)
    if text is None or (told["session"], told["spec"]) != (live.last.session, text.hash):
        return None
    seams_ms = {Instrument(market_id=one[0], symbol=one[1]): one[2] for one in told["seams_ms"]}
    return _Kept(Wanted(live, text), seams_ms)


def _starts(lanes: Sequence[_Lane]) -> dict[Instrument, int]:
    """The first minute of each instrument that some lane has not taken."""
    starts: dict[Instrument, int] = {}
    for lane in lanes:
        for one in lane.instruments:
            starts[one] = min(lane.position_ms, starts.get(one, lane.position_ms))
    return starts
