"""Bybit v5, spot and USDT-margined perpetuals.

Candles come in descending order, as text, both ends of the asked window inclusive; an error is HTTP 200 with a
`retCode` that is not 0. Source: Bybit's documentation of v5 (limits as of 2026-04).
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np

from candleray.candles import CandleRows
from candleray.exchanges import json_answers
from candleray.exchanges.exchange import (
    Exchange,
    Failure,
    FailureKind,
    Listing,
    MalformedAnswer,
    RateBudget,
    RestAnswer,
    RestApi,
    RestRequest,
)
from candleray.exchanges.stream import LiveKline, StreamApi, StreamReply
from candleray.markets import InstrumentReference, Market, MarketType

NAME = "bybit"
KLINE_PATH, INSTRUMENTS_PATH, TIME_PATH = "/v5/market/kline", "/v5/market/instruments-info", "/v5/market/time"
CATEGORY: dict[MarketType, str] = {"spot": "spot", "futures": "linear"}
PERPETUAL = {"contractType": "LinearPerpetual", "settleCoin": "USDT"}
INTERVAL = "1"
_KLINE_CELLS = 7
MAX_ROWS = 1000
INSTRUMENTS_PER_PAGE = 1000
_INSTRUMENTS_BYTES = 32_000_000
PARAMETER_ERROR, BANNED = 10001, 10009
RESET_AT = "x-bapi-limit-reset-timestamp"
_KIND_OF: dict[int, FailureKind] = {
    10000: "unavailable",
    10006: "rate_limited",
    10016: "unavailable",
    10018: "rate_limited",
    10429: "rate_limited",
}
_BAN_S = 600.0  # "terminate all HTTP sessions and wait for at least 10 minutes"

# 600 requests in 5 seconds per address, for all markets together: one base_url, one budget.
_API = RestApi("https://api.bybit.com", RateBudget(600, 5), page_minutes=MAX_ROWS)


def server_time_request(market: Market) -> RestRequest:
    return RestRequest(TIME_PATH)


def read_server_time_ms(content: Any) -> int:
    return int(json_answers.member(content, "time", kind=int))


def instruments_requests(market: Market) -> Sequence[RestRequest]:
    """One listing of the instruments that trade; for futures a second one of those that are closed."""
    listing = {"category": CATEGORY[market.market_type], "limit": str(INSTRUMENTS_PER_PAGE)}
    open_ = RestRequest(INSTRUMENTS_PATH, listing, max_bytes=_INSTRUMENTS_BYTES)
    if market.market_type == "spot":
        return [open_]
    return [open_, replace(open_, params={**listing, "status": "Closed"})]


def next_page(request: RestRequest, content: Any) -> RestRequest | None:
    cursor = json_answers.member(content, "result", kind=dict).get("nextPageCursor")
    return replace(request, params={**request.params, "cursor": str(cursor)}) if cursor else None


def read_instruments(market: Market, content: Any) -> Listing:
    contract = PERPETUAL.items() if market.market_type == "futures" else ()
    entries = json_answers.entries(content, "result", "list")
    of_contract = (entry for entry in entries if all(entry.get(name) == value for name, value in contract))
    return json_answers.listing(of_contract, partial(_instrument, market))


def _instrument(market: Market, symbol: str, entry: dict[str, Any]) -> InstrumentReference:
    status = json_answers.word(entry, "status")
    lot = json_answers.member(entry, "lotSizeFilter", kind=dict)
    return InstrumentReference(
        market_id=market.market_id,
        symbol=symbol,
        is_tradable=status == "Trading",
        status=status,
        base_asset=json_answers.word(entry, "baseCoin"),
        quote_asset=json_answers.word(entry, "quoteCoin"),
        price_tick=json_answers.step(json_answers.member(entry, "priceFilter", kind=dict).get("tickSize")),
        quantity_step=json_answers.step(lot.get("qtyStep") or lot.get("basePrecision")),
        min_notional=json_answers.step(lot.get("minNotionalValue") or lot.get("minOrderAmt")),
        listed_at=json_answers.moment(entry.get("launchTime")),  # the spot market names none
    )


def klines_request(market: Market, symbol: str, start_ms: int, end_ms: int) -> RestRequest:
    return _klines(market, symbol, MAX_ROWS, start=start_ms, end=end_ms - 1)


def first_kline_request(market: Market, symbol: str, start_ms: int) -> RestRequest:
    return _klines(market, symbol, 1, start=start_ms)


def _klines(market: Market, symbol: str, rows: int, **window_ms: int) -> RestRequest:
    window = {name: str(value) for name, value in window_ms.items()}
    instrument = {"category": CATEGORY[market.market_type], "symbol": symbol, "interval": INTERVAL}
    return RestRequest(KLINE_PATH, {**instrument, "limit": str(rows), **window})


def read_klines(market: Market, symbol: str, content: Any) -> CandleRows:
    result = json_answers.member(content, "result", kind=dict)
    category, listed = result.get("category"), result.get("symbol")
    if (category, listed) != (CATEGORY[market.market_type], symbol):
        raise MalformedAnswer(f"the candles are of {listed} ({category}), not of {symbol}")
    cells = json_answers.columns(result.get("list"), _KLINE_CELLS)
    names = ("open", "high", "low", "close", "volume")
    return CandleRows(
        json_answers.integers(cells[0], "start time")[::-1].copy(),
        np.stack(
            [json_answers.decimals(column, name)[::-1] for name, column in zip(names, cells[1:6], strict=True)]
        ),
        json_answers.decimals(cells[6], "turnover")[::-1].copy(),
        np.full(len(cells[0]), np.nan),
    )


def read_failure(answer: RestAnswer) -> Failure | None:
    body = answer.content if isinstance(answer.content, dict) else {}
    code, text = body.get("retCode"), str(body.get("retMsg", ""))
    if answer.status == 200 and code in (0, None):
        return None
    said = f", retCode {code}: {text}" if code is not None else f": {text}" if text else answer.page_in_words
    message = f"HTTP {answer.status}{said}"
    if isinstance(code, int) and code in _KIND_OF:
        return Failure(_KIND_OF[code], message, _until_reset_s(answer.headers, body.get("time")))
    if code == PARAMETER_ERROR and "symbol" in text.lower():
        return Failure("unknown_symbol", message)
    if code == BANNED or (answer.status == 403 and "too frequent" in text + answer.text):
        return Failure("banned", message, _BAN_S)
    if answer.status == 429 or answer.status >= 500:
        kind: FailureKind = "rate_limited" if answer.status == 429 else "unavailable"
        return Failure(kind, message, json_answers.step(answer.headers.get("retry-after")))
    return Failure("rejected", message)


def _until_reset_s(headers: Mapping[str, str], now_ms: Any) -> float | None:
    """Seconds until the limit resets, by the venue's clock; None where it names no time, as it often does not."""
    reset_ms = json_answers.step(headers.get(RESET_AT))
    if reset_ms is None or not isinstance(now_ms, int):
        return None
    return max(0.0, (reset_ms - now_ms) / 1000)


