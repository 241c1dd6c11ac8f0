"""The report as a person reads it: the `|Metric|Value|` table of R4.10, and trades with times as text."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from candleray.backtests import Trade
from candleray.timeframes import iso
from kernels.simulate import EXIT_REASONS

MetricValue = float | int | None


def table_md(metrics: Mapping[str, MetricValue]) -> str:
    """The metrics in their order as a Markdown table; what is undefined is a dash."""
    rows = [f"|{name}|{shown(name, value)}|" for name, value in metrics.items()]
    return "\n".join(["|Metric|Value|", "|---|---|", *rows])


def shown(name: str, value: MetricValue) -> str:
    """One value in words, by what its name says it is."""
    if value is None:
        return "–"
    if name in ("Start", "End"):
        return iso(int(value))
    if "Duration" in name:
        return str(timedelta(milliseconds=int(value) // 1000 * 1000))
    if isinstance(value, int):
        return str(value)
    return f"{value:,.4f}" if abs(value) < 1 else f"{value:,.2f}"


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
