"""Pairs of planes: the bars on which a condition holds, and those on which it is known not to.

A bar in neither is one on which a value is missing. A pair is `uint64[2, words]` (see `bits`), and the logic is
Kleene's: `not` swaps the two, and what is unknown stays so unless the other part decides.
"""

from __future__ import annotations

from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from kernels.bits import WORD_BITS, pack, words
from kernels.comparisons import OCTET, OCTETS_OUT, above, at_least, at_most, below
from kernels.jit import FLOAT, FLOATS, INT, jit

Pair: TypeAlias = NDArray[np.uint64]
Series: TypeAlias = NDArray[np.float64]

HOLDS, FAILS = range(2)
"""The rows of a pair."""


@jit(FLOATS, FLOATS, INT, OCTETS_OUT, OCTETS_OUT)
def _above(left, right, start, holds, fails):
    for octet in range(holds.size):
        t = start + OCTET * octet
        holds[octet], fails[octet] = above(left, right, t), at_most(left, right, t)


@jit(FLOATS, FLOAT, INT, OCTETS_OUT, OCTETS_OUT)
def _above_level(left, level, start, holds, fails):
    for octet in range(holds.size):
        t = start + OCTET * octet
        holds[octet], fails[octet] = above(left, level, t), at_most(left, level, t)


@jit(FLOATS, FLOAT, INT, OCTETS_OUT, OCTETS_OUT)
def _below_level(left, level, start, holds, fails):
    for octet in range(holds.size):
        t = start + OCTET * octet
        holds[octet], fails[octet] = below(left, level, t), at_least(left, level, t)


@jit(FLOATS, FLOATS, INT, OCTETS_OUT, OCTETS_OUT)
def _cross_above(left, right, start, holds, fails):
    for octet in range(holds.size):
        t = start + OCTET * octet
        now, under = above(left, right, t), at_most(left, right, t)
        before, over = at_most(left, right, t - 1), above(left, right, t - 1)
        holds[octet], fails[octet] = now & before, under | over


@jit(FLOATS, FLOAT, INT, OCTETS_OUT, OCTETS_OUT)
def _cross_above_level(left, level, start, holds, fails):
    for octet in range(holds.size):
        t = start + OCTET * octet
        now, under = above(left, level, t), at_most(left, level, t)
        before, over = at_most(left, level, t - 1), above(left, level, t - 1)
        holds[octet], fails[octet] = now & before, under | over


@jit(FLOATS, FLOAT, INT, OCTETS_OUT, OCTETS_OUT)
def _cross_below_level(left, level, start, holds, fails):
    for octet in range(holds.size):
        t = start + OCTET * octet
        now, over = below(left, level, t), at_least(left, level, t)
        before, under = at_least(left, level, t - 1), below(left, level, t - 1)
        holds[octet], fails[octet] = now & before, over | under


def _masked(pair: Pair, n_bars: int) -> Pair:
    """Clear the bits past the last bar: those of a crossing's last octet may say what was before it."""
    if n_bars % WORD_BITS:
        pair[:, -1] &= np.uint64((1 << n_bars % WORD_BITS) - 1)
    return pair


def above_pair(left: Series | float, right: Series | float, start: int, n_bars: int) -> Pair:
    """`left > right` on `n_bars` bars of the series from `start` on."""
    pair = np.empty((2, words(n_bars)), np.uint64)
    octets = pair.view(np.uint8)
    if isinstance(left, float) and isinstance(right, float):
        return constant(left > right, left <= right, n_bars)
    if isinstance(right, float):
        _above_level(left, right, start, *octets)
    elif isinstance(left, float):
        _below_level(right, left, start, *octets)
    else:
        _above(left, right, start, *octets)
    return pair


def cross_above_pair(left: Series | float, right: Series | float, start: int, n_bars: int) -> Pair:
    """Above now, and not above on the bar before; bar `start - 1` of the series is before the first."""
    if isinstance(left, float) and isinstance(right, float):
        return constant(False, not np.isnan(left - right), n_bars)
    pair = np.empty((2, words(n_bars)), np.uint64)
    octets = pair.view(np.uint8)
    if isinstance(right, float):
        _cross_above_level(left, right, start, *octets)
    elif isinstance(left, float):
        _cross_below_level(right, left, start, *octets)
    else:
        _cross_above(left, right, start, *octets)
    return _masked(pair, n_bars)


def constant(holds: bool, fails: bool, n_bars: int) -> Pair:
    """The same on every bar."""
    return pack(np.array([np.full(n_bars, holds), np.full(n_bars, fails)]))


def opposite(pair: Pair) -> Pair:
    """`not`: what is unknown stays so."""
    return np.ascontiguousarray(pair[::-1])


def both(one: Pair, other: Pair) -> Pair:
    return np.stack([one[HOLDS] & other[HOLDS], one[FAILS] | other[FAILS]])


def either(one: Pair, other: Pair) -> Pair:
    return np.stack([one[HOLDS] | other[HOLDS], one[FAILS] & other[FAILS]])


def without_first(plane: NDArray[np.uint64], bars: int) -> NDArray[np.uint64]:
    """The same plane from a later bar on; as many words, zeros behind the last bar."""
    skipped, bits = divmod(bars, WORD_BITS)
    out = np.zeros_like(plane)
    kept = plane[skipped:]
    if not kept.size:
        return out
    out[: kept.size] = kept >> np.uint64(bits)
    if bits:
        out[: kept.size - 1] |= kept[1:] << np.uint64(WORD_BITS - bits)
    return out


def held(pair: Pair, length: int, n_bars: int) -> Pair:
    """The condition on all of `length` bars up to each of `n_bars` bars; the pair begins that much before them."""
    holds = _window(pair[HOLDS], length, np.bitwise_and)
    fails = _window(pair[FAILS], length, np.bitwise_or)
    return _masked(np.stack([holds, fails])[:, : words(n_bars)].copy(), n_bars)


def within(pair: Pair, length: int, n_bars: int) -> Pair:
    """The condition on any of `length` bars up to each of `n_bars` bars."""
    return opposite(held(opposite(pair), length, n_bars))


def _window(plane: NDArray[np.uint64], length: int, join: np.ufunc) -> NDArray[np.uint64]:
    """Join the bits of each run of `length` bars at its first bar: by runs of 1, 2, 4 and so on."""
    run, size = plane, 1
    joined, have = None, 0
    while True:
        if length & size:
            joined = run if joined is None else join(joined, without_first(run, have))
            have += size
        if have == length:
            assert joined is not None
            return joined
        run = join(run, without_first(run, size))
        size *= 2
