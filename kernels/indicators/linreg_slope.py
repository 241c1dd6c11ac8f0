"""Slope of the least-squares line through the last `window` values, in price per bar.

    slope[t] = Σ (i - (window - 1) / 2) · x[t-window+1+i] / (window · (window² - 1) / 12), i = 0 … window - 1

A NaN makes every window that holds it NaN, and nothing after.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from kernels.declare import PRICES, Example, Indicator, Param, Rule
from kernels.jit import FLOATS, FLOATS_OUT, INT, jit


@jit(FLOATS, INT, FLOATS_OUT)
def kernel(source, window, slope):
    # Tails and heads of blocks, as distances from a bar both parts share: see the sliding means. A part is the sum
    # of its distances times their places in the window, counted from the middle; a further bar moves all by one.
    centre = 0.5 * (window - 1)
    scale = 12.0 / (window * (window * window - 1.0))
    tails = np.full(window + 1, np.nan)
    tails[window] = 0.0
    anchor = source[0] if source.size else 0.0
    for start in range(0, source.size, window):
        block, slopes = source[start : start + window], slope[start : start + window]
        plain = placed = 0.0
        for i in range(block.size):
            distance = block[i] - anchor
            placed += centre * distance - plain
            plain += distance
            slopes[i] = placed
        for i in range(block.size):
            slopes[i] = (slopes[i] + tails[i + 1]) * scale
        if start + window >= source.size:
            return
        anchor = source[start + window]
        plain = placed = 0.0
        for i in range(window - 1, 0, -1):
            distance = block[i] - anchor
            placed += plain - centre * distance
            plain += distance
            tails[i] = placed


def reference(source: Sequence[float], window: int) -> list[list[float]]:
    slope = [math.nan] * len(source)
    offsets = [i - (window - 1) / 2 for i in range(window)]
    for t in range(window - 1, len(source)):
        values = source[t - window + 1 : t + 1]
        mean = sum(values) / window
        joint = sum(offset * (value - mean) for offset, value in zip(offsets, values, strict=True))
        slope[t] = joint / sum(offset * offset for offset in offsets)
    return [slope]


INDICATOR = Indicator(
    title="Linear Regression Slope",
    source="Least squares over a sliding window; TA-Lib LINEARREG_SLOPE",
    kernel=kernel,
    reference=reference,
    inputs={"source": PRICES},
    outputs=("slope",),
    params={"window": Param("int", 14, 2, 20_000, 1, (10, 100, 10), "bars the line is fitted to")},
    lookback=lambda window: window - 1,
    phase=lambda window: window,
    fills=True,
    rule=Rule("sign_of_output", outputs=("slope",)),
    example=Example(
        inputs={"source": (1.0, 2.0, 4.0, 3.0)},
        params={"window": 3},
        expected={"slope": (math.nan, math.nan, 1.5, 0.5)},
    ),
)
