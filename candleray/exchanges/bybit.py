"""Bybit v5, spot and USDT-margined perpetuals.

Candles come in descending order, as text, both ends of the asked window inclusive; an error is HTTP 200 with a
`retCode` that is not 0. Source: Bybit's documentation of v5 (limits as of 2026-04).
"""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from candleray.candles import CandleRows
from candleray.exchanges import json_tables
from candleray.exchanges.exchange import (
    Exchange,
    Failure,
    FailureKind,
    MalformedAnswer,
    RateBudget,
    RestAnswer,
    RestApi,
    RestRequest,
)
from candleray.markets import MARKETS, InstrumentReference, Market, MarketType, is_symbol
from candleray.simulator import venue as dialect
from candleray.simulator.venue import CandleSource, KlinesQuery, Question, Reply, json_reply

NAME = "bybit"
_KLINE, _INSTRUMENTS, _TIME = "/v5/market/kline", "/v5/market/instruments-info", "/v5/market/time"
_CATEGORY: dict[MarketType, str] = {"spot": "spot", "futures": "linear"}
_PERPETUAL = {"contractType": "LinearPerpetual", "settleCoin": "USDT"}
_INTERVAL = "1"
_KLINE_CELLS = 7
_MAX_ROWS, _DEFAULT_ROWS = 1000, 200
_INSTRUMENTS_PAGE, _DEFAULT_INSTRUMENTS_PAGE = 1000, 500
_INSTRUMENTS_BYTES = 32_000_000
_PARAMETER_ERROR, _BANNED = 10001, 10009
_RESET_AT = "x-bapi-limit-reset-timestamp"
_KIND_OF: dict[int, FailureKind] = {
    10000: "unavailable",
    10006: "rate_limited",
    10016: "unavailable",
    10018: "rate_limited",
    10429: "rate_limited",
}
_BAN_S = 600.0  # "terminate all HTTP sessions and wait for at least 10 minutes"

# 600 requests in 5 seconds and address, whatever the market: one base_url, one budget.
_API = RestApi("https://api.bybit.com", RateBudget(600, 5), page_minutes=_MAX_ROWS)


# The client's side


def server_time_request(market: Market) -> RestRequest:
    return RestRequest(_TIME)


def read_server_time_ms(content: Any) -> int:
    return int(json_tables.member(content, "time", kind=int))


def instruments_requests(market: Market) -> Sequence[RestRequest]:
    """A listing shows what trades; of futures another one shows what has been closed."""
    listing = {"category": _CATEGORY[market.market_type], "limit": str(_INSTRUMENTS_PAGE)}
    open_ = RestRequest(_INSTRUMENTS, listing, max_bytes=_INSTRUMENTS_BYTES)
    if market.market_type == "spot":
        return [open_]
    return [open_, replace(open_, params={**listing, "status": "Closed"})]


def next_page(request: RestRequest, content: Any) -> RestRequest | None:
    cursor = json_tables.member(content, "result", kind=dict).get("nextPageCursor")
    return replace(request, params={**request.params, "cursor": str(cursor)}) if cursor else None


def read_instruments(market: Market, content: Any) -> list[InstrumentReference]:
    contract = _PERPETUAL.items() if market.market_type == "futures" else ()
    return [
        _instrument(market, entry)
        for entry in json_tables.entries(content, "result", "list")
        if all(entry.get(name) == value for name, value in contract)
        and is_symbol(json_tables.member(entry, "symbol", kind=str))
    ]


def _instrument(market: Market, entry: dict[str, Any]) -> InstrumentReference:
    status = json_tables.word(entry, "status")
    lot = json_tables.member(entry, "lotSizeFilter", kind=dict)
    return InstrumentReference(
        market_id=market.market_id,
        symbol=entry["symbol"],
        is_tradable=status == "Trading",
        status=status,
        base_asset=json_tables.word(entry, "baseCoin"),
        quote_asset=json_tables.word(entry, "quoteCoin"),
        price_tick=json_tables.step(json_tables.member(entry, "priceFilter", kind=dict).get("tickSize")),
        quantity_step=json_tables.step(lot.get("qtyStep") or lot.get("basePrecision")),
    )


def klines_request(market: Market, symbol: str, start_ms: int, end_ms: int) -> RestRequest:
    return _klines(market, symbol, _MAX_ROWS, start=start_ms, end=end_ms - 1)


def first_kline_request(market: Market, symbol: str, start_ms: int) -> RestRequest:
    return _klines(market, symbol, 1, start=start_ms)


