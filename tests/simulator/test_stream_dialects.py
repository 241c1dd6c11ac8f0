"""The venues' side of a websocket: paths, subscriptions and their limits, candles as recorded traffic has them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from candleray.markets import InstrumentReference, find_market
from candleray.simulator.binance_streams import write_farewell
from candleray.simulator.kline_frames import closed_frame, forming, forming_frames, pushes_a_minute
from candleray.simulator.stream_dialect import LEFT_OUT, Candle, HandshakeRefused, KlineFrame, Session
from candleray.simulator.venues import simulated_venues
from candleray.timeframes import MINUTE_MS

BINANCE, BYBIT = (simulated_venues()[name].streams for name in ("binance", "bybit"))
LISTED = ("BTCUSDT", "ETHUSDT", "SOLUSDT")
TS = 1_750_600_020_000
CANDLE = Candle(TS, 61_000.0, 61_010.5, 60_990.25, 61_005.25, 1.23456, 75_310.1234, 42.0)
CAPTURES = Path(__file__).parents[3] / "shared/data/captures"


def session_of(market: str, **facts: Any) -> Session:
    return Session(find_market(market), number=3, **facts)


def answers(session: Session, *frames: Any) -> list[Any]:
    dialect = simulated_venues()[session.market.exchange].streams
    told = [
        dialect.read(session, frame if isinstance(frame, str) else json.dumps(frame), LISTED) for frame in frames
    ]
    return [json.loads(text) for texts in told for text in texts]


def instrument(market: str, **steps: float) -> InstrumentReference:
    return InstrumentReference(market_id=find_market(market).market_id, symbol="BTCUSDT", **steps)


# Paths


@pytest.mark.parametrize(
    ("path", "params", "market", "topics", "is_combined"),
    [
        ("/ws", {}, "binance-spot", [], False),
        ("/ws/btcusdt@kline_1m", {}, "binance-spot", ["btcusdt@kline_1m"], False),
        ("/stream", {"streams": "a@kline_1m/b@kline_1m"}, "binance-spot", ["a@kline_1m", "b@kline_1m"], True),
        ("/market/ws/btcusdt@kline_1m", {}, "binance-futures", ["btcusdt@kline_1m"], False),
        ("/market/stream", {"streams": "a@kline_1m"}, "binance-futures", ["a@kline_1m"], True),
        ("/v5/public/spot", {}, "bybit-spot", [], False),
        ("/v5/public/linear", {}, "bybit-futures", [], False),
    ],
)
def test_a_path_names_its_market_and_may_subscribe(path, params, market, topics, is_combined):
    sessions = [each.streams.open_session(path, params) for each in simulated_venues().values()]
    (session,) = [each for each in sessions if each]
    assert (session.market.name, list(session.topics), session.is_combined) == (market, topics, is_combined)
    assert session.has_klines


@pytest.mark.parametrize("path", ["/", "/wss", "/v5/public/option", "/v5/private", "/market", "/market/v5"])
def test_other_paths_are_nobodys(path):
    assert not [each for each in simulated_venues().values() if each.streams.open_session(path, {})]


def test_futures_of_binance_sends_no_candle_at_its_other_places():
    session = BINANCE.open_session("/public/ws/btcusdt@kline_1m", {})
    assert session is not None
    assert not session.has_klines


@pytest.mark.parametrize(("place", "most"), [("", 1024), ("/market", 200)])
def test_binance_takes_so_many_streams_a_connection(place, most):
    names = [f"s{n}@kline_1m" for n in range(most + 1)]
    session = BINANCE.open_session(f"{place}/stream", {"streams": "/".join(names[:most])})
    assert session is not None
    (refused,) = answers(session, {"method": "SUBSCRIBE", "params": names, "id": 1})
    assert f"{most + 1} streams, at most {most}" in refused["error"]["msg"]
    assert len(session.topics) == most
    with pytest.raises(HandshakeRefused, match=f"at most {most} streams"):
        BINANCE.open_session(f"{place}/stream", {"streams": "/".join(names)})


# Requests of a client


def test_binance_acknowledges_even_what_there_is_not():
    session = session_of("binance-spot")
    ask = {"method": "SUBSCRIBE", "params": ["btcusdt@kline_1m", "foo@kline_1m"], "id": 7}
    assert answers(session, ask) == [{"result": None, "id": 7}]
    assert answers(session, {"method": "UNSUBSCRIBE", "params": ["foo@kline_1m"], "id": "x"})[0]["id"] == "x"
    assert answers(session, {"method": "LIST_SUBSCRIPTIONS", "id": 9})[0]["result"] == ["btcusdt@kline_1m"]


@pytest.mark.parametrize(
    ("frame", "code"),
    [("{", 3), ("[]", 2), ({"method": "DANCE", "id": 1}, 2), ({"method": "SUBSCRIBE", "params": "x", "id": 1}, 2)],
)
def test_binance_refuses_what_is_no_request(frame, code):
    assert answers(session_of("binance-spot"), frame)[0]["error"]["code"] == code


@pytest.mark.parametrize(
    ("market", "keys"), [("bybit-spot", set()), ("bybit-futures", {"req_id"})], ids=["spot", "linear"]
)
def test_the_pong_of_bybit_differs_by_market(market, keys):
    (pong,) = answers(session_of(market), {"op": "ping"})
    assert (pong["success"], pong["ret_msg"], pong["op"]) == (True, "pong", "ping")
    assert pong.keys() == {"success", "ret_msg", "conn_id", "op"} | keys


def test_bybit_takes_ten_topics_a_request_of_spot():
    args = [f"kline.1.{symbol}" for symbol in LISTED] + [f"tickers.{symbol}" for symbol in LISTED]
    args += [f"publicTrade.{symbol}" for symbol in LISTED] + [f"orderbook.1.{symbol}" for symbol in LISTED]
    spot, linear = session_of("bybit-spot"), session_of("bybit-futures")
    (refused,), (taken,) = (answers(each, {"op": "subscribe", "args": args[:11]}) for each in (spot, linear))
    assert (refused["success"], refused["ret_msg"]) == (False, "args size >10")
    assert not spot.topics
    assert taken["success"]
    assert answers(spot, {"op": "subscribe", "args": args[:10], "req_id": "r"})[0] == {
        "success": True,
        "ret_msg": "subscribe",
        "conn_id": "bybit-spot-3",
        "req_id": "r",
        "op": "subscribe",
    }


@pytest.mark.parametrize(
    ("market", "said"),
    [
        ("bybit-spot", "Invalid symbol :[kline.1.FOO]"),
        ("bybit-futures", "error:handler not found,topic:kline.1.FOO"),
    ],
)
def test_one_unknown_topic_fails_the_whole_request_of_bybit(market, said):
    session = session_of(market)
    (refused,) = answers(session, {"op": "subscribe", "args": ["kline.1.BTCUSDT", "kline.1.FOO"]})
    assert (refused["success"], refused["ret_msg"]) == (False, said)
    assert not session.topics


def test_bybit_refuses_a_topic_twice_too_long_a_request_and_no_request():
    session = session_of("bybit-futures", topics={"kline.1.BTCUSDT": None})
    said = [
        answers(session, frame)[0]["ret_msg"]
        for frame in (
            {"op": "subscribe", "args": ["kline.1.BTCUSDT"]},
            {"op": "subscribe", "args": ["kline.1.BTCUSDT"] * 1_500},
            {"op": "subscribe", "args": []},
            {"op": "dance"},
            "no json",
        )
    ]
    assert said[0] == "error:already subscribed,topic:kline.1.BTCUSDT"
    assert "21000 characters" in said[1]
    assert all(each.startswith("error:") for each in said[2:])


# Candles


def written(market: str, frame: KlineFrame, *, is_combined: bool = False, **steps: float) -> Any:
    dialect = simulated_venues()[find_market(market).exchange].streams
    return json.loads(
        dialect.write_kline(session_of(market, is_combined=is_combined), instrument(market, **steps), frame)
    )


def types_of(message: Any) -> Any:
    """The shape of a message: its keys, and the types of its leaves."""
    if isinstance(message, dict):
        return {key: types_of(value) for key, value in message.items()}
    return [types_of(each) for each in message] if isinstance(message, list) else type(message).__name__


def recorded(file: str) -> Any:
    path = CAPTURES / file
    if not path.exists():
        pytest.skip(f"the recorded traffic is not here: {path.name}")
    return path


@pytest.mark.real_data
@pytest.mark.parametrize(("market", "kind"), [("binance-spot", "spot"), ("binance-futures", "usdm")])
def test_a_candle_of_binance_has_the_fields_of_recorded_traffic(market, kind):
    lines = recorded(f"cryptofeed/extract_binance_{kind}_kline_1m.jsonl").read_text().splitlines()
    real = [json.loads(line)["msg"] for line in lines]
    frame = KlineFrame(TS + 61_000, "BTCUSDT", CANDLE, is_closed=True)
    ours = written(market, frame, is_combined=True, price_tick=0.01, quantity_step=0.001)
    shapes = {json.dumps(types_of(each)) for each in real if "stream" in each}
    assert shapes == {json.dumps(types_of(ours))}
    closed = [each for each in real if each.get("data", {}).get("k", {}).get("x")]
    assert all(each["data"]["k"]["T"] - each["data"]["k"]["t"] == 59_999 for each in closed)


@pytest.mark.real_data
def test_a_candle_of_bybit_has_the_fields_of_recorded_traffic():
    text = recorded("jkorf/bybit/Subscriptions__V5__Option__Klines.txt").read_text()
    real = json.loads(text.rpartition("\n=")[2])
    ours = written("bybit-futures", KlineFrame(TS + 61_000, "BTCUSDT", CANDLE, is_closed=True))
    assert {key: types_of(real)[key] for key in ours} == types_of(ours)
    assert real.keys() == ours.keys()


def test_numbers_are_written_as_each_market_writes_them():
    frame = KlineFrame(TS + 60_500, "BTCUSDT", CANDLE, is_closed=True)
    steps = {"price_tick": 0.01, "quantity_step": 0.00001}
    spot, futures = (written(f"binance-{kind}", frame, **steps)["k"] for kind in ("spot", "futures"))
    assert (spot["c"], spot["v"], spot["q"], spot["n"]) == ("61005.25000000", "1.23456000", "75310.12340000", 42)
    assert (futures["c"], futures["v"], futures["q"]) == ("61005.25", "1.23456", "75310.12340")
    (bybit,) = written("bybit-spot", frame, **steps)["data"]
    assert (bybit["close"], bybit["volume"], bybit["turnover"]) == ("61005.25", "1.23456", "75310.1234")
    assert (bybit["start"], bybit["end"], bybit["confirm"]) == (TS, TS + 59_999, True)


@pytest.mark.parametrize(
    ("market", "high", "opens"), [("binance-spot", "h", "t"), ("bybit-spot", "high", "start")]
)
def test_edits_break_a_candle_in_the_venues_own_fields(market, high, opens):
    frame = KlineFrame(TS, "BTCUSDT", CANDLE, is_closed=True, edits=(("high", LEFT_OUT), ("ts_open", TS * 1000)))
    message = written(market, frame)
    cells = message["k"] if "k" in message else message["data"][0]
    assert high not in cells
    assert cells[opens] == TS * 1000


def test_the_farewell_of_binance_spot_has_two_forms_and_futures_has_none():
    raw, combined = (write_farewell(session_of("binance-spot", is_combined=one), TS) for one in (False, True))
    assert raw is not None
    assert combined is not None
    assert json.loads(raw) == {"e": "serverShutdown", "E": TS}
    assert json.loads(combined)["stream"] == "!serverShutdown"
    assert write_farewell(session_of("binance-futures"), TS) is None
    assert BYBIT.write_farewell is None


# Frames and their times


@pytest.mark.parametrize("market", ["binance-spot", "binance-futures", "bybit-spot"])
def test_a_candle_is_closed_a_little_after_its_minute(market):
    one = find_market(market)
    rules = simulated_venues()[one.exchange].streams.rules[one.market_type]
    delays = [
        closed_frame(one, rules, symbol, CANDLE).at_ms - TS - MINUTE_MS
        for symbol in (*LISTED, "XRPUSDT", "ADAUSDT")
    ]
    assert min(delays) >= 0
    assert max(delays) <= rules.close_delay_ms + 20


def test_a_fast_clock_sends_fewer_forming_frames_and_one_at_least():
    spot = BINANCE.rules["spot"]
    assert [pushes_a_minute(spot, speed) for speed in (0, 1, 8, 60, 600)] == [30, 30, 30, 4, 1]
    frames = list(forming_frames(find_market("binance-spot"), spot, "BTCUSDT", CANDLE, 1))
    assert len(frames) == 30
    assert all(TS <= frame.at_ms < TS + MINUTE_MS and not frame.is_closed for frame in frames)
    half = forming(CANDLE, 0.5)
    assert (half.volume, half.trades, half.open) == (CANDLE.volume / 2, 21, CANDLE.open)
    assert half.low <= half.close <= half.high
