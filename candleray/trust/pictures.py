"""The counts behind a verdict's pictures: whole numbers of whole numbers, the same on every machine."""

from __future__ import annotations

import math

import numpy as np

from candleray.backtests.pictures.distributions import Cloud, Histogram, VerdictPictures
from candleray.candles import IntArray
from candleray.trust.evidence import Evidence
from candleray.trust.overfitting import Overfitting
from kernels.trust.blocks import UNIT

RANK_BINS, LUCK_BINS, CLOUD_CELLS = 20, 40, 24


def pictures_of(evidence: Evidence, overfitting: Overfitting) -> VerdictPictures:
    """Return the pictures of a search in which at least one variant traded."""
    # A rank of 1/2 is met exactly; the 1e-9 keeps the last bit of a quotient from choosing a bin.
    ranks = np.minimum((overfitting.omegas * RANK_BINS + 1e-9).astype(np.int64), RANK_BINS - 1)
    return VerdictPictures(
        ranks=Histogram(low=0.0, high=1.0, counts=_counts(ranks, RANK_BINS)),
        halves=_cloud(evidence.halves.sums.astype(np.int64), evidence.halves.others.astype(np.int64)),
        luck=_luck(evidence),
    )


def _luck(evidence: Evidence) -> Histogram:
    lucky, best = evidence.lucky.astype(np.int64), int(evidence.highest[0])
    low, high = int(min(lucky.min(), best)), int(max(lucky.max(), best))
    unit = abs(best) or 1
    counts = _counts(_bins(lucky, low, high, LUCK_BINS), LUCK_BINS)
    return Histogram(low=round(low / unit, 4), high=round(high / unit, 4), counts=counts)


def _cloud(inside: IntArray, outside: IntArray) -> Cloud:
    ends = [int(one) for one in (inside.min(), inside.max(), outside.min(), outside.max())]
    column = _bins(inside, ends[0], ends[1], CLOUD_CELLS)
    row = _bins(outside, ends[2], ends[3], CLOUD_CELLS)
    places, counts = np.unique(column * CLOUD_CELLS + row, return_counts=True)
    cells = zip((places // CLOUD_CELLS).tolist(), (places % CLOUD_CELLS).tolist(), counts.tolist(), strict=True)
    low, high, outside_low, outside_high = (round(100 * math.expm1(one * UNIT), 4) for one in ends)
    return Cloud(
        inside_low_pct=low,
        inside_high_pct=high,
        outside_low_pct=outside_low,
        outside_high_pct=outside_high,
        columns=CLOUD_CELLS,
        rows=CLOUD_CELLS,
        cells=tuple(cells),
    )


def _bins(values: IntArray, low: int, high: int, bins: int) -> IntArray:
    """Return the bin of each value; the highest lies in the last."""
    found: IntArray = (values - low) * bins // (high - low + 1)
    return found


def _counts(bins: IntArray, count: int) -> tuple[int, ...]:
    return tuple(np.bincount(bins, minlength=count).tolist())
