"""Heikin-Ashi candles: candles of averages, which show a trend without its noise.

    ha_close[t] = (open[t] + high[t] + low[t] + close[t]) / 4
    ha_open[t]  = (ha_open[t-1] + ha_close[t-1]) / 2, first (open[0] + close[0]) / 2
    ha_high[t]  = max(high[t], ha_open[t], ha_close[t]), ha_low[t] = min(low[t], ha_open[t], ha_close[t])
    ha_body[t]  = ha_close[t] - ha_open[t]

Every bar has a value; where history starts is forgotten at half a bar's pace. After a NaN it begins again.
These are not prices that anyone traded at: signals come from them, fills never.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from kernels.declare import Example, Indicator, Rule
from kernels.jit import FLOATS, FLOATS_OUT, fma, jit, record_of


class Candle(NamedTuple):
    ha_open: NDArray[np.float64]
    ha_high: NDArray[np.float64]
    ha_low: NDArray[np.float64]
    ha_close: NDArray[np.float64]
    ha_body: NDArray[np.float64]
    state: NDArray[np.float64]


CANDLE = record_of(Candle, *[FLOATS_OUT] * len(Candle._fields))


@jit(FLOATS, FLOATS, FLOATS, FLOATS, CANDLE)
def kernel(open_, high, low, close, candle):
    ha_open, ha_close, ha_body = candle.ha_open, candle.ha_close, candle.ha_body
    ha_high, ha_low = candle.ha_high, candle.ha_low
    # Each open waits for the one before: whether history begins is asked of the mean, which waits for nothing, and
    # a halved sum is one `fma`, the same to the bit because halving is exact.
    state = candle.state
    first, last, begun = state[0], state[1], state[2] != 0.0
    for t in range(close.size):
        top, bottom = high[t], low[t]
        mean = (open_[t] + top + bottom + close[t]) / 4.0
        if not np.isfinite(mean):
            ha_open[t] = ha_high[t] = ha_low[t] = ha_close[t] = ha_body[t] = np.nan
            begun = False
            continue
        first = fma(0.5, first, 0.5 * last) if begun else 0.5 * (open_[t] + close[t])
        last = mean
        begun = True
        upper, lower = (first, last) if first > last else (last, first)
        ha_open[t], ha_close[t] = first, last
        ha_high[t] = top if top > upper else upper
        ha_low[t] = bottom if bottom < lower else lower
        ha_body[t] = last - first
    state[0], state[1], state[2] = first, last, begun


def reference(
    open_: Sequence[float], high: Sequence[float], low: Sequence[float], close: Sequence[float]
) -> list[list[float]]:
    outputs: list[list[float]] = [[] for _ in range(5)]
    first = last = math.nan
    for bar in zip(open_, high, low, close, strict=True):
        begins = math.isnan(first)
        first = (bar[0] + bar[3]) / 2 if begins else (first + last) / 2
        last = sum(bar) / 4
        if not math.isfinite(last):
            first = last = math.nan
        candle = (first, max(bar[1], first, last), min(bar[2], first, last), last, last - first)
        for out, value in zip(outputs, candle, strict=True):
            out.append(value if math.isfinite(last) else math.nan)
    return outputs


INDICATOR = Indicator(
    title="Heikin-Ashi Candles",
    source="Valcu 2004, Technical Analysis of Stocks & Commodities; TradingView Heikin Ashi",
    kernel=kernel,
    reference=reference,
    inputs={"open": ("open",), "high": ("high",), "low": ("low",), "close": ("close",)},
    outputs=("ha_open", "ha_high", "ha_low", "ha_close", "ha_body"),
    outputs_type=Candle,
    params={},
    lookback=lambda: 0,
    state_size=lambda: 3,
    fills=True,
    rule=Rule("sign_of_output", outputs=("ha_body",)),
    example=Example(
        inputs={"open": (1.0, 3.0), "high": (4.0, 5.0), "low": (0.0, 2.0), "close": (3.0, 4.0)},
        params={},
        expected={
            "ha_open": (2.0, 2.0),
            "ha_high": (4.0, 5.0),
            "ha_low": (0.0, 2.0),
            "ha_close": (2.0, 3.5),
            "ha_body": (0.0, 1.5),
        },
    ),
)
