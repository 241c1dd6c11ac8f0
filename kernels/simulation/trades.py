"""The record of a trade, and the steps that every walk takes from here so that totals are equal to the bit."""

from __future__ import annotations

import numpy as np
from numba import from_dtype, types

from kernels.jit import inline
from kernels.simulation.accounts import ruin_price
from kernels.simulation.exits import EXIT_RUIN
from kernels.simulation.fills import exits_early
from kernels.simulation.prices import first_at_or_above

TRADE = np.dtype(
    [
        ("entry_bar", np.int64),
        ("exit_bar", np.int64),
        ("side", np.int64),
        ("entry_fill", np.float64),
        ("exit_fill", np.float64),
        ("quantity", np.float64),
        ("entry_notional_quote", np.float64),
        ("entry_fee_quote", np.float64),
        ("fees_quote", np.float64),
        ("pnl_quote", np.float64),
        ("return_pct", np.float64),
        ("equity_quote", np.float64),
        ("exit_reason", np.int64),
        ("exit_time", np.int64),
    ],
    align=True,
)
"""One closed trade. Bars count from the first of the range, `side` is +1 or -1, `pnl_quote` is net of `fees_quote`
(both fees), `return_pct` is the profit as a share of the entry notional, `equity_quote` is the whole account after
the trade, `exit_time` is the time of the exit as `Fills` counts them. A ruined account loses exactly what was
available: there `pnl_quote` does not follow from fills and fees."""

TRADES = types.Array(from_dtype(TRADE), 1, "C", readonly=True)
TRADES_OUT = types.Array(from_dtype(TRADE), 1, "C")


# The steps take and give numbers; an array is handed over only where that seldom happens. To hand an array to a
# function costs two atomic counts of references, 25 ns a trade, inlined or not.


@inline
def ruin_before(position, bar, exit_bar, reason, prices):
    """The bar and the reason of the exit, which may be the ruin of a short whose entry filled at `bar`."""
    stop = exit_bar + 1 - exits_early(prices.fills)
    ruined = first_at_or_above(prices, ruin_price(position), bar + 1 - prices.fills.delay, stop)
    return (ruined, EXIT_RUIN) if ruined < stop else (exit_bar, reason)


@inline
def booked_profit(available, profit, reason):
    """The profit and the reason of a trade as they are booked: nobody loses more than what was available."""
    if reason == EXIT_RUIN or available + profit <= 0.0:
        return -available, EXIT_RUIN
    return profit, reason


@inline
def write_trade(trade, entry_bar, position, closed, profit, equity, ended):
    """Args:
    ended: bar, reason and time of the exit.
    """
    exit_bar, reason, time = ended
    trade.entry_bar = entry_bar
    trade.exit_bar = exit_bar
    trade.side = int(position.side)
    trade.entry_fill = position.fill
    trade.exit_fill = closed.fill
    trade.quantity = position.quantity
    trade.entry_notional_quote = position.notional
    trade.entry_fee_quote = position.fee
    trade.fees_quote = position.fee + closed.fee
    trade.pnl_quote = profit
    trade.return_pct = profit / position.notional * 100.0
    trade.equity_quote = equity
    trade.exit_reason = reason
    trade.exit_time = time
