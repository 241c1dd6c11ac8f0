"""Bybit's own side: answers and refusals of `/v5/market`."""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from candleray.candles import CandleRows
from candleray.exchanges.bybit import (
    BANNED,
    CATEGORY,
    EXCHANGE,
    INSTRUMENTS_PATH,
    INSTRUMENTS_PER_PAGE,
    INTERVAL,
    KLINE_PATH,
    MAX_ROWS,
    PARAMETER_ERROR,
    PERPETUAL,
    RESET_AT,
    TIME_PATH,
)
from candleray.exchanges.exchange import Failure
from candleray.markets import InstrumentReference, Market, MarketType, find_market
from candleray.simulator.bybit_streams import STREAMS
from candleray.simulator.candle_source import CandleSource, KlinesQuery, find_instrument, select_klines
from candleray.simulator.json_replies import decimal_text, decimals_of, integer_text, json_reply, table_json
from candleray.simulator.venues import Question, Reply, SimulatedVenue, Subject
from candleray.timeframes import to_ms

_SUBJECTS: dict[str, Subject] = {TIME_PATH: "time", INSTRUMENTS_PATH: "instruments", KLINE_PATH: "klines"}
_WINDOW_END = "end"
_DEFAULT_ROWS, _DEFAULT_INSTRUMENTS = 200, 500


def route(question: Question) -> Market | None:
    """The market of the category; without one Bybit means `linear`. `answer` refuses an unknown category."""
    if not question.path.startswith("/v5/market/"):
        return None
    market_type: MarketType = "spot" if question.params.get("category") == "spot" else "futures"
    return find_market(f"{EXCHANGE.name}-{market_type}")


def answer(market: Market, question: Question, source: CandleSource) -> Reply:
    params, asked = question.params, _SUBJECTS.get(question.path)
    if asked == "time":
        second, nano = question.now_ms // 1000, question.now_ms * 1_000_000
        return _result({"timeSecond": str(second), "timeNano": str(nano)}, question.now_ms)
    if asked is None:
        return Reply(404, b"404 page not found", {"content-type": "text/plain"})
    if params.get("category", "linear") not in CATEGORY.values():
        return _parameter_error("Illegal category", question.now_ms)
    if not all(params.get(name, "1").isdecimal() for name in ("start", _WINDOW_END, "limit")):
        return _parameter_error("Request parameter error.", question.now_ms)
    if asked == "instruments":
        return _answer_instruments(market, question, source)
    return _answer_klines(market, question, source)


def refuse(failure: Failure, now_ms: int) -> Reply:
    match failure.kind:
        case "rate_limited":
            reply = _message(10006, "Too many visits. Exceeded the API Rate Limit.", now_ms)
            wait_s = failure.retry_after_s
            headers = {} if wait_s is None else {RESET_AT: str(now_ms + round(1000 * wait_s))}
            return replace(reply, headers=headers)
        case "banned":
            return replace(_message(BANNED, "403, access too frequent", now_ms), status=403)
        case "unavailable":
            return _message(10016, "Server error.", now_ms)
        case "unknown_symbol":
            return _parameter_error("Not supported symbols", now_ms)
        case "rejected":
            return _parameter_error(failure.message, now_ms)


def write_used_weight(used: int) -> Mapping[str, str]:
    return {}


def _message(code: int, text: str, now_ms: int, result: Mapping[str, Any] | None = None) -> Reply:
    return json_reply({"retCode": code, "retMsg": text, "result": result or {}, "retExtInfo": {}, "time": now_ms})


def _result(result: Mapping[str, Any], now_ms: int) -> Reply:
    return _message(0, "OK", now_ms, result)


def _parameter_error(text: str, now_ms: int) -> Reply:
    return _message(PARAMETER_ERROR, text, now_ms)


