"""Historical volatility: the deviation of the last `window` logarithmic returns, in percent a year.

    return[t] = ln(x[t] / x[t-1])
    hv[t] = 100 · √(Σ (return[i] - mean)² / (window - 1)) · √bars_per_year, i = t-window+1 … t

The sample's deviation. The first value stands at index `window`: the first bar has no return. A NaN reaches every
window of returns it is part of, and nothing after. How many bars a year has follows from the timeframe: 365 of a
day, 525,600 of a minute; it scales the value and changes no signal.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise
from statistics import variance

import numpy as np

from kernels.declare import PRICES, Example, Indicator, Param, Rule
from kernels.indicators._lags import LAGS
from kernels.indicators._means import sliding_spread
from kernels.jit import FLOATS, FLOATS_OUT, INT, jit


@jit(FLOATS, INT, INT, FLOATS_OUT)
def kernel(source, window, bars_per_year, out):
    returns = np.full(source.size, np.nan)
    for t in range(1, source.size):
        returns[t] = math.log(source[t] / source[t - 1])
    sliding_spread(returns[1:], window, np.empty(window), out[1:])
    scale = bars_per_year * (window / (window - 1))
    for t in range(out.size):
        out[t] = 100.0 * math.sqrt(out[t] * scale)


def reference(source: Sequence[float], window: int, bars_per_year: int) -> list[list[float]]:
    out = [math.nan] * len(source)
    for t in range(window, len(source)):
        prices = source[t - window : t + 1]
        returns = [math.log(later / earlier) for earlier, later in pairwise(prices)]
        out[t] = 100 * math.sqrt(variance(returns)) * math.sqrt(bars_per_year)
    return [out]


INDICATOR = Indicator(
    title="Historical Volatility",
    source="Close-to-close estimator: Hull, Options, Futures and Other Derivatives",
    kernel=kernel,
    reference=reference,
    inputs={"source": PRICES},
    outputs=("hv",),
    params={
        "window": Param("int", 20, 2, 20_000, 1, (10, 60, 10), "returns in the window"),
        "bars_per_year": Param(
            "int", 365, 1, 525_600, 1, (365, 365, 1), "365 of a day, 525600 of a minute", counts_bars=False
        ),
    },
    lookback=lambda window, bars_per_year: window,
    phase=lambda window, bars_per_year: window,
    bounds={"hv": (0.0, math.inf)},
    rule=Rule("sign_of_change", outputs=("hv",), params=LAGS),
    example=Example(
        inputs={"source": (1.0, math.e, 1.0, 1.0)},
        params={"window": 2, "bars_per_year": 2},
        expected={"hv": (math.nan, math.nan, 200.0, 100.0)},
    ),
    version=2,
)
