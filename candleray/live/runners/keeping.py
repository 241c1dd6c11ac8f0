"""Snapshots of what runs know, made now and then, so that the next process need not go over their histories.

They are written behind everything that is waited for, in a transaction of their own: what the runs of a snapshot
have said is committed by then, and a process that was replaced writes none.
"""

from __future__ import annotations

from candleray.live.runners.shard_state import AttachedRun, ShardState
from candleray.live.snapshots.packing import Tree
from candleray.live.snapshots.snapshot_store import keep_snapshots, packed
from candleray.markets import Instrument
from candleray.timeframes import MINUTE_MS

AT_ONCE = 2
"""Instruments of one turn: fifty runs on minutes take 5 ms, in which no minute is taken."""


class SnapshotKeeper:
    def __init__(self, state: ShardState) -> None:
        self._state = state
        self._has_forgotten = False

    async def look(self) -> float:
        """Keep what is due; return how long to pause before the next look."""
        if due := self._due():
            async with self._state.turn():
                contents = {one.key: self._content(one) for one in due}
                kept_ms = {one: self._state.book.decided_ms(one) or 0 for one in due}
            async with self._state.store.writing() as transaction:
                await keep_snapshots(transaction, contents)
                if not self._has_forgotten:
                    await transaction.fetch("forget_snapshots")
            self._has_forgotten = True
            self._state.kept_ms |= kept_ms
        return self._state.limits.look_s

    def _due(self) -> list[Instrument]:
        """The instruments whose snapshots are the oldest, where they are old enough."""
        state = self._state
        until_ms = {one: state.book.decided_ms(one) or 0 for one in state.book.instruments}
        kept_ms = {one: state.kept_ms.get(one, 0) for one in until_ms}
        age_ms = state.limits.snapshot_minutes * MINUTE_MS
        due = [one for one, ms in until_ms.items() if ms - kept_ms[one] >= age_ms]
        return sorted(due, key=lambda one: kept_ms[one])[:AT_ONCE]

    def _content(self, instrument: Instrument) -> bytes:
        lanes = self._state.book.saved(instrument)
        taken = {str(run_id): run for run_id, run in self._state.attached.items()}
        told = {run_id: _told_of(taken[run_id]) for lane in lanes for run_id in lane["runs"]}
        return packed(instrument.key, {"lanes": lanes, "runs": told})


def _told_of(run: AttachedRun) -> Tree:
    """Describe the session that a run is in, and what a late candle of it is judged by."""
    seams = [[one.market_id, one.symbol, seam_ms] for one, seam_ms in run.seams_ms.items()]
    return {"session": run.live.last.session, "spec": run.spec_hash, "seams_ms": seams}
