"""The averages, the volatility and the momentum indicators by TA-Lib's names: rows of the parity test.

A row is an indicator, its parameters, and how TA-Lib answers for candles, by output; a parameter left out has
its default. What has no row of its own stands in the docstrings: 0 / 0 (rsi, stoch, stoch_rsi, williams_r and
ultimate_oscillator give the middle, TA-Lib 0), and what TA-Lib does not have (kama with other smoothings than 2
and 30, a smoothed k of stoch_rsi). TA-Lib's PPO has no signal line; its EMA of the PPO stands for it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import talib

from tests.support.oracles.talib_trend_volume import Answer, Params, Series, by_window

Row = tuple[str, Params, Answer]


def of_close(indicator: str, function: Callable[[Series, int], Series], *windows: int) -> Iterator[Row]:
    def answer(window: int) -> Answer:
        return lambda open_, high, low, close, volume: {indicator: function(close, window)}

    return by_window(indicator, answer, *windows)


def of_range(
    indicator: str, function: Callable[[Series, Series, Series, int], Series], *windows: int
) -> Iterator[Row]:
    def answer(window: int) -> Answer:
        return lambda open_, high, low, close, volume: {indicator: function(high, low, close, window)}

    return by_window(indicator, answer, *windows)


def volume_weighted(window: int) -> Answer:
    return lambda open_, high, low, close, volume: {"vwma": talib.VWMA(close, volume, window)}


def true_range(open_: Series, high: Series, low: Series, close: Series, volume: Series) -> dict[str, Series]:
    return {"tr": talib.TRANGE(high, low, close)}


def near_zero(close: Series) -> Series:
    """Prices whose spread is the same and whose squares TA-Lib can subtract without losing their digits."""
    return close - close[0]


def bands(window: int, stddev: float) -> Iterator[Row]:
    def of_bands(close: Series) -> tuple[Series, Series, Series]:
        upper, middle, lower = talib.BBANDS(near_zero(close), window, stddev, stddev)
        return upper + close[0], middle + close[0], lower + close[0]

    def edges(open_: Series, high: Series, low: Series, close: Series, volume: Series) -> dict[str, Series]:
        return dict(zip(("upper", "middle", "lower"), of_bands(close), strict=True))

    def width(open_: Series, high: Series, low: Series, close: Series, volume: Series) -> dict[str, Series]:
        upper, middle, lower = of_bands(close)
        return {"bbands_bandwidth": 100 * (upper - lower) / middle}

    def place(open_: Series, high: Series, low: Series, close: Series, volume: Series) -> dict[str, Series]:
        upper, _, lower = talib.BBANDS(near_zero(close), window, stddev, stddev)
        return {"bbands_percent_b": (near_zero(close) - lower) / (upper - lower)}

    params = {"window": window, "stddev": stddev}
    return ((name, params, answer) for name, answer in zip(BANDS, (edges, width, place), strict=True))


BANDS = ("bbands", "bbands_bandwidth", "bbands_percent_b")


def convergence(fast: int, slow: int, signal: int) -> tuple[Row, Row]:
    def macd(open_: Series, high: Series, low: Series, close: Series, volume: Series) -> dict[str, Series]:
        return dict(zip(("macd", "signal", "histogram"), talib.MACD(close, fast, slow, signal), strict=True))

    def ppo(open_: Series, high: Series, low: Series, close: Series, volume: Series) -> dict[str, Series]:
        line = talib.PPO(close, fast, slow, talib.MA_Type.EMA)
        signal_line = talib.EMA(line, signal)
        return {"ppo": line, "signal": signal_line, "histogram": line - signal_line}

    params = {"fast": fast, "slow": slow, "signal": signal}
    return (("macd", params, macd), ("ppo", params, ppo))


def stochastic(window: int, k_smooth: int, d_smooth: int) -> Row:
    return (
        "stoch",
        {"window": window, "k_smooth": k_smooth, "d_smooth": d_smooth},
        lambda open_, high, low, close, volume: dict(
            zip("kd", talib.STOCH(high, low, close, window, k_smooth, 0, d_smooth, 0), strict=True)
        ),
    )


def stochastic_rsi(window: int, stoch_window: int, d_smooth: int) -> Row:
    return (
        "stoch_rsi",
        {"window": window, "stoch_window": stoch_window, "k_smooth": 1, "d_smooth": d_smooth},
        lambda open_, high, low, close, volume: dict(
            zip("kd", talib.STOCHRSI(close, window, stoch_window, d_smooth, 0), strict=True)
        ),
    )


def ultimate(short: int, medium: int, long: int) -> Row:
    return (
        "ultimate_oscillator",
        {"short": short, "medium": medium, "long": long},
        lambda open_, high, low, close, volume: {
            "ultimate_oscillator": talib.ULTOSC(high, low, close, short, medium, long)
        },
    )


def true_strength(slow: int, fast: int) -> Row:
    return (
        "tsi",
        {"slow": slow, "fast": fast},
        lambda open_, high, low, close, volume: {"tsi": talib.TSI(close, slow, fast)},
    )


ROWS: list[Row] = [
    *of_close("sma", talib.SMA, 2, 20, 500),
    *of_close("ema", talib.EMA, 2, 20, 500),
    *of_close("rma", talib.RMA, 2, 14, 500),
    *of_close("wma", talib.WMA, 2, 20, 500),
    *of_close("lwma", talib.WMA, 20),
    *of_close("dema", talib.DEMA, 2, 20, 200),
    *of_close("tema", talib.TEMA, 2, 20, 200),
    *of_close("hma", talib.HMA, 2, 3, 20, 200),
    *of_close("zlema", talib.ZLEMA, 2, 20, 201),
    *of_close("kama", talib.KAMA, 2, 10, 200),
    *by_window("vwma", volume_weighted, 2, 20, 500),
    *of_close("rsi", talib.RSI, 2, 14, 200),
    *of_close("roc", talib.ROC, 1, 10, 500),
    *of_close("trix", talib.TRIX, 2, 15, 100),
    *of_close("variance", lambda close, window: talib.VAR(near_zero(close), window), 2, 20, 500),
    *of_close("stddev", lambda close, window: talib.STDDEV(near_zero(close), window, 1.0), 2, 20, 500),
    ("tr", {}, true_range),
    *of_range("atr", talib.ATR, 2, 14, 200),
    *of_range("natr", talib.NATR, 2, 14, 200),
    *of_range("williams_r", talib.WILLR, 2, 14, 500),
    *of_range("cci", talib.CCI, 5, 20, 100),
    *bands(10, 1.0),
    *bands(20, 2.0),
    *bands(200, 2.5),
    *convergence(12, 26, 9),
    *convergence(2, 3, 2),
    *convergence(50, 200, 20),
    stochastic(5, 3, 3),
    stochastic(14, 1, 3),
    stochastic(100, 14, 20),
    stochastic_rsi(14, 5, 3),
    stochastic_rsi(14, 14, 12),
    ultimate(7, 14, 28),
    ultimate(2, 10, 100),
    true_strength(25, 13),
    true_strength(2, 3),
]
