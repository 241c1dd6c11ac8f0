"""Evidence gathered from the rows that variants leave."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from candleray.candles import IntArray
from candleray.trust.evidence import Evidence, RowArray
from kernels.trust.blocks import sharpe_sums, standardized, weighted
from kernels.trust.flips import best_flips
from kernels.trust.halves import winners
from kernels.trust.mixing import mixed
from kernels.trust.winners import LEAST

SAMPLE = 1 << 14
"""Variants among which the winners are ranked. Of 200,000, this many move the PBO by 0.004 at the most, and
what goes with a checkpoint is 1.5 MB."""


@dataclass(frozen=True)
class Rows:
    """Rows that some variants leave, whose indices ascend."""

    indices: IntArray
    rows: RowArray
    """`(variants, 16)`, as `kernels.trust.blocks` says."""
    in_market: IntArray
    """Bars that end in a position; 0 of a variant that never traded."""

    def __getitem__(self, chosen: NDArray[np.bool_]) -> Rows:
        return Rows(self.indices[chosen], self.rows[chosen], self.in_market[chosen])


def gathered(rows: Rows, bars: int, total: int) -> Evidence:
    """Return the evidence of some variants, over so many bars, of a search of that many."""
    traded = rows[rows.in_market > 0]
    halves, prefixes = winners(traded.rows, traded.indices)
    sampled = traded[sampled_of(traded.indices, total)]
    never = rows.indices.size - traded.indices.size
    by_time = weighted(traded.rows, traded.in_market, bars)
    return Evidence(
        np.concatenate(([traded.indices.size, never], sharpe_sums(traded.rows))),
        halves,
        prefixes,
        best_flips(by_time),
        best_flips(standardized(traded.rows)),
        by_time.sum(axis=1, dtype=np.int64).max(initial=LEAST, keepdims=True),
        sampled.indices,
        sampled.rows,
    )


def sampled_of(indices: IntArray, total: int) -> NDArray[np.bool_]:
    """Return which variants of a search are ranked among: all of a small one, else about `SAMPLE` of them.

    Chosen by their mixed indices: every so many would be alike, because a grid is periodic.
    """
    if total <= SAMPLE:
        return np.ones(indices.size, np.bool_)
    least = np.uint64((SAMPLE << 64) // total)
    return np.asarray(mixed(indices.astype(np.uint64)) < least)
