"""Sizes of entries that follow from what they risk: shares of what is available.

A share is measured by the loss at the stop-loss, costs included, or by the movement of the market in a day. It is
a part, such as 1 %, times a weight that depends on the entry and the stop-losses alone: weights are computed once,
for all combinations that have them.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from kernels.jit import FLOAT, FLOATS, FLOATS_OUT, INT, inline, jit, record_of
from kernels.simulation.accounts import LONG, RULES, exit_fill
from kernels.simulation.exits import KINDS, SL_ATR, SL_PCT
from kernels.simulation.levels.level_prices import level_in_percent, level_in_ranges
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


class Measure(NamedTuple):
    """The measure of sizes, and the stop-losses that it looks at; NaN for none."""

    number: int
    sl_pct: float
    sl_atr: float


MEASURE = record_of(Measure, INT, FLOAT, FLOAT)
"""The compiled type of `Measure`."""


@inline
def size_count(sizes):
    return max(1, sizes.parts.size)


@inline
def _stop_price(measure, side, fill, atr):
    """The price of the nearer stop-loss; no price falls below 0."""
    price = 0.0 if side == LONG else math.inf
    if not math.isnan(measure.sl_pct):
        price = level_in_percent(fill, -side, measure.sl_pct)
    if not math.isnan(measure.sl_atr):
        other = level_in_ranges(fill, -side, measure.sl_atr, atr)
        price = other if math.isnan(measure.sl_pct) or side * (other - price) > 0.0 else price
    return max(price, 0.0)


# It takes numbers alone: to hand over the record of prices would cost 0.2 us an entry.
@inline
def weight_of(measure, side, fill, known, rules):
    """The notional of an entry whose part is 1, as a share of what is available, before any bound.

    Args:
        known: the average true range or the volatility at the bar of the entry's signal, which the fill follows.
    """
    if measure.number == OF_RULES:
        return math.inf
    if measure.number == OF_VOLATILITY:
        return 1.0 / known
    stopped = exit_fill(side, _stop_price(measure, side, fill, known), rules.slippage)
    return fill / (side * (fill - stopped) + rules.fee * (fill + stopped))


@inline
def known_at_bars(number, prices):
    """The numbers that a measure reads, one a bar; empty where it reads none."""
    return prices.volatility if number == OF_VOLATILITY else prices.atr


@inline
def weight_rows(number, counts):
    """The number of rows of weights: one for each choice of stop-losses that a measure looks at."""
    if number == OF_RULES:
        return 0
    return max(1, counts[SL_PCT]) * max(1, counts[SL_ATR]) if number == OF_LOSS else 1


@inline
def weight_row(number, counts, choice):
    """The row of weights of a choice of levels, whose slowest digits are its stop-losses."""
    if number != OF_LOSS:
        return np.int64(0)
    for kind in range(SL_ATR + 1, KINDS):
        choice //= max(1, counts[kind])
    return choice


@inline
def measure_of(number, counts, levels, row):
    """The measure of a row of weights.

    Args:
        levels: those of all kinds that have any, one kind after the other.
    """
    first, second = divmod(row, max(1, counts[SL_ATR]))
    sl_pct = levels[first] if counts[SL_PCT] > 0 else math.nan
    sl_atr = levels[counts[SL_PCT] + second] if counts[SL_ATR] > 0 else math.nan
    return Measure(number, sl_pct, sl_atr)


@jit(TRADES, MEASURE, FLOAT, FLOAT, PRICES, RULES, FLOATS_OUT)
def shares_of(trades, measure, part, leverage, prices, rules, out):
    """Write the share of each trade of one combination whose size is that part, bounded by the leverage."""
    most = math.inf if measure.number == OF_RULES else leverage / (1.0 + leverage * rules.fee)
    at_bars = known_at_bars(measure.number, prices)
    for place in range(trades.size):
        trade = trades[place]
        signal_bar = trade.entry_bar - prices.fills.delay
        known = at_bars[signal_bar] if at_bars.size > 0 else math.nan
        weight = weight_of(measure, np.float64(trade.side), trade.entry_fill, known, rules)
        out[place] = min(part * weight, most)


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
