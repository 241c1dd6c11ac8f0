"""Examples of markets, instruments and candles for the OpenAPI document; a test validates each."""

from __future__ import annotations

from typing import Any

INSTRUMENT = {"market_id": 1, "symbol": "BTCUSDT"}
MARKET = {
    "market_id": 1,
    "name": "binance-spot",
    "exchange": "binance",
    "market_type": "spot",
    "fee_pct": 0.075,
}
_REFERENCE = {
    **INSTRUMENT,
    "is_tradable": True,
    "status": "TRADING",
    "base_asset": "BTC",
    "quote_asset": "USDT",
    "price_tick": 0.01,
    "quantity_step": 0.00001,
    "min_notional": 5.0,
    "listed_at": None,
    "delisted_at": None,
}
INSTRUMENTS = {"instruments": [_REFERENCE], "next_cursor": "50"}
CHANGES = {
    "changes": [
        {**INSTRUMENT, "kind": "status", "before": "TRADING", "after": "HALT", "at": "2026-01-05T07:00:04.120Z"}
    ],
    "next_cursor": None,
}
LISTING_REPORT = {"market_id": 1, "listed": 3284, "written": 2, "changes": {"listed": 1, "status": 1}}
INSTRUMENT_BODIES: Any = {"one": {"summary": "One instrument of Binance spot", "value": [_REFERENCE]}}
CANDLES = {
    "instrument": INSTRUMENT,
    "timeframe": "1m",
    "ts_open_ms": [1735689600000, 1735689660000],
    "open": [93576.0, 93610.93],
    "high": [93610.93, 93652.0],
    "low": [93537.5, 93606.2],
    "close": [93610.93, 93652.0],
    "volume": [8.21827, 11.80813],
    "next_start": "2025-01-01T00:02:00Z",
}
_FIRST: dict[str, Any] = {
    "ts_open": "2026-11-29T10:14:00Z",
    "version": 1,
    "open": 93576.0,
    "high": 93610.93,
    "low": 93537.5,
    "close": 93610.93,
    "volume": 8.21827,
    "quote_volume": 769052.1,
    "trades": 1534,
    "source": "websocket",
    "seen_at": "2026-11-29T10:15:00.312Z",
    "lag_ms": 312,
}
_SECOND = {
    "version": 2,
    "volume": 8.21943,
    "source": "rest",
    "seen_at": "2026-11-29T10:15:08.114Z",
    "lag_ms": 8114,
}
REVISIONS = {"instrument": INSTRUMENT, "versions": [_FIRST, {**_FIRST, **_SECOND}], "next_cursor": None}
COVERAGE: dict[str, Any] = {
    **INSTRUMENT,
    "first": "2018-02-01T00:00:00Z",
    "last": "2018-02-28T23:59:00Z",
    "candles": 38261,
    "missing_minutes": 2059,
    "missing_runs": [{"start": "2018-02-08T00:27:00Z", "end": "2018-02-09T10:46:00Z", "minutes": 2059}],
}
COUNTS = {**INSTRUMENT, "raw": 38261, "canonical": 38261}
_A_DAY: dict[str, Any] = {**INSTRUMENT, "start": "2025-01-01T00:00:00Z", "end": "2025-01-02T00:00:00Z"}
BACKFILL_BODIES: dict[str, Any] = {"a day": {"summary": "A day of minutes", "value": _A_DAY}}
BACKFILL_STEP: dict[str, Any] = {
    "report": {
        **_A_DAY,
        "missing_before": 1440,
        "fetched": 1440,
        "inserted": {"received": 1440, "written": 1440, "changed": 0, "unchanged": 0, "refused": []},
        "absent": [],
        "elapsed_s": 0.8,
    },
    "next_start": None,
}
INSERT_REPORT = {
    "received": 1000,
    "written": 998,
    "changed": 0,
    "unchanged": 1,
    "refused": [
        {
            "reason": "high below low",
            "count": 1,
            "first_example": "row 17: 2025-01-01T00:16:00Z open=2 high=1 low=3 close=2 volume=5",
        }
    ],
}
