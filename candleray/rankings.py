"""A ranking of variants, and how rankings merge."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from candleray.candles import FloatArray, IntArray


@dataclass(frozen=True)
class Ranking:
    """Variants best first: total return descending, then index ascending. All arrays are `(k,)`."""

    index: IntArray
    total_return_pct: FloatArray
    conflicts: IntArray

    def __len__(self) -> int:
        return int(self.index.shape[0])

    def best(self, k: int) -> Ranking:
        order = np.lexsort((self.index, -self.total_return_pct))[:k]
        return Ranking(self.index[order], self.total_return_pct[order], self.conflicts[order])

    def merged(self, other: Ranking, k: int) -> Ranking:
        """The best `k` of both; associative and commutative, because the order is total."""
        return Ranking(
            np.concatenate((self.index, other.index)),
            np.concatenate((self.total_return_pct, other.total_return_pct)),
            np.concatenate((self.conflicts, other.conflicts)),
        ).best(k)

    def between(self, first: int, last: int) -> Ranking:
        return Ranking(self.index[first:last], self.total_return_pct[first:last], self.conflicts[first:last])

    @staticmethod
    def empty() -> Ranking:
        return Ranking(np.empty(0, np.int64), np.empty(0), np.empty(0, np.int64))
