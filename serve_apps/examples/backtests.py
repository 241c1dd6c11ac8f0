"""Examples of market data, indicators, backtests and jobs for the OpenAPI document; a test validates each."""

from __future__ import annotations

from typing import Any

_INSTRUMENT = {"market_id": 1, "symbol": "BTCUSDT"}
_YEAR = {"start": "2025-01-01T00:00:00Z", "end": "2026-01-01T00:00:00Z"}

MARKET = {
    "market_id": 1,
    "name": "binance-spot",
    "exchange": "binance",
    "market_type": "spot",
    "fee_pct": 0.075,
}

_REFERENCE = {
    **_INSTRUMENT,
    "is_tradable": True,
    "status": "TRADING",
    "base_asset": "BTC",
    "quote_asset": "USDT",
    "price_tick": 0.01,
    "quantity_step": 0.00001,
}
INSTRUMENTS = {"instruments": [_REFERENCE], "next_cursor": "50"}
INSTRUMENT_BODIES: Any = {"one": {"summary": "One instrument of Binance spot", "value": [_REFERENCE]}}

CANDLES = {
    "instrument": _INSTRUMENT,
    "timeframe": "1m",
    "ts_open_ms": [1735689600000, 1735689660000],
    "open": [93576.0, 93610.93],
    "high": [93610.93, 93652.0],
    "low": [93537.5, 93606.2],
    "close": [93610.93, 93652.0],
    "volume": [8.21827, 11.80813],
    "next_start": "2025-01-01T00:02:00Z",
}
COVERAGE: dict[str, Any] = {
    **_INSTRUMENT,
    "first": "2018-02-01T00:00:00Z",
    "last": "2018-02-28T23:59:00Z",
    "candles": 38261,
    "missing_minutes": 2059,
    "missing_runs": [{"start": "2018-02-08T00:27:00Z", "end": "2018-02-09T10:46:00Z", "minutes": 2059}],
}
COUNTS = {**_INSTRUMENT, "raw": 38261, "canonical": 38261}
INSERT_REPORT = {
    "received": 1000,
    "written": 998,
    "unchanged": 1,
    "refused": [
        {
            "reason": "high below low",
            "count": 1,
            "first_example": "row 17: 2025-01-01T00:16:00Z open=2 high=1 low=3 close=2 volume=5",
        }
    ],
}

INDICATOR = {
    "id": "sma",
    "title": "Simple Moving Average",
    "version": 1,
    "description": "Simple moving average: the mean of the last `window` values.",
    "source": "Arithmetic mean of a sliding window; TA-Lib SMA",
    "inputs": [
        {
            "name": "source",
            "columns": ["close", "open", "high", "low", "hlc3", "ohlc4"],
            "default": "close",
        }
    ],
    "outputs": ["sma"],
    "params": [
        {
            "name": "window",
            "kind": "int",
            "description": "bars in the average",
            "default": 20,
            "min": 2,
            "max": 5000,
            "step": 1,
            "grid": {"start": 5, "stop": 200, "step": 5},
        }
    ],
    "rule": {
        "family": "price_against_output",
        "meaning": "Long while the close is above the output, short while it is below.",
        "params": [],
    },
}

_SMA_20 = {"id": "sma", "inputs": {"source": "close"}, "params": {"window": 20}}
SERIES_REQUESTS: Any = {
    "last": {
        "summary": "SMA(20) over the last 1000 minutes",
        "value": {
            "instrument": _INSTRUMENT,
            "timeframe": "1m",
            "indicator": {"id": "sma", "params": {"window": 20}},
            "last": 1000,
        },
    },
    "time range": {
        "summary": "RSI(14) of the hourly bars of one day",
        "value": {
            "instrument": _INSTRUMENT,
            "timeframe": "1h",
            "indicator": {"id": "rsi", "inputs": {"source": "hlc3"}, "params": {"window": 14}},
            "time_range": {"start": "2025-01-01T00:00:00Z", "end": "2025-01-02T00:00:00Z"},
        },
    },
}
SERIES = {
    "instrument": _INSTRUMENT,
    "timeframe": "1m",
    "indicator": _SMA_20,
    "ts_open_ms": [1735689600000, 1735689660000, 1735689720000],
    "outputs": {"sma": [None, 93524.105, 93530.7815]},
}

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
            "instrument": _INSTRUMENT,
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
    "strategy": {
        "summary": "One strategy: every axis a scalar",
        "value": {
            "instrument": _INSTRUMENT,
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
        "instrument": _INSTRUMENT,
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
                "instrument": _INSTRUMENT,
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

JOB: dict[str, Any] = {
    "job_id": "0198a3f2-5d3e-7c41-9b6a-2f4d8e1c7a90",
    "state": "running",
    "phase": "stage-b",
    "done": 420000,
    "total": 1000000,
    "tasks_done": 12,
    "tasks_total": 25,
    "variants_total": 1000000,
    "variants_done": 420000,
    "simulations": 1000000,
    "variants_per_s": 84210.5,
    "eta_s": 6.9,
    "best_total_return_pct": 41.27,
    "partial": True,
    "attempt": 1,
    "cancel_requested": False,
    "waiting_for": None,
    "error": None,
    "request_hash": BACKTEST_RESULT["request_hash"],
    "engine_params_hash": BACKTEST_RESULT["engine_params_hash"],
    "candles_hash": BACKTEST_RESULT["candles_hash"],
    "created_at": "2025-06-01T12:00:00Z",
    "started_at": "2025-06-01T12:00:01Z",
    "heartbeat_at": "2025-06-01T12:00:12Z",
    "finished_at": None,
}
JOB_DETAIL = {
    **JOB,
    "request": BACKTEST_RESULT["request"],
    "events": [
        {
            "at": "2025-06-01T12:00:00Z",
            "from_state": None,
            "to_state": "queued",
            "attempt": 0,
            "cause": "submitted",
        },
        {
            "at": "2025-06-01T12:00:01Z",
            "from_state": "queued",
            "to_state": "running",
            "attempt": 1,
            "cause": "its turn has come",
        },
    ],
}
JOB_TOP = {
    "job_id": JOB["job_id"],
    "state": "running",
    "partial": True,
    "variants_done": 420000,
    "simulations": 1000000,
    "top": [
        {name: value for name, value in variant.items() if name not in ("metrics", "table_md", "trades")}
        for variant in BACKTEST_RESULT["top"]
    ],
}
JOB_EVENTS = 'event: progress\ndata: {"job_id":"0198a3f2-5d3e-7c41-9b6a-2f4d8e1c7a90","state":"running"}\n\n'
PREFLIGHT = {
    "request_hash": BACKTEST_RESULT["request_hash"],
    "variants_total": 4000000,
    "variants_evaluated": 4000000,
    "simulations": 4000000,
    "bars": 525600,
    "planes": 420,
    "compute_bytes": 119000000,
    "core_s": 83.1,
    "estimated_s": 47.2,
    "estimated_job_s": 47.2,
    "mode": "job",
    "violated_for_sync": [{"name": "variants", "number": 4000000, "limit": 1000000}],
    "violated_for_job": [],
}
