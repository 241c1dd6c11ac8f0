"""Lanes with their runs as they are kept, and as they come back without going over their histories.

What comes back is checked where it could not go on at all; that it belongs to these runs and was made by this code
is the caller's to know.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from candleray.errors import in_words
from candleray.live.runners.attached_run import AttachedRun
from candleray.live.runners.lane import Lane
from candleray.live.runners.strategy import Strategy, StrategyText, strategy_of
from candleray.live.sessions import LiveRun
from candleray.live.snapshots.packing import Tree
from candleray.logs import get_logger
from kernels.live.paper_accounts import PAPER_ACCOUNT

log = get_logger("runners")


class Wanted(NamedTuple):
    """A run that is to come back."""

    live: LiveRun
    text: StrategyText


def saved_lane(lane: Lane, account: Callable[[AttachedRun], np.void]) -> Tree:
    """A lane with its runs, by their ids."""
    runs = {}
    for run in lane.runs:
        content = np.frombuffer(account(run).tobytes(), np.uint8)
        runs[str(run.run_id)] = {**run.saved(lane.windows), "account": content}
    return {"lane": lane.saved(), "runs": runs}


def restored_lane(
    saved: Tree, wanted: Sequence[Wanted], max_gap_minutes: float
) -> tuple[Lane, list[tuple[AttachedRun, NDArray[np.void]]]] | None:
    """A lane, and of these runs those that come back, each with its account; None where none does."""
    lane, found = None, []
    for one in wanted:
        try:
            strategy = strategy_of(one.live, one.text.spec)
            lane = lane or _lane(strategy, saved, max_gap_minutes)
            found.append(_run(one, strategy, lane, saved["runs"][str(one.live.run.run_id)]))
        except Exception as error:  # noqa: BLE001 - whatever it was: its history is there
            log.warning("run_not_restored", run_id=str(one.live.run.run_id), reason=in_words(error))
    return (lane, found) if lane is not None and found else None


def _lane(strategy: Strategy, saved: Tree, max_gap_minutes: float) -> Lane:
    lane = Lane(strategy, {}, max_gap_minutes)
    lane.restore(saved["lane"])
    return lane


def _run(one: Wanted, strategy: Strategy, lane: Lane, saved: Tree) -> tuple[AttachedRun, NDArray[np.void]]:
    if strategy.key != lane.key:
        raise ValueError(f"its lane is of {strategy.key}, not of {lane.key}")
    run = AttachedRun(one.live, strategy)
    run.restore(saved, lane.windows)
    # Bytes in a number that is not an account's make no array of one.
    return run, np.frombuffer(saved["account"].tobytes(), PAPER_ACCOUNT).reshape(1).copy()
