"""Streams of candles: frames of both venues, as they are documented and as they were recorded."""

from __future__ import annotations

import json
import math
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from candleray.exchanges.discovery import exchange_of
from candleray.exchanges.exchange import MalformedAnswer
from candleray.exchanges.stream import LiveKline
from candleray.markets import MARKETS, Market, find_market

SPOT, BYBIT = find_market("binance-spot"), find_market("bybit-futures")
every_market = pytest.mark.parametrize("market", MARKETS.values(), ids=lambda market: market.name)

MINUTE = 1_672_324_800_000


def binance_frame(**kline: Any) -> dict[str, Any]:
    cells = {"t": MINUTE, "T": MINUTE + 59_999, "s": "BTCUSDT", "i": "1m", "o": "1.5", "c": "2.5", "h": "3.5"}
    cells |= {"l": "0.5", "v": "10", "n": 7, "x": True, "q": "20.25", "V": "1", "Q": "2", "B": "0"} | kline
    return {"e": "kline", "E": MINUTE + 60_010, "s": "BTCUSDT", "k": cells}


def bybit_frame(**kline: Any) -> dict[str, Any]:
    cells = {
        "start": MINUTE,
        "end": MINUTE + 59_999,
        "interval": "1",
        "open": "1.5",
        "close": "2.5",
        "high": "3.5",
    }
    cells |= {"low": "0.5", "volume": "10", "turnover": "20.25", "confirm": True, "timestamp": MINUTE + 60_010}
    return {"topic": "kline.1.BTCUSDT", "type": "snapshot", "ts": MINUTE + 60_010, "data": [cells | kline]}


def frame_of(market: Market, **kline: Any) -> dict[str, Any]:
    return binance_frame(**kline) if market.exchange == "binance" else bybit_frame(**kline)


def read(market: Market, message: Any) -> LiveKline | None:
    return exchange_of(market).stream(market).read_kline(message)


@every_market
def test_a_closed_kline_is_read_with_its_quote_volume(market: Market) -> None:
    kline = read(market, frame_of(market))
    trades = 7.0 if market.exchange == "binance" else math.nan
    told_ms = MINUTE + 60_010
    cells = (1.5, 3.5, 0.5, 2.5, 10.0, 20.25)
    assert repr(kline) == repr(LiveKline("BTCUSDT", MINUTE, *cells, trades, told_ms=told_ms))


@every_market
@pytest.mark.parametrize("stamp", [None, "1672324860010", 1.5, True])
def test_a_frame_that_does_not_say_when_it_was_sent_is_read_without_it(market: Market, stamp: Any) -> None:
    frame = frame_of(market) | ({"E": stamp} if market.exchange == "binance" else {"ts": stamp})
    kline = read(market, frame)
    assert kline is not None
    assert kline.told_ms is None


@every_market
def test_an_open_kline_says_so(market: Market) -> None:
    kline = read(market, frame_of(market, x=False, confirm=False))
    assert kline is not None
    assert not kline.is_closed


def test_the_envelope_of_a_combined_stream_is_taken_off() -> None:
    frame = binance_frame()
    assert read(SPOT, {"stream": "btcusdt@kline_1m", "data": frame}) == read(SPOT, frame)


@every_market
@pytest.mark.parametrize(
    "message",
    [
        *(None, 3, "x", [], {}, {"e": "trade"}),
        *({"topic": "kline.5.BTCUSDT"}, {"topic": "kline.M.BTCUSDT"}, {"topic": "klineV2.1.BTCUSD"}),
        *(binance_frame(i=interval) for interval in ("5m", "1M")),
    ],
    ids=lambda message: repr(message)[:40],
)
def test_what_is_no_kline_of_a_minute_is_ignored(market: Market, message: Any) -> None:
    assert read(market, message) is None


@pytest.mark.parametrize(
    ("market", "message", "said"),
    [
        (SPOT, {"e": "kline", "s": "A"}, "has no 'k'"),
        (SPOT, binance_frame(o=None), "o is a NoneType"),
        (SPOT, binance_frame(o="x"), "o is not decimal text: 'x'"),
        (SPOT, binance_frame(t="1"), "t is a str"),
        (SPOT, binance_frame(x="true"), "x is no truth value"),
        (SPOT, binance_frame(s="ETHUSDT"), "the kline is of 'ETHUSDT', its frame of 'BTCUSDT'"),
        (BYBIT, {"topic": "kline.1.A"}, "has no 'data'"),
        (BYBIT, {"topic": "kline.1.A", "data": []}, "data is empty"),
        (BYBIT, {"topic": "kline.1.A", "data": [3]}, "entry 0 of data is a int"),
        (BYBIT, bybit_frame(turnover=3.0), "turnover is a float"),
        (BYBIT, bybit_frame(confirm=None), "confirm is no truth value"),
        (BYBIT, bybit_frame(interval="5"), "the interval of BTCUSDT is '5'"),
    ],
)
def test_a_kline_that_differs_from_the_documentation_is_refused(market: Market, message: Any, said: str) -> None:
    with pytest.raises(MalformedAnswer, match=said.replace(".", r"\.")):
        read(market, message)


