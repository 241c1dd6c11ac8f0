"""Keltner channel: an exponential average of price, and a multiple of the ATR either side.

    middle = ema(window), upper and lower = middle ± multiplier · atr(atr_window)

Seeds are those of the two averages: the plain mean of their first values. Every output begins with the later
one, at index `max(window - 1, atr_window)`. After a NaN it begins again.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from kernels.declare import PRICES, Example, Indicator, Param, Rule
from kernels.indicators._averages import MEAN_STATE
from kernels.indicators._ranges import RANGE_STATE
from kernels.indicators.atr import kernel as average_true_range
from kernels.indicators.atr import reference as average_true_ranges
from kernels.indicators.ema import kernel as moving_average
from kernels.indicators.ema import reference as moving_averages
from kernels.jit import FLOAT, FLOATS, FLOATS_OUT, INT, jit, record_of


class Channel(NamedTuple):
    middle: NDArray[np.float64]
    upper: NDArray[np.float64]
    lower: NDArray[np.float64]
    state: NDArray[np.float64]


CHANNEL = record_of(Channel, *[FLOATS_OUT] * len(Channel._fields))


@jit(FLOATS, FLOATS, FLOATS, FLOATS, INT, INT, FLOAT, CHANNEL)
def kernel(source, high, low, close, window, atr_window, multiplier, channel):
    middle, upper, lower = channel.middle, channel.upper, channel.lower
    moving_average(source, window, middle, channel.state)
    average_true_range(high, low, close, atr_window, upper, channel.state[MEAN_STATE:])
    for t in range(source.size):
        width = multiplier * upper[t]
        upper[t] = middle[t] + width
        lower[t] = middle[t] - width
        middle[t] = math.nan if math.isnan(width) else middle[t]


def reference(
    source: Sequence[float],
    high: Sequence[float],
    low: Sequence[float],
    close: Sequence[float],
    window: int,
    atr_window: int,
    multiplier: float,
) -> list[list[float]]:
    (averages,) = moving_averages(source, window)
    (ranges,) = average_true_ranges(high, low, close, atr_window)
    known = [not math.isnan(average + reach) for average, reach in zip(averages, ranges, strict=True)]
    return [
        [averages[t] + side * multiplier * ranges[t] if known[t] else math.nan for t in range(len(source))]
        for side in (0, 1, -1)
    ]


INDICATOR = Indicator(
    title="Keltner Channel",
    source="Keltner 1960, in Raschke's form with an exponential average and the ATR; TradingView Keltner Channels",
    kernel=kernel,
    reference=reference,
    inputs={"source": PRICES, "high": ("high",), "low": ("low",), "close": ("close",)},
    outputs=("middle", "upper", "lower"),
    outputs_type=Channel,
    params={
        "window": Param("int", 20, 2, 20_000, 1, (10, 60, 10), "bars of the average"),
        "atr_window": Param("int", 10, 2, 5_000, 1, (10, 20, 5), "bars of the ATR"),
        "multiplier": Param("float", 2.0, 0.1, 20.0, 0.1, (1.0, 3.0, 0.5), "ATRs to each band"),
    },
    lookback=lambda window, atr_window, multiplier: max(window - 1, atr_window),
    state_size=lambda window, atr_window, multiplier: MEAN_STATE + RANGE_STATE,
    fills=True,
    rule=Rule("mean_reversion_band", outputs=("lower", "upper")),
    example=Example(
        inputs={
            "source": (1.0, 3.0, 5.0, 5.0),
            "high": (2.0, 4.0, 6.0, 6.0),
            "low": (0.0, 2.0, 4.0, 4.0),
            "close": (1.0, 3.0, 5.0, 5.0),
        },
        params={"window": 3, "atr_window": 2, "multiplier": 2.0},
        expected={
            "middle": (math.nan, math.nan, 3.0, 4.0),
            "upper": (math.nan, math.nan, 9.0, 9.0),
            "lower": (math.nan, math.nan, -3.0, -1.0),
        },
    ),
)