def read_used_weight(headers: Mapping[str, str]) -> int | None:
    return None


_TOPIC = f"kline.{INTERVAL}."


def topic(symbol: str) -> str:
    return f"{_TOPIC}{symbol}"


def _frame(operation: str, topics: Sequence[str], request_id: int) -> str:
    return json.dumps({"op": operation, "args": list(topics), "req_id": str(request_id)}, ensure_ascii=False)


def read_kline(message: Any) -> LiveKline | None:
    """The kline of a frame; of a snapshot with several the closed one, else the last."""
    name = message.get("topic") if isinstance(message, dict) else None
    if not isinstance(name, str) or not name.startswith(_TOPIC):
        return None
    symbol, told_ms = name.removeprefix(_TOPIC), json_answers.told_ms(message, "ts")
    klines = [_kline(symbol, entry, told_ms) for entry in json_answers.entries(message, "data")]
    if not klines:
        raise MalformedAnswer("data is empty")
    return next((kline for kline in klines if kline.is_closed), klines[-1])


def _kline(symbol: str, entry: dict[str, Any], told_ms: int | None) -> LiveKline:
    is_closed = json_answers.flag(entry, "confirm")
    if entry.get("interval") != INTERVAL:
        raise MalformedAnswer(f"the interval of {symbol} is {str(entry.get('interval'))[:40]!r}")
    names = ("open", "high", "low", "close", "volume", "turnover")
    open_, high, low, close, volume, turnover = (json_answers.decimal(entry, name) for name in names)
    start_ms = json_answers.member(entry, "start", kind=int)
    return LiveKline(
        symbol, start_ms, open_, high, low, close, volume, turnover, is_closed=is_closed, told_ms=told_ms
    )


def read_reply(message: Any) -> StreamReply | None:
    """The answer to a subscription, in the words of spot or of linear; a pong is none."""
    if not isinstance(message, dict) or "success" not in message or message.get("op") == "ping":
        return None
    if message.get("ret_msg") == "pong":
        return None
    data = message.get("data")
    failed = data.get("failTopics") if isinstance(data, dict) else None
    said = str(message.get("ret_msg") or (f"refused {failed}" if failed else ""))
    number = message.get("req_id")
    return StreamReply(str(number) if number else None, message["success"] is True and not failed, said[:200])


# Bybit sends no farewell on the socket that carries candles.
_SPOT_STREAM = StreamApi(
    "wss://stream.bybit.com",
    "/v5/public/spot",
    max_topics=900,
    max_topics_per_request=10,
    requests_per_s=5.0,
    topic=topic,
    subscribe=partial(_frame, "subscribe"),
    unsubscribe=partial(_frame, "unsubscribe"),
    read_kline=read_kline,
    read_reply=read_reply,
    max_topics_chars=21_000,
    ping='{"op": "ping"}',
)
_FUTURES_STREAM = replace(_SPOT_STREAM, path="/v5/public/linear", max_topics_per_request=100)


EXCHANGE = Exchange(
    name=NAME,
    apis={"spot": _API, "futures": _API},
    streams={"spot": _SPOT_STREAM, "futures": _FUTURES_STREAM},
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
    # Its public kline archive is made for MetaTrader, three hours ahead: measured over ten symbol-months.
    dotted_dates_utc_offset_h=3,
)
