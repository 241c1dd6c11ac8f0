"""Examples of backtests for the OpenAPI document; a test validates each."""

from __future__ import annotations

from typing import Any

from serve_apps.examples.market_data import INSTRUMENT

_YEAR = {"start": "2025-01-01T00:00:00Z", "end": "2026-01-01T00:00:00Z"}
_GRID_INDICATORS = [
    {
        "id": "sma",
        "inputs": {"source": ["close", "hlc3"]},
        "params": {"window": {"start": 5, "stop": 200, "step": 5}},
    },
    {
        "id": "rsi",
        "params": {"window": {"values": [7, 14, 21]}},
        "signal": {"long_threshold": {"start": 20, "stop": 40, "step": 5}, "short_threshold": 70},
    },
]
BACKTEST_REQUESTS: Any = {
    "grid": {
        "summary": "1200 base variants of SMA and RSI over a year of minutes, each under 27 pairs of stop levels",
        "value": {
            "instrument": INSTRUMENT,
            "timeframe": "1m",
            "time_range": _YEAR,
            "indicators": _GRID_INDICATORS,
            "direction": "long-short",
            "exit_on": "opposite",
            "sizing": {"mode": "all_in"},
            "init_cash_quote": 10000,
            "fee_pct": 0.075,
            "slippage_pct": 0.01,
            "risk": {"sl_pct": {"start": 1, "stop": 5, "step": 0.5}, "tp_pct": {"values": [2, 4, 8]}},
            "top_k": 300,
            "preselect": 20000,
            "trades_for": 3,
        },
    },
    "by_sharpe_ratio": {
        "summary": "The same averages ranked by their Sharpe ratio, those of fewer than thirty trades left out",
        "value": {
            "instrument": INSTRUMENT,
            "timeframe": "1h",
            "time_range": _YEAR,
            "indicators": _GRID_INDICATORS,
            "rank_by": "sharpe_ratio",
            "min_trades": 30,
            "top_k": 50,
        },
    },
    "strategy": {
        "summary": "One strategy: every axis a scalar",
        "value": {
            "instrument": INSTRUMENT,
            "timeframe": "1h",
            "time_range": _YEAR,
            "indicators": [{"id": "ema", "params": {"window": 50}}],
            "direction": "long-only",
            "exit_on": "neutral",
            "sizing": {"mode": "strategy_compound_profit_lock", "budget_quote": 5000, "safe_profit_percent": 20},
            "risk": {"sl_pct": 2.5},
        },
    },
}
_RULES = {
    "direction": "long-short",
    "exit_on": "opposite",
    "sizing": {"mode": "all_in"},
    "init_cash_quote": 10000,
    "fee_pct": 0.075,
    "slippage_pct": 0.01,
    "risk": {"sl_pct": None, "tp_pct": None},
}
_RANGE = {"start": "2025-01-01T00:00:00Z", "end": "2025-01-20T00:00:00Z"}
_METRICS = {
    "Start": 1735689600000,
    "End": 1737331200000,
    "Duration": 1641600000,
    "Init. Cash": 10000.0,
    "Total Profit": 292.23283306482335,
    "Total Return [%]": 2.9223283306482273,
    "Benchmark Return [%]": -12.236508122566725,
    "Position Coverage [%]": 15.350877192982457,
    "Max. Drawdown [%]": 2.3881565916323915,
    "Avg. Drawdown [%]": 1.0652727372878328,
    "Max. Drawdown Duration": 93600000,
    "Avg. Drawdown Duration": 27900000,
    "Num. Trades": 1,
    "Win Rate [%]": 100.0,
    "Best Trade [%]": 2.924520076896222,
    "Worst Trade [%]": 2.924520076896222,
    "Avg. Trade [%]": 2.924520076896222,
    "Max. Trade Duration": 252000000,
    "Avg. Trade Duration": 252000000,
    "Expectancy": 292.2328330648236,
    "SQN": None,
    "Gross Exposure": 0.14488235595344945,
    "Sharpe Ratio": 4.3440529423592285,
    "Sortino Ratio": 18.47763593752568,
    "Calmar Ratio": 30.947129913899023,
}
_TRADE = {
    "side": "short",
    "entry_time": "2025-01-17T02:00:00Z",
    "exit_time": "2025-01-20T00:00:00Z",
    "entry_fill": 50523.807114,
    "exit_fill": 48971.606671,
    "quantity": 0.19777816026883527,
    "entry_notional_quote": 9992.505620784412,
    "fees_quote": 14.75851492018786,
    "pnl_quote": 292.2328330648236,
    "return_pct": 2.924520076896222,
    "exit_reason": "last_bar",
    "equity_quote": 10292.232833064823,
}
BACKTEST_RESULT: dict[str, Any] = {
    "request": {
        "instrument": INSTRUMENT,
        "timeframe": "1h",
        "time_range": _RANGE,
        "indicators": [
            {
                "id": "rsi",
                "inputs": {"source": "close"},
                "params": {"window": {"values": [7, 14]}},
                "signal": {"long_threshold": 40, "short_threshold": {"start": 60, "stop": 70, "step": 5}},
            },
            {
                "id": "sma",
                "inputs": {"source": ["close", "hlc3"]},
                "params": {"window": {"start": 10, "stop": 50, "step": 10}},
                "signal": {},
            },
        ],
        **_RULES,
        "top_k": 1,
        "preselect": 20000,
        "trades_for": 1,
    },
    "request_hash": "413f5ebbd5adccc8d836e1c084ee27f6d500bfbe2bab1e514b1a9f4a612c2e34",
    "engine_params_hash": "84553f099fc05c11d8ac38834946b7fac51c36cf6f49814e284a3b1c0d649c8c",
    "candles_hash": "2461bee96b19e0ec076ed918e68f1bab60900347a1265b1c7ee72fb52349361b",
    "bars": 456,
    "variants_total": 60,
    "variants_evaluated": 60,
    "shortlist": None,
    "notes": [],
    "elapsed_s": {
        "candles": 0.0089,
        "planes": 0.0206,
        "stage-a": 0.031,
        "tables": 0.0,
        "stage-b": 0.0,
        "reports": 0.0131,
        "total": 0.0736,
    },
    "top": [
        {
            "rank": 1,
            "variant_index": 34,
            "total_return_pct": 2.9223283306482273,
            "conflicting_signals": 0,
            "metrics": _METRICS,
            "table_md": "|Metric|Value|\n|---|---|\n|Total Return [%]|2.92|\n|Num. Trades|1|",
            "trades": [_TRADE],
            "strategy": {
                "instrument": INSTRUMENT,
                "timeframe": "1h",
                "time_range": _RANGE,
                "indicators": [
                    {
                        "id": "rsi",
                        "inputs": {"source": "close"},
                        "params": {"window": 14},
                        "signal": {"long_threshold": 40, "short_threshold": 60},
                    },
                    {"id": "sma", "inputs": {"source": "close"}, "params": {"window": 50}, "signal": {}},
                ],
                **_RULES,
            },
        }
    ],
}

