"""Documented certificates of runs."""

from __future__ import annotations

from typing import Any

CERTIFICATE: dict[str, Any] = {
    "certificate_version": 1,
    "end": "2026-01-05T12:05:00Z",
    "engine": {
        "indicators": {"sma": 2},
        "max_gap_hours": 24,
        "params_hash": "65ad3d953841361b69c3a18f053376335e26fb61193b8003c6909969afedc238",
        "version": 2,
    },
    "hash": "36aa043463c04c2dbf97468caa18b1b429261d3558940a18f789992dfec7d9f4",
    "instrument_key": "binance:spot:BTCUSDT",
    "run_id": "9d1f2c5e-58a0-4a3c-b1c3-5d7f1f0e6a21",
    "sessions": [
        {
            "bars": 5,
            "canonical": {
                "causes": {"revised minute": 6},
                "differences": [
                    {
                        "backtest": {"before": "short", "close": 93890, "kind": "signal", "signal": "long"},
                        "cause": "revised minute",
                        "kind": "signal",
                        "minute": {
                            "canonical": [93870, 93895, 93695, 93890, 2.5],
                            "cause": "revised minute",
                            "instrument": {"market_id": 1, "symbol": "BTCUSDT"},
                            "received": [93870, 93875, 93695, 93700, 2.5],
                            "ts_open": "2026-01-05T12:03:00Z",
                        },
                        "run": None,
                        "ts_open": "2026-01-05T12:03:00Z",
                    },
                    {
                        "backtest": {
                            "entered": "2026-01-05T12:02:00Z",
                            "entry_price": 93860.613,
                            "equity_quote": 9966.05029741816,
                            "fees_quote": 14.969579455205334,
                            "kind": "exit",
                            "pnl_quote": -19.091582059750202,
                            "price": 93899.389,
                            "quantity": 0.10630293492224778,
                            "reason": "signal",
                            "return_pct": -0.19134330765557434,
                            "side": "short",
                        },
                        "cause": "revised minute",
                        "kind": "exit",
                        "minute": {
                            "canonical": [93870, 93895, 93695, 93890, 2.5],
                            "cause": "revised minute",
                            "instrument": {"market_id": 1, "symbol": "BTCUSDT"},
                            "received": [93870, 93875, 93695, 93700, 2.5],
                            "ts_open": "2026-01-05T12:03:00Z",
                        },
                        "run": None,
                        "ts_open": "2026-01-05T12:03:00Z",
                    },
                    {
                        "backtest": {
                            "equity_quote": 9966.05029741816,
                            "fee_quote": 7.468936021047834,
                            "kind": "entry",
                            "notional_quote": 9958.581361397111,
                            "price": 93899.389,
                            "quantity": 0.10605586966489326,
                            "side": "long",
                        },
                        "cause": "revised minute",
                        "kind": "entry",
                        "minute": {
                            "canonical": [93870, 93895, 93695, 93890, 2.5],
                            "cause": "revised minute",
                            "instrument": {"market_id": 1, "symbol": "BTCUSDT"},
                            "received": [93870, 93875, 93695, 93700, 2.5],
                            "ts_open": "2026-01-05T12:03:00Z",
                        },
                        "run": None,
                        "ts_open": "2026-01-05T12:03:00Z",
                    },
                    {
                        "backtest": {"before": "long", "close": 93650, "kind": "signal", "signal": "short"},
                        "cause": "revised minute",
                        "kind": "signal",
                        "minute": {
                            "canonical": [93870, 93895, 93695, 93890, 2.5],
                            "cause": "revised minute",
                            "instrument": {"market_id": 1, "symbol": "BTCUSDT"},
                            "received": [93870, 93875, 93695, 93700, 2.5],
                            "ts_open": "2026-01-05T12:03:00Z",
                        },
                        "run": None,
                        "ts_open": "2026-01-05T12:04:00Z",
                    },
                    {
                        "backtest": {
                            "entered": "2026-01-05T12:03:00Z",
                            "entry_price": 93899.389,
                            "equity_quote": 9923.690626662168,
                            "fees_quote": 14.917290256721216,
                            "kind": "exit",
                            "pnl_quote": -42.35967075599109,
                            "price": 93640.635,
                            "quantity": 0.10605586966489326,
                            "reason": "signal",
                            "return_pct": -0.425358484494506,
                            "side": "long",
                        },
                        "cause": "revised minute",
                        "kind": "exit",
                        "minute": {
                            "canonical": [93870, 93895, 93695, 93890, 2.5],
                            "cause": "revised minute",
                            "instrument": {"market_id": 1, "symbol": "BTCUSDT"},
                            "received": [93870, 93875, 93695, 93700, 2.5],
                            "ts_open": "2026-01-05T12:03:00Z",
                        },
                        "run": None,
                        "ts_open": "2026-01-05T12:04:00Z",
                    },
                    {
                        "backtest": {
                            "equity_quote": 9923.690626662168,
                            "fee_quote": 7.437190077438547,
                            "kind": "entry",
                            "notional_quote": 9916.25343658473,
                            "price": 93640.635,
                            "quantity": 0.10589690508383172,
                            "side": "short",
                        },
                        "cause": "revised minute",
                        "kind": "entry",
                        "minute": {
                            "canonical": [93870, 93895, 93695, 93890, 2.5],
                            "cause": "revised minute",
                            "instrument": {"market_id": 1, "symbol": "BTCUSDT"},
                            "received": [93870, 93875, 93695, 93700, 2.5],
                            "ts_open": "2026-01-05T12:03:00Z",
                        },
                        "run": None,
                        "ts_open": "2026-01-05T12:04:00Z",
                    },
                ],
                "differences_cut": 0,
                "differing": 6,
                "events": 11,
                "events_hash": "19e84bfa5bf859914b7acd13f15707e2e881036e1d63cce4e40bbf203c1606f1",
            },
            "canonical_bars": 5,
            "differing_minutes": 1,
            "events": 5,
            "events_hash": "f22290762ed2765905135112ef056f2159fd06ede95fcc3ad93eb2050ed8a506",
            "live_from": "2026-01-05T12:00:00Z",
            "minutes": [
                {
                    "canonical": [93870, 93895, 93695, 93890, 2.5],
                    "cause": "revised minute",
                    "instrument": {"market_id": 1, "symbol": "BTCUSDT"},
                    "received": [93870, 93875, 93695, 93700, 2.5],
                    "ts_open": "2026-01-05T12:03:00Z",
                }
            ],
            "minutes_cut": 0,
            "received": {
                "causes": {},
                "differences": [],
                "differences_cut": 0,
                "differing": 0,
                "events": 5,
                "events_hash": "f22290762ed2765905135112ef056f2159fd06ede95fcc3ad93eb2050ed8a506",
            },
            "said": [
                {
                    "body": {"before": "none", "close": 93850, "kind": "signal", "signal": "long"},
                    "ts_open": "2026-01-05T12:00:00Z",
                },
                {
                    "body": {
                        "equity_quote": 10000,
                        "fee_quote": 7.494379215588309,
                        "kind": "entry",
                        "notional_quote": 9992.505620784412,
                        "price": 93859.385,
                        "quantity": 0.10646250900519338,
                        "side": "long",
                    },
                    "ts_open": "2026-01-05T12:00:00Z",
                },
                {
                    "body": {"before": "long", "close": 93870, "kind": "signal", "signal": "short"},
                    "ts_open": "2026-01-05T12:02:00Z",
                },
                {
                    "body": {
                        "entered": "2026-01-05T12:00:00Z",
                        "entry_price": 93859.385,
                        "equity_quote": 9985.141879477911,
                        "fees_quote": 14.988856483147412,
                        "kind": "exit",
                        "pnl_quote": -14.858120522088738,
                        "price": 93860.613,
                        "quantity": 0.10646250900519338,
                        "reason": "signal",
                        "return_pct": -0.14869264112480304,
                        "side": "long",
                    },
                    "ts_open": "2026-01-05T12:02:00Z",
                },
                {
                    "body": {
                        "equity_quote": 9985.141879477911,
                        "fee_quote": 7.483243976625963,
                        "kind": "entry",
                        "notional_quote": 9977.658635501284,
                        "price": 93860.613,
                        "quantity": 0.10630293492224778,
                        "side": "short",
                    },
                    "ts_open": "2026-01-05T12:02:00Z",
                },
            ],
            "said_cut": 0,
            "session": 1,
            "started_at": "2026-01-05T12:00:07Z",
            "tapes": [
                {
                    "canonical_hash": "b35e7f7ef9bd0b467c024dfd4977c4be5d3d7b09b003e5fb56cf969d5a5cf4fc",
                    "canonical_minutes": 8,
                    "instrument": {"market_id": 1, "symbol": "BTCUSDT"},
                    "received_hash": "d5667612a8649c3c539faa0f724ebad96fa2a87044573b46ede906ad70506882",
                    "received_minutes": 8,
                    "start": "2026-01-05T11:57:00Z",
                }
            ],
            "until": "2026-01-05T12:05:00Z",
        }
    ],
    "spec": {
        "direction": "long-short",
        "exit_on": "opposite",
        "fee_pct": 0.075,
        "indicators": [{"id": "sma", "inputs": {"source": "close"}, "params": {"window": 3}, "signal": {}}],
        "init_cash_quote": 10000,
        "instrument": {"market_id": 1, "symbol": "BTCUSDT"},
        "risk": {"sl_pct": None, "tp_pct": None},
        "sizing": {"mode": "all_in"},
        "slippage_pct": 0.01,
        "spec_version": 1,
        "timeframe": "1m",
    },
    "spec_hash": "ab10c1f416484259a867d547b861e546db602b07e0d8d89be2c48d8b5b8480f3",
    "start": "2026-01-05T12:00:00Z",
    "strategy_id": "0b4bd4f2-6c1a-4f0e-9d43-2a8c55a7f0b1",
    "timeframe": "1m",
    "verdict": "explained",
    "warmup_from": "2026-01-05T11:57:00Z",
}

VERIFICATION: dict[str, Any] = {
    "certificate_hash": "36aa043463c04c2dbf97468caa18b1b429261d3558940a18f789992dfec7d9f4",
    "certified_verdict": "explained",
    "is_intact": True,
    "is_same_engine": True,
    "sessions": [
        {
            "session": 1,
            "tapes": [
                {"instrument": {"market_id": 1, "symbol": "BTCUSDT"}, "is_received": True, "is_canonical": True}
            ],
            "finding": "confirmed",
            "said": [],
        }
    ],
    "finding": "confirmed",
}

CERTIFICATES: Any = {"one": {"summary": "A certificate as it was made", "value": CERTIFICATE}}
