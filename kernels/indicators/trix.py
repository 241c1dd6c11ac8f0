"""TRIX: how much a triple exponential average changed from one bar to the next, in percent.

    trix[t] = 100 · (ema3[t] - ema3[t-1]) / ema3[t-1], where ema3 = ema(ema(ema(x)))

Each average begins with the simple mean of its first `window` values, so the first value stands at index 3 ·
(window - 1) + 1. After a NaN it begins again.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from kernels.declare import PRICES, Example, Indicator, Param, Rule
from kernels.indicators._averages import MIX_STATE, mixed_emas
from kernels.indicators._lasts import LAST_STATE, keep_last, last_of
from kernels.indicators.ema import reference as ema
from kernels.indicators.roc import reference as roc
from kernels.jit import FLOATS, FLOATS_OUT, INT, jit


@jit(FLOATS, INT, FLOATS_OUT, FLOATS_OUT)
def kernel(source, window, out, state):
    mixed_emas(source, window, 3, (0.0, 0.0, 1.0), out, state)
    if not source.size:
        return
    last = last_of(state[MIX_STATE:])
    keep_last(out[source.size - 1], state[MIX_STATE:])
    for t in range(source.size - 1, 0, -1):
        out[t] = 100.0 * (out[t] - out[t - 1]) / out[t - 1]
    out[0] = 100.0 * (out[0] - last) / last


def reference(source: Sequence[float], window: int) -> list[list[float]]:
    for _ in range(3):
        [source] = ema(source, window)
    return roc(source, 1)


INDICATOR = Indicator(
    title="TRIX",
    source="Hutson 1983, Good TRIX, Stocks & Commodities; TA-Lib TRIX",
    kernel=kernel,
    reference=reference,
    inputs={"source": PRICES},
    outputs=("trix",),
    params={"window": Param("int", 15, 2, 10_000, 1, (6, 30, 3), "bars of each EMA")},
    lookback=lambda window: 3 * (window - 1) + 1,
    state_size=lambda window: MIX_STATE + LAST_STATE,
    fills=True,
    rule=Rule("sign_of_output", outputs=("trix",)),
    example=Example(
        inputs={"source": (1.0, 3.0, 5.0, 8.0, 8.0)},
        params={"window": 2},
        expected={"trix": (math.nan, math.nan, math.nan, math.nan, 100 * 142 / 342)},
    ),
)
