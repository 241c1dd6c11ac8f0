"""The numbers that a ranking kernel writes, one of each a variant."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from kernels.jit import FLOATS_OUT, INTS_OUT, record_of
from kernels.simulation.limits import KEPT


class Outcomes(NamedTuple):
    """Arrays with a place for each variant; a pruned one's return and trades are those up to where it ended."""

    total_return_pct: NDArray[np.float64]
    trades: NDArray[np.int64]
    conflicts: NDArray[np.int64]
    """Bars on which all indicators signal both sides."""
    fates: NDArray[np.int64]
    """`KEPT`, or the limit a variant was pruned for; left as it is where nothing is pruned."""

    @classmethod
    def for_variants(cls, count: int) -> Outcomes:
        """Room for so many variants."""
        return cls(
            np.empty(count), np.empty(count, np.int64), np.empty(count, np.int64), np.full(count, KEPT, np.int64)
        )

    @property
    def variants(self) -> int:
        """
        Raises:
            ValueError: for arrays of different lengths.
        """
        sizes = {column.size for column in self}
        if len(sizes) > 1:
            raise ValueError(f"outcomes must have room for equally many variants, got {sorted(sizes)}")
        return self.total_return_pct.size


OUTCOMES = record_of(Outcomes, FLOATS_OUT, INTS_OUT, INTS_OUT, INTS_OUT)
"""The compiled type of `Outcomes`."""