def test_requests_are_worded_as_the_venues_document_them() -> None:
    stream, other = exchange_of(SPOT).stream(SPOT), exchange_of(BYBIT).stream(BYBIT)
    topics = [stream.topic("BTCUSDT"), stream.topic("ETHUSDT")]
    assert json.loads(stream.subscribe(topics, 3)) == {
        "method": "SUBSCRIBE",
        "params": ["btcusdt@kline_1m", "ethusdt@kline_1m"],
        "id": 3,
    }
    assert json.loads(other.unsubscribe([other.topic("BTCUSDT")], 4)) == {
        "op": "unsubscribe",
        "args": ["kline.1.BTCUSDT"],
        "req_id": "4",
    }


@pytest.mark.parametrize(
    ("market", "message", "said"),
    [
        (SPOT, {"result": None, "id": 3}, ("3", True, "")),
        (SPOT, {"error": {"code": 2, "msg": "bad"}, "id": 3}, ("3", False, "2: bad")),
        (SPOT, binance_frame(), None),
        (BYBIT, {"success": True, "ret_msg": "", "req_id": "4", "op": "subscribe"}, ("4", True, "")),
        (BYBIT, {"success": False, "ret_msg": "no topic", "req_id": "4"}, ("4", False, "no topic")),
        (
            BYBIT,
            {"success": True, "req_id": "4", "data": {"failTopics": ["kline.1.X"]}, "type": "COMMAND_RESP"},
            ("4", False, "refused ['kline.1.X']"),
        ),
        (BYBIT, {"success": True, "ret_msg": "pong", "op": "ping"}, None),
        (BYBIT, {"req_id": "", "op": "pong", "args": ["1"]}, None),
    ],
)
def test_answers_to_requests_are_read(market: Market, message: Any, said: tuple[str, bool, str] | None) -> None:
    reply = exchange_of(market).stream(market).read_reply(message)
    assert (reply and (reply.request_id, reply.is_ok, reply.message)) == said


@pytest.mark.parametrize("message", [{"e": "serverShutdown", "E": 1}, None], ids=repr)
def test_a_farewell_is_told_raw_and_combined(message: Any) -> None:
    stream = exchange_of(SPOT).stream(SPOT)
    assert stream.restarts_notice(message) == stream.restarts_notice({"stream": "!x", "data": message})
    assert stream.restarts_notice(message) == (message is not None)


def recorded(folder: Path) -> Iterator[tuple[str, Any]]:
    """Every frame of the recordings with the name of its file."""
    for file in sorted(folder.glob("*/*.jsonl")):
        for line in file.read_text().splitlines():
            message = json.loads(line)
            yield file.name, message.get("msg", message)
    for file in sorted(folder.glob("*/*.ws.*")):
        for line in file.read_text().splitlines():
            head, brace, body = line.partition(": {")
            if brace and not head.startswith("wss"):
                yield file.name, json.loads("{" + body)


def closed_value(message: Any) -> tuple[Any, ...] | None:
    """The independent reading: a closed minute of Binance in its frame, by plain indexing."""
    event = message.get("data", message)
    kline = event.get("k") if isinstance(event, dict) else None
    if not kline or kline["i"] != "1m" or not kline["x"]:
        return None
    cells = [float(kline[name]) for name in "ohlcvq"]
    return kline["s"], kline["t"], *cells, float(kline["n"])


def told(kline: LiveKline) -> tuple[Any, ...]:
    return kline.symbol, kline.ts_open_ms, *kline.values, kline.quote_volume, kline.trades


@pytest.mark.real_data
def test_every_recorded_closed_candle_is_read_and_all_else_is_ignored_or_refused(shared_data: Path) -> None:
    seen: Counter[str] = Counter()
    for name, message in recorded(shared_data / "captures"):
        market = BYBIT if "BYBIT" in name or "bybit" in name else SPOT
        try:
            kline = read(market, message)
        except MalformedAnswer:
            seen["refused"] += 1
            continue
        seen["ignored" if kline is None else "closed" if kline.is_closed else "open"] += 1
        expected = closed_value(message) if market is SPOT else None
        got = told(kline) if kline and kline.is_closed else None
        assert got == expected
    print(dict(seen))
    assert seen["closed"] > 7
    assert seen["refused"] == 0
    assert seen["ignored"] > 1000
