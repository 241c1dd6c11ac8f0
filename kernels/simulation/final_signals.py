"""A variant's final signals: the AND of its indicators' planes, where neighbours share partial results."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from kernels.bits import WORD_BITS, plane_at, popcount, trailing_zeros
from kernels.jit import inline
from kernels.simulation.accounts import LONG_ONLY, SHORT_ONLY
from kernels.simulation.plane_grid import address_of, set_digits

EVERY = np.uint64(0xFFFF_FFFF_FFFF_FFFF)
NONE = np.uint64(0)
_ONE = np.uint64(1)

LONGS, SHORTS = range(2)
"""The rows of a variant's final signals: its long bars and its short bars."""


@inline
def empty_final(n_bars):
    """Room for the final signals over so many bars."""
    return np.empty((2, (n_bars + WORD_BITS - 1) // WORD_BITS), np.uint64)


class PartialAnds(NamedTuple):
    """The work that neighbouring variants share."""

    ands: NDArray[np.uint64]
    """`ands[i]` is the AND of the first i indicators; it is made again from the first digit that changed."""
    digits: NDArray[np.int64]
    """The digits of the variant that the ANDs are of."""


@inline
def partial_ands(n_indicators, final):
    """Room for the partial ANDs that `decide` keeps from variant to variant."""
    return PartialAnds(np.full((n_indicators, 2, final.shape[1]), EVERY), np.full(n_indicators, -1))


@inline
def decide(index, planes, partial, final):
    """Write the final signals of a variant; return the number of its conflicting bars."""
    n_words = final.shape[1]
    ands, digits = partial.ands, partial.digits
    last = digits.size - 1
    for axis in range(set_digits(planes, index, digits), last):
        _and_into(ands[axis], plane_at(address_of(planes, axis, digits[axis]), n_words), ands[axis + 1])
    return _join(ands[last], plane_at(address_of(planes, last, digits[last]), n_words), final)


@inline
def _and_into(planes_a, planes_b, out):
    for word in range(out.shape[1]):
        out[0, word] = planes_a[0, word] & planes_b[0, word]
        out[1, word] = planes_a[1, word] & planes_b[1, word]


@inline
def _join(planes_a, planes_b, final):
    """Write the final signals, long and short without the conflicting bars; return how many bars conflict."""
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
    """The bars that may open a position: the direction allows it, the bar before had another signal, and it is not
    the last bar."""
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
