"""Percent rank: how many of the last `window` values the value is above, 0 to 100; equal ones count half.

    percent_rank[t] = 100 · (number below x[t] + half the number equal to it) / window, among x[t-window] … x[t-1]

The bar itself is not among them, so the first value stands at index `window`. TradingView counts equal ones
whole, which makes a flat price its own highest: half puts it in the middle. A NaN makes every window that holds
it NaN, and nothing after. No recursion gives a rank, so a bar costs `window` comparisons, several at once.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from kernels.declare import PRICES, Example, Indicator, Param, Rule
from kernels.jit import FLOATS, FLOATS_OUT, INT, jit

_STRIDE = 1024


@jit(FLOATS, INT, FLOATS_OUT)
def kernel(source, window, percent_rank):
    percent_rank[:window] = np.nan
    # Bar by bar a count fills no vectors; lag by lag over a stretch of bars it does: a tenth of the time.
    for start in range(window, source.size, _STRIDE):
        last, ranks = source[start : start + _STRIDE], percent_rank[start : start + _STRIDE]
        ranks[:] = 0.0
        for lag in range(1, window + 1):
            earlier = source[start - lag :]
            for i in range(last.size):
                ranks[i] += np.sign(last[i] - earlier[i])
        for i in range(last.size):
            ranks[i] = 50.0 + 50.0 * (ranks[i] / window)


def reference(source: Sequence[float], window: int) -> list[list[float]]:
    rank = [math.nan] * len(source)
    for t in range(window, len(source)):
        earlier = source[t - window : t]
        if not any(math.isnan(value) for value in (*earlier, source[t])):
            below = sum(value < source[t] for value in earlier) + sum(value == source[t] for value in earlier) / 2
            rank[t] = 100 * below / window
    return [rank]


INDICATOR = Indicator(
    title="Percent Rank",
    source="TradingView ta.percentrank, with equal values at half as in SciPy's percentileofscore(kind='mean')",
    kernel=kernel,
    reference=reference,
    inputs={"source": PRICES},
    outputs=("percent_rank",),
    params={"window": Param("int", 50, 2, 2_000, 1, (20, 200, 20), "bars it is ranked among")},
    lookback=lambda window: window,
    bounds={"percent_rank": (0.0, 100.0)},
    fills=True,
    rule=Rule(
        "threshold_band",
        outputs=("percent_rank",),
        params={
            "long_threshold": Param("float", 10, 0, 100, 1, (5, 25, 5), "long at or below: low for its past"),
            "short_threshold": Param("float", 90, 0, 100, 1, (75, 95, 5), "short at or above: high for its past"),
        },
    ),
    example=Example(
        inputs={"source": (1.0, 2.0, 3.0, 2.0, 0.0)},
        params={"window": 2},
        expected={"percent_rank": (math.nan, math.nan, 100.0, 25.0, 0.0)},
    ),
)
