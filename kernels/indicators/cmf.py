"""Chaikin Money Flow: where in their ranges the bars of a window closed, weighted by volume, -1 to 1.

    flow[t] = volume[t] · ((close[t] - low[t]) - (high[t] - close[t])) / (high[t] - low[t]), 0 without a range
    cmf[t]  = Σ flow / Σ volume, sums over the last `window` bars

A window without any volume is 0, the middle. A NaN makes every window that holds it NaN, and nothing after.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from kernels.declare import Example, Indicator, Param, Rule
from kernels.indicators._sums import rows_for, stretch_of, sum_phase, window_sums
from kernels.jit import FLOATS, FLOATS_OUT, INT, jit


@jit(FLOATS, FLOATS, FLOATS, FLOATS, INT, FLOATS_OUT)
def kernel(high, low, close, volume, window, cmf):
    stretch = stretch_of(window)
    rows, spare = rows_for(3, window), rows_for(2, window)
    flows, flow, traded = rows[0], rows[1], rows[2]
    cmf[: window - 1] = np.nan
    for start in range(0, close.size - window + 1, stretch):
        stop = min(start + stretch + window - 1, close.size)
        tops, bottoms, lasts, volumes = high[start:stop], low[start:stop], close[start:stop], volume[start:stop]
        for i in range(lasts.size):
            top, bottom, last = tops[i], bottoms[i], lasts[i]
            width = top - bottom
            place = ((last - bottom) - (top - last)) / width if width != 0.0 else 0.0 * last
            flows[i] = place * volumes[i]
        shares = cmf[start + window - 1 : stop]
        window_sums(flows[: lasts.size], window, spare, flow[: shares.size])
        window_sums(volumes, window, spare, traded[: shares.size])
        for i in range(shares.size):
            shares[i] = flow[i] / traded[i] if traded[i] != 0.0 else 0.0 * flow[i]


def reference(
    high: Sequence[float], low: Sequence[float], close: Sequence[float], volume: Sequence[float], window: int
) -> list[list[float]]:
    cmf = [math.nan] * len(close)
    for t in range(window - 1, len(close)):
        bars = range(t - window + 1, t + 1)
        known = all(math.isfinite(high[i] + low[i] + close[i] + volume[i]) for i in bars)
        traded = sum(volume[i] for i in bars)
        flow = sum(
            volume[i] * (2 * close[i] - low[i] - high[i]) / (high[i] - low[i]) for i in bars if high[i] != low[i]
        )
        if known:
            cmf[t] = flow / traded if traded else 0.0
    return [cmf]


INDICATOR = Indicator(
    title="Chaikin Money Flow",
    source="Chaikin 1990s; TradingView Chaikin Money Flow",
    kernel=kernel,
    reference=reference,
    inputs={"high": ("high",), "low": ("low",), "close": ("close",), "volume": ("volume",)},
    outputs=("cmf",),
    params={"window": Param("int", 20, 2, 20_000, 1, (10, 40, 5), "bars of both sums")},
    lookback=lambda window: window - 1,
    phase=lambda window: sum_phase(window),
    bounds={"cmf": (-1.0, 1.0)},
    fills=True,
    rule=Rule(
        "centred_threshold",
        outputs=("cmf",),
        params={
            "centre": Param("float", 0, -1, 1, 0.01, (0, 0, 1), "as much volume near the highs as near the lows"),
            "threshold": Param("float", 0.05, 0, 1, 0.01, (0, 0.2, 0.05), "how far from the centre counts"),
        },
    ),
    example=Example(
        inputs={
            "high": (4.0, 4.0, 3.0),
            "low": (0.0, 0.0, 3.0),
            "close": (3.0, 0.0, 3.0),
            "volume": (10.0, 2.0, 6.0),
        },
        params={"window": 2},
        expected={"cmf": (math.nan, 0.25, -0.25)},
    ),
    version=2,
)
