"""Candle range in ATRs: how far the high is from the low, over the Average True Range.

    candle_range_atr[t] = (high[t] - low[t]) / atr[t]

The ATR is Wilder's over `window` bars, the candle's own among them, so the first value stands at index
`window`. Where no price moved at all it is 0. After a NaN it begins again.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from kernels.declare import Example, Indicator, Param, Rule
from kernels.indicators._ranges import RANGE_STATE
from kernels.indicators.atr import kernel as average_true_range
from kernels.indicators.atr import reference as average_true_ranges
from kernels.jit import FLOATS, FLOATS_OUT, INT, jit


@jit(FLOATS, FLOATS, FLOATS, INT, FLOATS_OUT, FLOATS_OUT)
def kernel(high, low, close, window, candle_range_atr, state):
    average_true_range(high, low, close, window, candle_range_atr, state)
    for t in range(close.size):
        atr = candle_range_atr[t]
        candle_range_atr[t] = (high[t] - low[t]) / atr if atr != 0.0 else 0.0


def reference(
    high: Sequence[float], low: Sequence[float], close: Sequence[float], window: int
) -> list[list[float]]:
    (ranges,) = average_true_ranges(high, low, close, window)
    parts = [high[t] - low[t] for t in range(len(close))]
    return [[part / atr if atr else 0.0 for part, atr in zip(parts, ranges, strict=True)]]


INDICATOR = Indicator(
    title="Candle Range in ATRs",
    source="Nison 1991, Japanese Candlestick Charting Techniques; Wilder 1978 for the ATR",
    kernel=kernel,
    reference=reference,
    inputs={"high": ("high",), "low": ("low",), "close": ("close",)},
    outputs=("candle_range_atr",),
    params={"window": Param("int", 14, 2, 5_000, 1, (7, 28, 7), "bars of the ATR")},
    lookback=lambda window: window,
    state_size=lambda window: RANGE_STATE,
    bounds={"candle_range_atr": (0.0, math.inf)},
    fills=True,
    rule=Rule(
        "candle_body_direction",
        outputs=("candle_range_atr",),
        params={"min_strength": Param("float", 1.0, 0, 1_000, 0.1, (0.5, 3.0, 0.5), "the least range, in ATRs")},
    ),
    example=Example(
        inputs={"high": (2.0, 3.0, 5.0), "low": (1.0, 2.0, 3.0), "close": (1.5, 2.5, 4.5)},
        params={"window": 2},
        expected={"candle_range_atr": (math.nan, math.nan, 1.0)},
    ),
)
