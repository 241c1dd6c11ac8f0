"""The planes of a grid: a table of addresses, so that planes stay in shared memory where they lie."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from kernels.jit import INTS, WORDS, inline, record_of
from kernels.simulation.programs import PROGRAM, Program


class PlaneGrid(NamedTuple):
    """The planes of some indicators, each of which may take one of several.

    A variant's index is a mixed-radix number with a digit an indicator, the last varying fastest. The plane of
    indicator `i`, digit `d` lies at `addresses[offsets[i] + d]`; indicator `i` has `sizes[i]` planes.
    """

    addresses: NDArray[np.uint64]
    offsets: NDArray[np.int64]
    sizes: NDArray[np.int64]
    program: Program = Program.none()
    """Joins the planes where they are conditions: then `sizes` are those of the axes, and `offsets` those of the
    program's leaves."""

    @classmethod
    def of_variant(cls, addresses: NDArray[np.uint64], program: Program | None = None) -> PlaneGrid:
        """The grid of a single variant, one plane an indicator or a leaf."""
        offsets = np.arange(addresses.size)
        if program is None or not program.roots.size:
            return cls(addresses, offsets, np.ones(addresses.size, np.int64))
        return cls(addresses, offsets, np.ones(1, np.int64), program.of_variant())

    @property
    def variants(self) -> int:
        return int(np.prod(self.sizes, dtype=object))

    def check(self) -> None:
        """
        Raises:
            ValueError: for indicators that do not go together with the table of addresses.
        """
        offsets, sizes = self.offsets, self.sizes
        if self.program.roots.size:
            self.program.check(self.addresses.size, offsets.size, sizes)
            return
        if sizes.size == 0 or sizes.size != offsets.size or sizes.min() < 1:
            raise ValueError(f"offsets {offsets.tolist()} and sizes {sizes.tolist()} do not go together")
        if offsets.min() < 0 or (offsets + sizes).max() > self.addresses.size:
            raise ValueError(
                f"{self.addresses.size} planes do not hold offsets {offsets.tolist()} + sizes {sizes.tolist()}"
            )


PLANE_GRID = record_of(PlaneGrid, WORDS, INTS, INTS, PROGRAM)
"""The compiled type of `PlaneGrid`."""


@inline
def address_of(planes, axis, digit):
    """The address of an indicator's plane."""
    return planes.addresses[planes.offsets[axis] + digit]


@inline
def set_digits(planes, index, digits):
    """Write a variant's digits; return the first axis whose digit has changed."""
    sizes = planes.sizes
    changed = sizes.size - 1
    for axis in range(sizes.size - 1, -1, -1):
        digit = index % sizes[axis]
        index //= sizes[axis]
        if digit != digits[axis]:
            changed = axis
            digits[axis] = digit
    return changed
