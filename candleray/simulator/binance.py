"""Binance's own side: answers and refusals of `/api/v3` and `/fapi/v1`."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from candleray.candles import CandleRows
from candleray.exchanges.binance import EXCHANGE, INTERFACES, INTERVAL, UNKNOWN_SYMBOL, USED_WEIGHT
from candleray.exchanges.exchange import Failure
from candleray.markets import InstrumentReference, Market, MarketType, find_market
from candleray.simulator.binance_streams import STREAMS
from candleray.simulator.candle_source import CandleSource, KlinesQuery, find_instrument, select_klines
from candleray.simulator.json_replies import decimal_text, integer_text, json_reply, table_json
from candleray.simulator.venues import Question, Reply, SimulatedVenue, Subject
from candleray.timeframes import MINUTE_MS, to_ms

_SUBJECTS: dict[str, Subject] = {"time": "time", "exchangeInfo": "instruments", "klines": "klines"}
_WINDOW_END = "endTime"
_DEFAULT_LIMIT = 500
_LEAST_NOTIONAL: dict[MarketType, tuple[str, str]] = {
    "spot": ("NOTIONAL", "minNotional"),
    "futures": ("MIN_NOTIONAL", "notional"),
}
_NO_LONGER_TRADING: dict[MarketType, str] = {"spot": "BREAK", "futures": "SETTLING"}


def route(question: Question) -> Market | None:
    for market_type, interface in INTERFACES.items():
        if question.path.startswith(f"{interface.prefix}/"):
            return find_market(f"{EXCHANGE.name}-{market_type}")
    return None


def subject(path: str) -> Subject | None:
    prefix, _, name = path.rpartition("/")
    return _SUBJECTS.get(name) if prefix in (one.prefix for one in INTERFACES.values()) else None


def answer(market: Market, question: Question, source: CandleSource) -> Reply:
    match subject(question.path):
        case "time":
            return json_reply({"serverTime": question.now_ms})
        case "instruments":
            weight = INTERFACES[market.market_type].exchange_info_weight
            return json_reply(_exchange_info(market, question, source), weight=weight)
        case "klines":
            return _answer_klines(market, question, source)
        case None:
            return Reply(404, b"<html><body><h2>404 Not found</h2></body></html>", {"content-type": "text/html"})


def refuse(failure: Failure, now_ms: int) -> Reply:
    match failure.kind:
        case "rate_limited":
            reply = _error(429, -1003, "Too many requests queued.")
        case "banned":
            until_ms = now_ms + round(1000 * (failure.retry_after_s or 0))
            reply = _error(418, -1003, f"Way too much request weight used; IP banned until {until_ms}.")
        case "unavailable":
            reply = _error(503, -1008, "Server is currently overloaded with other requests.")
        case "unknown_symbol":
            reply = _error(400, UNKNOWN_SYMBOL, "Invalid symbol.")
        case "rejected":
            reply = _error(400, -1100, failure.message)
    if failure.retry_after_s is None:
        return reply
    return replace(reply, headers={"retry-after": str(math.ceil(failure.retry_after_s))})


def write_used_weight(used: int) -> Mapping[str, str]:
    return {USED_WEIGHT: str(used)}


def _error(status: int, code: int, text: str) -> Reply:
    return json_reply({"code": code, "msg": text}, status=status)


def _exchange_info(market: Market, question: Question, source: CandleSource) -> dict[str, Any]:
    budget = EXCHANGE.api(market).budget
    limit = {"rateLimitType": "REQUEST_WEIGHT", "interval": "MINUTE", "intervalNum": 1, "limit": budget.weight}
    return {
        "timezone": "UTC",
        "serverTime": question.now_ms,
        "rateLimits": [limit],
        "exchangeFilters": [],
        "symbols": [_symbol_entry(market, instrument) for instrument in source.instruments(market)],
    }


def _symbol_entry(market: Market, instrument: InstrumentReference) -> dict[str, Any]:
    interface = INTERFACES[market.market_type]
    steps = [
        ("PRICE_FILTER", "tickSize", instrument.price_tick),
        ("LOT_SIZE", "stepSize", instrument.quantity_step),
        _LEAST_NOTIONAL[market.market_type] + (instrument.min_notional,),
    ]
    return {
        "symbol": instrument.symbol,
        "status": "TRADING" if instrument.is_tradable else _NO_LONGER_TRADING[market.market_type],
        "baseAsset": instrument.base_asset,
        "quoteAsset": instrument.quote_asset,
        **interface.contract,
        **({"onboardDate": to_ms(instrument.listed_at)} if instrument.listed_at else {}),
        "filters": [{"filterType": kind, name: f"{size:.8f}"} for kind, name, size in steps if size],
    }


def _answer_klines(market: Market, question: Question, source: CandleSource) -> Reply:
    refusal = _refuse_klines(market, question, source)
    if refusal:
        return refusal
    interface, params = INTERFACES[market.market_type], question.params
    limit = min(int(params.get("limit") or _DEFAULT_LIMIT), interface.max_rows)
    query = KlinesQuery(
        symbol=params["symbol"],
        start_ms=int(params.get("startTime") or 0),
        end_ms=int(params.get(_WINDOW_END) or question.now_ms) + 1,
        limit=limit,
        newest=not params.get("startTime"),
    )
    rows = select_klines(source, market, query, question.now_ms)
    return Reply(200, _klines_json(market, rows), weight=interface.klines_weight(limit))


def _refuse_klines(market: Market, question: Question, source: CandleSource) -> Reply | None:
    params = question.params
    for name in ("symbol", "interval"):
        if not params.get(name):
            return _error(400, -1102, f"Mandatory parameter '{name}' was not sent, was empty/null, or malformed.")
    if find_instrument(source, market, params["symbol"]) is None:
        return _error(400, UNKNOWN_SYMBOL, "Invalid symbol.")
    if params["interval"] != INTERVAL:
        return _error(400, -1120, "Invalid interval.")
    for name in ("startTime", _WINDOW_END, "limit"):
        if not params.get(name, "0").isdecimal():
            text = f"Illegal characters found in parameter '{name}'; legal range is '^[0-9]{{1,20}}$'."
            return _error(400, -1100, text)
    return _refuse_numbers(market, params)


def _refuse_numbers(market: Market, params: Mapping[str, str]) -> Reply | None:
    """The refusal of a bad number. Spot cuts a high limit and takes an empty window; futures refuses both."""
    if params.get("limit") == "0":
        return _error(400, -1130, "Data sent for parameter 'limit' is not valid.")
    if market.market_type == "spot":
        return None
    if int(params.get("limit", 1)) > INTERFACES[market.market_type].max_rows:
        return _error(400, -1130, "Data sent for parameter 'limit' is not valid.")
    if int(params.get("startTime", 0)) > int(params.get(_WINDOW_END, 2**62)):
        return _error(400, -1023, "Start time is greater than end time.")
    return None


def _klines_json(market: Market, rows: CandleRows) -> bytes:
    """Twelve cells a candle. The takers' share is half of the volume: a candle here does not know it."""
    open_, high, low, close, volume = (decimal_text(column, 8) for column in rows.values)
    return table_json(
        '[{ts},"{open}","{high}","{low}","{close}","{volume}",{end},"{quote}",{trades},"{taker}","{taker_quote}","0"]',
        {
            "ts": integer_text(rows.ts_open_ms),
            "end": integer_text(rows.ts_open_ms + MINUTE_MS - 1),
            "open": open_,
            "high": high,
            "low": low,
            "close": close,
            "volume": volume,
            "quote": decimal_text(rows.quote_volume, 8),
            "trades": integer_text(rows.trades),
            "taker": decimal_text(rows.values[4] / 2, 8),
            "taker_quote": decimal_text(rows.quote_volume / 2, 8),
        },
    )


VENUE = SimulatedVenue(
    exchange=EXCHANGE,
    route=route,
    subject=subject,
    answer=answer,
    window_end=_WINDOW_END,
    refuse=refuse,
    write_used_weight=write_used_weight,
    streams=STREAMS,
)
