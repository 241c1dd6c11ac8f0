"""Hull moving average: a weighted average of what a fast weighted average is ahead of a slow one.

    hma[t] = wma(2 · wma(x, window / 2) - wma(x, window), √window)[t]

Half and root are rounded down. The first value stands at index window - 1 + ⌊√window⌋ - 1. A NaN reaches every
value made from a window that holds it, and nothing after.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from kernels.declare import PRICES, Example, Indicator, Param, Rule
from kernels.indicators._means import sliding_weighted_mean, weighted_mean_phase
from kernels.indicators.wma import reference as wma
from kernels.jit import FLOATS, FLOATS_OUT, INT, jit


@jit(FLOATS, INT, FLOATS_OUT)
def kernel(source, window, out):
    ahead = np.empty(source.size)
    sliding_weighted_mean(source, window // 2, ahead)
    sliding_weighted_mean(source, window, out)
    for t in range(source.size):
        # As a distance: 2 · a - b of two equal averages may round to another value.
        ahead[t] += ahead[t] - out[t]
    sliding_weighted_mean(ahead, int(math.sqrt(window)), out)


def reference(source: Sequence[float], window: int) -> list[list[float]]:
    [fast] = wma(source, window // 2)
    [slow] = wma(source, window)
    return wma([2 * one - other for one, other in zip(fast, slow, strict=True)], math.isqrt(window))


def _phase(window: int) -> int:
    return math.lcm(*map(weighted_mean_phase, (window, window // 2, math.isqrt(window))))


INDICATOR = Indicator(
    title="Hull Moving Average",
    source="Hull 2005, alanhull.com; TA-Lib HMA, TradingView ta.hma",
    kernel=kernel,
    reference=reference,
    inputs={"source": PRICES},
    outputs=("hma",),
    params={"window": Param("int", 20, 2, 10_000, 1, (5, 200, 5), "bars of the slow average")},
    lookback=lambda window: window - 1 + math.isqrt(window) - 1,
    phase=_phase,
    fills=True,
    rule=Rule("price_against_output", outputs=("hma",)),
    example=Example(
        inputs={"source": (1.0, 2.0, 4.0, 3.0, 6.0)},
        params={"window": 4},
        expected={"hma": (math.nan, math.nan, math.nan, math.nan, 455 / 90)},
    ),
    version=2,
)
