"""Candle lower wick: how far a candle's low is below its body, in quote units.

    candle_lower_wick[t] = min(open[t], close[t]) - low[t]

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
def kernel(open_, low, close, candle_lower_wick):
    for t in range(close.size):
        candle_lower_wick[t] = np.minimum(open_[t], close[t]) - low[t]


def reference(open_: Sequence[float], low: Sequence[float], close: Sequence[float]) -> list[list[float]]:
    candles = zip(open_, low, close, strict=True)
    return [[min(first - bottom, last - bottom) + 0 * (first + last) for first, bottom, last in candles]]


INDICATOR = Indicator(
    title="Candle Lower Wick",
    source="Nison 1991, Japanese Candlestick Charting Techniques: the lower shadow",
    kernel=kernel,
    reference=reference,
    inputs={"open": ("open",), "low": ("low",), "close": ("close",)},
    outputs=("candle_lower_wick",),
    params={},
    lookback=lambda: 0,
    bounds={"candle_lower_wick": (0.0, math.inf)},
    fills=True,
    rule=Rule(
        "candle_body_direction",
        outputs=("candle_lower_wick",),
        params={"min_strength": Param("float", 0, 0, 1e9, 1, (0, 100, 25), "the least wick, in quote units")},
    ),
    example=Example(
        inputs={"open": (1.0, 3.0, 2.0), "low": (0.5, 1.0, 2.0), "close": (3.0, 2.0, 2.0)},
        params={},
        expected={"candle_lower_wick": (0.5, 1.0, 0.0)},
    ),
)
