"""Indicators in pandas, each from its formula, from the first bar of a frame on."""

from __future__ import annotations

import math
from typing import Any

import pandas as pd


def smoothed(series: Any, window: int, alpha: float) -> Any:
    """An exponential average that begins as the mean of the first `window` values."""
    known = series.dropna()
    seeded = known.iloc[window - 1 :].copy()
    seeded.iloc[0] = known.iloc[:window].mean()
    return seeded.ewm(alpha=alpha, adjust=False).mean().reindex(series.index)


def ema(series: Any, window: int) -> Any:
    return smoothed(series, window, 2 / (window + 1))


def wilder(series: Any, window: int) -> Any:
    return smoothed(series, window, 1 / window)


def sma(series: Any, window: int) -> Any:
    return series.rolling(window).mean()


def highest(series: Any, window: int) -> Any:
    return series.rolling(window).max()


def lowest(series: Any, window: int) -> Any:
    return series.rolling(window).min()


def rsi(close: Any, window: int) -> Any:
    change = close.diff()
    gain, loss = wilder(change.clip(lower=0), window), wilder((-change).clip(lower=0), window)
    return 100 * gain / (gain + loss)


def macd(close: Any, fast: int, slow: int, signal: int) -> tuple[Any, Any]:
    """The line and its signal line; both averages begin on the bar on which the slow one can."""
    quick = ema(close.iloc[slow - fast :], fast).reindex(close.index)
    line = quick - ema(close, slow)
    return line, ema(line, signal)


def true_range(bars: Any) -> Any:
    before = bars.close.shift(1)
    moves = [bars.high - bars.low, (bars.high - before).abs(), (bars.low - before).abs()]
    return pd.concat(moves, axis=1).max(axis=1).where(before.notna())


def atr(bars: Any, window: int) -> Any:
    return wilder(true_range(bars), window)


def adx(bars: Any, window: int) -> Any:
    up, down = bars.high.diff(), -bars.low.diff()
    plus = up.where((up > 0) & (up > down), 0.0).iloc[1:]
    minus = down.where((down > 0) & (down > up), 0.0).iloc[1:]

    def summed(moves: Any) -> Any:
        """Wilder's sum: the plain one of the first moves, of which each later bar lets a share go."""
        seeded = moves.iloc[window - 2 :].copy()
        seeded.iloc[0] = moves.iloc[: window - 1].sum() / window
        seeded.iloc[1:] = moves.iloc[window - 1 :]
        return seeded.ewm(alpha=1 / window, adjust=False).mean() * window

    ranges = summed(true_range(bars).iloc[1:])
    plus_di, minus_di = 100 * summed(plus) / ranges, 100 * summed(minus) / ranges
    dx = 100 * (plus_di - minus_di).abs() / (plus_di + minus_di)
    return wilder(dx.iloc[1:], window).reindex(bars.index)


def bollinger(close: Any, window: int, deviations: float) -> tuple[Any, Any, Any]:
    middle, deviation = close.rolling(window).mean(), close.rolling(window).std(ddof=0)
    return middle, middle + deviations * deviation, middle - deviations * deviation


def zscore(close: Any, window: int) -> Any:
    middle, upper, _ = bollinger(close, window, 1)
    return (close - middle) / (upper - middle)


def chandelier_long_stop(bars: Any, window: int, multiplier: float) -> Any:
    hanging = highest(bars.high, window) - multiplier * atr(bars, window)
    stops: list[float] = []
    for t, stop in enumerate(hanging):
        last = stops[-1] if stops else math.nan
        stops.append(max(stop, last) if not math.isnan(last) and bars.close.iloc[t - 1] > last else stop)
    return pd.Series(stops, index=hanging.index)


def middle_of(bars: Any, window: int) -> Any:
    return (highest(bars.high, window) + lowest(bars.low, window)) / 2
