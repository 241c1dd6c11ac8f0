"""Ultimate oscillator: buying pressure as a share of the true range, over three windows at once.

    pressure[t] = close[t] - min(low[t], close[t-1])
    share(n) = Σ pressure / Σ true range over the last n bars
    ultimate_oscillator[t] = 100 · (4 · share(short) + 2 · share(medium) + share(long)) / 7

The first value stands at index `long`: the first bar has no close before it. A window in which nothing moved
counts as one half, where TA-Lib counts nothing. A NaN makes every window that holds it or its following bar
NaN.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from kernels.declare import Example, Indicator, Param, Rule
from kernels.indicators._ranges import true_range
from kernels.indicators._sums import rows_for, stretch_of, sum_phase, window_sums
from kernels.indicators.tr import reference as true_ranges
from kernels.jit import FLOATS, FLOATS_OUT, INT, inline, jit


@inline
def _add_share(pressures, ranges, window, weight, spare, room, out):
    """The share of a window, of bars of which the last `out.size + window - 1` count."""
    bars = out.size + window - 1
    pressure, reach = room[0][: out.size], room[1][: out.size]
    window_sums(pressures[pressures.size - bars :], window, spare, pressure)
    window_sums(ranges[ranges.size - bars :], window, spare, reach)
    for i in range(out.size):
        out[i] += weight * (pressure[i] / reach[i] if reach[i] != 0.0 else 0.5)


@jit(FLOATS, FLOATS, FLOATS, INT, INT, INT, FLOATS_OUT)
def kernel(high, low, close, short, medium, long, out):
    stretch = stretch_of(long)
    rows, spare, room = rows_for(2, long), rows_for(2, long), rows_for(2, long)
    pressures, ranges = rows[0], rows[1]
    out[:long], out[long:] = np.nan, 0.0
    for start in range(1, close.size - long + 1, stretch):
        stop = min(start + stretch + long - 1, close.size)
        tops, bottoms, lasts = high[start:stop], low[start:stop], close[start:stop]
        before = close[start - 1 : stop]
        bars = lasts.size
        for i in range(bars):
            bottom, last = bottoms[i], before[i]
            pressures[i] = lasts[i] - (bottom if bottom < last else last)
            ranges[i] = true_range(tops[i], bottom, last)
        shares = out[start + long - 1 : stop]
        _add_share(pressures[:bars], ranges[:bars], short, 400.0 / 7.0, spare, room, shares)
        _add_share(pressures[:bars], ranges[:bars], medium, 200.0 / 7.0, spare, room, shares)
        _add_share(pressures[:bars], ranges[:bars], long, 100.0 / 7.0, spare, room, shares)


def reference(
    high: Sequence[float], low: Sequence[float], close: Sequence[float], short: int, medium: int, long: int
) -> list[list[float]]:
    out = [math.nan] * len(close)
    [ranges] = true_ranges(high, low, close)
    pressures = [close[t] - min(low[t], close[t - 1]) if t else math.nan for t in range(len(close))]
    for t in range(long, len(close)):
        shares = []
        for window in (short, medium, long):
            total = sum(ranges[t - window + 1 : t + 1])
            shares.append(sum(pressures[t - window + 1 : t + 1]) / total if total else 0.5)
        out[t] = 100 * (4 * shares[0] + 2 * shares[1] + shares[2]) / 7
    return [out]


def _ordered(short: int, medium: int, long: int) -> str | None:
    return None if short < medium < long else f"short {short}, medium {medium} and long {long} must rise"


INDICATOR = Indicator(
    title="Ultimate Oscillator",
    source="Williams 1985, The Ultimate Oscillator, Stocks & Commodities; TA-Lib ULTOSC",
    kernel=kernel,
    reference=reference,
    inputs={"high": ("high",), "low": ("low",), "close": ("close",)},
    outputs=("ultimate_oscillator",),
    params={
        "short": Param("int", 7, 1, 5_000, 1, (5, 10, 1), "bars of the window that counts four times"),
        "medium": Param("int", 14, 2, 10_000, 1, (14, 14, 1), "bars of the window that counts twice"),
        "long": Param("int", 28, 3, 20_000, 1, (28, 28, 1), "bars of the window that counts once"),
    },
    lookback=lambda short, medium, long: long,
    phase=lambda short, medium, long: sum_phase(long),
    constraint=_ordered,
    bounds={"ultimate_oscillator": (0.0, 100.0)},
    fills=True,
    rule=Rule(
        "threshold_band",
        outputs=("ultimate_oscillator",),
        params={
            "long_threshold": Param("float", 30, 0, 100, 0.5, (20, 40, 5), "long at or below: oversold"),
            "short_threshold": Param("float", 70, 0, 100, 0.5, (60, 80, 5), "short at or above: overbought"),
        },
    ),
    example=Example(
        inputs={
            "high": (2.0, 3.0, 5.0, 4.0),
            "low": (1.0, 2.0, 3.0, 2.0),
            "close": (1.5, 2.5, 4.0, 3.0),
        },
        params={"short": 1, "medium": 2, "long": 3},
        expected={
            "ultimate_oscillator": (math.nan, math.nan, math.nan, 100 * (4 * 1 / 2 + 2 * 2.5 / 4.5 + 3.5 / 6) / 7)
        },
    ),
    version=2,
)
