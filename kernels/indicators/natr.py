"""Normalised Average True Range: the average true range in percent of the close, comparable between markets.

    natr[t] = 100 · atr[t] / close[t]

The average is `atr`: Wilder's, first the mean of the true ranges of bars 1 … window, so the first value stands at
index `window`. After a NaN it begins again.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from kernels.declare import Example, Indicator, Param, Rule
from kernels.indicators._lags import LAGS
from kernels.indicators._ranges import RANGE_STATE, average_true_range
from kernels.indicators.atr import reference as atr
from kernels.jit import FLOATS, FLOATS_OUT, INT, jit


@jit(FLOATS, FLOATS, FLOATS, INT, FLOATS_OUT, FLOATS_OUT)
def kernel(high, low, close, window, out, state):
    average_true_range(high, low, close, window, out, state)
    for t in range(close.size):
        out[t] *= 100.0 / close[t]


def reference(
    high: Sequence[float], low: Sequence[float], close: Sequence[float], window: int
) -> list[list[float]]:
    [averages] = atr(high, low, close, window)
    return [[100 * average / price for average, price in zip(averages, close, strict=True)]]


INDICATOR = Indicator(
    title="Normalised Average True Range",
    source="Forman 2006, Stocks & Commodities; TA-Lib NATR",
    kernel=kernel,
    reference=reference,
    inputs={"high": ("high",), "low": ("low",), "close": ("close",)},
    outputs=("natr",),
    params={"window": Param("int", 14, 2, 5_000, 1, (7, 28, 7), "bars of Wilder's average")},
    lookback=lambda window: window,
    state_size=lambda window: RANGE_STATE,
    bounds={"natr": (0.0, math.inf)},
    fills=True,
    rule=Rule("sign_of_change", outputs=("natr",), params=LAGS),
    example=Example(
        inputs={"high": (2.0, 3.0, 5.0, 4.0), "low": (1.0, 2.0, 3.0, 2.0), "close": (1.5, 2.5, 4.0, 3.0)},
        params={"window": 2},
        expected={"natr": (math.nan, math.nan, 50.0, 200 / 3)},
    ),
)
