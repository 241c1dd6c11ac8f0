"""Pairs of planes against flags, one bar after the other."""

from __future__ import annotations

import numpy as np
import pytest

from kernels import pairs
from kernels.bits import pack, unpack


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
