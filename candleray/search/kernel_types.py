"""What a request says about trading, as the kernels take it."""

from __future__ import annotations

from candleray.backtests.request import BacktestRequest
from kernels.simulation.accounts import Rules


def trading_rules(request: BacktestRequest) -> Rules:
    """Of a resolved request."""
    assert request.fee_pct is not None
    assert request.slippage_pct is not None
    assert request.init_cash_quote is not None
    sizing = request.sizing
    return Rules.of(
        request.direction.value,
        request.exit_on.value,
        fee_pct=request.fee_pct,
        slippage_pct=request.slippage_pct,
        init_cash_quote=request.init_cash_quote,
        budget_quote=getattr(sizing, "budget_quote", None),
        fixed_quote=getattr(sizing, "quote", None),
        safe_profit_pct=getattr(sizing, "safe_profit_percent", 0.0),
    )
