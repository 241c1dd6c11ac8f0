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
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from kernels.declare import Example, Indicator, Param, Rule
from kernels.indicators._extremes import channel
from kernels.indicators._lasts import LAST_STATE, keep_last, last_of
from kernels.indicators._ranges import RANGE_STATE
from kernels.indicators.atr import kernel as average_true_range
from kernels.indicators.atr import reference as average_true_ranges
from kernels.jit import FLOAT, FLOATS, FLOATS_OUT, INT, jit, record_of


class Stops(NamedTuple):
    stop: NDArray[np.float64]
    long_stop: NDArray[np.float64]
    short_stop: NDArray[np.float64]
    state: NDArray[np.float64]


STOPS = record_of(Stops, *[FLOATS_OUT] * len(Stops._fields))


@jit(FLOATS, FLOATS, FLOATS, INT, FLOAT, STOPS, INT)
def kernel(high, low, close, window, multiplier, stops, start):
    sides, last = stops.state[RANGE_STATE:], last_of(stops.state)
    channel(high, low, window, stops.long_stop, stops.short_stop)
    stop, long_stop, short_stop = stops.stop[start:], stops.long_stop[start:], stops.short_stop[start:]
    high, low, close = high[start:], low[start:], close[start:]
    average_true_range(high, low, close, window, stop, stops.state)
    last_below, last_above, is_long = last_of(sides), last_of(sides[LAST_STATE:]), sides[2 * LAST_STATE] != 0.0
    for t in range(close.size):
        before, last = last, close[t]
        width = multiplier * stop[t]
        below, above = long_stop[t] - width, short_stop[t] + width
        if math.isnan(width + close[t]):
            below = above = math.nan
        elif math.isnan(last_below):
            is_long = close[t] >= below
        else:
            # `&` and not `and`: which way a close goes cannot be guessed; branches take 5.0 ms a year, not 3.6.
            below = last_below if (last_below > below) & (before > last_below) else below
            above = last_above if (last_above < above) & (before < last_above) else above
            is_long = (close[t] > last_above) | (is_long & (close[t] >= last_below))
        long_stop[t], short_stop[t] = below, above
        stop[t] = below if is_long else above
        last_below, last_above = below, above
    keep_last(last_below, sides)
    keep_last(last_above, sides[LAST_STATE:])
    sides[2 * LAST_STATE] = is_long


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
    outputs_type=Stops,
    params={
        "window": Param("int", 22, 2, 5_000, 1, (10, 40, 6), "bars of the extremes and of the ATR"),
        "multiplier": Param("float", 3.0, 0.1, 20.0, 0.1, (2.0, 4.0, 0.5), "ATRs from the extreme to the stop"),
    },
    lookback=lambda window, multiplier: window,
    state_size=lambda window, multiplier: RANGE_STATE + 2 * LAST_STATE + 1,
    input_lookback=lambda window, multiplier: window - 1,
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
