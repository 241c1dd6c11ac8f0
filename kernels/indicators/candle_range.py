"""Candle range: how far a candle's high is from its low, in quote units.

    candle_range[t] = high[t] - low[t]

Every bar has a value. A NaN reaches no other bar.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from kernels.declare import Example, Indicator, Param, Rule
from kernels.jit import FLOATS, FLOATS_OUT, jit


@jit(FLOATS, FLOATS, FLOATS_OUT)
def kernel(high, low, candle_range):
    for t in range(high.size):
        candle_range[t] = high[t] - low[t]


def reference(high: Sequence[float], low: Sequence[float]) -> list[list[float]]:
    return [[top - bottom for top, bottom in zip(high, low, strict=True)]]


INDICATOR = Indicator(
    title="Candle Range",
    source="Nison 1991, Japanese Candlestick Charting Techniques: from shadow to shadow",
    kernel=kernel,
    reference=reference,
    inputs={"high": ("high",), "low": ("low",)},
    outputs=("candle_range",),
    params={},
    lookback=lambda: 0,
    bounds={"candle_range": (0.0, math.inf)},
    fills=True,
    rule=Rule(
        "candle_body_direction",
        outputs=("candle_range",),
        params={"min_strength": Param("float", 0, 0, 1e9, 1, (0, 100, 25), "the least range, in quote units")},
    ),
    example=Example(
        inputs={"high": (3.0, 2.5, 2.0), "low": (1.0, 1.0, 2.0)},
        params={},
        expected={"candle_range": (2.0, 1.5, 0.0)},
    ),
)
