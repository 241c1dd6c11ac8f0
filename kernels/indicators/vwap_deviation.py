"""Bands around the rolling VWAP: `stddev` standard deviations of price about it, weighted by volume as it is.

    deviation = √(Σ volume[i] · (price[i] - vwap)² / Σ volume[i]), over the last `window` bars
    upper and lower = vwap ± stddev · deviation

The first value stands at index `window - 1`. A window without any volume has none. A NaN makes every window
that holds it NaN, and nothing after.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from kernels.declare import PRICES, Example, Indicator, Param, Rule
from kernels.jit import FLOAT, FLOATS, FLOATS_OUT, INT, inline, jit


@inline
def _weighed(spread, price, volume):
    """West's update (1979) of a weight, a weighted mean and the weighted squares about it."""
    weight, mean, squares = spread
    weight += volume
    distance = price - mean
    # Without any volume so far there is no mean to move; a NaN is not equal to 0 and goes through.
    mean += distance * (volume / weight) if weight != 0.0 else 0.0 * distance
    return weight, mean, squares + volume * distance * (price - mean)


@jit(FLOATS, FLOATS, INT, FLOAT, FLOATS_OUT, FLOATS_OUT, FLOATS_OUT)
def kernel(source, volume, window, stddev, vwap, upper, lower):
    # A window is the tail of one block of `window` bars and the head of the next; two spreads join without a
    # difference of large numbers (Chan, Golub & LeVeque 1983), so a flat window has exactly no deviation.
    weights, means, squares = np.full((3, window + 1), np.nan)
    weights[window] = means[window] = squares[window] = 0.0
    for start in range(0, source.size, window):
        stop = min(start + window, source.size)
        spread = (0.0, 0.0, 0.0)
        for t in range(start, stop):
            spread = _weighed(spread, source[t], volume[t])
            weight, mean, square = spread
            head = t - start + 1
            total = weights[head] + weight
            apart = means[head] - mean
            average = mean + apart * (weights[head] / total)
            joined = squares[head] + square + apart * apart * (weight * (weights[head] / total))
            width = stddev * math.sqrt(joined / total)
            vwap[t] = average
            upper[t] = average + width
            lower[t] = average - width
        spread = (0.0, 0.0, 0.0)
        for t in range(stop - 1, start, -1):
            spread = _weighed(spread, source[t], volume[t])
            weights[t - start], means[t - start], squares[t - start] = spread


def reference(source: Sequence[float], volume: Sequence[float], window: int, stddev: float) -> list[list[float]]:
    vwap, upper, lower = ([math.nan] * len(source) for _ in range(3))
    for t in range(window - 1, len(source)):
        bars = range(t - window + 1, t + 1)
        traded = sum(volume[i] for i in bars)
        if traded:
            vwap[t] = sum(source[i] * volume[i] for i in bars) / traded
            variance = sum(volume[i] * (source[i] - vwap[t]) ** 2 for i in bars) / traded
            upper[t] = vwap[t] + stddev * math.sqrt(variance)
            lower[t] = vwap[t] - stddev * math.sqrt(variance)
    return [vwap, upper, lower]


INDICATOR = Indicator(
    title="VWAP Deviation Bands",
    source="Standard deviation weighted by volume; TradingView VWAP bands, over a sliding window",
    kernel=kernel,
    reference=reference,
    inputs={"source": ("hlc3", *(price for price in PRICES if price != "hlc3")), "volume": ("volume",)},
    outputs=("vwap", "upper", "lower"),
    params={
        "window": Param("int", 60, 2, 20_000, 1, (20, 240, 20), "bars of the VWAP and of the deviation"),
        "stddev": Param("float", 2.0, 0.1, 10.0, 0.1, (1.5, 3.0, 0.5), "standard deviations to each band"),
    },
    lookback=lambda window, stddev: window - 1,
    phase=lambda window, stddev: window,
    fills=True,
    rule=Rule("mean_reversion_band", outputs=("lower", "upper")),
    example=Example(
        inputs={"source": (1.0, 2.0, 6.0), "volume": (1.0, 3.0, 1.0)},
        params={"window": 2, "stddev": 2.0},
        expected={
            "vwap": (math.nan, 1.75, 3.0),
            "upper": (math.nan, 1.75 + math.sqrt(0.75), 3.0 + math.sqrt(12.0)),
            "lower": (math.nan, 1.75 - math.sqrt(0.75), 3.0 - math.sqrt(12.0)),
        },
    ),
)
