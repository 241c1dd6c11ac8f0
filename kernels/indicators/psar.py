"""Parabolic SAR: a stop that closes in on a trend, faster with every new extreme, and turns when price meets it.

    psar[t+1]    = psar[t] + speed · (extreme - psar[t]), held behind the extremes of bars t and t-1
    extreme      = the highest high of the long trend, the lowest low of the short one
    speed        = acceleration, raised by as much with every new extreme, at most `maximum`
    a turn       : the bar reaches psar[t]; the bar shows the old trend's extreme, and the speed begins again

The first value stands at index 1: the first trend is short where the low fell more than the high rose, else
long, and starts at the first bar's far end. After a NaN it begins again.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from kernels.declare import Example, Indicator, Param, Rule
from kernels.jit import FLOAT, FLOATS, FLOATS_OUT, jit


@jit(FLOATS, FLOATS, FLOAT, FLOAT, FLOATS_OUT)
def kernel(high, low, acceleration, maximum, psar):
    # A short trend is a long one over negated prices: `back` is the end of the bar that the stop watches, `front`
    # the end that makes new extremes.
    side = 1.0
    stop = extreme = speed = last_back = last_front = 0.0
    seen = 0
    for t in range(high.size):
        up, down = high[t], low[t]
        if not np.isfinite(up - down):
            seen = 0
            continue
        seen += 1
        if seen == 1:
            continue
        if seen == 2:
            fall = low[t - 1] - down
            side = -1.0 if fall > 0.0 and fall > up - high[t - 1] else 1.0
            stop = low[t - 1] if side > 0.0 else -high[t - 1]
            extreme = last_front = up if side > 0.0 else -down
            last_back = down if side > 0.0 else -up
            speed = acceleration
        back, front = (down, up) if side > 0.0 else (-up, -down)
        if back <= stop:
            side = -side
            back, front = -front, -back
            last_back = -last_front
            stop = min(-extreme, last_back, back)
            psar[t] = side * stop
            extreme, speed = front, acceleration
        else:
            psar[t] = side * stop
            if front > extreme:
                extreme = front
                speed = min(speed + acceleration, maximum)
        stop = min(stop + speed * (extreme - stop), last_back, back)
        last_back, last_front = back, front


def reference(
    high: Sequence[float], low: Sequence[float], acceleration: float, maximum: float
) -> list[list[float]]:
    psar = [math.nan] * len(high)
    trend = ""
    stop = extreme = speed = math.nan
    for t in range(1, len(high)):
        if not all(math.isfinite(price) for price in (high[t], low[t], high[t - 1], low[t - 1])):
            trend = ""
            continue
        before = t - 1
        if not trend:
            fell = low[t - 1] - low[t]
            trend = "short" if fell > max(0, high[t] - high[t - 1]) else "long"
            stop, extreme = (high[t - 1], low[t]) if trend == "short" else (low[t - 1], high[t])
            speed = acceleration
            before = t
        highs, lows = (high[before], high[t]), (low[before], low[t])
        turns = low[t] <= stop if trend == "long" else high[t] >= stop
        if turns:
            trend = "short" if trend == "long" else "long"
            stop = max(extreme, *highs) if trend == "short" else min(extreme, *lows)
            extreme = low[t] if trend == "short" else high[t]
            speed = acceleration
        psar[t] = stop
        if not turns and (high[t] > extreme if trend == "long" else low[t] < extreme):
            extreme = high[t] if trend == "long" else low[t]
            speed = min(speed + acceleration, maximum)
        stop += speed * (extreme - stop)
        stop = min(stop, *lows) if trend == "long" else max(stop, *highs)
    return [psar]


def _disorder(acceleration: float, maximum: float) -> str | None:
    if acceleration <= maximum:
        return None
    return f"acceleration must not be above maximum: got {acceleration} and {maximum}"


INDICATOR = Indicator(
    title="Parabolic SAR",
    source="Wilder 1978, New Concepts in Technical Trading Systems; TA-Lib SAR",
    kernel=kernel,
    reference=reference,
    inputs={"high": ("high",), "low": ("low",)},
    outputs=("psar",),
    params={
        "acceleration": Param(
            "float", 0.02, 0.001, 1.0, 0.01, (0.01, 0.05, 0.01), "the first speed, and what an extreme adds to it"
        ),
        "maximum": Param("float", 0.2, 0.001, 1.0, 0.01, (0.1, 0.3, 0.1), "the highest speed"),
    },
    lookback=lambda acceleration, maximum: 1,
    constraint=_disorder,
    rule=Rule("price_against_output", outputs=("psar",)),
    example=Example(
        inputs={"high": (2.0, 3.0, 4.0, 5.0, 2.0), "low": (1.0, 2.0, 3.0, 4.0, 1.0)},
        params={"acceleration": 0.1, "maximum": 0.2},
        expected={"psar": (math.nan, 1.0, 1.2, 1.76, 5.0)},
    ),
)
