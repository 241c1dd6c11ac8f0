"""Sizes of entries that follow from what they risk: shares of what is available.

A share is measured by the loss at the stop-loss, costs included, or by the movement of the market in a day. It
depends on the entry and on the combination's levels alone, so that the money of a walk waits for nothing more.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from kernels.jit import FLOAT, FLOATS, FLOATS_OUT, INT, inline, jit, record_of
from kernels.simulation.accounts import LONG, RULES, exit_fill
from kernels.simulation.exits import SL_ATR, SL_PCT
from kernels.simulation.levels.level_prices import level_price
from kernels.simulation.prices import PRICES
from kernels.simulation.trades import TRADES

OF_RULES, OF_LOSS, OF_VOLATILITY = range(3)
"""The measures of a size: what the rules of the account say, the loss at the stop-loss, a day's volatility."""


class Sizes(NamedTuple):
    """The sizes that a search tries; each combination of levels has one after the other."""

    measure: int
    parts: NDArray[np.float64]
    """The shares of what is available that are lost at the stop-loss, or move in a day; none of `OF_RULES`."""
    leverage: float
    """The notional is at most so many times what is available after the fee."""

    @classmethod
    def of_rules(cls) -> Sizes:
        return cls(OF_RULES, np.empty(0), 1.0)

    @property
    def each(self) -> int:
        """The number of sizes that a combination of levels is tried with."""
        return max(1, self.parts.size)


SIZES = record_of(Sizes, INT, FLOATS, FLOAT)
"""The compiled type of `Sizes`."""


class Size(NamedTuple):
    """The size of one combination, and the stop-losses that it is measured by; NaN for none."""

    measure: int
    part: float
    sl_pct: float
    sl_atr: float


SIZE = record_of(Size, INT, FLOAT, FLOAT, FLOAT)
"""The compiled type of `Size`."""


@inline
def size_count(sizes):
    return max(1, sizes.parts.size)


@inline
def _stop_price(size, prices, bar, side, fill):
    """The price of the nearer stop-loss; no price falls below 0."""
    price = 0.0 if side == LONG else math.inf
    if not math.isnan(size.sl_pct):
        price = level_price(prices, SL_PCT, bar, fill, -side, size.sl_pct)
    if not math.isnan(size.sl_atr):
        other = level_price(prices, SL_ATR, bar, fill, -side, size.sl_atr)
        price = other if math.isnan(size.sl_pct) or side * (other - price) > 0.0 else price
    return max(price, 0.0)


@inline
def share_of(size, prices, bar, side, fill, rules):
    """The notional as a share of what is available, before any bound.

    Args:
        bar: that of the entry's signal, which the fill follows.
    """
    if size.measure == OF_RULES:
        return math.inf
    if size.measure == OF_VOLATILITY:
        return size.part / prices.volatility[bar]
    stopped = exit_fill(side, _stop_price(size, prices, bar, side, fill), rules.slippage)
    lost = side * (fill - stopped) + rules.fee * (fill + stopped)
    return size.part * fill / lost


@jit(TRADES, SIZE, PRICES, RULES, FLOATS_OUT)
def shares_of(trades, size, prices, rules, out):
    """Write the share of each trade of one combination."""
    for place in range(trades.size):
        trade = trades[place]
        signal_bar = trade.entry_bar - prices.fills.delay
        out[place] = share_of(size, prices, signal_bar, np.float64(trade.side), trade.entry_fill, rules)


@jit(FLOATS, INT, FLOAT, FLOATS_OUT)
def daily_volatility(close, window, bars_a_day, out):
    """Write the standard deviation (ddof 1) of the last `window` returns of bars, as that of a day's return.

    It is NaN on the first bars, which have fewer returns behind them.
    """
    returns = np.empty(close.size)
    returns[0] = math.nan
    for bar in range(1, close.size):
        returns[bar] = close[bar] / close[bar - 1] - 1.0
    for bar in range(close.size):
        if bar < window:
            out[bar] = math.nan
            continue
        mean = squares = 0.0
        for at in range(bar + 1 - window, bar + 1):
            mean += returns[at]
        mean /= window
        for at in range(bar + 1 - window, bar + 1):
            squares += (returns[at] - mean) ** 2
        out[bar] = math.sqrt(squares / (window - 1) * bars_a_day)
