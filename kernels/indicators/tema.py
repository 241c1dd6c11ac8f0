"""Triple exponential moving average: an EMA with its lag taken off by its EMA and the EMA of that.

    tema[t] = 3 · ema[t] - 3 · ema(ema)[t] + ema(ema(ema))[t]

Each average begins with the simple mean of its first `window` values, so the first value stands at index
3 · (window - 1). After a NaN it begins again in the same way.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from kernels.declare import PRICES, Example, Indicator, Param, Rule
from kernels.indicators._averages import MIX_STATE, mixed_emas
from kernels.indicators.ema import reference as ema
from kernels.jit import FLOATS, FLOATS_OUT, INT, jit


@jit(FLOATS, INT, FLOATS_OUT, FLOATS_OUT)
def kernel(source, window, out, state):
    mixed_emas(source, window, 3, (3.0, -3.0, 1.0), out, state)


def reference(source: Sequence[float], window: int) -> list[list[float]]:
    [once] = ema(source, window)
    [twice] = ema(once, window)
    [thrice] = ema(twice, window)
    return [[3 * one - 3 * two + three for one, two, three in zip(once, twice, thrice, strict=True)]]


INDICATOR = Indicator(
    title="Triple Exponential Moving Average",
    source="Mulloy 1994, Smoothing Data with Less Lag; TA-Lib TEMA",
    kernel=kernel,
    reference=reference,
    inputs={"source": PRICES},
    outputs=("tema",),
    params={"window": Param("int", 20, 2, 10_000, 1, (5, 200, 5), "bars of each EMA")},
    lookback=lambda window: 3 * (window - 1),
    state_size=lambda window: MIX_STATE,
    fills=True,
    rule=Rule("price_against_output", outputs=("tema",)),
    example=Example(
        inputs={"source": (1.0, 3.0, 5.0, 8.0)},
        params={"window": 2},
        expected={"tema": (math.nan, math.nan, math.nan, 71 / 9)},
    ),
)
