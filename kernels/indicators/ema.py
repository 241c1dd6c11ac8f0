"""Exponential moving average: each bar moves it by 2 / (window + 1) of the way to the value.

    ema[t] = ema[t-1] + (x[t] - ema[t-1]) · 2 / (window + 1)

The first value is the simple mean of the first `window` values. After a NaN it begins again in the same way.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from kernels.declare import PRICES, Example, Indicator, Param, Rule
from kernels.indicators._averages import MEAN_STATE, recursive_mean
from kernels.jit import FLOATS, FLOATS_OUT, INT, jit


@jit(FLOATS, INT, FLOATS_OUT, FLOATS_OUT)
def kernel(source, window, out, state):
    recursive_mean(source, window, 2.0 / (window + 1), out, state)


def reference(source: Sequence[float], window: int) -> list[list[float]]:
    out = [math.nan] * len(source)
    valid: list[float] = []
    for t, value in enumerate(source):
        valid = [*valid, value] if math.isfinite(value) else []
        if len(valid) == window:
            out[t] = sum(valid) / window
        elif len(valid) > window:
            out[t] = value * 2 / (window + 1) + out[t - 1] * (1 - 2 / (window + 1))
    return [out]


INDICATOR = Indicator(
    title="Exponential Moving Average",
    source="Appel & Hitschler 1980; TA-Lib EMA with its default seed",
    kernel=kernel,
    reference=reference,
    inputs={"source": PRICES},
    outputs=("ema",),
    params={"window": Param("int", 20, 2, 20_000, 1, (5, 200, 5), "bars; the rate is 2 / (window + 1)")},
    lookback=lambda window: window - 1,
    state_size=lambda window: MEAN_STATE,
    fills=True,
    rule=Rule("price_against_output", outputs=("ema",)),
    example=Example(
        inputs={"source": (1.0, 2.0, 3.0, 6.0)},
        params={"window": 3},
        expected={"ema": (math.nan, math.nan, 2.0, 4.0)},
    ),
)