_EXPLAINED = (
    "Opens long when EMA(3{}) crosses above EMA(8), while ADX(14) is below 20; closes when that is no longer so."
)
_LONG_ENTRY = {"all": [{"cross_above": ["fast", "slow"]}, {"below": [{"id": "adx"}, 20]}]}
EXPLANATION: dict[str, Any] = {
    "sentences": [_EXPLAINED.format(" or 5")],
    "variants_total": 2,
    "variant_index": 0,
    "variant_sentences": [_EXPLAINED.format("")],
    "strategy": {
        "instrument": INSTRUMENT,
        "timeframe": "1h",
        "time_range": _RANGE,
        **_RULES,
        "direction": "long-only",
        "exit_on": "neutral",
        "let": {
            "fast": {"id": "ema", "output": "ema", "inputs": {"source": "close"}, "params": {"window": 3}},
            "slow": {"id": "ema", "output": "ema", "inputs": {"source": "close"}, "params": {"window": 8}},
        },
        "signals": {"long_entry": _LONG_ENTRY},
    },
    "bars": 456,
    "conditions": [
        {
            "path": "signals.long_entry",
            "words": "EMA(3) crosses above EMA(8) and ADX(14) is below 20",
            "true_bars": 0,
            "true_pct": 0.0,
            "unknown_bars": 0,
        },
        {
            "path": "signals.long_entry.all.0",
            "words": "EMA(3) crosses above EMA(8)",
            "true_bars": 41,
            "true_pct": 8.991228070175438,
            "unknown_bars": 0,
        },
        {
            "path": "signals.long_entry.all.1",
            "words": "ADX(14) is below 20",
            "true_bars": 0,
            "true_pct": 0.0,
            "unknown_bars": 0,
        },
    ],
    "signal_bars": {"long": 0},
    "first_signals": [],
    "blockers": [
        {
            "path": "signals.long_entry.all.1",
            "words": "ADX(14) is below 20",
            "message": "true on none of the 456 bars; without it the others are true on 41",
        }
    ],
    "notes": [],
}

VARIANT_REPORT: dict[str, Any] = {
    "request": {
        **BACKTEST_RESULT["top"][0]["strategy"],
        "top_k": 300,
        "preselect": 20000,
        "trades_for": 0,
    },
    "variant_index": 34,
    "sentences": ["Long while RSI(14) says long and SMA(50) says long; short while both say short."],
    "bars": 456,
    "trades": 1,
    "metrics": _METRICS,
    "months": [
        {"month": "2025-01", "return_pct": 2.9223283306482273, "benchmark_return_pct": -12.236508122566725}
    ],
    "years": [{"year": "2025", "return_pct": 2.9223283306482273, "benchmark_return_pct": -12.236508122566725}],
    "drawdowns": [
        {
            "depth_pct": 3.1171,
            "peak_time": "2025-01-14T09:00:00Z",
            "lowest_time": "2025-01-16T21:00:00Z",
            "recovery_time": None,
            "duration_ms": 396000000,
        }
    ],
    "exposure": {"long": 0.0, "short": 0.2417},
    "costs": {"fees_quote": 15.2, "slippage_quote": 2.03},
    "notes": [],
}
