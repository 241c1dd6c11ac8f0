"""A variant's final signals: the AND of its indicators' planes, or what its program makes of its conditions.

Neighbouring variants share partial results.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from kernels.bits import WORD_BITS, plane_at, popcount, row_at, trailing_zeros
from kernels.copying import copy
from kernels.jit import inline
from kernels.simulation.accounts import LONG_ONLY, NEUTRAL, SHORT_ONLY
from kernels.simulation.plane_grid import address_of, set_digits
from kernels.simulation.programs import ABSENT, changed_axes, has_exits, join_nodes

EVERY = np.uint64(0xFFFF_FFFF_FFFF_FFFF)
NONE = np.uint64(0)
_ONE = np.uint64(1)

LONGS, SHORTS, LONG_EXITS, SHORT_EXITS = range(4)
"""The rows of a variant's final signals: its long bars and its short bars; and, where an exit is a condition of
its own, the bars that close a long and a short position and let none open."""


@inline
def empty_final(planes, n_bars):
    """Room for the final signals over so many bars."""
    rows = 4 if has_exits(planes.program) else 2
    return np.empty((rows, (n_bars + WORD_BITS - 1) // WORD_BITS), np.uint64)


@inline
def has_own_exits(final):
    """Tell if the final signals say which bars close a position."""
    return final.shape[0] > LONG_EXITS


class PartialAnds(NamedTuple):
    """The work that neighbouring variants share."""

    ands: NDArray[np.uint64]
    """`ands[i]` is the AND of the first i indicators; it is made again from the first digit that changed."""
    digits: NDArray[np.int64]
    """The digits of the variant that the ANDs are of."""
    nodes: NDArray[np.uint64]
    """The words that a program's nodes join, a row each."""
    rows: NDArray[np.uint64]
    """The address of each node's bits."""


@inline
def partial_ands(planes, final):
    """Room for the partial results that `decide` keeps from variant to variant."""
    n_axes, n_nodes, n_words = planes.sizes.size, planes.program.nodes.shape[0], final.shape[1]
    n_ands = n_axes if n_nodes == 0 else 0
    ands, nodes = np.full((n_ands, 2, n_words), EVERY), np.empty((n_nodes, n_words), np.uint64)
    return PartialAnds(ands, np.full(n_axes, -1), nodes, np.empty(n_nodes, np.uint64))


@inline
def decide(index, planes, partial, final, rules):
    """Write the final signals of a variant; return the number of its conflicting bars."""
    if planes.program.roots.size > 0:
        return _run_program(index, planes, partial, final, rules)
    n_words = final.shape[1]
    ands, digits = partial.ands, partial.digits
    last = digits.size - 1
    for axis in range(set_digits(planes, index, digits), last):
        _and_into(ands[axis], plane_at(address_of(planes, axis, digits[axis]), n_words), ands[axis + 1])
    return _join(ands[last], plane_at(address_of(planes, last, digits[last]), n_words), final)


@inline
def _run_program(index, planes, partial, final, rules):
    changed = changed_axes(planes.sizes, index, partial.digits)
    join_nodes(planes, partial.digits, changed, partial.nodes, partial.rows)
    rows, roots = partial.rows, planes.program.roots
    longs, shorts = final[LONGS], final[SHORTS]
    conflicts = _copy_entries(rows, roots[0], roots[1], longs, shorts)
    if has_own_exits(final):
        _copy_exits(rows, roots[2], longs, shorts, rules.exit_on, final[LONG_EXITS])
        _copy_exits(rows, roots[3], shorts, longs, rules.exit_on, final[SHORT_EXITS])
    return conflicts


@inline
def _copy_entries(rows, long_root, short_root, longs, shorts):
    """Write the entries of both sides without the conflicting bars; return how many bars conflict."""
    conflicts = NONE
    if long_root != ABSENT and short_root != ABSENT:
        all_longs, all_shorts = row_at(rows[long_root], longs.size), row_at(rows[short_root], longs.size)
        for word in range(longs.size):
            both = all_longs[word] & all_shorts[word]
            conflicts += popcount(both)
            longs[word], shorts[word] = all_longs[word] ^ both, all_shorts[word] ^ both
    else:
        _copy_root(rows, long_root, longs)
        _copy_root(rows, short_root, shorts)
    return np.int64(conflicts)


@inline
def _copy_root(rows, root, out):
    if root == ABSENT:
        out[:] = NONE
    else:
        copy(row_at(rows[root], out.size), out)


@inline
def _copy_exits(rows, root, own, other, exit_on, out):
    if root == ABSENT:
        close_by_rule(own, other, exit_on, out)
    else:
        _copy_root(rows, root, out)


@inline
def close_by_rule(own, other, exit_on, out):
    """Write the bars that close a position where no exit is a condition of its own."""
    for word in range(out.size):
        out[word] = ~own[word] if exit_on == NEUTRAL else other[word]


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
    """The bars that may open a position: the direction allows it, the bar before had another signal, no exit of
    its own is true, and it is not the last bar."""
    allow_long = NONE if direction == SHORT_ONLY else EVERY
    allow_short = NONE if direction == LONG_ONLY else EVERY
    entries = np.empty(final.shape[1], np.uint64)
    long_before = short_before = np.uint64(0)
    for word in range(final.shape[1]):
        long, short = final[LONGS, word], final[SHORTS, word]
        fresh_long = allow_long & long & ~(long << _ONE | long_before)
        fresh_short = allow_short & short & ~(short << _ONE | short_before)
        if has_own_exits(final):
            fresh_long &= ~final[LONG_EXITS, word]
            fresh_short &= ~final[SHORT_EXITS, word]
        entries[word] = fresh_long | fresh_short
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
