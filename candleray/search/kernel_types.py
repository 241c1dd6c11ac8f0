"""A request in the kernels' types, and what the kernels return in the answer's."""

from __future__ import annotations

from typing import Any

from candleray.backtests.request import BacktestRequest
from candleray.backtests.result import Trade
from candleray.candles import IntArray
from candleray.timeframes import DAY_MS, iso
from kernels.simulation.accounts import Rules
from kernels.simulation.exits import EXIT_REASONS
from kernels.simulation.pruned.limits import REASONS
from kernels.simulation.pruned.pruning import Pruning, deadlines, limits_of, no_deadlines


def trading_rules(request: BacktestRequest) -> Rules:
    """Return the trading rules of a resolved request."""
    assert request.fee_pct is not None
    assert request.slippage_pct is not None
    assert request.init_cash_quote is not None
    return Rules.of(
        request.direction.value,
        request.exit_on.value,
        fee_pct=request.fee_pct,
        slippage_pct=request.slippage_pct,
        init_cash_quote=request.init_cash_quote,
        **request.sizing.account_fields(),
    )


def pruning_of(request: BacktestRequest, ts_open_ms: IntArray, bar_ms: int) -> Pruning | None:
    """Return the limits over these bars; None where the request sets none."""
    values, window_days = request.pruning.values, request.pruning.window_days
    if not values:
        return None
    limits = limits_of(values)
    if window_days is None:
        return Pruning(limits, no_deadlines(ts_open_ms.size))
    return Pruning(limits, deadlines(ts_open_ms, bar_ms, round(window_days * DAY_MS)))


def pruned_by_name(request: BacktestRequest, pruned: IntArray) -> dict[str, int]:
    """Return a ranking's counts by the name of the limit, for the limits that the request sets."""
    counts = dict(zip(REASONS, pruned.tolist(), strict=True))
    return {name: counts[name] for name in request.pruning.values}


def trade_of(row: Any, entry_ms: int, exit_ms: int) -> Trade:
    """Return a row of the kernel's trade list as a trade, which filled at these times."""
    return Trade(
        side="long" if row["side"] > 0 else "short",
        entry_time=iso(entry_ms),
        exit_time=iso(exit_ms),
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
