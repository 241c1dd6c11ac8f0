"""Ruins of shorts in a portfolio: a position loses what it bound, and nothing else of the account."""

from __future__ import annotations

from kernels.jit import FLOAT, jit
from kernels.simulation.accounts import SHORT, Position, exit_fill
from kernels.simulation.exits import EXIT_RUIN
from kernels.simulation.fills import closing_time
from kernels.simulation.prices import PRICES
from kernels.simulation.trades import TRADES_OUT, ruin_before


@jit(TRADES_OUT, PRICES, FLOAT)
def end_ruined(trades, prices, slippage):
    """End the shorts among some trades where their price has doubled."""
    for i in range(trades.size):
        trade = trades[i]
        if trade.side > 0 or trade.entry_bar >= prices.exposed:
            continue
        position = Position(SHORT, trade.entry_fill, trade.quantity, trade.entry_notional_quote, 0.0, 0.0)
        bar, reason = ruin_before(position, trade.entry_bar, trade.exit_bar, trade.exit_reason, prices)
        if reason == EXIT_RUIN:
            trade.exit_bar = bar
            trade.exit_reason = reason
            trade.exit_fill = exit_fill(SHORT, prices.close[bar], slippage)
            trade.exit_time = closing_time(prices.fills, bar)
