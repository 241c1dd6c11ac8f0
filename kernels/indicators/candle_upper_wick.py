"""Candle upper wick: how far a candle's high is above its body, in quote units.

    candle_upper_wick[t] = high[t] - max(open[t], close[t])

Every bar has a value. A NaN reaches no other bar. The signal takes the candle's own direction: a wick alone has
none.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from kernels.declare import Example, Indicator, Param, Rule
from kernels.jit import FLOATS, FLOATS_OUT, jit


@jit(FLOATS, FLOATS, FLOATS, FLOATS_OUT)
def kernel(open_, high, close, candle_upper_wick):
    for t in range(close.size):
        candle_upper_wick[t] = high[t] - np.maximum(open_[t], close[t])


def reference(open_: Sequence[float], high: Sequence[float], close: Sequence[float]) -> list[list[float]]:
    candles = zip(open_, high, close, strict=True)
    return [[min(top - first, top - last) + 0 * (first + last) for first, top, last in candles]]


INDICATOR = Indicator(
    title="Candle Upper Wick",
    source="Nison 1991, Japanese Candlestick Charting Techniques: the upper shadow",
    kernel=kernel,
    reference=reference,
    inputs={"open": ("open",), "high": ("high",), "close": ("close",)},
    outputs=("candle_upper_wick",),
    params={},
    lookback=lambda: 0,
    bounds={"candle_upper_wick": (0.0, math.inf)},
    fills=True,
    rule=Rule(
        "candle_body_direction",
        outputs=("candle_upper_wick",),
        params={"min_strength": Param("float", 0, 0, 1e9, 1, (0, 100, 25), "the least wick, in quote units")},
    ),
    example=Example(
        inputs={"open": (1.0, 3.0, 2.0), "high": (3.5, 3.5, 2.0), "close": (3.0, 2.0, 2.0)},
        params={},
        expected={"candle_upper_wick": (0.5, 0.5, 0.0)},
    ),
)
