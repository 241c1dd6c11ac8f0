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
from kernels.indicators._sums import fold, no_tails, slide
from kernels.jit import FLOATS, FLOATS_OUT, INT, jit


@jit(FLOATS, FLOATS, FLOATS, INT, FLOATS_OUT, FLOATS_OUT, FLOATS_OUT)
def kernel(high, low, close, window, plus_vi, minus_vi, difference):
    ups, downs, ranges = no_tails(window), no_tails(window), no_tails(window)
    last_high = last_low = last_close = np.nan
    for start in range(0, close.size, window):
        up = down = reach = 0.0
        for t in range(start, min(start + window, close.size)):
            slot = t - start
            # NaN where the bar before is unknown, else nothing.
            unknown = (last_high + last_low) * 0.0
            up, all_up = slide(ups, slot, up, abs(high[t] - last_low))
            down, all_down = slide(downs, slot, down, abs(low[t] - last_high))
            reach, all_reach = slide(ranges, slot, reach, true_range(high[t], low[t], last_close) + unknown)
            last_high, last_low, last_close = high[t], low[t], close[t]
            plus_vi[t] = all_up / all_reach if all_reach != 0.0 else 1.0
            minus_vi[t] = all_down / all_reach if all_reach != 0.0 else 1.0
            difference[t] = plus_vi[t] - minus_vi[t]
        fold(ups)
        fold(downs)
        fold(ranges)


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
)
