"""Every way to halve sixteen blocks: who wins on one half, and how that one ranks on the other.

A half is two bytes, a bit a block. Of each byte there are 256 partial sums a variant, so that a half costs one
addition and not eight; what is left of the total is the other half, exactly. Variants go through in tiles that
stay in the core's own cache. Most of them hold no winner: the highest sum over the first byte and the highest over
the last are together no less than any half's, and where that is not above the best there is, none is looked at. Of
a year's hours 7 % of all sums are looked at by parts of 64 variants, 21 % would be by tiles of 256.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from kernels.jit import (
    INT,
    INTS,
    INTS_OUT,
    SHORT_INT_ROWS,
    SHORT_INTS,
    SHORT_INTS_OUT,
    inline,
    jit,
)
from kernels.trust.winners import BLOCKS, FIRST_PREFIX, HALVES, LEAST, PAIRS, PREFIXES, Winners

TILE = 256
"""Variants whose partial sums are there at once: 512 kB."""

PART = 64
"""Variants of a tile that are passed over together."""

PARTS = TILE // PART


def winners(rows: NDArray[np.int32], indices: NDArray[np.int64]) -> tuple[Winners, Winners]:
    """Return the winners on every half, and on every prefix, among variants whose indices ascend."""
    halves, prefixes = Winners.none_of(HALVES), Winners.none_of(PREFIXES.size)
    _win_halves(rows, indices, PAIRS, _reached(rows), *halves)
    _win_prefixes(rows, indices, FIRST_PREFIX, *prefixes)
    return halves, prefixes


def _reached(rows: NDArray[np.int32]) -> NDArray[np.int32]:
    """Return of each half a sum that its winner exceeds: one less than the best of those with the highest totals.

    They are found first, so that the first tiles are passed over too.
    """
    reached = Winners.none_of(HALVES)
    if rows.shape[0] <= 2 * TILE:
        return reached.sums
    best = np.argpartition(rows.sum(axis=1, dtype=np.int64), -TILE)[-TILE:]
    _win_halves(rows[best], best, PAIRS, reached.sums.copy(), *reached)
    return np.asarray(reached.sums - np.int32(1))


def below_and_equal(
    rows: NDArray[np.int32], others: NDArray[np.int32]
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return of each half how many variants have less over the other half than its winner, how many as much."""
    below, equal = np.zeros(HALVES, np.int64), np.zeros(HALVES, np.int64)
    _count(rows, PAIRS, others, below, equal)
    return below, equal


@inline
def sums_of_a_tile():
    """Room for a tile's sums over every set of the first and of the last eight blocks, and over all blocks."""
    return np.empty((256, TILE), np.int32), np.empty((256, TILE), np.int32), np.empty(TILE, np.int32)


@inline
def fill_sums(rows, begin, low, high, totals):
    """Write the sums of the variants from `begin` on, a tile of them at most; return how many these are.

    First the blocks alone: a read of a row's block jumps 64 bytes, and is done once. Then set by set, and one byte
    after the other: both in one loop took four times as long.
    """
    width = min(TILE, rows.shape[0] - begin)
    for block in range(8):
        for at in range(width):
            low[1 << block, at] = rows[begin + at, block]
            high[1 << block, at] = rows[begin + at, block + 8]
    _fill_sets(low, width)
    _fill_sets(high, width)
    for at in range(width):
        totals[at] = np.int32(low[255, at] + high[255, at])
    return width


@inline
def _fill_sets(sums, width):
    """Write the sums over sets of several of eight blocks, from those of one."""
    for at in range(width):
        sums[0, at] = np.int32(0)
    for block in range(1, 8):
        alone = 1 << block
        for mask in range(1, alone):
            for at in range(width):
                sums[alone + mask, at] = np.int32(sums[mask, at] + sums[alone, at])


@inline
def room_for_highest():
    """Room for the highest sums over every set of eight blocks: of the parts of a tile, behind them of all."""
    return np.empty((PARTS + 1, 256), np.int32), np.empty((PARTS + 1, 256), np.int32)


