"""Binance, spot and USDT-margined perpetuals.

Candles come in ascending order, both ends of the asked window inclusive. Sources: Binance's documentation of
`/api/v3` and `/fapi/v1` (limits and weights as of 2026-04).
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from candleray.candles import CandleRows
from candleray.exchanges import json_tables
from candleray.exchanges.exchange import (
    Exchange,
    Failure,
    FailureKind,
    RateBudget,
    RestAnswer,
    RestApi,
    RestRequest,
)
from candleray.markets import MARKETS, InstrumentReference, Market, MarketType, is_symbol
from candleray.simulator import venue as dialect
from candleray.simulator.venue import CandleSource, KlinesQuery, Question, Reply, json_reply
from candleray.timeframes import MINUTE_MS

NAME = "binance"
_INTERVAL = "1m"
_KLINE_CELLS = 12
_EXCHANGE_INFO_BYTES = 96_000_000  # spot alone answers with about 20 MB
_DEFAULT_LIMIT = 500
_USED_WEIGHT = "x-mbx-used-weight-1m"
_UNKNOWN_SYMBOL = -1121
_KIND_OF: dict[int, FailureKind] = {429: "rate_limited", 418: "banned"}


@dataclass(frozen=True)
class _Interface:
    """What differs between the spot and the futures interface.

    `klines_weights` are (weight, most rows); more than the last number of rows is `max_rows`.
    """

    prefix: str
    klines_weights: tuple[tuple[int, int], ...]
    exchange_info_weight: int
    contract: Mapping[str, str]
    no_longer_trading: str

    @property
    def max_rows(self) -> int:
        return self.klines_weights[-1][1]

    def klines_weight(self, rows: int) -> int:
        return next((weight for weight, most in self.klines_weights if rows <= most), self.klines_weights[-1][0])


_INTERFACES: dict[MarketType, _Interface] = {
    "spot": _Interface("/api/v3", ((2, 1000),), 20, {}, "BREAK"),
    "futures": _Interface(
        "/fapi/v1",
        ((1, 99), (2, 499), (5, 1000), (10, 1500)),
        1,
        {"contractType": "PERPETUAL", "marginAsset": "USDT"},
        "SETTLING",
    ),
}

_APIS: dict[MarketType, RestApi] = {
    "spot": RestApi("https://api.binance.com", RateBudget(6000, 60), page_minutes=1000),
    # 499 rows cost 2, 1000 cost 5, 1500 cost 10: pages of 499 get the most rows out of a minute's weight.
    "futures": RestApi("https://fapi.binance.com", RateBudget(2400, 60), page_minutes=499),
}


def _interface(market: Market) -> _Interface:
    return _INTERFACES[market.market_type]


# The client's side


def server_time_request(market: Market) -> RestRequest:
    return RestRequest(f"{_interface(market).prefix}/time")


def read_server_time_ms(content: Any) -> int:
    return int(json_tables.member(content, "serverTime", kind=int))


def instruments_requests(market: Market) -> Sequence[RestRequest]:
    interface = _interface(market)
    return [
        RestRequest(
            f"{interface.prefix}/exchangeInfo",
            weight=interface.exchange_info_weight,
            max_bytes=_EXCHANGE_INFO_BYTES,
        )
    ]


def next_page(request: RestRequest, content: Any) -> RestRequest | None:
    return None


def read_instruments(market: Market, content: Any) -> list[InstrumentReference]:
    contract = _interface(market).contract.items()
    return [
        _instrument(market, entry)
        for entry in json_tables.entries(content, "symbols")
        if all(entry.get(name) == value for name, value in contract)
        and is_symbol(json_tables.member(entry, "symbol", kind=str))
    ]


def _instrument(market: Market, entry: dict[str, Any]) -> InstrumentReference:
    filters = {str(found.get("filterType")): found for found in json_tables.entries(entry, "filters")}
    status = json_tables.word(entry, "status")
    return InstrumentReference(
        market_id=market.market_id,
        symbol=entry["symbol"],
        is_tradable=status == "TRADING",
        status=status,
        base_asset=json_tables.word(entry, "baseAsset"),
        quote_asset=json_tables.word(entry, "quoteAsset"),
        price_tick=json_tables.step(filters.get("PRICE_FILTER", {}).get("tickSize")),
        quantity_step=json_tables.step(filters.get("LOT_SIZE", {}).get("stepSize")),
    )


def klines_request(market: Market, symbol: str, start_ms: int, end_ms: int) -> RestRequest:
    rows = -(-(end_ms - start_ms) // MINUTE_MS)
    return _klines(market, symbol, rows, startTime=start_ms, endTime=end_ms - 1)


def first_kline_request(market: Market, symbol: str, start_ms: int) -> RestRequest:
    return _klines(market, symbol, 1, startTime=start_ms)


def _klines(market: Market, symbol: str, rows: int, **window_ms: int) -> RestRequest:
    interface = _interface(market)
    window = {name: str(value) for name, value in window_ms.items()}
    return RestRequest(
        f"{interface.prefix}/klines",
        {"symbol": symbol, "interval": _INTERVAL, "limit": str(rows), **window},
        weight=interface.klines_weight(rows),
    )


def read_klines(market: Market, symbol: str, content: Any) -> CandleRows:
    cells = json_tables.columns(content, _KLINE_CELLS)
    names = ("open", "high", "low", "close", "volume")
    return CandleRows(
        json_tables.integers(cells[0], "open time"),
        np.stack([json_tables.decimals(column, name) for name, column in zip(names, cells[1:6], strict=True)]),
        json_tables.decimals(cells[7], "quote volume"),
        json_tables.integers(cells[8], "trades").astype(np.float64),
    )


def read_failure(answer: RestAnswer) -> Failure | None:
    if answer.status == 200:
        return None
    error = answer.content if isinstance(answer.content, dict) else {}
    said = f", {error['code']}: {error.get('msg')}" if "code" in error else f": {answer.text}"
    message = f"HTTP {answer.status}{said}"
    if error.get("code") == _UNKNOWN_SYMBOL:
        return Failure("unknown_symbol", message)
    kind = _KIND_OF.get(answer.status, "unavailable" if answer.status >= 500 else "rejected")
    return Failure(kind, message, json_tables.step(answer.headers.get("retry-after")))


def read_used_weight(headers: Mapping[str, str]) -> int | None:
    text = headers.get(_USED_WEIGHT, "")
    return int(text) if text.isdecimal() else None


# The venue's side


def route(question: Question) -> Market | None:
    for market in MARKETS.values():
        if market.exchange == NAME and question.path.startswith(f"{_interface(market).prefix}/"):
            return market
    return None


def answer(market: Market, question: Question, source: CandleSource) -> Reply:
    interface = _interface(market)
    match question.path.removeprefix(f"{interface.prefix}/"):
        case "time":
            return json_reply({"serverTime": question.now_ms})
        case "exchangeInfo":
            return json_reply(_exchange_info(market, question, source), weight=interface.exchange_info_weight)
        case "klines":
            return _answer_klines(market, question, source)
        case _:
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
            reply = _error(400, _UNKNOWN_SYMBOL, "Invalid symbol.")
        case "rejected":
            reply = _error(400, -1100, failure.message)
    if failure.retry_after_s is None:
        return reply
    return replace(reply, headers={"retry-after": str(math.ceil(failure.retry_after_s))})


def write_used_weight(used: int) -> Mapping[str, str]:
    return {_USED_WEIGHT: str(used)}


def _error(status: int, code: int, text: str) -> Reply:
    return json_reply({"code": code, "msg": text}, status=status)


def _exchange_info(market: Market, question: Question, source: CandleSource) -> dict[str, Any]:
    budget = _APIS[market.market_type].budget
    limit = {"rateLimitType": "REQUEST_WEIGHT", "interval": "MINUTE", "intervalNum": 1, "limit": budget.weight}
    return {
        "timezone": "UTC",
        "serverTime": question.now_ms,
        "rateLimits": [limit],
        "exchangeFilters": [],
        "symbols": [_symbol_entry(market, instrument) for instrument in source.instruments(market)],
    }


def _symbol_entry(market: Market, instrument: InstrumentReference) -> dict[str, Any]:
    interface = _interface(market)
    steps = [
        ("PRICE_FILTER", "tickSize", instrument.price_tick),
        ("LOT_SIZE", "stepSize", instrument.quantity_step),
    ]
    return {
        "symbol": instrument.symbol,
        "status": "TRADING" if instrument.is_tradable else interface.no_longer_trading,
        "baseAsset": instrument.base_asset,
        "quoteAsset": instrument.quote_asset,
        **interface.contract,
        "filters": [{"filterType": kind, name: f"{size:.8f}"} for kind, name, size in steps if size],
    }


def _answer_klines(market: Market, question: Question, source: CandleSource) -> Reply:
    refusal = _refusal_of_klines(market, question, source)
    if refusal:
        return refusal
    interface, asked = _interface(market), question.params
    limit = min(int(asked.get("limit") or _DEFAULT_LIMIT), interface.max_rows)
    query = KlinesQuery(
        symbol=asked["symbol"],
        start_ms=int(asked.get("startTime") or 0),
        end_ms=int(asked.get("endTime") or question.now_ms) + 1,
        limit=limit,
        newest=not asked.get("startTime"),
    )
    rows = dialect.select_klines(source, market, query, question.now_ms)
    return Reply(200, _klines_json(market, rows), weight=interface.klines_weight(limit))


def _refusal_of_klines(market: Market, question: Question, source: CandleSource) -> Reply | None:
    asked = question.params
    for name in ("symbol", "interval"):
        if not asked.get(name):
            return _error(400, -1102, f"Mandatory parameter '{name}' was not sent, was empty/null, or malformed.")
    if dialect.find_instrument(source, market, asked["symbol"]) is None:
        return _error(400, _UNKNOWN_SYMBOL, "Invalid symbol.")
    if asked["interval"] != _INTERVAL:
        return _error(400, -1120, "Invalid interval.")
    for name in ("startTime", "endTime", "limit"):
        if not asked.get(name, "0").isdecimal():
            text = f"Illegal characters found in parameter '{name}'; legal range is '^[0-9]{{1,20}}$'."
            return _error(400, -1100, text)
    return _refusal_of_numbers(market, asked)


def _refusal_of_numbers(market: Market, asked: Mapping[str, str]) -> Reply | None:
    """Spot cuts a limit that is too high and finds nothing in an empty window; futures refuses both."""
    if asked.get("limit") == "0":
        return _error(400, -1130, "Data sent for parameter 'limit' is not valid.")
    if market.market_type == "spot":
        return None
    if int(asked.get("limit", 1)) > _interface(market).max_rows:
        return _error(400, -1130, "Data sent for parameter 'limit' is not valid.")
    if int(asked.get("startTime", 0)) > int(asked.get("endTime", 2**62)):
        return _error(400, -1023, "Start time is greater than end time.")
    return None


def _klines_json(market: Market, rows: CandleRows) -> bytes:
    """Twelve cells a candle; the takers' share, which a candle here does not know, is half of the volume."""
    open_, high, low, close, volume = (json_tables.decimal_text(column, 8) for column in rows.values)
    return json_tables.table_json(
        '[{ts},"{open}","{high}","{low}","{close}","{volume}",{end},"{quote}",{trades},"{taker}","{taker_quote}","0"]',
        {
            "ts": json_tables.integer_text(rows.ts_open_ms),
            "end": json_tables.integer_text(rows.ts_open_ms + MINUTE_MS - 1),
            "open": open_,
            "high": high,
            "low": low,
            "close": close,
            "volume": volume,
            "quote": json_tables.decimal_text(rows.quote_volume, 8),
            "trades": json_tables.integer_text(rows.trades),
            "taker": json_tables.decimal_text(rows.values[4] / 2, 8),
            "taker_quote": json_tables.decimal_text(rows.quote_volume / 2, 8),
        },
    )


EXCHANGE = Exchange(
    name=NAME,
    apis=_APIS,
    server_time_request=server_time_request,
    read_server_time_ms=read_server_time_ms,
    instruments_requests=instruments_requests,
    next_page=next_page,
    read_instruments=read_instruments,
    klines_request=klines_request,
    first_kline_request=first_kline_request,
    read_klines=read_klines,
    read_failure=read_failure,
    read_used_weight=read_used_weight,
    route=route,
    answer=answer,
    refuse=refuse,
    write_used_weight=write_used_weight,
)
