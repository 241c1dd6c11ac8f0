"""Fisher transform: where price stands in its range, stretched so that turning points become sharp peaks.

    x[t] = (high[t] + low[t]) / 2
    value[t] = 0.66 · ((x[t] - lowest x) / (highest x - lowest x) - 0.5) + 0.67 · value[t-1], over `window` bars
    fisher[t] = 0.5 · ln((1 + value[t]) / (1 - value[t])) + 0.5 · fisher[t-1], trigger[t] = fisher[t-1]

A value beyond ±0.99 counts as ±0.999. Both recursions begin with 0 before bar `window - 1`; the outputs begin a
bar later, when there is a trigger. A range of nothing counts as its middle. After a NaN it begins again. Ehlers
reads the crossing of fisher and trigger: the sign of its change over one bar.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from kernels.declare import Example, Indicator, Param, Rule
from kernels.indicators._extremes import channel
from kernels.indicators._lags import LAGS
from kernels.indicators._positions import position
from kernels.jit import FLOATS, FLOATS_OUT, INT, jit


@jit(FLOATS, FLOATS, INT, FLOATS_OUT, FLOATS_OUT, FLOATS_OUT, INT)
def kernel(high, low, window, fisher, trigger, state, start):
    middle = (high + low) * 0.5
    channel(middle, middle, window, fisher, trigger)
    middle, fisher, trigger = middle[start:], fisher[start:], trigger[start:]
    value, transformed, begun = state[0], state[1], state[2] != 0.0
    for t in range(middle.size):
        place = position(middle[t], trigger[t], fisher[t])
        before = transformed if begun else np.nan
        begun = np.isfinite(place)
        if not begun:
            value = transformed = 0.0
            continue
        value = 0.66 * (place - 0.5) + 0.67 * value
        if abs(value) > 0.99:
            value = math.copysign(0.999, value)
        transformed = 0.5 * math.log((1.0 + value) / (1.0 - value)) + 0.5 * transformed
        fisher[t] = transformed if np.isfinite(before) else np.nan
        trigger[t] = before
    state[0], state[1], state[2] = value, transformed, begun


def reference(high: Sequence[float], low: Sequence[float], window: int) -> list[list[float]]:
    middle = [(top + bottom) / 2 for top, bottom in zip(high, low, strict=True)]
    fisher, trigger = [math.nan] * len(middle), [math.nan] * len(middle)
    value, lines = 0.0, [math.nan] * len(middle)
    for t in range(window - 1, len(middle)):
        values = middle[t - window + 1 : t + 1]
        if not all(map(math.isfinite, values)):
            value = 0.0
            continue
        reach = max(values) - min(values)
        value = 0.66 * ((middle[t] - min(values)) / reach - 0.5 if reach else 0.0) + 0.67 * value
        value = math.copysign(0.999, value) if abs(value) > 0.99 else value
        before = lines[t - 1] if t else math.nan
        lines[t] = 0.5 * math.log((1 + value) / (1 - value)) + (0.5 * before if math.isfinite(before) else 0.0)
        if math.isfinite(before):
            fisher[t], trigger[t] = lines[t], before
    return [fisher, trigger]


INDICATOR = Indicator(
    title="Fisher Transform",
    source="Ehlers 2002, Using the Fisher Transform, Stocks & Commodities; TradingView's Fisher Transform",
    kernel=kernel,
    reference=reference,
    inputs={"high": ("high",), "low": ("low",)},
    outputs=("fisher", "trigger"),
    params={"window": Param("int", 9, 2, 20_000, 1, (5, 30, 5), "bars of the range")},
    lookback=lambda window: window,
    state_size=lambda window: 3,
    input_lookback=lambda window: window - 1,
    bounds={"fisher": (-7.7, 7.7), "trigger": (-7.7, 7.7)},
    rule=Rule("sign_of_change", outputs=("fisher",), params=LAGS),
    example=Example(
        inputs={"high": (2.0, 3.0, 3.0), "low": (0.0, 1.0, 1.0)},
        params={"window": 2},
        expected={
            "fisher": (math.nan, math.nan, 0.25 * math.log(1.33 / 0.67) + 0.5 * math.log(1.2211 / 0.7789)),
            "trigger": (math.nan, math.nan, 0.5 * math.log(1.33 / 0.67)),
        },
    ),
)