@inline
def highest(sums):
    """The highest of some numbers: of an array of its own, the compiler takes many at once."""
    best = np.int32(LEAST)
    for at in range(sums.size):
        best = max(best, sums[at])
    return best


@inline
def highest_sum(low, high):
    """The highest sum of two arrays' numbers."""
    best = np.int32(LEAST)
    for at in range(low.size):
        best = max(best, np.int32(low[at] + high[at]))
    return best


@inline
def fill_highest(sums, width, out):
    """Write the highest sums of a tile's parts, and of all of them; return how many parts there are."""
    parts = (width + PART - 1) // PART
    for mask in range(256):
        most = np.int32(LEAST)
        for part in range(parts):
            out[part, mask] = highest(sums[mask, PART * part : min(PART * part + PART, width)])
            most = max(most, out[part, mask])
        out[PARTS, mask] = most
    return parts


@jit(SHORT_INT_ROWS, INTS, INTS, SHORT_INTS, SHORT_INTS_OUT, INTS_OUT, SHORT_INTS_OUT)
def _win_halves(rows, indices, pairs, floors, sums, winning, others):
    """Find the winners on each half of the pairs and on what it leaves; none is at or below its floor."""
    low, high, totals = sums_of_a_tile()
    low_most, high_most = room_for_highest()
    for begin in range(0, rows.shape[0], TILE):
        width = fill_sums(rows, begin, low, high, totals)
        fill_highest(low, width, low_most)
        parts = fill_highest(high, width, high_most)
        for half in range(2 * pairs.size):
            mask = pairs[half] if half < pairs.size else 0xFFFF - pairs[half - pairs.size]
            first, last = np.uint64(mask & 255), np.uint64(mask >> 8)
            floor = max(floors[half], sums[half])
            if np.int32(low_most[PARTS, first] + high_most[PARTS, last]) <= floor:
                continue
            for part in range(parts):
                if np.int32(low_most[part, first] + high_most[part, last]) <= floor:
                    continue
                at, until = PART * part, min(PART * part + PART, width)
                best = highest_sum(low[first, at:until], high[last, at:until])
                if best > floor:
                    while np.int32(low[first, at] + high[last, at]) != best:
                        at += 1
                    sums[half], winning[half], others[half] = best, indices[begin + at], totals[at] - best
                    floor = best


@jit(SHORT_INT_ROWS, INTS, INT, SHORT_INTS_OUT, INTS_OUT, SHORT_INTS_OUT)
def _win_prefixes(rows, indices, shortest, sums, winning, others):
    for at in range(rows.shape[0]):
        total, inside = np.int64(0), np.int64(0)
        for block in range(BLOCKS):
            total += rows[at, block]
        for block in range(shortest):
            inside += rows[at, block]
        for place in range(sums.size):
            if inside > sums[place] or winning[place] < 0:
                sums[place], winning[place], others[place] = inside, indices[at], total - inside
            inside += rows[at, shortest + place]


@jit(SHORT_INT_ROWS, INTS, SHORT_INTS, INTS_OUT, INTS_OUT)
def _count(rows, pairs, others, below, equal):
    low, high, totals = sums_of_a_tile()
    for begin in range(0, rows.shape[0], TILE):
        width = fill_sums(rows, begin, low, high, totals)
        for place in range(pairs.size):
            first, last = np.uint64(pairs[place] & 255), np.uint64(pairs[place] >> 8)
            there = place + pairs.size
            left, right = others[place], others[there]
            left_below = left_equal = right_below = right_equal = np.int32(0)
            for at in range(width):
                half = np.int32(low[first, at] + high[last, at])
                rest = np.int32(totals[at] - half)
                left_below = np.int32(left_below + np.int32(rest < left))
                left_equal = np.int32(left_equal + np.int32(rest == left))
                right_below = np.int32(right_below + np.int32(half < right))
                right_equal = np.int32(right_equal + np.int32(half == right))
            below[place] += left_below
            equal[place] += left_equal
            below[there] += right_below
            equal[there] += right_equal
