"""The prices of levels, and the prices that may reach them."""

from __future__ import annotations

from kernels.jit import inline
from kernels.simulation.exits import SL_ATR, TP_ATR


@inline
def level_factor(towards, level_pct):
    """The price of a level as a share of the fill: so many percent above it, or, towards -1, below."""
    return 1.0 + towards * level_pct / 100.0


@inline
def level_in_percent(fill, towards, level_pct):
    return fill * level_factor(towards, level_pct)


@inline
def level_in_ranges(fill, towards, level, atr):
    return fill + towards * (level * atr)


@inline
def is_of_range(kind):
    """Tell if levels of that kind are multiples of the average true range."""
    return kind in (SL_ATR, TP_ATR)


@inline
def level_price(kind, fill, towards, level, atr):
    """The price of a level that stands still.

    Args:
        atr: at the bar of the position's signal.
    """
    if is_of_range(kind):
        return level_in_ranges(fill, towards, level, atr)
    return level_in_percent(fill, towards, level)


@inline
def reaching(prices, towards):
    """The prices that may reach a level in that direction, one a time."""
    if prices.fills.opens.size == 0:
        return prices.close
    return prices.fills.lows if towards < 0.0 else prices.fills.highs
