"""Chandelier exit: trailing stops that hang a multiple of the ATR from the extreme of a window.

    long_stop[t]  = highest high - multiplier · atr[t], not below long_stop[t-1] while close[t-1] is above that
    short_stop[t] = lowest low + multiplier · atr[t], not above short_stop[t-1] while close[t-1] is below that
    stop[t]       = long_stop while long, short_stop while short: long from a close above the last short stop,
                    short from a close below the last long stop

The atr is Wilder's, over the same window, so the first value stands at index `window`; that bar is long unless
its close is below its own long stop. After a NaN it begins again.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from kernels.declare import Example, Indicator, Param, Rule
from kernels.indicators._extremes import channel
from kernels.indicators.atr import kernel as average_true_range
from kernels.indicators.atr import reference as average_true_ranges
from kernels.jit import FLOAT, FLOATS, FLOATS_OUT, INT, jit


@jit(FLOATS, FLOATS, FLOATS, INT, FLOAT, FLOATS_OUT, FLOATS_OUT, FLOATS_OUT)
def kernel(high, low, close, window, multiplier, stop, long_stop, short_stop):
    average_true_range(high, low, close, window, stop)
    channel(high, low, window, long_stop, short_stop)
    last_below = last_above = math.nan
    is_long = True
    for t in range(close.size):
        width = multiplier * stop[t]
        below, above = long_stop[t] - width, short_stop[t] + width
        if math.isnan(width + close[t]):
            below = above = math.nan
        elif math.isnan(last_below):
            is_long = close[t] >= below
        else:
            # `&` and not `and`: which way a close goes cannot be guessed; branches take 5.0 ms a year, not 3.6.
            below = last_below if (last_below > below) & (close[t - 1] > last_below) else below
            above = last_above if (last_above < above) & (close[t - 1] < last_above) else above
            is_long = (close[t] > last_above) | (is_long & (close[t] >= last_below))
        long_stop[t], short_stop[t] = below, above
        stop[t] = below if is_long else above
        last_below, last_above = below, above


def reference(
    high: Sequence[float], low: Sequence[float], close: Sequence[float], window: int, multiplier: float
) -> list[list[float]]:
    stop, long_stop, short_stop = ([math.nan] * len(close) for _ in range(3))
    (atr,) = average_true_ranges(high, low, close, window)
    side = "long"
    for t in range(window, len(close)):
        if math.isnan(atr[t] + close[t]):
            continue
        below = max(high[t - window + 1 : t + 1]) - multiplier * atr[t]
        above = min(low[t - window + 1 : t + 1]) + multiplier * atr[t]
        if math.isnan(atr[t - 1]):
            side = "short" if close[t] < below else "long"
        else:
            last_below, last_above = long_stop[t - 1], short_stop[t - 1]
            below = max(below, last_below) if close[t - 1] > last_below else below
            above = min(above, last_above) if close[t - 1] < last_above else above
            if close[t] > last_above:
                side = "long"
            elif close[t] < last_below:
                side = "short"
        long_stop[t], short_stop[t] = below, above
        stop[t] = below if side == "long" else above
    return [stop, long_stop, short_stop]


INDICATOR = Indicator(
    title="Chandelier Exit",
    source="Le Beau, in Elder 2002, Come Into My Trading Room; trailed as on TradingView (everget)",
    kernel=kernel,
    reference=reference,
    inputs={"high": ("high",), "low": ("low",), "close": ("close",)},
    outputs=("stop", "long_stop", "short_stop"),
    params={
        "window": Param("int", 22, 2, 5_000, 1, (10, 40, 6), "bars of the extremes and of the ATR"),
        "multiplier": Param("float", 3.0, 0.1, 20.0, 0.1, (2.0, 4.0, 0.5), "ATRs from the extreme to the stop"),
    },
    lookback=lambda window, multiplier: window,
    fills=True,
    rule=Rule("price_against_output", outputs=("stop",)),
    example=Example(
        inputs={
            "high": (10.0, 11.0, 12.0, 13.0, 12.0, 9.0),
            "low": (9.0, 10.0, 11.0, 12.0, 10.0, 7.0),
            "close": (9.5, 10.5, 11.5, 12.5, 10.5, 8.0),
        },
        params={"window": 2, "multiplier": 1.0},
        expected={
            "stop": (math.nan, math.nan, 10.5, 11.5, 12.0, 9.75),
            "long_stop": (math.nan, math.nan, 10.5, 11.5, 11.5, 9.25),
            "short_stop": (math.nan, math.nan, 11.5, 12.5, 12.0, 9.75),
        },
    ),
)
