"""The exposure of each side, and what the fills of a variant cost."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from candleray.backtests.variant_report import SideExposure, TradingCosts
from candleray.candles import FloatArray
from kernels.simulation.accounts import LONG, SHORT
from kernels.simulation.exits import EXIT_TAKE_PROFIT
from kernels.simulation.fills import Fills


def exposure_by_side(trades: NDArray[np.void], close: FloatArray, equity: FloatArray) -> SideExposure:
    """Return the mean over all bars of position value / equity, of the positions of each side."""
    held = trades["exit_bar"] - trades["entry_bar"]
    owner = np.repeat(np.arange(trades.size), held)
    # The bars of each trade, one after the other: its entry bar, and so many more.
    bars = np.arange(owner.size) - np.repeat(np.cumsum(held) - held, held) + trades["entry_bar"][owner]
    shares = trades["quantity"][owner] * close[bars] / equity[bars]
    sides = trades["side"][owner]
    long, short = (float(shares[sides == side].sum()) / close.size for side in (LONG, SHORT))
    return SideExposure(long=long, short=short)


def costs_of(trades: NDArray[np.void], slippage: float, fills: Fills) -> TradingCosts:
    """Return the fees of all fills, and by how much they were worse than the prices that they filled at."""
    side, quantity = trades["side"], trades["quantity"]
    entry, exit_ = trades["entry_fill"], trades["exit_fill"]
    at_entry = np.abs(entry - entry / (1.0 + side * slippage)) * quantity
    at_exit = np.abs(exit_ - exit_ / (1.0 - side * slippage)) * quantity
    if fills.is_inside:
        # A limit order fills at its price.
        at_exit = np.where(trades["exit_reason"] == EXIT_TAKE_PROFIT, 0.0, at_exit)
    return TradingCosts(
        fees_quote=float(trades["fees_quote"].sum()), slippage_quote=float(at_entry.sum() + at_exit.sum())
    )
