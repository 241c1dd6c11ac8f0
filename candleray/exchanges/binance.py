"""Binance, spot and USDT-margined perpetuals.

Candles come in ascending order, both ends of the asked window inclusive. Sources: Binance's documentation of
`/api/v3` and `/fapi/v1` (limits and weights as of 2026-04).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
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
    RateBudget,
    RestAnswer,
    RestApi,
    RestRequest,
)
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
    )


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
)
