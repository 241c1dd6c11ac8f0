"""Evidence that a search keeps of its variants for the verdict: whole numbers that merge in any order.

A variant leaves a row of `kernels.trust.blocks` and the bars it was in the market. Of a million of them there stay
who won on each half, the best of each flip, sums, and the rows of some: 1.5 MB, however many they are.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields

import numpy as np
from numpy.typing import NDArray

from candleray.candles import IntArray
from kernels.trust.winners import BLOCKS, HALVES, LEAST, PREFIXES, Winners, no_flips

RowArray = NDArray[np.int32]


@dataclass(frozen=True)
class Evidence:
    """The numbers that parts of a search merge; those of `counts` add up."""

    counts: IntArray
    """Variants that traded, and that never did; those whose blocks have a deviation, the sum of their Sharpe
    ratios and of its squares, as `kernels.trust.blocks.sharpe_sums` has them."""
    halves: Winners
    prefixes: Winners
    lucky: RowArray
    """The best of each flip of the rows by their time in the market."""
    standard: RowArray
    """The best of each flip of the rows by their own deviation."""
    highest: IntArray
    """The highest sum of a variant's rows by its time in the market, alone in an array."""
    sampled_indices: IntArray
    sampled_rows: RowArray

    @property
    def traded(self) -> int:
        return int(self.counts[0])

    @property
    def never_traded(self) -> int:
        return int(self.counts[1])

    @classmethod
    def none(cls) -> Evidence:
        """Return that of no variant."""
        return cls(
            np.zeros(5, np.int64),
            Winners.none_of(HALVES),
            Winners.none_of(PREFIXES.size),
            no_flips(),
            no_flips(),
            np.full(1, LEAST, np.int64),
            np.empty(0, np.int64),
            np.empty((0, BLOCKS), np.int32),
        )

    def merged(self, other: Evidence) -> Evidence:
        """Return that of both, which share no variant; the same in any order."""
        indices = np.concatenate((self.sampled_indices, other.sampled_indices))
        order = np.argsort(indices, kind="stable")
        return Evidence(
            self.counts + other.counts,
            self.halves.merged(other.halves),
            self.prefixes.merged(other.prefixes),
            np.maximum(self.lucky, other.lucky),
            np.maximum(self.standard, other.standard),
            np.maximum(self.highest, other.highest),
            indices[order],
            np.concatenate((self.sampled_rows, other.sampled_rows))[order],
        )

    def arrays(self) -> dict[str, np.ndarray]:
        """Return everything by name, to be kept and to be read again by `of_arrays`."""
        named: dict[str, np.ndarray] = {}
        for one in fields(self):
            value = getattr(self, one.name)
            columns = value._asdict() if isinstance(value, Winners) else {"": value}
            named.update({f"{one.name}.{name}" if name else one.name: column for name, column in columns.items()})
        return named

    @classmethod
    def of_arrays(cls, named: Mapping[str, np.ndarray]) -> Evidence:
        def winners_of(name: str) -> Winners:
            return Winners(*(named[f"{name}.{column}"] for column in Winners._fields))

        whole = {"halves": winners_of("halves"), "prefixes": winners_of("prefixes")}
        return cls(**{one.name: whole.get(one.name, named.get(one.name)) for one in fields(cls)})  # type: ignore[arg-type]
