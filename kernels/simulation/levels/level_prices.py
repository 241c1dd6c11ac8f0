"""The prices of levels, and the prices that may reach them."""

from __future__ import annotations

from kernels.jit import inline
from kernels.simulation.exits import SL_ATR, TP_ATR


@inline
def level_factor(towards, level_pct):
    """The price of a level as a share of the fill: so many percent above it, or, towards -1, below."""
    return 1.0 + towards * level_pct / 100.0


@inline
def is_of_range(kind):
    """Tell if levels of that kind are multiples of the average true range."""
    return kind in (SL_ATR, TP_ATR)


@inline
def level_price(prices, kind, bar, fill, towards, level):
    """The price of a level that stands still, of a position whose signal came at that bar."""
    if is_of_range(kind):
        return fill + towards * (level * prices.atr[bar])
    return fill * level_factor(towards, level)


@inline
def reaching(prices, towards):
    """The prices that may reach a level in that direction, one a time."""
    if prices.fills.opens.size == 0:
        return prices.close
    return prices.fills.lows if towards < 0.0 else prices.fills.highs
