"""The trend and volume indicators by TA-Lib's names: rows of the parity test.

A row is an indicator, its parameters, and how TA-Lib answers for candles, by output. Compared are the bars where
ours has values: `adx` shows the directional indicators from where the adx begins, TA-Lib's begin `window - 1` bars
before. TA-Lib's KC takes the typical price for its middle line, so `keltner` is put together from EMA and ATR; its
SUPERTREND begins up, where TradingView's and ours begin down, and is no row. The other differences are no matter
of ordinary candles and stand in the docstrings: what 0 / 0 is, and the fixed 1e-14 below which TA-Lib takes a
price for nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
import talib
from numpy.typing import NDArray

Series = NDArray[np.float64]
Params = dict[str, float]
Answer = Callable[[Series, Series, Series, Series, Series], dict[str, Series]]
"""Makers from open, high, low, close and volume to TA-Lib's series by the name of our output."""


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
    return lambda open_, high, low, close, volume: dict(
        zip(("upper", "middle", "lower"), talib.DONCHIAN(high, low, window), strict=True)
    )


def envelope(window: int, atr_window: int, multiplier: float) -> Answer:
    def answer(open_: Series, high: Series, low: Series, close: Series, volume: Series) -> dict[str, Series]:
        middle, width = talib.EMA(close, window), multiplier * talib.ATR(high, low, close, atr_window)
        return {"middle": middle, "upper": middle + width, "lower": middle - width}

    return answer


def vortices(window: int) -> Answer:
    return lambda open_, high, low, close, volume: dict(
        zip(("plus_vi", "minus_vi"), talib.VORTEX(high, low, close, window), strict=True)
    )


def averaged_candles(open_: Series, high: Series, low: Series, close: Series, volume: Series) -> dict[str, Series]:
    outputs = ("ha_open", "ha_high", "ha_low", "ha_close")
    return dict(zip(outputs, talib.HA(open_, high, low, close), strict=True))


def rank(window: int) -> Answer:
    """TA-Lib counts equal values whole: half of them lies between its rank and that from above."""
    return lambda open_, high, low, close, volume: {
        "percent_rank": (talib.PERCENTRANK(close, window) + 100 - talib.PERCENTRANK(-close, window)) / 2
    }


def in_atrs(window: int) -> Iterator[tuple[str, Params, Answer]]:
    """The measures of a candle over TA-Lib's ATR."""

    def body(open_: Series, high: Series, low: Series, close: Series) -> Series:
        return np.abs(close - open_)

    def reach(open_: Series, high: Series, low: Series, close: Series) -> Series:
        return high - low

    def upper_wick(open_: Series, high: Series, low: Series, close: Series) -> Series:
        return high - np.maximum(open_, close)

    def lower_wick(open_: Series, high: Series, low: Series, close: Series) -> Series:
        return np.minimum(open_, close) - low

    def over_atr(indicator: str, measure: Callable[[Series, Series, Series, Series], Series]) -> Answer:
        return lambda open_, high, low, close, volume: {
            indicator: measure(open_, high, low, close) / talib.ATR(high, low, close, window)
        }

    measures = {"body": body, "range": reach, "upper_wick": upper_wick, "lower_wick": lower_wick}
    for name, measure in measures.items():
        indicator = f"candle_{name}_atr"
        yield indicator, {"window": window}, over_atr(indicator, measure)


def slope(window: int) -> Answer:
    return lambda open_, high, low, close, volume: {"slope": talib.LINEARREG_SLOPE(close, window)}


def parabolic(acceleration: float, maximum: float) -> Answer:
    return lambda open_, high, low, close, volume: {"psar": talib.SAR(high, low, acceleration, maximum)}


def money_flow(window: int) -> Answer:
    return lambda open_, high, low, close, volume: {"mfi": talib.MFI(high, low, close, volume, window)}


def money_flow_share(window: int) -> Answer:
    return lambda open_, high, low, close, volume: {"cmf": talib.CMF(high, low, close, volume, window)}


def force(window: int) -> Answer:
    return lambda open_, high, low, close, volume: {"force_index": talib.EFI(close, volume, window)}


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
    *by_window("vortex", vortices, 2, 14, 200),
    *(
        ("keltner", {"window": one, "atr_window": other, "multiplier": times}, envelope(one, other, times))
        for one, other, times in ((20, 10, 2.0), (5, 50, 1.5))
    ),
    ("heikin_ashi", {}, averaged_candles),
    *by_window("percent_rank", rank, 10, 50),
    *in_atrs(14),
    ("ad_line", {}, accumulation),
    ("obv", {}, on_balance),
    *by_window("cmf", money_flow_share, 2, 20, 200),
    *by_window("force_index", force, 2, 13, 200),
    *by_window("mfi", money_flow, 14, 50),
    *by_window("volume_sma", volume_average, 2, 20, 500),
]
