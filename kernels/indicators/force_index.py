"""Force Index: how far price moved times the volume that moved it, smoothed by an exponential average.

    force[t] = (price[t] - price[t-1]) · volume[t], force_index = ema(force, window)

The first bar has no bar before it and the average begins with a plain mean, so the first value stands at index
`window`. After a NaN it begins again.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from kernels.declare import PRICES, Example, Indicator, Param, Rule
from kernels.indicators._averages import smoothed
from kernels.indicators._lasts import LAST_STATE, keep_last, last_of
from kernels.indicators.ema import reference as moving_averages
from kernels.jit import FLOATS, FLOATS_OUT, INT, jit


@jit(FLOATS, FLOATS, INT, FLOATS_OUT, FLOATS_OUT)
def kernel(source, volume, window, force_index, state):
    rate = 2.0 / (window + 1)
    last, average, seen = last_of(state), state[2], int(state[3])
    for t in range(source.size):
        force = (source[t] - last) * volume[t]
        last = source[t]
        if not np.isfinite(force):
            average = 0.0
            seen = 0
            force_index[t] = np.nan
            continue
        seen += 1
        average = smoothed(average, force, seen, window, rate)
        force_index[t] = average if seen >= window else np.nan
    keep_last(last, state)
    state[2], state[3] = average, seen


def reference(source: Sequence[float], volume: Sequence[float], window: int) -> list[list[float]]:
    force = [math.nan] * len(source)
    for t in range(1, len(source)):
        force[t] = (source[t] - source[t - 1]) * volume[t]
    return moving_averages(force, window)


INDICATOR = Indicator(
    title="Force Index",
    source="Elder 1993, Trading for a Living; TradingView Elder Force Index",
    kernel=kernel,
    reference=reference,
    inputs={"source": PRICES, "volume": ("volume",)},
    outputs=("force_index",),
    params={"window": Param("int", 13, 2, 20_000, 1, (2, 50, 6), "bars of the average")},
    lookback=lambda window: window,
    state_size=lambda window: LAST_STATE + 2,
    fills=True,
    rule=Rule("sign_of_output", outputs=("force_index",)),
    example=Example(
        inputs={"source": (1.0, 2.0, 4.0, 3.0), "volume": (9.0, 10.0, 10.0, 15.0)},
        params={"window": 2},
        expected={"force_index": (math.nan, math.nan, 15.0, -5.0)},
    ),
)
