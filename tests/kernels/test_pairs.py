"""Pairs of planes against flags, one bar after the other."""

from __future__ import annotations

import numpy as np
import pytest

from kernels import pairs
from kernels.bits import pack, unpack, words
from kernels.compared_blocks import READINGS
from kernels.compared_series import BLOCK_BARS, StayingSeries


def drawn(seed: int, n: int) -> tuple[np.ndarray, np.ndarray]:
    random = np.random.default_rng(seed)
    values = random.integers(0, 4, (2, n)).astype(float)
    values[random.random((2, n)) < 0.2] = np.nan
    return np.ascontiguousarray(values[0]), np.ascontiguousarray(values[1])


def flags(pair: np.ndarray, n: int) -> np.ndarray:
    assert pack(unpack(pair, n)).tobytes() == pair.tobytes(), "bits past the last bar are set"
    return unpack(pair, n)


@pytest.mark.parametrize("n", [2, 63, 64, 65, 130, 200])
@pytest.mark.parametrize("kind", ["series", "level right", "level left"])
def test_comparisons_and_crossings(n: int, kind: str):
    left, right = drawn(n, n)
    one: np.ndarray | float = 2.0 if kind == "level left" else left
    other: np.ndarray | float = 2.0 if kind == "level right" else right
    wide_one, wide_other = np.broadcast_to(one, n), np.broadcast_to(other, n)
    with np.errstate(invalid="ignore"):
        over, under = wide_one > wide_other, wide_one <= wide_other
    assert (flags(pairs.above_pair(one, other, 0, n), n) == [over, under]).all()
    crossed = flags(pairs.cross_above_pair(one, other, 1, n - 1), n - 1)
    assert (crossed == [over[1:] & under[:-1], under[1:] | over[:-1]]).all()


def walks(seed: int, n: int) -> list[np.ndarray]:
    """Series that are near one another, far apart, equal, missing, infinite, and constant."""
    random = np.random.default_rng(seed)
    walk = 100 + random.standard_normal(n).cumsum()
    holes = np.where(random.random(n) < 0.01, np.nan, walk[::-1])
    late = np.where(np.arange(n) < n // 2, np.nan, walk)
    spike = np.where(np.arange(n) == n // 3, np.inf, walk + random.standard_normal(n))
    near = walk + 1e-9 * random.standard_normal(n)
    return [walk, walk.copy(), np.round(walk), near, holes, late, spike, np.full(n, 100.0), 1e300 * near]


@pytest.mark.parametrize(
    "n", [2, 63, 64, 65, 66, 129, *(BLOCK_BARS + more for more in range(-1, 3)), 2 * BLOCK_BARS + 1, 20_000]
)
@pytest.mark.parametrize("before", [0, 1])
@pytest.mark.parametrize("readings", [(0,), (1,), (3,), (0, 2), (0, 1, 2, 3)])
def test_many_comparisons_at_once_are_those_one_by_one(n: int, before: int, readings: tuple[int, ...]):
    series = walks(n, n)
    sides = np.array([(one, other) for one in range(len(series)) for other in range(len(series))])
    places = np.full((len(sides), READINGS), -1)
    wanted = np.random.default_rng(n).permutation(len(sides) * len(readings)).reshape(len(sides), -1)
    places[:, readings] = wanted
    out = np.full((wanted.size, words(n - before)), 7, np.uint64)
    staying = StayingSeries(series, before)
    # The first pass decides the span of the codes; others lie outside of it.
    for passing in (range(2), range(2, 7), range(7, len(series))):
        chosen = np.isin(sides[:, 1], passing)
        made = [series[other] for other in passing]
        staying.compare(made, sides[chosen] - (0, passing[0]), places[chosen], out)
    single = pairs.cross_above_pair if before else pairs.above_pair
    for (one, other), rows in zip(sides.tolist(), wanted.tolist(), strict=True):
        both_ways = [(series[one], series[other]), (series[other], series[one])]
        pair = np.concatenate([single(left, right, before, n - before) for left, right in both_ways])
        assert (out[rows] == pair[list(readings)]).all(), (one, other)


@pytest.mark.parametrize(
    ("sides", "places", "n", "message"),
    [
        ([[2, 0]], [0, -1, -1, -1], 70, "staying sides are 2 to 2 of 2"),
        ([[0, 2]], [0, -1, -1, -1], 70, "passing sides are 2 to 2 of 2"),
        ([[0, 1]], [0, 1, -1, -1], 70, "of 1 pairs in 1 rows"),
        ([[0, 1]], [0, -1, -1, -1], 190, "no room for comparisons of 190 bars"),
    ],
)
def test_comparisons_outside_of_their_series_or_room_are_refused(sides, places, n, message):
    series, out = [np.zeros(n), np.zeros(n)], np.zeros((1, 2), np.uint64)
    with pytest.raises(ValueError, match=message):
        StayingSeries(series, 0).compare(series, np.array(sides), np.array([places]), out)


@pytest.mark.parametrize("length", [1, 2, 3, 7, 64, 65, 130])
def test_spells(length: int):
    n = 300
    random = np.random.default_rng(length)
    state = random.choice([0, 1, 2], n, p=[0.02, 0.96, 0.02])
    if length < 10:
        state = random.integers(0, 3, n)
    holds, fails = state == 1, state == 0
    bars = n - length + 1
    every = [holds[t : t + length].all() for t in range(bars)]
    none = [fails[t : t + length].any() for t in range(bars)]
    pair = pack(np.array([holds, fails]))
    assert (flags(pairs.held(pair, length, bars), bars) == [every, none]).all()
    some = [holds[t : t + length].any() for t in range(bars)]
    not_one = [fails[t : t + length].all() for t in range(bars)]
    assert (flags(pairs.within(pair, length, bars), bars) == [some, not_one]).all()


def test_not_leaves_what_is_unknown_unknown():
    pair = pack(np.array([[True, False, False], [False, True, False]]))
    assert unpack(pairs.opposite(pair), 3).tolist() == [[False, True, False], [True, False, False]]


def test_a_part_that_decides_needs_no_other():
    unknown = pack(np.zeros((2, 1), bool))
    false, true = pairs.constant(False, True, 1), pairs.constant(True, False, 1)
    assert (pairs.both(unknown, false) == false).all()
    assert (pairs.either(unknown, true) == true).all()
    assert not pairs.both(unknown, true).any()
    assert not pairs.either(unknown, false).any()
