"""The accounts of all runs of a shard, whatever bars they trade on, in arrays that change as runs come and go.

Beside them lie the truths of their conditions on one bar, and the values that their comparisons read.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from candleray.candles import IntArray
from candleray.live.bars.lane_bars import LaneBars, tapes_of
from candleray.live.paper_accounts import PaperAccounts, Stepped
from candleray.live.runners.attached_run import AttachedRun
from candleray.search.signals.plain_planes import Comparisons, PlainPlanes
from kernels.live.paper_accounts import PAPER_ACCOUNT


class AccountTable:
    def __init__(self) -> None:
        self._runs: list[AttachedRun | None] = []
        self._states = np.empty(0, PAPER_ACCOUNT)
        self._new: list[NDArray[np.void]] = []
        """The accounts of those that have come last: thousands, one by one, are not to be copied each time."""
        self._changed = False
        self._accounts = PaperAccounts.of_terms([])
        self._truths = np.empty((0, 2, 1), np.uint64)
        self._values = np.empty((2, 0))
        self._comparisons = Comparisons.of([])

    def add(self, run: AttachedRun, state: NDArray[np.void]) -> None:
        """Keep a run's account from here on."""
        run.place = len(self._runs)
        self._runs.append(run)
        self._new.append(state)
        self._changed = True

    def remove(self, run: AttachedRun) -> None:
        self._runs[run.place] = None
        self._changed = True

    def state(self, run: AttachedRun) -> np.void:
        """The account, a record of `PAPER_ACCOUNT`."""
        self._join()
        state: np.void = self._states[run.place]
        return state

    def _join(self) -> None:
        if self._new:
            self._states = np.concatenate([self._states, *self._new])
            self._new = []

    def step(
        self, runs: Sequence[AttachedRun], lane_of: IntArray, bars: Sequence[LaneBars]
    ) -> tuple[IntArray, Stepped]:
        """Take some runs through the one new bar of their lanes; return their signals before, too.

        Args:
            lane_of: the place of each one's lane among the `bars`.
        """
        places = np.array([run.place for run in runs], np.int64)
        before = self._states["signal"][places]
        return before, self._accounts.step(places, lane_of, tapes_of(bars), self._truths)

    def compare(self) -> None:
        """Tell the comparisons of all runs; of those that have no new bar they stay."""
        self._comparisons.tell(self._values, self._truths)

    def settle(self) -> None:
        """Lay out arrays for those that are there now."""
        if not self._changed:
            return
        self._join()
        kept = [run for run in self._runs if run is not None]
        self._states = self._states[[run.place for run in kept]]
        for place, run in enumerate(kept):
            run.place = place
        firsts = np.cumsum([0, *(run.conditions for run in kept)]).tolist()
        joined = PaperAccounts.of_terms(
            [run.terms.behind(first) for run, first in zip(kept, firsts, strict=False)]
        )
        self._runs, self._accounts = [*kept], PaperAccounts(joined.terms, joined.decisions, self._states)
        self._truths = np.zeros((firsts[-1], 2, 1), np.uint64)
        for run, (first, stop) in zip(kept, pairwise(firsts), strict=True):
            run.room = self._truths[first:stop]
        self._bind([(run.plain, run.room, first) for run, first in zip(kept, firsts, strict=False) if run.plain])
        self._changed = False

    def _bind(self, plain: Sequence[tuple[PlainPlanes, NDArray[np.uint64], int]]) -> None:
        """Lay out the values of comparisons, and have the planes go on there."""
        firsts = np.cumsum([0, *(planes.values.shape[1] for planes, _, _ in plain)]).tolist()
        comparisons = [planes.comparisons for planes, _, _ in plain]
        self._comparisons = Comparisons.joined(comparisons, firsts[:-1], [row for _, _, row in plain])
        self._values = np.concatenate([np.empty((2, 0)), *(planes.values for planes, _, _ in plain)], axis=1)
        for (planes, room, _), (first, stop) in zip(plain, pairwise(firsts), strict=True):
            planes.bind(self._values[:, first:stop], room)
