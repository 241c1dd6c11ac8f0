"""Exits whose minute touched both levels: nobody knows which of them came first."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from candleray.backtests.fill import Ties
from candleray.search.retraced import Retracing
from kernels.simulation.exits import EXIT_TAKE_PROFIT
from kernels.simulation.fills import Fills
from kernels.simulation.first_passages import STOP_LOSS, TAKE_PROFIT, level_factor


def ties_of(retracing: Retracing, index: int, trades: NDArray[np.void]) -> Ties | None:
    """Return the ties of a variant, and what it returns where they are decided the other way.

    None where nobody looks inside the bars.
    """
    if not retracing.grid.looks_inside:
        return None
    risk = retracing.grid.risk(index)
    exits = int(_is_tie(trades, retracing.prices.fills, risk["sl_pct"], risk["tp_pct"]).sum())
    other = retracing.with_other_tie().trades(index) if exits else trades
    return Ties(exits=exits, other_return_pct=retracing.performance(other).total_return_pct)


def _is_tie(
    trades: NDArray[np.void], fills: Fills, stop_pct: float | None, profit_pct: float | None
) -> NDArray[np.bool_]:
    at_level = trades["exit_reason"] <= EXIT_TAKE_PROFIT
    if stop_pct is None or profit_pct is None:
        return np.zeros(trades.size, np.bool_)
    minute = np.where(at_level, trades["exit_time"], 0)
    touched = at_level
    for kind, level_pct in ((STOP_LOSS, stop_pct), (TAKE_PROFIT, profit_pct)):
        towards = trades["side"] * kind
        level = trades["entry_fill"] * level_factor(towards, level_pct)
        reached = np.where(towards < 0, fills.lows[minute] <= level, fills.highs[minute] >= level)
        touched = touched & reached
    return touched
