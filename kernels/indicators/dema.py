"""Double exponential moving average: an EMA with half of its lag taken off by its own EMA.

    dema[t] = 2 · ema[t] - ema(ema)[t]

Both averages begin with the simple mean of their first `window` values, so the first value stands at index
2 · (window - 1). After a NaN it begins again in the same way.
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
    mixed_emas(source, window, 2, (2.0, -1.0, 0.0), out, state)


def reference(source: Sequence[float], window: int) -> list[list[float]]:
    [once] = ema(source, window)
    [twice] = ema(once, window)
    return [[2 * one - two for one, two in zip(once, twice, strict=True)]]


INDICATOR = Indicator(
    title="Double Exponential Moving Average",
    source="Mulloy 1994, Smoothing Data with Faster Moving Averages; TA-Lib DEMA",
    kernel=kernel,
    reference=reference,
    inputs={"source": PRICES},
    outputs=("dema",),
    params={"window": Param("int", 20, 2, 10_000, 1, (5, 200, 5), "bars of each EMA")},
    lookback=lambda window: 2 * (window - 1),
    state_size=lambda window: MIX_STATE,
    fills=True,
    rule=Rule("price_against_output", outputs=("dema",)),
    example=Example(
        inputs={"source": (1.0, 3.0, 5.0, 8.0)},
        params={"window": 2},
        expected={"dema": (math.nan, math.nan, 5.0, 71 / 9)},
    ),
)
