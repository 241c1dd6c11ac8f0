"""Exits whose minute touched levels of both kinds: nobody knows which of them came first."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from candleray.backtests.rules.fill import Ties
from candleray.candles import FloatArray
from candleray.search.retraced import Retracing
from kernels.simulation.accounts import LONG
from kernels.simulation.exits import EXIT_TAKE_PROFIT
from kernels.simulation.levels.first_passages import STOP_LOSS, TAKE_PROFIT
from kernels.simulation.levels.level_prices import level_factor
from kernels.simulation.prices import Prices


def ties_of(retracing: Retracing, index: int, trades: NDArray[np.void]) -> Ties | None:
    """Return the ties of a variant, and what it returns where they are decided the other way.

    None where nobody looks inside the bars.
    """
    if not retracing.grid.looks_inside:
        return None
    exits = int(_is_tie(trades, retracing.prices, retracing.grid.risk(index)).sum())
    other = retracing.with_other_tie().trades(index) if exits else trades
    return Ties(exits=exits, other_return_pct=retracing.performance(other).total_return_pct)


def _is_tie(trades: NDArray[np.void], prices: Prices, risk: Mapping[str, float | None]) -> NDArray[np.bool_]:
    """Tell which trades ended in a minute that touched a level of loss and one of profit."""
    tied = np.zeros(trades.size, np.bool_)
    at = np.flatnonzero(trades["exit_reason"] <= EXIT_TAKE_PROFIT)
    losses, profits = ("sl_pct", "sl_atr", "trail_pct"), ("tp_pct", "tp_atr")
    some = trades[at]
    tied[at] = _touches(some, prices, risk, losses, STOP_LOSS) & _touches(some, prices, risk, profits, TAKE_PROFIT)
    return tied


def _touches(
    trades: NDArray[np.void],
    prices: Prices,
    risk: Mapping[str, float | None],
    names: tuple[str, ...],
    kind: float,
) -> NDArray[np.bool_]:
    """Tell which trades' last minute touched one of these levels."""
    minute, towards = trades["exit_time"], trades["side"] * kind
    lows, highs = prices.fills.lows[minute], prices.fills.highs[minute]
    touched = np.zeros(trades.size, np.bool_)
    for name in names:
        level = risk.get(name)
        if level is not None:
            price = _level_price(trades, prices, name, level, towards)
            touched |= np.where(towards < 0, lows <= price, highs >= price)
    return touched


def _level_price(
    trades: NDArray[np.void], prices: Prices, name: str, level: float, towards: FloatArray
) -> FloatArray:
    """Return the price of a level in each trade's last minute."""
    fill = trades["entry_fill"]
    price: FloatArray
    if name.endswith("_atr"):
        price = fill + towards * (level * prices.atr[trades["entry_bar"] - prices.fills.delay])
    else:
        base = _best_prices(trades, prices) if name == "trail_pct" else fill
        price = base * level_factor(towards, level)
    return price


def _best_prices(trades: NDArray[np.void], prices: Prices) -> FloatArray:
    """Return the best price of each trade before its last minute."""
    fills = prices.fills
    bests = trades["entry_fill"].copy()
    first = (trades["entry_bar"] - fills.delay + 1) * fills.times_a_bar
    for at, (begin, end, side) in enumerate(zip(first, trades["exit_time"], trades["side"], strict=True)):
        if begin < end and side == LONG:
            bests[at] = max(bests[at], fills.highs[begin:end].max())
        elif begin < end:
            bests[at] = min(bests[at], fills.lows[begin:end].min())
    return bests
