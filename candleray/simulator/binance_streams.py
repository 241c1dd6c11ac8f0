"""Binance's side of its websocket streams: `/ws` and `/stream` of spot, the same below `/market` of futures.

Futures has its streams in three places since 2026; the other two accept, acknowledge, and send no candle.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from typing import Any

from candleray.errors import first_line
from candleray.exchanges.binance import INTERVAL, NAME
from candleray.markets import InstrumentReference, MarketType, find_market
from candleray.simulator.json_replies import decimals_of, json_text
from candleray.simulator.stream_dialect import (
    HandshakeRefused,
    KlineFrame,
    Session,
    StreamDialect,
    StreamRules,
    edited,
    places_text,
    trimmed_text,
)
from candleray.timeframes import DAY_MS, MINUTE_MS

RULES: dict[MarketType, StreamRules] = {
    "spot": StreamRules(
        push_ms=2000,
        close_delay_ms=2000,
        most_topics=1024,
        client_frames_a_second=5,
        ping_every_s=20,
        pong_within_s=60,
        life_ms=DAY_MS,
    ),
    "futures": StreamRules(
        push_ms=250,
        close_delay_ms=500,
        most_topics=200,
        client_frames_a_second=10,
        ping_every_s=180,
        pong_within_s=600,
        life_ms=DAY_MS,
    ),
}
_PLACES: dict[str, tuple[MarketType, bool]] = {
    "": ("spot", True),
    "/market": ("futures", True),
    "/public": ("futures", False),
    "/private": ("futures", False),
}
KEYS = {
    "ts_open": "t",
    "open": "o",
    "high": "h",
    "low": "l",
    "close": "c",
    "volume": "v",
    "quote_volume": "q",
    "trades": "n",
}
_TRADES_A_MINUTE = 100_000
"""The distance between the trade ids of two minutes."""


def open_session(path: str, params: Mapping[str, str]) -> Session | None:
    for place, (market_type, has_klines) in _PLACES.items():
        below = path.removeprefix(place).rstrip("/") if path.startswith(f"{place}/") else ""
        if below == "/stream":
            topics, is_combined = params.get("streams", "").split("/"), True
        elif below == "/ws" or below.startswith("/ws/"):
            topics, is_combined = below.removeprefix("/ws").split("/"), False
        else:
            continue
        session = Session(find_market(f"{NAME}-{market_type}"), is_combined=is_combined, has_klines=has_klines)
        session.topics.update(dict.fromkeys(filter(None, topics)))
        most = RULES[market_type].most_topics
        if most is not None and len(session.topics) > most:
            raise HandshakeRefused(400, f"at most {most} streams a connection")
        return session
    return None


def read(session: Session, text: str, listed: Collection[str]) -> list[str]:
    """Answer a client's request. A stream that there is not is acknowledged as well, and sends nothing."""
    try:
        asked = json.loads(text)
    except ValueError as exc:
        return [_refusal(3, f"Invalid JSON: {first_line(exc)}", None)]
    if not isinstance(asked, dict):
        return [_refusal(2, "Invalid request: request must be an object", None)]
    number, params = asked.get("id"), asked.get("params", [])
    if not isinstance(params, list) or not all(isinstance(each, str) for each in params):
        return [_refusal(2, "Invalid request: params must be an array of strings", number)]
    match asked.get("method"):
        case "SUBSCRIBE":
            return [_subscribe(session, params, number)]
        case "UNSUBSCRIBE":
            for topic in params:
                session.topics.pop(topic, None)
            return [json_text({"result": None, "id": number})]
        case "LIST_SUBSCRIPTIONS":
            return [json_text({"result": list(session.topics), "id": number})]
        case method:
            return [
                _refusal(2, f"Invalid request: unknown variant `{method}`, expected one of `SUBSCRIBE`", number)
            ]


def _subscribe(session: Session, topics: list[str], number: Any) -> str:
    most = RULES[session.market.market_type].most_topics
    together = dict.fromkeys([*session.topics, *topics])
    if most is not None and len(together) > most:
        return _refusal(2, f"Invalid request: {len(together)} streams, at most {most} a connection", number)
    session.topics.update(together)
    return json_text({"result": None, "id": number})


def topic(symbol: str) -> str:
    return f"{symbol.lower()}@kline_{INTERVAL}"


def write_kline(session: Session, instrument: InstrumentReference, frame: KlineFrame) -> str:
    event = {
        "e": "kline",
        "E": frame.at_ms,
        "s": frame.symbol,
        "k": edited(_cells(session, instrument, frame), KEYS, frame),
    }
    return _in_stream(session, f"{frame.symbol.lower()}@kline_{_interval(frame)}", event)


def _interval(frame: KlineFrame) -> str:
    return f"{frame.minutes}m"


def _cells(session: Session, instrument: InstrumentReference, frame: KlineFrame) -> dict[str, Any]:
    """The candle's cells. Spot writes all with eight places, futures as the instrument's steps are."""
    candle, is_spot = frame.candle, session.market.market_type == "spot"
    price_places = 8 if is_spot else decimals_of(instrument.price_tick)
    volume_places = 8 if is_spot else decimals_of(instrument.quantity_step)
    quote_places = 8 if is_spot else 5
    first_trade = candle.ts_open_ms // MINUTE_MS * _TRADES_A_MINUTE if candle.trades else -1
    return {
        "t": candle.ts_open_ms,
        "T": candle.ts_open_ms + MINUTE_MS - 1,
        "s": frame.symbol,
        "i": _interval(frame),
        "f": first_trade,
        "L": first_trade + int(candle.trades) - 1 if candle.trades else -1,
        "o": places_text(candle.open, price_places),
        "c": places_text(candle.close, price_places),
        "h": places_text(candle.high, price_places),
        "l": places_text(candle.low, price_places),
        "v": places_text(candle.volume, volume_places),
        "n": int(candle.trades),
        "x": frame.is_closed,
        "q": trimmed_text(candle.quote_volume, quote_places),
        "V": places_text(candle.volume / 2, volume_places),
        "Q": trimmed_text(candle.quote_volume / 2, quote_places),
        "B": "0",
    }


def write_farewell(session: Session, now_ms: int) -> str | None:
    """The notice of spot before a restart. Futures has none."""
    if session.market.market_type != "spot":
        return None
    return _in_stream(session, "!serverShutdown", {"e": "serverShutdown", "E": now_ms})


def _in_stream(session: Session, stream: str, event: Mapping[str, Any]) -> str:
    return json_text({"stream": stream, "data": event} if session.is_combined else event)


def _refusal(code: int, text: str, number: Any) -> str:
    return json_text({"error": {"code": code, "msg": text}, "id": number})


STREAMS = StreamDialect(
    rules=RULES,
    open_session=open_session,
    read=read,
    topic=topic,
    write_kline=write_kline,
    write_farewell=write_farewell,
)
