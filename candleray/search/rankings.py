"""A ranking of variants, and how rankings merge."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from candleray.candles import FloatArray, IntArray
from kernels.simulation.limits import REASONS


def no_pruned() -> IntArray:
    """Return 0 for each of `kernels.simulation.limits.REASONS`, in their order."""
    return np.zeros(len(REASONS), np.int64)


@dataclass(frozen=True)
class Ranking:
    """Variants best first: total return descending, then index ascending. All arrays but `pruned` are `(k,)`."""

    index: IntArray
    total_return_pct: FloatArray
    conflicts: IntArray
    pruned: IntArray = field(default_factory=no_pruned)
    """Numbers of variants that were pruned, by reason in the order of `REASONS`; none of them is here."""

    def __len__(self) -> int:
        return int(self.index.shape[0])

    def best(self, k: int) -> Ranking:
        if 0 < k < len(self):
            # To sort all of them took as long as to simulate them on hourly bars.
            worst = -np.partition(-self.total_return_pct, k - 1)[k - 1]
            return self._only(~(self.total_return_pct < worst))._sorted(k)
        return self._sorted(k)

    def _sorted(self, k: int) -> Ranking:
        order = np.lexsort((self.index, -self.total_return_pct))[:k]
        return Ranking(self.index[order], self.total_return_pct[order], self.conflicts[order], self.pruned)

    def without(self, fates: IntArray) -> Ranking:
        """Drop and count those that were pruned; a fate is 0 or the number of a reason, from 1 on."""
        pruned = self.pruned + np.bincount(fates, minlength=len(REASONS) + 1)[1:]
        return replace(self._only(fates == 0), pruned=pruned)

    def _only(self, kept: NDArray[np.bool_]) -> Ranking:
        return Ranking(self.index[kept], self.total_return_pct[kept], self.conflicts[kept], self.pruned)

    def merged(self, other: Ranking, k: int) -> Ranking:
        """Return the best `k` of both, which share no variant; in any order, because theirs is total."""
        return Ranking(
            np.concatenate((self.index, other.index)),
            np.concatenate((self.total_return_pct, other.total_return_pct)),
            np.concatenate((self.conflicts, other.conflicts)),
            self.pruned + other.pruned,
        ).best(k)

    def between(self, first: int, last: int) -> Ranking:
        """Return the ranks from `first` on, counted from 0; the pruned belong to the whole ranking alone."""
        return Ranking(self.index[first:last], self.total_return_pct[first:last], self.conflicts[first:last])

    @staticmethod
    def empty() -> Ranking:
        return Ranking(np.empty(0, np.int64), np.empty(0), np.empty(0, np.int64))
