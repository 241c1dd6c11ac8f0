"""Vortex: how far each bar reached from the opposite end of the bar before, up and down, over the true ranges.

    plus_vi[t]  = Σ |high[t] - low[t-1]| / Σ tr, minus_vi[t] = Σ |low[t] - high[t-1]| / Σ tr, over `window` bars
    difference  = plus_vi - minus_vi

The first value stands at index `window`: the first bar has no bar before it. Where no price moved both are 1,
as they are for bars of one price that go as far up as down. A NaN makes every window that holds it NaN, and
nothing after.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from kernels.declare import Example, Indicator, Param, Rule
from kernels.indicators._ranges import true_range
from kernels.indicators._sums import rows_for, stretch_of, sum_phase, window_sums
from kernels.jit import FLOATS, FLOATS_OUT, INT, jit


@jit(FLOATS, FLOATS, FLOATS, INT, FLOATS_OUT, FLOATS_OUT, FLOATS_OUT)
def kernel(high, low, close, window, plus_vi, minus_vi, difference):
    stretch = stretch_of(window)
    rows, spare = rows_for(6, window), rows_for(2, window)
    ups, downs, ranges, all_up, all_down, all_reach = rows[0], rows[1], rows[2], rows[3], rows[4], rows[5]
    plus_vi[:window] = minus_vi[:window] = difference[:window] = np.nan
    for start in range(1, close.size - window + 1, stretch):
        stop = min(start + stretch + window - 1, close.size)
        tops, bottoms = high[start:stop], low[start:stop]
        last_tops, last_bottoms, lasts = high[start - 1 : stop], low[start - 1 : stop], close[start - 1 : stop]
        bars = tops.size
        for i in range(bars):
            ups[i] = abs(tops[i] - last_bottoms[i])
            downs[i] = abs(bottoms[i] - last_tops[i])
            # NaN where the bar before is unknown, else nothing.
            unknown = (last_tops[i] + last_bottoms[i]) * 0.0
            ranges[i] = true_range(tops[i], bottoms[i], lasts[i]) + unknown
        first = start + window - 1
        plus, minus, apart = plus_vi[first:stop], minus_vi[first:stop], difference[first:stop]
        window_sums(ups[:bars], window, spare, all_up[: plus.size])
        window_sums(downs[:bars], window, spare, all_down[: plus.size])
        window_sums(ranges[:bars], window, spare, all_reach[: plus.size])
        for i in range(plus.size):
            reach = all_reach[i]
            up = all_up[i] / reach if reach != 0.0 else 1.0
            down = all_down[i] / reach if reach != 0.0 else 1.0
            plus[i], minus[i], apart[i] = up, down, up - down


def reference(
    high: Sequence[float], low: Sequence[float], close: Sequence[float], window: int
) -> list[list[float]]:
    plus, minus, difference = ([math.nan] * len(close) for _ in range(3))
    for t in range(window, len(close)):
        bars = range(t - window + 1, t + 1)
        prices = [*high[t - window : t + 1], *low[t - window : t + 1], *close[t - window : t]]
        if not all(math.isfinite(price) for price in prices):
            continue
        up = sum(abs(high[bar] - low[bar - 1]) for bar in bars)
        down = sum(abs(low[bar] - high[bar - 1]) for bar in bars)
        reach = sum(
            max(high[bar] - low[bar], abs(high[bar] - close[bar - 1]), abs(low[bar] - close[bar - 1]))
            for bar in bars
        )
        plus[t], minus[t] = (up / reach, down / reach) if reach else (1.0, 1.0)
        difference[t] = plus[t] - minus[t]
    return [plus, minus, difference]


INDICATOR = Indicator(
    title="Vortex Indicator",
    source="Botes & Siepman 2010, Technical Analysis of Stocks & Commodities; TradingView Vortex Indicator",
    kernel=kernel,
    reference=reference,
    inputs={"high": ("high",), "low": ("low",), "close": ("close",)},
    outputs=("plus_vi", "minus_vi", "difference"),
    params={"window": Param("int", 14, 2, 20_000, 1, (7, 28, 7), "bars of the sums")},
    lookback=lambda window: window,
    phase=lambda window: sum_phase(window),
    bounds={"plus_vi": (0.0, math.inf), "minus_vi": (0.0, math.inf)},
    fills=True,
    rule=Rule("sign_of_output", outputs=("difference",)),
    example=Example(
        inputs={"high": (2.0, 3.0, 5.0, 4.0), "low": (1.0, 2.0, 3.0, 2.0), "close": (1.5, 2.5, 4.0, 3.0)},
        params={"window": 2},
        expected={
            "plus_vi": (math.nan, math.nan, 1.25, 4 / 4.5),
            "minus_vi": (math.nan, math.nan, 0.0, 3 / 4.5),
            "difference": (math.nan, math.nan, 1.25, 1 / 4.5),
        },
    ),
    version=2,
)
