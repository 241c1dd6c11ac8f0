"""Volume-weighted moving average: the mean of the last `window` prices, each weighted by its volume.

    vwma[t] = Σ x[i] · volume[i] / Σ volume[i], i = t-window+1 … t

The first value stands at index `window - 1`. A window without any volume has none. A NaN makes every window that
holds it NaN, and nothing after.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from kernels.declare import PRICES, Example, Indicator, Param, Rule
from kernels.jit import FLOATS, FLOATS_OUT, INT, jit


@jit(FLOATS, FLOATS, INT, FLOATS_OUT)
def kernel(source, volume, window, out):
    # Tails and heads of blocks, as distances from a price both parts stand at: see the sliding means.
    moved_tails, volume_tails = np.full((2, window + 1), np.nan)
    moved_tails[window] = volume_tails[window] = 0.0
    anchor = source[0] if source.size else 0.0
    for start in range(0, source.size, window):
        prices, volumes = source[start : start + window], volume[start : start + window]
        means = out[start : start + window]
        moved = traded = 0.0
        for i in range(prices.size):
            moved += (prices[i] - anchor) * volumes[i]
            traded += volumes[i]
            means[i] = anchor + (moved + moved_tails[i + 1]) / (traded + volume_tails[i + 1])
        if start + window >= source.size:
            return
        anchor = source[start + window]
        moved = traded = 0.0
        for i in range(window - 1, 0, -1):
            moved += (prices[i] - anchor) * volumes[i]
            traded += volumes[i]
            moved_tails[i], volume_tails[i] = moved, traded


def reference(source: Sequence[float], volume: Sequence[float], window: int) -> list[list[float]]:
    out = [math.nan] * len(source)
    for t in range(window - 1, len(source)):
        bars = range(t - window + 1, t + 1)
        traded = sum(volume[i] for i in bars)
        out[t] = sum(source[i] * volume[i] for i in bars) / traded if traded else math.nan
    return [out]


INDICATOR = Indicator(
    title="Volume-Weighted Moving Average",
    source="Mean weighted by volume; TA-Lib VWMA, TradingView ta.vwma",
    kernel=kernel,
    reference=reference,
    inputs={"source": PRICES, "volume": ("volume",)},
    outputs=("vwma",),
    params={"window": Param("int", 20, 2, 20_000, 1, (5, 200, 5), "bars in the average")},
    lookback=lambda window: window - 1,
    phase=lambda window: window,
    fills=True,
    rule=Rule("price_against_output", outputs=("vwma",)),
    example=Example(
        inputs={"source": (1.0, 2.0, 4.0), "volume": (1.0, 3.0, 1.0)},
        params={"window": 2},
        expected={"vwma": (math.nan, 7 / 4, 10 / 4)},
    ),
)
