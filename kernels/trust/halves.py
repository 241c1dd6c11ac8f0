"""Every way to halve sixteen blocks: who wins on one half, and how that one ranks on the other.

A half is two bytes, a bit a block. Of each byte there are 256 partial sums a variant, so that a half costs one
addition and not eight; what is left of the total is the other half, exactly. Variants go through in tiles that
stay in the core's own cache: 12,870 halves of 100,000 variants take 0.1 s.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from kernels.jit import (
    INTS,
    INTS_OUT,
    SHORT_INT_ROWS,
    SHORT_INTS,
    SHORT_INTS_OUT,
    inline,
    jit,
)
from kernels.trust.winners import BLOCKS, HALVES, LEAST, PAIRS, PREFIXES, Winners

TILE = 256
"""Variants whose partial sums are there at once: 512 kB."""


def winners(rows: NDArray[np.int32], indices: NDArray[np.int64]) -> tuple[Winners, Winners]:
    """Return the winners on every half, and on every prefix, among variants whose indices ascend."""
    halves, prefixes = Winners.none_of(HALVES), Winners.none_of(PREFIXES.size)
    _win_halves(rows, indices, PAIRS, *halves)
    _win_sets(rows, indices, PREFIXES, *prefixes)
    return halves, prefixes


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

    First the blocks alone: a read of a row's block jumps 64 bytes, and is done once.
    """
    width = min(TILE, rows.shape[0] - begin)
    for block in range(8):
        for at in range(width):
            low[1 << block, at] = rows[begin + at, block]
            high[1 << block, at] = rows[begin + at, block + 8]
    for at in range(width):
        low[0, at], high[0, at] = np.int32(0), np.int32(0)
    for mask in range(1, 256):
        one, others = np.uint64(mask & -mask), np.uint64(mask & (mask - 1))
        if others:
            for at in range(width):
                low[mask, at] = np.int32(low[others, at] + low[one, at])
                high[mask, at] = np.int32(high[others, at] + high[one, at])
    for at in range(width):
        totals[at] = np.int32(low[255, at] + high[255, at])
    return width


@jit(SHORT_INT_ROWS, INTS, INTS, SHORT_INTS_OUT, INTS_OUT, SHORT_INTS_OUT)
def _win_halves(rows, indices, pairs, sums, winning, others):
    low, high, totals = sums_of_a_tile()
    for begin in range(0, rows.shape[0], TILE):
        width = fill_sums(rows, begin, low, high, totals)
        for place in range(pairs.size):
            first, last = np.uint64(pairs[place] & 255), np.uint64(pairs[place] >> 8)
            best = rest = np.int32(LEAST)
            for at in range(width):
                half = np.int32(low[first, at] + high[last, at])
                best, rest = max(best, half), max(rest, np.int32(totals[at] - half))
            there = place + pairs.size
            if best > sums[place] or winning[place] < 0:
                at = 0
                while np.int32(low[first, at] + high[last, at]) != best:
                    at += 1
                sums[place], winning[place], others[place] = best, indices[begin + at], totals[at] - best
            if rest > sums[there] or winning[there] < 0:
                at = 0
                while np.int32(totals[at] - np.int32(low[first, at] + high[last, at])) != rest:
                    at += 1
                sums[there], winning[there], others[there] = rest, indices[begin + at], totals[at] - rest


@jit(SHORT_INT_ROWS, INTS, INTS, SHORT_INTS_OUT, INTS_OUT, SHORT_INTS_OUT)
def _win_sets(rows, indices, masks, sums, winning, others):
    """Few sets: block by block."""
    for at in range(rows.shape[0]):
        for place in range(masks.size):
            inside = outside = np.int64(0)
            for block in range(BLOCKS):
                if masks[place] >> block & 1:
                    inside += rows[at, block]
                else:
                    outside += rows[at, block]
            if inside > sums[place] or winning[place] < 0:
                sums[place], winning[place], others[place] = inside, indices[at], outside


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