def _klines(market: Market, symbol: str, rows: int, **window_ms: int) -> RestRequest:
    window = {name: str(value) for name, value in window_ms.items()}
    asked = {"category": _CATEGORY[market.market_type], "symbol": symbol, "interval": _INTERVAL}
    return RestRequest(_KLINE, {**asked, "limit": str(rows), **window})


def read_klines(market: Market, symbol: str, content: Any) -> CandleRows:
    result = json_tables.member(content, "result", kind=dict)
    told = (result.get("category"), result.get("symbol"))
    if told != (_CATEGORY[market.market_type], symbol):
        raise MalformedAnswer(f"the candles are of {told[1]} ({told[0]}), not of {symbol}")
    cells = json_tables.columns(result.get("list"), _KLINE_CELLS)
    names = ("open", "high", "low", "close", "volume")
    return CandleRows(
        json_tables.integers(cells[0], "start time")[::-1].copy(),
        np.stack(
            [json_tables.decimals(column, name)[::-1] for name, column in zip(names, cells[1:6], strict=True)]
        ),
        json_tables.decimals(cells[6], "turnover")[::-1].copy(),
        np.full(len(cells[0]), np.nan),
    )


def read_failure(answer: RestAnswer) -> Failure | None:
    body = answer.content if isinstance(answer.content, dict) else {}
    code, text = body.get("retCode"), str(body.get("retMsg", answer.text))
    if answer.status == 200 and code in (0, None):
        return None
    message = (
        f"HTTP {answer.status}" + ("" if code is None else f", retCode {code}") + (f": {text}" if text else "")
    )
    if isinstance(code, int) and code in _KIND_OF:
        return Failure(_KIND_OF[code], message, _until_reset_s(answer.headers, body.get("time")))
    if code == _PARAMETER_ERROR and "symbol" in text.lower():
        return Failure("unknown_symbol", message)
    if code == _BANNED or (answer.status == 403 and "too frequent" in text):
        return Failure("banned", message, _BAN_S)
    if answer.status == 429 or answer.status >= 500:
        kind: FailureKind = "rate_limited" if answer.status == 429 else "unavailable"
        return Failure(kind, message, json_tables.step(answer.headers.get("retry-after")))
    return Failure("rejected", message)


def _until_reset_s(headers: Mapping[str, str], now_ms: Any) -> float | None:
    """The limit's reset is a time of the venue's clock; public candles are often refused without one."""
    reset_ms = json_tables.step(headers.get(_RESET_AT))
    if reset_ms is None or not isinstance(now_ms, int):
        return None
    return max(0.0, (reset_ms - now_ms) / 1000)


def read_used_weight(headers: Mapping[str, str]) -> int | None:
    return None


# The venue's side


def route(question: Question) -> Market | None:
    """Where no category is sent, Bybit means `linear`; a wrong one is refused by `answer`."""
    if not question.path.startswith("/v5/market/"):
        return None
    market_type: MarketType = "spot" if question.params.get("category") == "spot" else "futures"
    return next(
        market for market in MARKETS.values() if (market.exchange, market.market_type) == (NAME, market_type)
    )


def answer(market: Market, question: Question, source: CandleSource) -> Reply:
    asked = question.params
    if question.path == _TIME:
        second, nano = question.now_ms // 1000, question.now_ms * 1_000_000
        return _result({"timeSecond": str(second), "timeNano": str(nano)}, question.now_ms)
    if question.path not in (_KLINE, _INSTRUMENTS):
        return Reply(404, b"404 page not found", {"content-type": "text/plain"})
    if asked.get("category", "linear") not in _CATEGORY.values():
        return _parameter_error("Illegal category", question.now_ms)
    if not all(asked.get(name, "1").isdecimal() for name in ("start", "end", "limit")):
        return _parameter_error("Request parameter error.", question.now_ms)
    if question.path == _INSTRUMENTS:
        return _answer_instruments(market, question, source)
    return _answer_klines(market, question, source)


def refuse(failure: Failure, now_ms: int) -> Reply:
    match failure.kind:
        case "rate_limited":
            reply = _told(10006, "Too many visits. Exceeded the API Rate Limit.", now_ms)
            wait_s = failure.retry_after_s
            headers = {} if wait_s is None else {_RESET_AT: str(now_ms + round(1000 * wait_s))}
            return replace(reply, headers=headers)
        case "banned":
            return replace(_told(_BANNED, "403, access too frequent", now_ms), status=403)
        case "unavailable":
            return _told(10016, "Server error.", now_ms)
        case "unknown_symbol":
            return _parameter_error("Not supported symbols", now_ms)
        case "rejected":
            return _parameter_error(failure.message, now_ms)


