"""Examples of portfolios for the OpenAPI document; tests validate them."""

from __future__ import annotations

from typing import Any

from serve_apps.examples.backtests import VARIANT_REPORT
from serve_apps.examples.market_data import INSTRUMENT

_RANGE = {"start": "2025-01-01T00:00:00Z", "end": "2025-01-02T00:00:00Z"}
_MEMBERS: list[dict[str, Any]] = [
    {
        "name": "follow",
        "strategy": {
            "instrument": INSTRUMENT,
            "timeframe": "1h",
            "indicators": [{"id": "sma", "params": {"window": 10}}],
        },
    },
    {
        "name": "fade",
        "strategy": {
            "instrument": INSTRUMENT,
            "timeframe": "15m",
            "indicators": [{"id": "rsi", "params": {"window": 14}}],
        },
    },
]

PORTFOLIO_REQUESTS: dict[str, Any] = {
    "two strategies under limits": {
        "value": {
            "members": _MEMBERS,
            "time_range": _RANGE,
            "allocation": {"mode": "weights", "weights": [0.6, 0.3]},
            "rebalance": "daily",
            "limits": {"max_gross_exposure": 0.8, "daily_loss_limit_pct": 2, "max_drawdown_pct": 15},
        }
    }
}

PORTFOLIO_RESULT: dict[str, Any] = {
    "request": {**PORTFOLIO_REQUESTS["two strategies under limits"]["value"], "init_cash_quote": 10_000},
    "metrics": VARIANT_REPORT["metrics"],
    "table_md": "|Metric|Value|\n|---|---|\n|Total Return [%]|1.20|",
    "members": [
        {
            "name": "follow",
            "contribution_quote": 90.0,
            "contribution_pct": 0.9,
            "trades": 4,
            "time_share_pct": 71.9,
            "shrunk": {"max_gross_exposure": 1},
        },
        {
            "name": "fade",
            "contribution_quote": 30.0,
            "contribution_pct": 0.3,
            "trades": 3,
            "time_share_pct": 40.6,
            "refused": {"daily_loss_limit": 2},
        },
    ],
    "correlation": [[1.0, -0.2], [-0.2, 1.0]],
    "days": [
        {
            "day": "2025-01-01",
            "equity_quote": 10_120.0,
            "gross_exposure": 0.0,
            "net_exposure": 0.0,
            "positions": 0,
        }
    ],
    "rebalances": [
        {
            "time": "2025-01-01T00:00:00Z",
            "equity_quote": 10_000.0,
            "moved_quote": 9_000.0,
            "shares": [0.6, 0.3],
        }
    ],
    "halts": [
        {
            "time": "2025-01-01T17:15:00Z",
            "limit": "daily_loss_limit_pct",
            "equity_quote": 9_790.0,
            "until": "2025-01-02T00:00:00Z",
        }
    ],
}

SUGGESTION_REQUESTS: dict[str, Any] = {
    "two of three": {
        "value": {
            "members": [*_MEMBERS, {**_MEMBERS[0], "name": "the same"}],
            "time_range": {"start": "2025-01-01T00:00:00Z", "end": "2025-01-03T00:00:00Z"},
            "choose": 2,
            "max_correlation": 0.9,
        }
    }
}

SUGGESTION: dict[str, Any] = {
    "members": [
        {
            "place": 0,
            "name": "follow",
            "sharpe_ratio": 1.4,
            "total_return_pct": 12.1,
            "highest_correlation": 0.21,
        },
        {
            "place": 1,
            "name": "fade",
            "sharpe_ratio": 1.1,
            "total_return_pct": 8.3,
            "highest_correlation": 0.21,
        },
    ],
    "sharpe_ratio": 1.8,
    "is_exact": True,
    "candidates": 3,
    "summary": [
        "2 of 3 candidates: together a Sharpe ratio of 1.80; no two correlate more than 0.21 by day.",
        "The choice was made in sample, on the days that it is told of: expect less on others.",
    ],
}
