"""Wilder's moving average: each bar moves it by 1 / window of the way to the value.

    rma[t] = rma[t-1] + (x[t] - rma[t-1]) / window

The first value, at index `window - 1`, is the simple mean of the first `window` values. After a NaN it begins
again in the same way. It is an exponential average of 2 · window - 1 bars, and what RSI, ATR and ADX are made of.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from kernels.declare import PRICES, Example, Indicator, Param, Rule
from kernels.indicators._averages import MEAN_STATE, recursive_mean
from kernels.jit import FLOATS, FLOATS_OUT, INT, jit


@jit(FLOATS, INT, FLOATS_OUT, FLOATS_OUT)
def kernel(source, window, out, state):
    recursive_mean(source, window, 1.0 / window, out, state)


def reference(source: Sequence[float], window: int) -> list[list[float]]:
    out = [math.nan] * len(source)
    valid: list[float] = []
    for t, value in enumerate(source):
        valid = [*valid, value] if math.isfinite(value) else []
        if len(valid) == window:
            out[t] = sum(valid) / window
        elif len(valid) > window:
            out[t] = (out[t - 1] * (window - 1) + value) / window
    return [out]


INDICATOR = Indicator(
    title="Wilder's Moving Average",
    source="Wilder 1978, New Concepts in Technical Trading Systems; TA-Lib RMA, TradingView ta.rma",
    kernel=kernel,
    reference=reference,
    inputs={"source": PRICES},
    outputs=("rma",),
    params={"window": Param("int", 14, 2, 20_000, 1, (5, 100, 5), "bars; the rate is 1 / window")},
    lookback=lambda window: window - 1,
    state_size=lambda window: MEAN_STATE,
    fills=True,
    rule=Rule("price_against_output", outputs=("rma",)),
    example=Example(
        inputs={"source": (1.0, 2.0, 3.0, 5.0)},
        params={"window": 3},
        expected={"rma": (math.nan, math.nan, 2.0, 3.0)},
    ),
)
