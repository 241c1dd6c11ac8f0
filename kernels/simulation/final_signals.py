"""A variant's final signals: the AND of its indicators' planes, neighbours sharing partial results (R4.3)."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from kernels.bits import WORD_BITS, plane_at, popcount, trailing_zeros
from kernels.jit import inline
from kernels.simulation.accounts import LONG_ONLY, SHORT_ONLY

EVERY = np.uint64(0xFFFF_FFFF_FFFF_FFFF)
NONE = np.uint64(0)
_ONE = np.uint64(1)

LONGS, SHORTS = range(2)
"""The rows of a variant's final signals: its long bars and its short bars."""


def check_planes(addresses: NDArray[np.uint64], offsets: NDArray[np.int64], sizes: NDArray[np.int64]) -> None:
    """Raises ValueError where the indicators' planes and their table do not go together."""
    if sizes.size == 0 or sizes.size != offsets.size or sizes.min() < 1:
        raise ValueError(f"offsets {offsets.tolist()} and sizes {sizes.tolist()} do not go together")
    if offsets.min() < 0 or (offsets + sizes).max() > addresses.size:
        raise ValueError(
            f"{addresses.size} planes do not hold offsets {offsets.tolist()} + sizes {sizes.tolist()}"
        )


@inline
def empty_final(n_bars):
    """Room for the final signals over so many bars."""
    return np.empty((2, (n_bars + WORD_BITS - 1) // WORD_BITS), np.uint64)


@inline
def partial_ands(n_indicators, final):
    """Room for the partial ANDs and the digits that `decide` keeps from variant to variant.

    `partial[i]` is the AND of the first i indicators; it is made again from the first digit that changed.
    """
    return np.full((n_indicators, 2, final.shape[1]), EVERY), np.full(n_indicators, -1)


@inline
def decide(index, addresses, offsets, sizes, partial, digits, final):
    """Write the final signals of a variant; return the number of its conflicting bars."""
    n_words = final.shape[1]
    last_axis = sizes.size - 1
    for axis in range(_set_digits(index, sizes, digits), last_axis):
        planes = plane_at(addresses[offsets[axis] + digits[axis]], n_words)
        _and_into(partial[axis], planes, partial[axis + 1])
    planes = plane_at(addresses[offsets[last_axis] + digits[last_axis]], n_words)
    return _join(partial[last_axis], planes, final)


@inline
def _set_digits(index, sizes, digits):
    """Write a variant's digits; return the first axis whose digit is another than before."""
    changed = sizes.size - 1
    for axis in range(sizes.size - 1, -1, -1):
        digit = index % sizes[axis]
        index //= sizes[axis]
        if digit != digits[axis]:
            changed = axis
            digits[axis] = digit
    return changed


@inline
def _and_into(planes_a, planes_b, out):
    for word in range(out.shape[1]):
        out[0, word] = planes_a[0, word] & planes_b[0, word]
        out[1, word] = planes_a[1, word] & planes_b[1, word]


@inline
def _join(planes_a, planes_b, final):
    """Write the final signals, long and short without the bars that are both; return how many those are."""
    conflicts = np.uint64(0)
    for word in range(final.shape[1]):
        long = planes_a[0, word] & planes_b[0, word]
        short = planes_a[1, word] & planes_b[1, word]
        both = long & short
        conflicts += popcount(both)
        final[LONGS, word] = long ^ both
        final[SHORTS, word] = short ^ both
    return np.int64(conflicts)


@inline
def fresh_entries(final, last, direction):
    """The bars that may open a position: allowed, another signal than on the bar before, and not the last bar."""
    allow_long = NONE if direction == SHORT_ONLY else EVERY
    allow_short = NONE if direction == LONG_ONLY else EVERY
    entries = np.empty(final.shape[1], np.uint64)
    long_before = short_before = np.uint64(0)
    for word in range(final.shape[1]):
        long, short = final[LONGS, word], final[SHORTS, word]
        entries[word] = allow_long & long & ~(long << _ONE | long_before) | allow_short & short & ~(
            short << _ONE | short_before
        )
        long_before, short_before = long >> np.uint64(63), short >> np.uint64(63)
    entries[last // WORD_BITS] &= ~(_ONE << np.uint64(last % WORD_BITS))
    return entries


@inline
def next_bar(plane, flip, bar):
    """The first bar from `bar` on whose bit is set (clear, where `flip` is all ones); past the end for none."""
    word = bar // WORD_BITS
    events = (plane[word] ^ flip) & (EVERY << np.uint64(bar % WORD_BITS))
    while events == NONE:
        word += 1
        if word == plane.size:
            return word * WORD_BITS
        events = plane[word] ^ flip
    return word * WORD_BITS + np.int64(trailing_zeros(events))
