"""Binance, spot and USDT-margined perpetuals.

Candles come in ascending order, both ends of the asked window inclusive. Sources: Binance's documentation of
`/api/v3` and `/fapi/v1` (limits and weights as of 2026-04).
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
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
from candleray.timeframes import MINUTE_MS

NAME = "binance"
INTERVAL = "1m"
_KLINE_CELLS = 12
_EXCHANGE_INFO_BYTES = 96_000_000  # spot alone answers with about 20 MB
USED_WEIGHT = "x-mbx-used-weight-1m"
UNKNOWN_SYMBOL = -1121
_KIND_OF: dict[int, FailureKind] = {429: "rate_limited", 418: "banned"}


@dataclass(frozen=True)
class Interface:
    """Differences between the REST interfaces of Binance's markets.

    `klines_weights` are pairs of a weight and the most rows it pays for, in ascending order. `contract` holds what
    an instrument's entry must say to be one of the market's.
    """

    prefix: str
    klines_weights: tuple[tuple[int, int], ...]
    exchange_info_weight: int
    contract: Mapping[str, str]

    @property
    def max_rows(self) -> int:
        return self.klines_weights[-1][1]

    def klines_weight(self, rows: int) -> int:
        return next((weight for weight, most in self.klines_weights if rows <= most), self.klines_weights[-1][0])


INTERFACES: dict[MarketType, Interface] = {
    "spot": Interface("/api/v3", ((2, 1000),), 20, {}),
    "futures": Interface(
        "/fapi/v1",
        ((1, 99), (2, 499), (5, 1000), (10, 1500)),
        1,
        {"contractType": "PERPETUAL", "marginAsset": "USDT"},
    ),
}

_APIS: dict[MarketType, RestApi] = {
    "spot": RestApi("https://api.binance.com", RateBudget(6000, 60), page_minutes=1000),
    # 499 rows cost 2, 1000 cost 5, 1500 cost 10: pages of 499 get the most rows out of a minute's weight.
    "futures": RestApi("https://fapi.binance.com", RateBudget(2400, 60), page_minutes=499),
}


def server_time_request(market: Market) -> RestRequest:
    return RestRequest(f"{INTERFACES[market.market_type].prefix}/time")


def read_server_time_ms(content: Any) -> int:
    return int(json_answers.member(content, "serverTime", kind=int))


def instruments_requests(market: Market) -> Sequence[RestRequest]:
    interface = INTERFACES[market.market_type]
    return [
        RestRequest(
            f"{interface.prefix}/exchangeInfo",
            weight=interface.exchange_info_weight,
            max_bytes=_EXCHANGE_INFO_BYTES,
        )
    ]


def next_page(request: RestRequest, content: Any) -> RestRequest | None:
    return None


def read_instruments(market: Market, content: Any) -> Listing:
    contract = INTERFACES[market.market_type].contract.items()
    entries = json_answers.entries(content, "symbols")
    of_contract = (entry for entry in entries if all(entry.get(name) == value for name, value in contract))
    return json_answers.listing(of_contract, partial(_instrument, market))


def _instrument(market: Market, symbol: str, entry: dict[str, Any]) -> InstrumentReference:
    filters = {str(rule.get("filterType")): rule for rule in json_answers.entries(entry, "filters")}
    status = json_answers.word(entry, "status")
    return InstrumentReference(
        market_id=market.market_id,
        symbol=symbol,
        is_tradable=status == "TRADING",
        status=status,
        base_asset=json_answers.word(entry, "baseAsset"),
        quote_asset=json_answers.word(entry, "quoteAsset"),
        price_tick=json_answers.step(filters.get("PRICE_FILTER", {}).get("tickSize")),
        quantity_step=json_answers.step(filters.get("LOT_SIZE", {}).get("stepSize")),
        min_notional=_least_notional(filters),
        listed_at=json_answers.moment(entry.get("onboardDate")),  # the spot market names none
    )


def _least_notional(filters: Mapping[str, Mapping[str, Any]]) -> float | None:
    """The least worth of an order: perpetuals say `notional`, spot `minNotional`, in a filter of either name."""
    rule = filters.get("MIN_NOTIONAL") or filters.get("NOTIONAL") or {}
    return json_answers.step(rule.get("notional") or rule.get("minNotional"))


def klines_request(market: Market, symbol: str, start_ms: int, end_ms: int) -> RestRequest:
    rows = -(-(end_ms - start_ms) // MINUTE_MS)
    return _klines(market, symbol, rows, startTime=start_ms, endTime=end_ms - 1)


def first_kline_request(market: Market, symbol: str, start_ms: int) -> RestRequest:
    return _klines(market, symbol, 1, startTime=start_ms)


def _klines(market: Market, symbol: str, rows: int, **window_ms: int) -> RestRequest:
    interface = INTERFACES[market.market_type]
    window = {name: str(value) for name, value in window_ms.items()}
    return RestRequest(
        f"{interface.prefix}/klines",
        {"symbol": symbol, "interval": INTERVAL, "limit": str(rows), **window},
        weight=interface.klines_weight(rows),
    )


def read_klines(market: Market, symbol: str, content: Any) -> CandleRows:
    cells = json_answers.columns(content, _KLINE_CELLS)
    names = ("open", "high", "low", "close", "volume")
    return CandleRows(
        json_answers.integers(cells[0], "open time"),
        np.stack([json_answers.decimals(column, name) for name, column in zip(names, cells[1:6], strict=True)]),
        json_answers.decimals(cells[7], "quote volume"),
        json_answers.integers(cells[8], "trades").astype(np.float64),
    )


def read_failure(answer: RestAnswer) -> Failure | None:
    if answer.status == 200:
        return None
    error = answer.content if isinstance(answer.content, dict) else {}
    detail = f", {error['code']}: {error.get('msg')}" if "code" in error else answer.page_in_words
    message = f"HTTP {answer.status}{detail}"
    if error.get("code") == UNKNOWN_SYMBOL:
        return Failure("unknown_symbol", message)
    kind = _KIND_OF.get(answer.status, "unavailable" if answer.status >= 500 else "rejected")
    return Failure(kind, message, json_answers.step(answer.headers.get("retry-after")))


def read_used_weight(headers: Mapping[str, str]) -> int | None:
    text = headers.get(USED_WEIGHT, "")
    return int(text) if text.isdecimal() else None


def topic(symbol: str) -> str:
    return f"{symbol.lower()}@kline_{INTERVAL}"


def _frame(method: str, topics: Sequence[str], request_id: int) -> str:
    return json.dumps({"method": method, "params": list(topics), "id": request_id}, ensure_ascii=False)


def read_kline(message: Any) -> LiveKline | None:
    """The kline of a frame, as it comes on a combined stream or a plain one."""
    event = _event(message)
    if not isinstance(event, dict) or event.get("e") != "kline":
        return None
    kline = json_answers.member(event, "k", kind=dict)
    if json_answers.member(kline, "i", kind=str) != INTERVAL:
        return None
    symbol = json_answers.member(event, "s", kind=str)
    if kline.get("s", symbol) != symbol:
        raise MalformedAnswer(f"the kline is of {str(kline['s'])[:40]!r}, its frame of {symbol[:40]!r}")
    open_, high, low, close, volume, quote_volume = (json_answers.decimal(kline, name) for name in "ohlcvq")
    return LiveKline(
        symbol,
        json_answers.member(kline, "t", kind=int),
        *(open_, high, low, close, volume, quote_volume),
        trades=float(json_answers.member(kline, "n", kind=int)),
        is_closed=json_answers.flag(kline, "x"),
        told_ms=json_answers.told_ms(event, "E"),
    )


def _event(message: Any) -> Any:
    """The event within the envelope of a combined stream, if there is one."""
    return message["data"] if isinstance(message, dict) and "stream" in message and "data" in message else message


def read_reply(message: Any) -> StreamReply | None:
    if not isinstance(message, dict) or "e" in message or not ("result" in message or "error" in message):
        return None
    error = message.get("error")
    said = f"{error.get('code')}: {error.get('msg')}" if isinstance(error, dict) else str(error or "")
    number = message.get("id")
    return StreamReply(None if number is None else str(number), not error, said[:200])


def restarts_notice(message: Any) -> bool:
    event = _event(message)
    return isinstance(event, dict) and event.get("e") == "serverShutdown"


_SPOT_STREAM = StreamApi(
    "wss://stream.binance.com:9443",
    "/stream",
    max_topics=1024,
    max_topics_per_request=100,
    # 5 client frames a second, pings and pongs among them; the fifth is left to those.
    requests_per_s=2.0,
    topic=topic,
    subscribe=partial(_frame, "SUBSCRIBE"),
    unsubscribe=partial(_frame, "UNSUBSCRIBE"),
    read_kline=read_kline,
    read_reply=read_reply,
    restarts_notice=restarts_notice,
    life_s=86_400.0,
)
_FUTURES_STREAM = replace(
    _SPOT_STREAM,
    url="wss://fstream.binance.com",
    # Without /market the handshake succeeds and no kline ever comes (since 2026-04-23).
    path="/market/stream",
    # Of 1,024 and 200 streams a connection, both in copies of the documentation, the smaller.
    max_topics=200,
    requests_per_s=4.0,
)


EXCHANGE = Exchange(
    name=NAME,
    apis=_APIS,
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
)
