"""Relative Strength Index: the share of gains in Wilder's averages of gains and losses, 0 to 100.

    gain[t] = max(x[t] - x[t-1], 0), loss[t] = max(x[t-1] - x[t], 0)
    avg[t]  = avg[t-1] + (value[t] - avg[t-1]) / window, first the mean of the first `window` changes
    rsi[t]  = 100 · avg gain / (avg gain + avg loss)

The first value stands at index `window`. Where nothing moved at all it is 50, the middle: TA-Lib says 0 there,
which would read as deeply oversold. After a NaN it begins again.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from kernels.declare import PRICES, Example, Indicator, Param, Rule
from kernels.indicators._averages import smoothed
from kernels.indicators._lasts import LAST_STATE, keep_last, last_of
from kernels.jit import FLOATS, FLOATS_OUT, INT, jit

RSI_STATE = LAST_STATE + 3


@jit(FLOATS, INT, FLOATS_OUT, FLOATS_OUT)
def kernel(source, window, out, state):
    rate = 1.0 / window
    last, gain, loss, seen = last_of(state), state[2], state[3], int(state[4])
    for t in range(source.size):
        change = source[t] - last
        last = source[t]
        if not np.isfinite(change):
            gain = loss = 0.0
            seen = 0
            out[t] = np.nan
            continue
        seen += 1
        gain = smoothed(gain, max(change, 0.0), seen, window, rate)
        loss = smoothed(loss, max(-change, 0.0), seen, window, rate)
        if seen < window:
            out[t] = np.nan
            continue
        both = gain + loss
        out[t] = 100.0 * gain / both if both > 0.0 else 50.0
    keep_last(last, state)
    state[2], state[3], state[4] = gain, loss, seen


def reference(source: Sequence[float], window: int) -> list[list[float]]:
    out = [math.nan] * len(source)
    gains: list[float] = []
    losses: list[float] = []
    gain = loss = math.nan
    for t in range(1, len(source)):
        change = source[t] - source[t - 1]
        gains = [*gains, max(change, 0.0)] if math.isfinite(change) else []
        losses = [*losses, max(-change, 0.0)] if math.isfinite(change) else []
        if len(gains) == window:
            gain, loss = sum(gains) / window, sum(losses) / window
        elif len(gains) > window:
            gain = (gain * (window - 1) + gains[-1]) / window
            loss = (loss * (window - 1) + losses[-1]) / window
        if len(gains) >= window:
            out[t] = 100 * gain / (gain + loss) if gain + loss else 50.0
    return [out]


INDICATOR = Indicator(
    title="Relative Strength Index",
    source="Wilder 1978, New Concepts in Technical Trading Systems; TA-Lib RSI",
    kernel=kernel,
    reference=reference,
    inputs={"source": PRICES},
    outputs=("rsi",),
    params={"window": Param("int", 14, 2, 5_000, 1, (6, 30, 2), "bars of Wilder's averages")},
    lookback=lambda window: window,
    state_size=lambda window: RSI_STATE,
    bounds={"rsi": (0.0, 100.0)},
    fills=True,
    rule=Rule(
        "threshold_band",
        outputs=("rsi",),
        params={
            "long_threshold": Param("float", 30, 0, 100, 0.5, (20, 40, 5), "long at or below: oversold"),
            "short_threshold": Param("float", 70, 0, 100, 0.5, (60, 80, 5), "short at or above: overbought"),
        },
    ),
    example=Example(
        inputs={"source": (1.0, 2.0, 3.0, 2.0, 1.0, 2.0)},
        params={"window": 3},
        expected={"rsi": (math.nan, math.nan, math.nan, 200 / 3, 400 / 9, 1700 / 27)},
    ),
)
