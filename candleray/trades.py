"""Trades as the API shows them, from the rows the simulator fills."""

from __future__ import annotations

from typing import Any

from candleray.backtests.result import Trade
from candleray.timeframes import iso
from kernels.simulation.trades import EXIT_REASONS


def trade_of(row: Any, close_time_ms: Any) -> Trade:
    """A row of the kernel's trade list, its bars as the times of their closes."""
    return Trade(
        side="long" if row["side"] > 0 else "short",
        entry_time=iso(int(close_time_ms[row["entry_bar"]])),
        exit_time=iso(int(close_time_ms[row["exit_bar"]])),
        entry_fill=float(row["entry_fill"]),
        exit_fill=float(row["exit_fill"]),
        quantity=float(row["quantity"]),
        entry_notional_quote=float(row["entry_notional_quote"]),
        fees_quote=float(row["fees_quote"]),
        pnl_quote=float(row["pnl_quote"]),
        return_pct=float(row["return_pct"]),
        exit_reason=EXIT_REASONS[int(row["exit_reason"])],
        equity_quote=float(row["equity_quote"]),
    )
