"""Candle body: how far a candle's close is from its open, in quote units.

    candle_body[t] = |close[t] - open[t]|

Every bar has a value. A NaN reaches no other bar.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from kernels.declare import Example, Indicator, Param, Rule
from kernels.jit import FLOATS, FLOATS_OUT, jit


@jit(FLOATS, FLOATS, FLOATS_OUT)
def kernel(open_, close, candle_body):
    for t in range(close.size):
        candle_body[t] = abs(close[t] - open_[t])


def reference(open_: Sequence[float], close: Sequence[float]) -> list[list[float]]:
    return [[abs(last - first) for first, last in zip(open_, close, strict=True)]]


INDICATOR = Indicator(
    title="Candle Body",
    source="Nison 1991, Japanese Candlestick Charting Techniques: the real body",
    kernel=kernel,
    reference=reference,
    inputs={"open": ("open",), "close": ("close",)},
    outputs=("candle_body",),
    params={},
    lookback=lambda: 0,
    bounds={"candle_body": (0.0, math.inf)},
    fills=True,
    rule=Rule(
        "candle_body_direction",
        outputs=("candle_body",),
        params={"min_strength": Param("float", 0, 0, 1e9, 1, (0, 100, 25), "the least body, in quote units")},
    ),
    example=Example(
        inputs={"open": (1.0, 3.0, 2.0), "close": (3.0, 2.0, 2.0)},
        params={},
        expected={"candle_body": (2.0, 1.0, 0.0)},
    ),
)
