"""The numbers that a ranking kernel writes, one of each a variant."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from kernels.jit import FLOATS_OUT, INTS, INTS_OUT, SHORT_INT_ROWS_OUT, record_of
from kernels.simulation.marks import no_marks
from kernels.simulation.pruned.limits import KEPT
from kernels.trust.winners import BLOCKS


class Outcomes(NamedTuple):
    """Arrays with a place for each variant; a pruned one's return and trades are those up to where it ended."""

    total_return_pct: NDArray[np.float64]
    trades: NDArray[np.int64]
    conflicts: NDArray[np.int64]
    """Bars on which all indicators signal both sides."""
    fates: NDArray[np.int64]
    """`KEPT`, or the limit a variant was pruned for; left as it is where nothing is pruned."""
    marks: NDArray[np.int64]
    """The last bar of each block whose growth is written, the last bar of all among them; or none, and then there
    are no rows. Where variants are pruned, none is read."""
    rows: NDArray[np.int32]
    """`(variants, 16)`, as `kernels.trust.blocks` says."""
    in_market: NDArray[np.int64]
    """Bars that end in a position."""

    @classmethod
    def for_variants(cls, count: int, marks: NDArray[np.int64] | None = None) -> Outcomes:
        """Room for so many variants."""
        marked = 0 if marks is None else count
        return cls(
            np.empty(count),
            np.empty(count, np.int64),
            np.empty(count, np.int64),
            np.full(count, KEPT, np.int64),
            no_marks() if marks is None else marks,
            np.empty((marked, BLOCKS), np.int32),
            np.empty(marked, np.int64),
        )

    @property
    def variants(self) -> int:
        """
        Raises:
            ValueError: for arrays of different lengths.
        """
        sizes = {column.size for column in self[:4]}
        if self.marks.size:
            sizes |= {len(self.rows), self.in_market.size}
        if len(sizes) > 1:
            raise ValueError(f"outcomes must have room for equally many variants, got {sorted(sizes)}")
        if self.marks.size not in (0, BLOCKS):
            raise ValueError(f"a row has {BLOCKS} blocks, not {self.marks.size}")
        return self.total_return_pct.size


OUTCOMES = record_of(Outcomes, FLOATS_OUT, INTS_OUT, INTS_OUT, INTS_OUT, INTS, SHORT_INT_ROWS_OUT, INTS_OUT)
"""The compiled type of `Outcomes`."""
