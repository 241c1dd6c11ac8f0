"""Rate of change: how much the value has changed over the last `window` bars, in percent.

    roc[t] = 100 · (x[t] - x[t-window]) / x[t-window]

The first value stands at index `window`. After a NaN it begins again: it never compares across a hole.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from kernels.declare import PRICES, Example, Indicator, Param, Rule
from kernels.jit import FLOATS, FLOATS_OUT, INT, jit


@jit(FLOATS, INT, FLOATS_OUT)
def kernel(source, window, out):
    # Holes are counted first: without any, as nearly always, no change waits for another, and they fill vectors.
    out[:window] = np.nan
    last, changes = source[window:], out[window:]
    for i in range(changes.size):
        changes[i] = 100.0 * (last[i] - source[i]) / source[i]
    holes = 0
    for t in range(source.size):
        holes += not np.isfinite(source[t])
    run = 0
    for t in range(source.size if holes else 0):
        run = run + 1 if np.isfinite(source[t]) else 0
        if run <= window:
            out[t] = np.nan


def reference(source: Sequence[float], window: int) -> list[list[float]]:
    out = [math.nan] * len(source)
    for t in range(window, len(source)):
        if all(map(math.isfinite, source[t - window : t + 1])):
            out[t] = 100 * (source[t] / source[t - window] - 1)
    return [out]


INDICATOR = Indicator(
    title="Rate of Change",
    source="Change in percent; TA-Lib ROC",
    kernel=kernel,
    reference=reference,
    inputs={"source": PRICES},
    outputs=("roc",),
    params={"window": Param("int", 10, 1, 20_000, 1, (5, 60, 5), "bars back to the value compared with")},
    lookback=lambda window: window,
    fills=True,
    rule=Rule("sign_of_output", outputs=("roc",)),
    example=Example(
        inputs={"source": (1.0, 2.0, 4.0, 1.0)},
        params={"window": 2},
        expected={"roc": (math.nan, math.nan, 300.0, -50.0)},
    ),
)
