"""Arnaud Legoux moving average: a mean under a bell curve that stands towards the last bar.

    weight[i] = exp(-(i - offset · (window - 1))² / (2 · (window / sigma)²)), i = 0 for the oldest bar
    alma[t] = Σ weight[i] · x[t-window+1+i] / Σ weight[i]

The first value stands at index `window - 1`. A NaN makes every window that holds it NaN, and nothing after. The
weights follow no recursion, so a bar costs `window` products, several of them at once.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from kernels.declare import PRICES, Example, Indicator, Param, Rule
from kernels.indicators._means import sliding_weighing
from kernels.jit import FLOAT, FLOATS, FLOATS_OUT, INT, jit


@jit(FLOATS, INT, FLOAT, FLOAT, FLOATS_OUT)
def kernel(source, window, offset, sigma, out):
    centre, width = offset * (window - 1), window / sigma
    weights = np.exp(-((np.arange(window) - centre) ** 2) / (2.0 * width * width))
    sliding_weighing(source, weights / weights.sum(), out)


def reference(source: Sequence[float], window: int, offset: float, sigma: float) -> list[list[float]]:
    out = [math.nan] * len(source)
    centre, width = offset * (window - 1), window / sigma
    weights = [math.exp(-((i - centre) ** 2) / (2 * width**2)) for i in range(window)]
    for t in range(window - 1, len(source)):
        values = source[t - window + 1 : t + 1]
        out[t] = sum(weight * value for weight, value in zip(weights, values, strict=True)) / sum(weights)
    return [out]


INDICATOR = Indicator(
    title="Arnaud Legoux Moving Average",
    source="Legoux & Kouzis-Loukas 2009, arnaudlegoux.com; TradingView ta.alma",
    kernel=kernel,
    reference=reference,
    inputs={"source": PRICES},
    outputs=("alma",),
    params={
        "window": Param("int", 9, 2, 2_000, 1, (5, 60, 5), "bars in the average"),
        "offset": Param(
            "float", 0.85, 0.0, 1.0, 0.05, (0.85, 0.85, 0.05), "0 centres on the oldest bar, 1 the last"
        ),
        "sigma": Param("float", 6.0, 1.0, 20.0, 0.5, (6.0, 6.0, 1.0), "window / sigma is the curve's deviation"),
    },
    lookback=lambda window, offset, sigma: window - 1,
    fills=True,
    rule=Rule("price_against_output", outputs=("alma",)),
    example=Example(
        inputs={"source": (1.0, 2.0, 4.0)},
        params={"window": 2, "offset": 0.5, "sigma": 6.0},
        expected={"alma": (math.nan, 1.5, 3.0)},
    ),
)
