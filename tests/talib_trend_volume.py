"""What TA-Lib calls the trend and volume indicators: rows of the parity test.

A row is an indicator, its parameters, and how TA-Lib answers for candles, by output. Compared are the bars where
ours has values: `adx` shows the directional indicators from where the adx begins, TA-Lib's begin `window - 1` bars
before. The other differences are no matter of ordinary candles and stand in the docstrings: what 0 / 0 is, and the
fixed 1e-14 below which TA-Lib takes a price for nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
import talib
from numpy.typing import NDArray

Series = NDArray[np.float64]
Params = dict[str, float]
Answer = Callable[[Series, Series, Series, Series, Series], dict[str, Series]]
"""From open, high, low, close and volume to TA-Lib's series by the name of our output."""


def directional(window: int) -> Answer:
    return lambda open_, high, low, close, volume: {
        "adx": talib.ADX(high, low, close, window),
        "plus_di": talib.PLUS_DI(high, low, close, window),
        "minus_di": talib.MINUS_DI(high, low, close, window),
    }


def aroon(window: int) -> Answer:
    return lambda open_, high, low, close, volume: {
        **dict(zip(("aroon_down", "aroon_up"), talib.AROON(high, low, window), strict=True)),
        "oscillator": talib.AROONOSC(high, low, window),
    }


def channel(window: int) -> Answer:
    return lambda open_, high, low, close, volume: {
        "upper": talib.MAX(high, window),
        "lower": talib.MIN(low, window),
    }


def slope(window: int) -> Answer:
    return lambda open_, high, low, close, volume: {"slope": talib.LINEARREG_SLOPE(close, window)}


def parabolic(acceleration: float, maximum: float) -> Answer:
    return lambda open_, high, low, close, volume: {"psar": talib.SAR(high, low, acceleration, maximum)}


def money_flow(window: int) -> Answer:
    return lambda open_, high, low, close, volume: {"mfi": talib.MFI(high, low, close, volume, window)}


def volume_average(window: int) -> Answer:
    return lambda open_, high, low, close, volume: {"volume_sma": talib.SMA(volume, window)}


def accumulation(open_: Series, high: Series, low: Series, close: Series, volume: Series) -> dict[str, Series]:
    return {"ad_line": talib.AD(high, low, close, volume)}


def on_balance(open_: Series, high: Series, low: Series, close: Series, volume: Series) -> dict[str, Series]:
    return {"obv": talib.OBV(close, volume)}


def by_window(
    indicator: str, answer: Callable[[int], Answer], *windows: int
) -> Iterator[tuple[str, Params, Answer]]:
    return ((indicator, {"window": window}, answer(window)) for window in windows)


ROWS: list[tuple[str, Params, Answer]] = [
    *by_window("adx", directional, 2, 14, 50),
    *by_window("aroon", aroon, 2, 14, 100),
    *by_window("donchian", channel, 2, 20, 500),
    *by_window("linreg_slope", slope, 2, 14, 200),
    *(
        ("psar", {"acceleration": step, "maximum": limit}, parabolic(step, limit))
        for step, limit in ((0.02, 0.2), (0.2, 0.2), (0.001, 1.0))
    ),
    ("ad_line", {}, accumulation),
    ("obv", {}, on_balance),
    *by_window("mfi", money_flow, 14, 50),
    *by_window("volume_sma", volume_average, 2, 20, 500),
]
