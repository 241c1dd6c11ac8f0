"""Bybit's side of its websocket streams: `/v5/public/spot` and `/v5/public/linear`."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from typing import Any

from candleray.exchanges.bybit import CATEGORY, INTERVAL, NAME
from candleray.markets import InstrumentReference, MarketType, find_market
from candleray.simulator.json_replies import decimals_of, json_text
from candleray.simulator.stream_dialect import (
    KlineFrame,
    Session,
    StreamDialect,
    StreamRules,
    edited,
    places_text,
    trimmed_text,
)
from candleray.timeframes import MINUTE_MS

_RULES = StreamRules(push_ms=1000, close_delay_ms=500, silence_s=600, most_connections=500)
RULES: dict[MarketType, StreamRules] = {"spot": _RULES, "futures": _RULES}
MOST_SPOT_ARGS = 10
"""Topics of one request of spot."""
MOST_ARGS_CHARACTERS = 21_000
SYSTEM_STATUS = "system.status"
_OTHER_TOPICS = ("orderbook.", "publicTrade.", "tickers.", "kline.")
KEYS = {
    "ts_open": "start",
    "open": "open",
    "high": "high",
    "low": "low",
    "close": "close",
    "volume": "volume",
    "quote_volume": "turnover",
}


def open_session(path: str, params: Mapping[str, str]) -> Session | None:
    for market_type, category in CATEGORY.items():
        if path.rstrip("/") == f"/v5/public/{category}":
            return Session(find_market(f"{NAME}-{market_type}"))
    return None


def read(session: Session, text: str, listed: Collection[str]) -> list[str]:
    """Answer a client's request. One topic that there is not fails the whole request."""
    try:
        asked = json.loads(text)
    except ValueError:
        asked = None
    if not isinstance(asked, dict):
        return [_answer(session, {}, "error:request must be a JSON object", "")]
    op, args = asked.get("op"), asked.get("args", [])
    if op == "ping":
        return [_answer(session, asked, "pong", op, succeeds=True)]
    if op not in ("subscribe", "unsubscribe"):
        return [_answer(session, asked, f"error:op {op!r} not supported", str(op))]
    if not isinstance(args, list) or not args or not all(isinstance(each, str) for each in args):
        return [_answer(session, asked, "error:args must be a list of topics", op)]
    refusal = _refuse_args(session, args, listed) if op == "subscribe" else ""
    if refusal:
        return [_answer(session, asked, refusal, op)]
    for topic_ in args:
        if op == "subscribe":
            session.topics[topic_] = None
        else:
            session.topics.pop(topic_, None)
    return [_answer(session, asked, op if session.market.market_type == "spot" else "", op, succeeds=True)]


def _refuse_args(session: Session, args: list[str], listed: Collection[str]) -> str:
    if session.market.market_type == "spot" and len(args) > MOST_SPOT_ARGS:
        return f"args size >{MOST_SPOT_ARGS}"
    if sum(map(len, args)) > MOST_ARGS_CHARACTERS:
        return f"error:args longer than {MOST_ARGS_CHARACTERS} characters"
    for each in args:
        if each in session.topics:
            return f"error:already subscribed,topic:{each}"
        symbol = each.rpartition(".")[2]
        is_known = each == SYSTEM_STATUS or (each.startswith(_OTHER_TOPICS) and symbol in listed)
        if not is_known and session.market.market_type == "spot":
            return f"Invalid symbol :[{each}]"
        if not is_known:
            return f"error:handler not found,topic:{each}"
    return ""


def _answer(session: Session, asked: Mapping[str, Any], said: str, op: str, *, succeeds: bool = False) -> str:
    """An acknowledgement. The pong of spot names no request, that of linear always does."""
    answer: dict[str, Any] = {"success": succeeds, "ret_msg": said, "conn_id": session.connection_id}
    if "req_id" in asked or not (op == "ping" and session.market.market_type == "spot"):
        answer["req_id"] = str(asked.get("req_id", ""))
    return json_text({**answer, "op": op})


def topic(symbol: str) -> str:
    return f"kline.{INTERVAL}.{symbol}"


def write_kline(session: Session, instrument: InstrumentReference, frame: KlineFrame) -> str:
    cells = edited(_cells(instrument, frame), KEYS, frame)
    return json_text(
        {"topic": f"kline.{frame.minutes}.{frame.symbol}", "data": [cells], "ts": frame.at_ms, "type": "snapshot"}
    )


def _cells(instrument: InstrumentReference, frame: KlineFrame) -> dict[str, Any]:
    candle, price_places = frame.candle, decimals_of(instrument.price_tick)
    return {
        "start": candle.ts_open_ms,
        "end": candle.ts_open_ms + MINUTE_MS - 1,
        "interval": str(frame.minutes),
        "open": places_text(candle.open, price_places),
        "close": places_text(candle.close, price_places),
        "high": places_text(candle.high, price_places),
        "low": places_text(candle.low, price_places),
        "volume": places_text(candle.volume, decimals_of(instrument.quantity_step)),
        "turnover": trimmed_text(candle.quote_volume, 0),
        "confirm": frame.is_closed,
        "timestamp": frame.at_ms,
    }


STREAMS = StreamDialect(
    rules=RULES,
    open_session=open_session,
    read=read,
    topic=topic,
    write_kline=write_kline,
)