def write_used_weight(used: int) -> Mapping[str, str]:
    return {}


def _told(code: int, text: str, now_ms: int, result: Mapping[str, Any] | None = None) -> Reply:
    return json_reply({"retCode": code, "retMsg": text, "result": result or {}, "retExtInfo": {}, "time": now_ms})


def _result(result: Mapping[str, Any], now_ms: int) -> Reply:
    return _told(0, "OK", now_ms, result)


def _parameter_error(text: str, now_ms: int) -> Reply:
    return _told(_PARAMETER_ERROR, text, now_ms)


def _answer_instruments(market: Market, question: Question, source: CandleSource) -> Reply:
    """Spot is not paged; futures by a cursor, which names the first instrument of the next page."""
    asked = question.params
    wanted = asked.get("status", "Trading") == "Trading"
    found = [known for known in source.instruments(market) if known.is_tradable == wanted]
    first, size = 0, len(found)
    if market.market_type == "futures":
        size = min(int(asked.get("limit", _DEFAULT_INSTRUMENTS_PAGE)), _INSTRUMENTS_PAGE)
        first = _position(asked.get("cursor", ""), found)
    rest = found[first + size :]
    result = {
        "category": _CATEGORY[market.market_type],
        "list": [_entry(market, instrument) for instrument in found[first : first + size]],
        "nextPageCursor": base64.urlsafe_b64encode(rest[0].symbol.encode()).decode() if rest and size else "",
    }
    return _result(result, question.now_ms)


def _position(cursor: str, found: Sequence[InstrumentReference]) -> int:
    symbols = [base64.urlsafe_b64encode(known.symbol.encode()).decode() for known in found]
    return symbols.index(cursor) if cursor in symbols else 0


def _entry(market: Market, instrument: InstrumentReference) -> dict[str, Any]:
    is_spot = market.market_type == "spot"
    step_name = "basePrecision" if is_spot else "qtyStep"
    return {
        "symbol": instrument.symbol,
        "status": "Trading" if instrument.is_tradable else "Closed",
        "baseCoin": instrument.base_asset,
        "quoteCoin": instrument.quote_asset,
        **({} if is_spot else _PERPETUAL),
        "priceFilter": {"tickSize": _plain(instrument.price_tick)},
        "lotSizeFilter": {step_name: _plain(instrument.quantity_step)},
    }


def _plain(size: float | None) -> str:
    return f"{size or 0:.{dialect.decimals_of(size)}f}"


def _answer_klines(market: Market, question: Question, source: CandleSource) -> Reply:
    """Anchored at the end: of a window with more candles than the limit, the newest are sent."""
    asked, now_ms = question.params, question.now_ms
    instrument = dialect.find_instrument(source, market, asked.get("symbol", ""))
    if instrument is None:
        return _parameter_error("Not supported symbols", now_ms)
    if asked.get("interval") != _INTERVAL:
        return _parameter_error("Invalid period!", now_ms)
    query = KlinesQuery(
        symbol=instrument.symbol,
        start_ms=int(asked.get("start", 0)),
        end_ms=int(asked.get("end", now_ms)) + 1,
        limit=min(int(asked.get("limit", _DEFAULT_ROWS)), _MAX_ROWS),
        newest="end" in asked or "start" not in asked,
    )
    rows = dialect.select_klines(source, market, query, now_ms)
    head = (
        f'{{"retCode":0,"retMsg":"OK","result":{{"category":"{_CATEGORY[market.market_type]}",'
        f'"symbol":"{instrument.symbol}","list":'
    )
    tail = f'}},"retExtInfo":{{}},"time":{now_ms}}}'
    return Reply(200, head.encode() + _klines_json(instrument, rows) + tail.encode())


def _klines_json(instrument: InstrumentReference, rows: CandleRows) -> bytes:
    newest_first = rows.take(np.arange(len(rows))[::-1])
    prices = (
        json_tables.decimal_text(column, dialect.decimals_of(instrument.price_tick))
        for column in newest_first.values[:4]
    )
    return json_tables.table_json(
        '["{ts}","{open}","{high}","{low}","{close}","{volume}","{turnover}"]',
        {
            "ts": json_tables.integer_text(newest_first.ts_open_ms),
            **dict(zip(("open", "high", "low", "close"), prices, strict=True)),
            "volume": json_tables.decimal_text(
                newest_first.values[4], dialect.decimals_of(instrument.quantity_step)
            ),
            "turnover": json_tables.decimal_text(newest_first.quote_volume, 8),
        },
    )


EXCHANGE = Exchange(
    name=NAME,
    apis={"spot": _API, "futures": _API},
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
