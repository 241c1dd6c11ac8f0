"""Sums over a sliding window: exact to the rounding of one window, whatever stood before it."""

from __future__ import annotations

import math

import numpy as np
import pytest
from numpy.typing import NDArray

from kernels.indicators._sums import rows_for, stretch_of, window_sums
from kernels.jit import FLOATS, FLOATS_OUT, INT, jit


@jit(FLOATS, INT, FLOATS_OUT)
def sums_of(values, window, out):
    spare = rows_for(2, window)
    for start in range(0, values.size - window + 1, stretch_of(window)):
        stop = min(start + stretch_of(window) + window - 1, values.size)
        window_sums(values[start:stop], window, spare, out[start + window - 1 : stop])


def sums(values: NDArray[np.float64], window: int) -> NDArray[np.float64]:
    out = np.full(values.size, np.nan)
    sums_of(values, window, out)
    return out


VALUES = np.random.default_rng(4).normal(0, 1, 3_500) * 10.0 ** np.random.default_rng(5).integers(-3, 4, 3_500)
every_window = pytest.mark.parametrize(
    "window", [*range(1, 35), 63, 64, 100, 255, 256, 511, 512, 513, 1_024, 2_000]
)


@every_window
def test_a_sum_is_that_of_its_window(window):
    got = sums(VALUES, window)
    assert np.isnan(got[: window - 1]).all()
    for t in [*range(window - 1, window + 9), 1_023 + window, 1_024 + window, 3_498, 3_499]:
        held = VALUES[t - window + 1 : t + 1]
        assert got[t] == pytest.approx(math.fsum(held), abs=1e-12 * np.abs(held).sum())


@every_window
def test_a_nan_is_in_the_windows_that_hold_it_alone(window):
    values = VALUES.copy()
    values[1_100] = np.nan
    known = np.isfinite(sums(values, window))
    assert np.flatnonzero(~known[window - 1 :]).tolist() == list(
        range(max(0, 1_100 - window + 1), min(1_100, values.size - window) + 1)
    )


@every_window
def test_a_sum_of_a_prefix_is_the_same_to_the_bit(window):
    whole = sums(VALUES, window)
    for end in (0, 1, window, 1_500, 2_047, 2_100):
        assert sums(VALUES[:end].copy(), window).tobytes() == whole[:end].tobytes()


@pytest.mark.parametrize("window", [2, 7, 20, 512])
def test_a_sum_of_few_values_is_the_same_wherever_history_begins(window):
    assert sums(VALUES[37:].copy(), window)[window:].tobytes() == sums(VALUES, window)[37 + window :].tobytes()