def _answer_instruments(market: Market, question: Question, source: CandleSource) -> Reply:
    """One page of instruments. Spot has one page; a futures cursor names the first instrument of the next page."""
    params = question.params
    is_tradable = params.get("status", "Trading") == "Trading"
    instruments = [each for each in source.instruments(market) if each.is_tradable == is_tradable]
    first, size = 0, len(instruments)
    if market.market_type == "futures":
        size = min(int(params.get("limit", _DEFAULT_INSTRUMENTS)), INSTRUMENTS_PER_PAGE)
        first = _position(params.get("cursor", ""), instruments)
    rest = instruments[first + size :]
    result = {
        "category": CATEGORY[market.market_type],
        "list": [_entry(market, instrument) for instrument in instruments[first : first + size]],
        "nextPageCursor": _cursor(rest[0]) if rest and size else "",
    }
    return _result(result, question.now_ms)


def _position(cursor: str, instruments: Sequence[InstrumentReference]) -> int:
    cursors = [_cursor(instrument) for instrument in instruments]
    return cursors.index(cursor) if cursor in cursors else 0


def _cursor(instrument: InstrumentReference) -> str:
    return base64.urlsafe_b64encode(instrument.symbol.encode()).decode()


def _entry(market: Market, instrument: InstrumentReference) -> dict[str, Any]:
    is_spot = market.market_type == "spot"
    step_name, least_name = ("basePrecision", "minOrderAmt") if is_spot else ("qtyStep", "minNotionalValue")
    return {
        "symbol": instrument.symbol,
        "status": "Trading" if instrument.is_tradable else "Closed",
        "baseCoin": instrument.base_asset,
        "quoteCoin": instrument.quote_asset,
        **({} if is_spot else PERPETUAL),
        **({"launchTime": str(to_ms(instrument.listed_at))} if instrument.listed_at else {}),
        "priceFilter": {"tickSize": _plain(instrument.price_tick)},
        "lotSizeFilter": {
            step_name: _plain(instrument.quantity_step),
            least_name: _plain(instrument.min_notional),
        },
    }


def _plain(size: float | None) -> str:
    return f"{size or 0:.{decimals_of(size)}f}"


def _answer_klines(market: Market, question: Question, source: CandleSource) -> Reply:
    """The newest candles of the window, up to the limit: Bybit counts from the window's end."""
    params, now_ms = question.params, question.now_ms
    instrument = find_instrument(source, market, params.get("symbol", ""))
    if instrument is None:
        return _parameter_error("Not supported symbols", now_ms)
    if params.get("interval") != INTERVAL:
        return _parameter_error("Invalid period!", now_ms)
    query = KlinesQuery(
        symbol=instrument.symbol,
        start_ms=int(params.get("start", 0)),
        end_ms=int(params.get(_WINDOW_END, now_ms)) + 1,
        limit=min(int(params.get("limit", _DEFAULT_ROWS)), MAX_ROWS),
        newest=_WINDOW_END in params or "start" not in params,
    )
    rows = select_klines(source, market, query, now_ms)
    head = (
        f'{{"retCode":0,"retMsg":"OK","result":{{"category":"{CATEGORY[market.market_type]}",'
        f'"symbol":"{instrument.symbol}","list":'
    )
    tail = f'}},"retExtInfo":{{}},"time":{now_ms}}}'
    return Reply(200, head.encode() + _klines_json(instrument, rows) + tail.encode())


def _klines_json(instrument: InstrumentReference, rows: CandleRows) -> bytes:
    newest_first = rows.take(np.arange(len(rows))[::-1])
    prices = (decimal_text(column, decimals_of(instrument.price_tick)) for column in newest_first.values[:4])
    return table_json(
        '["{ts}","{open}","{high}","{low}","{close}","{volume}","{turnover}"]',
        {
            "ts": integer_text(newest_first.ts_open_ms),
            **dict(zip(("open", "high", "low", "close"), prices, strict=True)),
            "volume": decimal_text(newest_first.values[4], decimals_of(instrument.quantity_step)),
            "turnover": decimal_text(newest_first.quote_volume, 8),
        },
    )


VENUE = SimulatedVenue(
    exchange=EXCHANGE,
    route=route,
    subject=_SUBJECTS.get,
    answer=answer,
    window_end=_WINDOW_END,
    refuse=refuse,
    write_used_weight=write_used_weight,
    streams=STREAMS,
)
