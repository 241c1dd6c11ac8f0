"""True strength index: the change from bar to bar, smoothed twice, as a share of its size, smoothed alike.

    change[t] = x[t] - x[t-1]
    tsi[t] = 100 · ema(ema(change, slow), fast)[t] / ema(ema(|change|, slow), fast)[t]

Each average begins with the simple mean of its first values, so the first value stands at index slow + fast -
1. Where nothing moved at all it is 0. After a NaN it begins again.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from kernels.declare import PRICES, Example, Indicator, Param, Rule
from kernels.indicators._averages import smoothed
from kernels.indicators._lasts import LAST_STATE, keep_last, last_of
from kernels.indicators.ema import reference as ema
from kernels.jit import FLOATS, FLOATS_OUT, INT, fma, inline, jit


@jit(FLOATS, INT, INT, FLOATS_OUT, FLOATS_OUT)
def kernel(source, slow, fast, out, state):
    rates = 2.0 / (slow + 1), 2.0 / (fast + 1)
    changes, sizes = (state[2], state[3]), (state[4], state[5])
    last, seen = last_of(state), int(state[6])
    t = 0
    while t < source.size:
        change = source[t] - last
        if not np.isfinite(change):
            changes = sizes = (0.0, 0.0)
            seen = 0
            out[t] = np.nan
        elif seen >= slow + fast - 1 and t > 0:
            done, changes, sizes = _strengths_on(source[t - 1 :], changes, sizes, rates, out[t:])
            t += done
            last = source[t - 1]
            continue
        else:
            seen += 1
            changes = _smoothed_twice(changes, change, seen, slow, fast, rates)
            sizes = _smoothed_twice(sizes, abs(change), seen, slow, fast, rates)
            out[t] = _strength(changes, sizes) if seen >= slow + fast - 1 else np.nan
        last = source[t]
        t += 1
    keep_last(last, state)
    state[2], state[3] = changes
    state[4], state[5] = sizes
    state[6] = seen


@inline
def _smoothed_twice(averages, value, seen, slow, fast, rates):
    once, twice = averages
    once = smoothed(once, value, seen, slow, rates[0])
    if seen >= slow:
        twice = smoothed(twice, once, seen - (slow - 1), fast, rates[1])
    return once, twice


@inline
def _strength(changes, sizes):
    return 100.0 * changes[1] / sizes[1] if sizes[1] != 0.0 else 0.0


@inline
def _strengths_on(source, changes, sizes, rates, out):
    """Go on while values are known; return their number, and the averages then."""
    slow_rate, fast_rate = rates
    (change_once, change_twice), (size_once, size_twice) = changes, sizes
    for i in range(out.size):
        change = source[i + 1] - source[i]
        if not np.isfinite(change):
            return i, (change_once, change_twice), (size_once, size_twice)
        change_once = fma(1.0 - slow_rate, change_once, slow_rate * change)
        size_once = fma(1.0 - slow_rate, size_once, slow_rate * abs(change))
        change_twice = fma(1.0 - fast_rate, change_twice, fast_rate * change_once)
        size_twice = fma(1.0 - fast_rate, size_twice, fast_rate * size_once)
        out[i] = _strength((change_once, change_twice), (size_once, size_twice))
    return out.size, (change_once, change_twice), (size_once, size_twice)


def reference(source: Sequence[float], slow: int, fast: int) -> list[list[float]]:
    changes = [source[t] - source[t - 1] if t else math.nan for t in range(len(source))]
    [strength] = ema(ema(changes, slow)[0], fast)
    [size] = ema(ema([abs(change) for change in changes], slow)[0], fast)
    return [[100 * one / other if other else 0.0 for one, other in zip(strength, size, strict=True)]]


INDICATOR = Indicator(
    title="True Strength Index",
    source="Blau 1991, True Strength Index, Stocks & Commodities; TA-Lib TSI, TradingView ta.tsi",
    kernel=kernel,
    reference=reference,
    inputs={"source": PRICES},
    outputs=("tsi",),
    params={
        "slow": Param("int", 25, 2, 10_000, 1, (20, 40, 5), "bars of the first EMA"),
        "fast": Param("int", 13, 2, 10_000, 1, (8, 18, 5), "bars of the second EMA"),
    },
    lookback=lambda slow, fast: slow + fast - 1,
    state_size=lambda slow, fast: LAST_STATE + 5,
    bounds={"tsi": (-100.0, 100.0)},
    fills=True,
    rule=Rule("sign_of_output", outputs=("tsi",)),
    example=Example(
        inputs={"source": (1.0, 3.0, 2.0, 3.0)},
        params={"slow": 2, "fast": 2},
        expected={"tsi": (math.nan, math.nan, math.nan, 100 * (0.5 + 5 / 6) / (1.5 + 7 / 6))},
    ),
)
