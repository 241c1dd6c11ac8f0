"""The ideas of the templates in pandas, each by hand: the bars on which its conditions are true.

It shares no code with the planes, not even the indicators. A function is named after its template.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pandas as pd

from tests.support.oracles.idea_indicators import (
    adx,
    atr,
    bollinger,
    chandelier_long_stop,
    ema,
    highest,
    lowest,
    macd,
    middle_of,
    rsi,
    sma,
    zscore,
)

Said = dict[str, Any]
"""True and false of each bar, by the signal of the request."""


@dataclass(frozen=True)
class Market:
    """Frames of minutes by symbol, indexed by the time a minute opens; without holes."""

    minutes: dict[str, Any]
    symbol: str
    timeframe: str

    def bars(self, timeframe: str | None = None, symbol: str | None = None) -> Any:
        rule = timeframe or self.timeframe
        columns = {"open": "first", "high": "max", "low": "min", "close": "last", "volume": "sum"}
        return self.minutes[symbol or self.symbol].resample(rule).agg(columns)

    def at_close(self, series: Any, timeframe: str) -> Any:
        """A series of longer bars as it is known at the close of each own bar."""
        closed = series.copy()
        closed.index = closed.index + pd.Timedelta(timeframe)
        own = self.bars().index
        known = closed.reindex(own + pd.Timedelta(self.timeframe), method="ffill")
        known.index = own
        return known


def crosses_above(one: Any, other: Any) -> Any:
    gap = one - other
    return (gap > 0) & (gap.shift(1) <= 0)


def crosses_below(one: Any, other: Any) -> Any:
    gap = one - other
    return (gap < 0) & (gap.shift(1) >= 0)


def lately(condition: Any, bars: int) -> Any:
    return condition.rolling(bars, min_periods=1).max() > 0


def held(condition: Any, bars: int) -> Any:
    return condition.rolling(bars).min() > 0


def averages(market: Market) -> tuple[Any, Any]:
    close = market.bars().close
    return ema(close, 20), ema(close, 100)


def ema_cross(market: Market) -> Said:
    fast, slow = averages(market)
    return {"long_entry": crosses_above(fast, slow), "long_exit": crosses_below(fast, slow)}


def price_cross(market: Market) -> Said:
    close = market.bars().close
    average = sma(close, 200)
    return {"long_entry": crosses_above(close, average), "long_exit": crosses_below(close, average)}


def macd_cross(market: Market) -> Said:
    line, signal = macd(market.bars().close, 12, 26, 9)
    return {"long_entry": crosses_above(line, signal) & (line < 0), "long_exit": crosses_below(line, signal)}


def ichimoku_cross(market: Market) -> Said:
    bars = market.bars()
    tenkan, kijun = middle_of(bars, 9), middle_of(bars, 26)
    cloud = pd.concat([((tenkan + kijun) / 2).shift(25), middle_of(bars, 52).shift(25)], axis=1)
    above_the_cloud = bars.close > cloud.max(axis=1)
    return {"long_entry": crosses_above(tenkan, kijun) & above_the_cloud, "long_exit": bars.close < kijun}


def trend_pullback(market: Market) -> Said:
    close = market.bars().close
    trend, strength = sma(close, 200), rsi(close, 14)
    back = crosses_above(close, ema(close, 20))
    return {
        "long_entry": (close > trend) & lately(strength < 40, 10) & back,
        "long_exit": (close < trend) | (strength > 70),
    }


def donchian_breakout(market: Market) -> Said:
    bars = market.bars()
    top, bottom = highest(bars.high, 20).shift(1), lowest(bars.low, 10).shift(1)
    return {"long_entry": bars.close > top, "long_exit": bars.close < bottom}


def volume_breakout(market: Market) -> Said:
    bars = market.bars()
    busy = bars.volume > 2 * sma(bars.volume, 20).shift(1)
    broken = bars.close > highest(bars.high, 50).shift(1)
    return {
        "long_entry": broken & busy,
        "long_exit": bars.close < chandelier_long_stop(bars, 22, 3).shift(1),
    }


def quiet_market_cross(market: Market) -> Said:
    said = ema_cross(market)
    return {**said, "long_entry": said["long_entry"] & (adx(market.bars(), 14) < 20)}


def daily_trend_filter(market: Market) -> Said:
    said, day = ema_cross(market), market.bars("1D").close
    rising = market.at_close(day, "1D") > market.at_close(sma(day, 50), "1D")
    return {**said, "long_entry": said["long_entry"] & rising}


def bitcoin_filter(market: Market) -> Said:
    said = ema_cross(market)
    bitcoin = market.at_close(rsi(market.bars("4h", "BTCUSDT").close, 14), "4h")
    return {"long_entry": said["long_entry"] & (bitcoin > 50), "long_exit": said["long_exit"] | (bitcoin < 40)}


def squeeze(market: Market) -> Said:
    bars = market.bars()
    middle, upper, lower = bollinger(bars.close, 20, 2)
    centre, reach = ema(bars.close, 20), 1.5 * atr(bars, 20)
    within = (upper < centre + reach) & (lower > centre - reach)
    return {
        "long_entry": lately(within, 10) & crosses_above(bars.close, upper),
        "long_exit": bars.close < middle,
    }


def bullish_divergence(market: Market) -> Said:
    bars = market.bars()
    strength = rsi(bars.close, 14)
    then = strength.shift(20)
    lower_low = bars.low < bars.low.shift(20)
    return {"long_entry": lower_low & (strength > then) & (then < 40), "long_exit": strength > 60}


def session_hours(market: Market) -> Said:
    bars = market.bars()
    broken = bars.close > highest(bars.high, 4).shift(1)
    hour = pd.Series(bars.index.hour, bars.index)
    return {"long_entry": broken & (hour >= 13) & (hour <= 16), "long_exit": hour == 20}


def weekend(market: Market) -> Said:
    bars = market.bars()
    day, hour = pd.Series(bars.index.day_name(), bars.index), pd.Series(bars.index.hour, bars.index)
    late_friday = (day == "Friday") & (hour >= 20)
    return {"long_entry": late_friday & (bars.close > sma(bars.close, 50)), "long_exit": day == "Monday"}


def rsi_reversion(market: Market) -> Said:
    strength = rsi(market.bars().close, 14)
    return {"long_entry": crosses_above(strength, 30), "long_exit": strength > 50}


def atr_channel(market: Market) -> Said:
    bars = market.bars()
    middle, reach = ema(bars.close, 20), 2 * atr(bars, 14)
    return {
        "long_entry": crosses_above(bars.close, middle + reach),
        "long_exit": bars.close < middle,
        "short_entry": crosses_below(bars.close, middle - reach),
        "short_exit": bars.close > middle,
    }


def rising_bars(market: Market) -> Said:
    change = market.bars().close.diff()
    return {"long_entry": held(change > 0, 4), "long_exit": held(change < 0, 2)}


def confirmed_cross(market: Market) -> Said:
    fast, slow = averages(market)
    return {"long_entry": held(fast > slow, 6), "long_exit": held(fast < slow, 3)}


def zscore_reversion(market: Market) -> Said:
    distance = zscore(market.bars().close, 50)
    return {"long_entry": distance < -2, "long_exit": distance > 0}


def short_rally(market: Market) -> Said:
    close = market.bars().close
    trend, strength = sma(close, 200), rsi(close, 14)
    return {
        "short_entry": (close < trend) & crosses_below(strength, 60),
        "short_exit": (strength < 40) | (close > trend),
    }


IDEAS: dict[str, Callable[[Market], Said]] = {
    name.replace("_", "-"): idea
    for name, idea in list(globals().items())
    if getattr(idea, "__module__", None) == __name__
    and getattr(idea, "__annotations__", {}).get("return") == "Said"
}
"""Every idea by the name of its template."""
