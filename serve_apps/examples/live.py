"""Documented answers about what runs have said: events, signals, trades, equity."""

from __future__ import annotations

import json
from typing import Any

from serve_apps.examples.strategies import RUN_ID

SIGNAL = {"kind": "signal", "signal": "long", "before": "none", "close": 93812.5}
ENTRY = {
    "kind": "entry",
    "side": "long",
    "price": 93821.88125,
    "quantity": 0.10658488,
    "notional_quote": 9999.9925,
    "fee_quote": 7.5,
    "equity_quote": 10000.0,
}
EXIT = {
    "kind": "exit",
    "reason": "signal",
    "side": "long",
    "entered": "2026-01-05T12:00:00Z",
    "entry_price": 93821.88125,
    "price": 94710.2,
    "quantity": 0.10658488,
    "fees_quote": 15.07,
    "pnl_quote": 79.61,
    "return_pct": 0.7961,
    "equity_quote": 10079.61,
}
STARTED = {
    "kind": "state",
    "action": "run",
    "from_state": None,
    "to_state": "starting",
    "cause": "asked for by the user",
}


def _event(number: int, ts_open: str, at: str, body: dict[str, Any]) -> dict[str, Any]:
    return {"number": number, "run_id": RUN_ID, "session": 1, "ts_open": ts_open, "at": at, "body": body}


EVENT = _event(42, "2026-01-05T12:00:00Z", "2026-01-05T13:00:00.412Z", SIGNAL)
EVENTS = {
    "events": [
        _event(40, "2026-01-05T10:30:00.25Z", "2026-01-05T10:30:00.251Z", STARTED),
        EVENT,
        _event(43, "2026-01-05T12:00:00Z", "2026-01-05T13:00:00.412Z", ENTRY),
    ],
    "next_after": 43,
}
SIGNALS = {
    "signals": [
        {
            "number": 42,
            "session": 1,
            "ts_open": "2026-01-05T12:00:00Z",
            "signal": "long",
            "before": "none",
            "close": 93812.5,
            "at": "2026-01-05T13:00:00.412Z",
        }
    ],
    "next_after": None,
}
TRADES = {
    "trades": [
        {
            "number": 43,
            "session": 1,
            "state": "closed",
            "entered": "2026-01-05T12:00:00Z",
            "exited": "2026-01-06T03:00:00Z",
            "entry": ENTRY,
            "exit": EXIT,
        },
        {
            "number": 61,
            "session": 1,
            "state": "open",
            "entered": "2026-01-06T09:00:00Z",
            "exited": None,
            "entry": {**ENTRY, "price": 94502.3, "quantity": 0.10665994, "equity_quote": 10079.61},
            "exit": None,
        },
    ],
    "annulled": 0,
    "next_after": None,
}
ORDERS = {
    "orders": [
        {
            "number": 1,
            "session": 1,
            "client_order_id": "cr0b4bd4f26c1a4f0e9d432a8c55a7f0b1",
            "ts_open": "2026-01-05T12:00:00Z",
            "intent": "increase-1",
            "side": "buy",
            "type": "market",
            "quantity": "0.10658488",
            "filled": "0.10658488",
            "state": "filled",
            "cause": "the exchange says so",
            "made_at": "2026-01-05T13:00:00.412Z",
        }
    ],
    "halted": None,
    "next_after": None,
}
HALT = {"run_id": RUN_ID, "reason": "its user has pulled the kill switch", "at": "2026-01-06T03:10:00.125Z"}
FILLS = {
    "fills": [
        {
            "number": 1,
            "session": 1,
            "client_order_id": "cr0b4bd4f26c1a4f0e9d432a8c55a7f0b1",
            "side": "buy",
            "price": "93821.88125",
            "quantity": "0.10658488",
            "fee_quote": "7.4999957",
            "position": "0.10658488",
            "balance_quote": "9992.5000043",
            "at": "2026-01-05T13:00:00.018Z",
        }
    ],
    "next_after": None,
}
EQUITY = {
    "sessions": [
        {
            "session": 1,
            "live_from": "2026-01-05T10:00:00Z",
            "started_at": "2026-01-05T10:30:00.25Z",
            "init_cash_quote": 10000.0,
        }
    ],
    "points": [
        {
            "number": 47,
            "session": 1,
            "ts_open": "2026-01-06T03:00:00Z",
            "equity_quote": 10079.61,
            "return_pct": 0.7961,
        }
    ],
    "next_after": None,
}

EQUITY_CURVE = {
    "session": 1,
    "init_cash_quote": 10000.0,
    "points": [
        {"ts_open": "2026-01-05T10:00:00Z", "equity_quote": 10000.0},
        {"ts_open": "2026-01-05T11:00:00Z", "equity_quote": 10000.0},
        {"ts_open": "2026-01-05T12:00:00Z", "equity_quote": 9991.49},
    ],
    "bars": 3,
    "note": "every bar; by the backtest over the candles that the session has received",
}

STANDING = {
    "run_id": RUN_ID,
    "session": 1,
    "as_of": "2026-01-05T13:00:00.600000Z",
    "source": "runner",
    "last_bar": "2026-01-05T12:00:00Z",
    "lag_s": 0.6,
    "signal": "long",
    "side": "long",
    "quantity": 0.10658488,
    "entry_price": 93821.88125,
    "equity_quote": 9991.49,
    "return_pct": -0.0851,
    "trades": 0,
    "waits_for": None,
}

EVENT_STREAM = (
    'event: begin\ndata: {"after": 41}\nid: 41\n\n'
    f"event: strategy_event\ndata: {json.dumps(EVENT)}\nid: 42\n\n"
    f"event: standings\ndata: {json.dumps([STANDING])}\n\n"
)
