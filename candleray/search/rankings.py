"""A ranking of variants, and how rankings merge."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from candleray.candles import FloatArray, IntArray
from candleray.trust.evidence import Evidence
from kernels.simulation.pruned.limits import REASONS


def no_pruned() -> IntArray:
    """Return 0 for each of `kernels.simulation.pruned.limits.REASONS`, in their order."""
    return np.zeros(len(REASONS), np.int64)


@dataclass(frozen=True)
class Ranking:
    """Variants best first: score descending, what has none last, then index ascending.

    All arrays but `pruned`, and those of the evidence, are `(k,)`.
    """

    index: IntArray
    total_return_pct: FloatArray
    conflicts: IntArray
    pruned: IntArray = field(default_factory=no_pruned)
    """Numbers of variants that were pruned, by reason in the order of `REASONS`; none of them is here."""
    scores: FloatArray | None = None
    """Numbers that are higher where a variant is better, NaN where undefined; None for the total return itself."""
    evidence: Evidence | None = None
    """Evidence of all variants that were seen, for the verdict; None where there is none."""

    def __len__(self) -> int:
        return int(self.index.shape[0])

    @property
    def ranked_by(self) -> FloatArray:
        return self.total_return_pct if self.scores is None else self.scores

    def best(self, k: int) -> Ranking:
        if 0 < k < len(self):
            # To sort all of them took as long as to simulate them on hourly bars.
            worst = -np.partition(-self.ranked_by, k - 1)[k - 1]
            return self._at(~(self.ranked_by < worst))._sorted(k)
        return self._sorted(k)

    def _sorted(self, k: int) -> Ranking:
        return self._at(np.lexsort((self.index, -self.ranked_by))[:k])

    def without(self, fates: IntArray) -> Ranking:
        """Drop and count those that were pruned; a fate is 0 or the number of a reason, from 1 on."""
        pruned = self.pruned + np.bincount(fates, minlength=len(REASONS) + 1)[1:]
        return replace(self._at(fates == 0), pruned=pruned)

    def scored(self, scores: FloatArray) -> Ranking:
        """Return the same variants with these scores to rank them by."""
        return replace(self, scores=scores)

    def _at(self, places: NDArray[np.bool_] | IntArray | slice) -> Ranking:
        scores = None if self.scores is None else self.scores[places]
        return replace(
            self,
            index=self.index[places],
            total_return_pct=self.total_return_pct[places],
            conflicts=self.conflicts[places],
            scores=scores,
        )

    def merged(self, other: Ranking, k: int) -> Ranking:
        """Return the best `k` of both, which share no variant; in any order, because theirs is total."""
        has_scores = self.scores is not None or other.scores is not None
        return Ranking(
            np.concatenate((self.index, other.index)),
            np.concatenate((self.total_return_pct, other.total_return_pct)),
            np.concatenate((self.conflicts, other.conflicts)),
            self.pruned + other.pruned,
            np.concatenate((self.ranked_by, other.ranked_by)) if has_scores else None,
            _of_both(self.evidence, other.evidence),
        ).best(k)

    def between(self, first: int, last: int) -> Ranking:
        """Return the ranks from `first` on, from 0; pruned and evidence belong to the whole ranking alone."""
        return replace(self._at(slice(first, last)), pruned=no_pruned(), evidence=None)

    @staticmethod
    def empty() -> Ranking:
        return Ranking(np.empty(0, np.int64), np.empty(0), np.empty(0, np.int64))


def _of_both(one: Evidence | None, other: Evidence | None) -> Evidence | None:
    return other if one is None else one if other is None else one.merged(other)
