"""Combinatorially symmetric cross-validation: how the winner of each half does on the other.

Bailey, Borwein, López de Prado, Zhu 2017. Of a large search the winners are ranked among a sample; who wins is
known of all variants.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from candleray.candles import FloatArray
from candleray.trust.evidence import Evidence
from kernels.trust.halves import below_and_equal

LEAST_RANKED = 10


@dataclass(frozen=True)
class Overfitting:
    pbo: float | None
    """Share of the halves whose winner is in the lower half on the other, those in the middle counted half; None
    of fewer than `LEAST_RANKED` variants."""
    losing: float
    """Share of the halves whose winner loses on the other."""
    kept: float | None
    """Mean log return of the winners on the other half over that on their own; None where that is no gain."""
    omegas: FloatArray
    """The rank of each half's winner on the other, from the worst, over one more than there are."""


def overfitting_of(evidence: Evidence) -> Overfitting:
    """Return it of variants at least one of which traded."""
    halves = evidence.halves
    below, equal = below_and_equal(evidence.sampled_rows, halves.others)
    ranked = evidence.sampled_indices.size
    # A winner that is not in the sample is ranked with it.
    joins = ~np.isin(halves.indices, evidence.sampled_indices)
    rank = 1 + below + (equal - 1 + joins) / 2
    omegas: FloatArray = rank / (ranked + joins + 1)
    outside, inside = halves.others.astype(np.int64), int(halves.sums.sum(dtype=np.int64))
    # 0.5 is met exactly: ranks are halves, and so is the middle.
    lower = np.where(omegas == 0.5, 0.5, omegas < 0.5)
    return Overfitting(
        float(lower.mean()) if evidence.traded >= LEAST_RANKED else None,
        float((outside < 0).mean()),
        int(outside.sum()) / inside if inside > 0 else None,
        omegas,
    )
