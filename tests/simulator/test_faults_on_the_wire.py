"""Faults as a real client meets them: on the socket, by REST, and the truth that remains."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from websockets.exceptions import ConnectionClosed, ConnectionClosedError, InvalidStatus
from websockets.sync.client import ClientConnection

from candleray.simulator.generated_candles import GeneratedCandles
from candleray.simulator.market_clock import MarketClock
from candleray.timeframes import MINUTE_MS
from serve_apps.simulator import Faults
from tests.support.simulated_wire import Venue, closed_candle, simulated_venue
from tests.support.waiting import wait_until

START_MS = 1_750_600_035_000
MINUTE = START_MS // MINUTE_MS * MINUTE_MS
SYMBOLS = ["BTCUSDT", "ETHUSDT"]
KLINES = "/api/v3/klines?symbol=BTCUSDT&interval=1m"
BYBIT_KLINES = "/v5/market/kline?category=linear&symbol=BTCUSDT&interval=1"


@pytest.fixture
def venue() -> Iterator[Venue]:
    with simulated_venue(GeneratedCandles(symbols=SYMBOLS), clock=MarketClock(START_MS, speed=0)) as venue:
        yield venue


def end_of(client: ClientConnection) -> ConnectionClosed:
    """Return the end of the connection, behind whatever it still said."""
    with pytest.raises(ConnectionClosed) as closed:
        hear_all(client)
    return closed.value


def hear_all(client: ClientConnection) -> None:
    while True:
        client.recv(timeout=20)


# Connections


@pytest.mark.parametrize(
    ("kind", "market", "code", "reason"),
    [
        ("day_cut", "binance-futures", 1001, "Connection lived 24 hours"),
        ("pong_cut", "binance-spot", 1008, "Pong timeout"),
        ("silence_cut", "bybit-spot", 1001, "No heartbeat"),
        ("frames_cut", "binance-spot", 1008, "Too many requests"),
        ("rest_down", "bybit-futures", 1001, "Going away"),
    ],
)
def test_a_cut_ends_every_connection_of_its_market_alone(venue, kind, market, code, reason):
    clients = [venue.subscribe(market, "BTCUSDT"), venue.subscribe(market, "ETHUSDT")]
    other = "bybit-spot" if market != "bybit-spot" else "bybit-futures"
    bystander = venue.subscribe(other, "BTCUSDT")
    venue.begin(kind, market)
    for client in clients:
        received = end_of(client).rcvd
        assert received is not None
        assert (received.code, received.reason) == (code, reason)
    assert bystander.ping().wait(20)
    assert venue.counts(kind) == (1, 1)


def test_resets_come_without_a_close_frame_and_in_a_row(venue):
    client = venue.subscribe("binance-spot", "BTCUSDT")
    venue.begin("reset", "binance-spot", variant=1)
    for _ in range(3):
        assert end_of(client).rcvd is None
        client = venue.connect("/stream?streams=btcusdt@kline_1m")
    assert client.ping().wait(20)
    assert [each["how"] for each in venue.sent(event="closed")] == ["reset"] * 3


def change_topics(client: ClientConnection) -> None:
    for method, symbol in (("SUBSCRIBE", "btcusdt"), ("SUBSCRIBE", "ethusdt"), ("UNSUBSCRIBE", "ethusdt")):
        client.send(json.dumps({"method": method, "params": [f"{symbol}@kline_1m"], "id": 1}))
    hear_all(client)


def test_of_resets_in_a_row_a_connection_takes_one_whatever_it_asks_for(venue):
    client = venue.subscribe("binance-spot", "BTCUSDT")
    venue.begin("reset", "binance-spot", variant=1)
    assert end_of(client).rcvd is None
    with pytest.raises(ConnectionClosed):
        change_topics(venue.connect("/ws"))
    assert end_of(venue.connect("/stream?streams=btcusdt@kline_1m")).rcvd is None
    assert venue.connect("/stream?streams=btcusdt@kline_1m").ping().wait(20)


def opened_ms(cells: dict[str, Any]) -> int:
    return int(cells["t"] if "t" in cells else cells["start"])


@pytest.mark.parametrize(("kind", "market"), [("deaf", "bybit-futures"), ("stall", "binance-spot")])
def test_silence_goes_on_while_pings_are_answered_and_ends_with_its_fault(venue, kind, market):
    client = venue.subscribe(market, "BTCUSDT")
    venue.begin(kind, market)
    if kind == "deaf":
        end_of(client)
        client = venue.subscribe(market, "BTCUSDT")
    venue.step(5 * 60)
    assert client.ping().wait(20)
    venue.step(3 * 60)
    assert opened_ms(closed_candle(client)) == MINUTE + 6 * MINUTE_MS
    assert venue.counts(kind) == (1, 1)


@pytest.mark.parametrize("variant", [0, 1], ids=["at once", "two minutes later"])
def test_a_farewell_comes_before_the_cut(venue, variant):
    client = venue.subscribe("binance-spot", "BTCUSDT")
    venue.begin("farewell", "binance-spot", variant=variant)
    notice = json.loads(client.recv(timeout=20))
    assert (notice["stream"], notice["data"]["e"]) == ("!serverShutdown", "serverShutdown")
    if variant:
        assert client.ping().wait(20)
        venue.step(121)
    received = end_of(client).rcvd
    assert received is not None
    assert received.code == 1012


@pytest.mark.parametrize("variant", range(4), ids=["bad JSON", "half a frame", "binary", "huge"])
def test_garbage_goes_over_the_wire(venue, variant):
    client = venue.subscribe("bybit-spot", "BTCUSDT")
    client.protocol.max_message_size = client.protocol.max_fragment_size = None
    venue.begin("garbage", "bybit-spot", variant=variant)
    if variant == 1:
        assert isinstance(end_of(client), ConnectionClosedError)
        assert venue.sent(event="closed")[0]["how"] == "half a frame"
        return
    message = client.recv(timeout=20)
    if variant == 0:
        with pytest.raises(json.JSONDecodeError):
            json.loads(message)
    assert isinstance(message, bytes) == (variant == 2)
    assert (len(message) > 2_000_000) == (variant == 3)
    assert client.ping().wait(20)


def test_a_topic_is_refused_with_the_whole_request_for_a_while(venue):
    client = venue.subscribe("bybit-futures", *SYMBOLS)
    venue.begin("topic_refused", "bybit-futures", symbol="ETHUSDT")
    end_of(client)
    client = venue.connect("/v5/public/linear")
    said = []
    for step_s, symbols in ((0, SYMBOLS), (0, ["BTCUSDT"]), (5 * 60, ["ETHUSDT"])):
        venue.step(step_s)
        client.send(json.dumps({"op": "subscribe", "args": [f"kline.1.{symbol}" for symbol in symbols]}))
        answer = json.loads(client.recv(timeout=20))
        while "op" not in answer:
            answer = json.loads(client.recv(timeout=20))
        said.append(answer["success"])
    assert said == [False, True, True]
    assert venue.counts("topic_refused") == (1, 1)


def test_handshakes_are_refused_while_rest_is_down(venue):
    venue.begin("rest_down", "binance-spot", lasts_s=60)
    with pytest.raises(InvalidStatus) as refused:
        venue.connect("/ws")
    assert refused.value.response.status_code == 503
    answers = [venue.http.get(KLINES) for _ in range(3)]
    assert [answer.status_code for answer in answers] == [503, 502, 503]
    assert (answers[0].json()["code"], answers[1].text[:6]) == (-1008, "<html>")
    assert venue.http.get(KLINES.replace("/api/v3", "/fapi/v1")).status_code == 200
    venue.step(61)
    venue.connect("/ws")
    assert venue.http.get(KLINES).status_code == 200


# Frames


def frames_after(venue: Venue, kind: str, market: str = "binance-spot", **place: Any) -> list[dict[str, Any]]:
    """The closed candles of three minutes, the first of them under that fault."""
    client = venue.subscribe(market, "BTCUSDT")
    began = venue.begin(kind, market, symbol="BTCUSDT", **place)
    last_ms = began["start_ms"] // MINUTE_MS * MINUTE_MS + 2 * MINUTE_MS
    venue.step(185)

    def sent() -> list[int]:
        return [entry["ts_open_ms"] for entry in venue.sent(event="kline", market=market)]

    wait_until(lambda: last_ms in sent(), what="the third minute is closed")
    return [closed_candle(client) for _ in sent()]


def test_broken_cells_come_in_each_dialect(venue):
    assert "h" not in frames_after(venue, "bad_row")[0]
    assert frames_after(venue, "bad_row", "bybit-futures", variant=2)[0]["volume"] == "NaN"
    assert frames_after(venue, "bad_stamp", "bybit-spot")[0]["start"] > 1000 * MINUTE


def test_frames_that_nobody_asked_for_come_beside_the_right_ones(venue):
    assert [cells["s"] for cells in frames_after(venue, "unasked")][:2] == ["BTCUSDT", "UNASKEDUSDT"]
    bybit = frames_after(venue, "unasked", "bybit-spot", variant=1)
    assert [cells["interval"] for cells in bybit][:2] == ["1", "5"]


def test_a_revision_comes_by_the_socket_and_is_the_truth(venue):
    cells = frames_after(venue, "revised")
    assert [each["t"] for each in cells] == [MINUTE, MINUTE, MINUTE + MINUTE_MS, MINUTE + 2 * MINUTE_MS]
    assert [each["version"] for each in venue.sent(event="kline")][:2] == [1, 2]
    assert float(cells[0]["c"]) != float(cells[1]["c"])
    window = {"market": "binance-spot", "symbol": "BTCUSDT", "start": MINUTE, "end": MINUTE + MINUTE_MS}
    truth = venue.http.get("/simulator/truth", params=window).json()
    (row,) = truth["candles"]
    assert (row[0], row[4]) == (MINUTE, float(cells[1]["c"]))
    assert [fault["kind"] for fault in truth["faults"]] == ["revised"]


# REST and the truth


def test_a_ban_grows_from_too_many_requests_and_ends(venue):
    venue.begin("ban", "binance-spot")
    limited = venue.http.get(KLINES)
    assert (limited.status_code, limited.headers["retry-after"]) == (429, "60")
    venue.step(61)
    banned = venue.http.get(KLINES)
    assert (banned.status_code, banned.headers["retry-after"]) == (418, "119")
    venue.step(120)
    assert venue.http.get(KLINES).status_code == 200


def test_a_ban_of_bybit_is_of_its_address_and_so_of_both_markets(venue):
    venue.begin("bybit_ban", "bybit-spot")
    assert venue.http.get(BYBIT_KLINES).json()["retCode"] == 10006
    venue.step(61)
    assert venue.http.get(BYBIT_KLINES).status_code == 403
    venue.step(601)
    assert venue.http.get(BYBIT_KLINES).json()["retCode"] == 0


def test_the_wait_of_a_refusal_is_told_in_the_venues_seconds_however_fast_they_pass():
    with simulated_venue(clock=MarketClock(START_MS, speed=60, elapsed_s=lambda: 0.0)) as venue:
        venue.begin("ban", "binance-spot", lasts_s=6 * 3600)
        assert venue.http.get(KLINES).headers["retry-after"] == "60"


def test_the_clock_of_a_venue_may_be_off(venue):
    venue.begin("clock_off", "binance-futures", variant=2)
    assert venue.http.get("/fapi/v1/time").json()["serverTime"] == START_MS + 60_000
    assert venue.http.get("/api/v3/time").json()["serverTime"] == START_MS


def test_a_clock_that_is_off_leaves_the_budget_of_its_minute_spent(venue):
    venue.begin("clock_off", "binance-spot", variant=2)
    used = [int(venue.http.get(path).headers["x-mbx-used-weight-1m"]) for path in (KLINES, "/api/v3/time", KLINES)]
    assert used == [2, 3, 5]


def test_a_page_may_end_with_the_minute_under_way(venue):
    window = {"startTime": MINUTE - 5 * MINUTE_MS, "endTime": MINUTE - 1}

    def opens() -> list[int]:
        return [
            row[0]
            for row in venue.http.get(KLINES, params={"symbol": "BTCUSDT", "interval": "1m", **window}).json()
        ]

    assert opens()[-1] == MINUTE - MINUTE_MS
    venue.begin("forming_shown", "binance-spot")
    assert opens()[-1] == MINUTE


def test_a_delisted_symbol_is_unknown_and_a_new_one_has_fifty_minutes(venue):
    venue.begin("delisted", "binance-spot", symbol="ETHUSDT")
    venue.begin("listed", "binance-spot", symbol="BTCUSDT")
    assert venue.http.get(KLINES.replace("BTC", "ETH")).json()["code"] == -1121
    assert (venue.counts("delisted"), venue.counts("listed")) == ((1, 1), (1, 0))
    listed = [each["symbol"] for each in venue.http.get("/api/v3/exchangeInfo").json()["symbols"]]
    assert listed[0] == "BTCUSDT"
    assert listed[1].startswith("NEW")
    rows = venue.http.get(KLINES.replace("BTCUSDT", listed[1])).json()
    assert len(rows) == 51
    client = venue.subscribe("binance-spot", listed[1])
    venue.step(60)
    assert closed_candle(client)["s"] == listed[1]


def test_the_truth_names_minutes_that_the_venue_never_had(venue):
    venue.begin("outage", "bybit-spot", lasts_s=600)
    venue.step(15 * 60)
    window = {
        "market": "bybit-spot",
        "symbol": "BTCUSDT",
        "start": MINUTE - MINUTE_MS,
        "end": MINUTE + 14 * MINUTE_MS,
    }
    truth = venue.http.get("/simulator/truth", params=window).json()
    assert truth["missing"] == [MINUTE + n * MINUTE_MS for n in range(10)]
    assert [row[0] for row in truth["candles"]] == [MINUTE - MINUTE_MS] + [
        MINUTE + n * MINUTE_MS for n in (10, 11, 12, 13)
    ]
    page = venue.http.get(BYBIT_KLINES.replace("linear", "spot")).json()["result"]["list"]
    assert not {int(row[0]) for row in page} & set(truth["missing"])


@pytest.mark.parametrize(
    ("kind", "place", "said"),
    [
        ("resset", {"market": "binance-spot"}, "unknown fault 'resset'; did you mean 'reset'"),
        ("reset", {"market": "binance"}, "unknown market 'binance'"),
        ("silence_cut", {"market": "binance-spot"}, "binance-spot has no fault 'silence_cut'"),
        ("bad_row", {"market": "binance-spot"}, "needs a symbol"),
        ("reset", {"market": "binance-spot", "symbol": "BTCUSDT"}, "is of a market, not of a symbol"),
        ("bad_row", {"market": "binance-spot", "symbol": "BTCUSD"}, "binance-spot has no 'BTCUSD'"),
    ],
)
def test_a_fault_that_cannot_be_is_refused_in_words(venue, kind, place, said):
    answer = venue.http.post(f"/simulator/faults/{kind}", json=place)
    assert answer.status_code == 422
    assert said in answer.json()["detail"]


def test_a_schedule_begins_its_faults_as_time_goes_by():
    faults = Faults.parse("seeded:7,times_a_day=20")
    clock = MarketClock(START_MS, speed=0)
    with simulated_venue(GeneratedCandles(symbols=SYMBOLS), faults, clock=clock) as venue:
        client = venue.subscribe("bybit-futures", *SYMBOLS)
        venue.step(6 * 3600)
        wait_until(lambda: sum(each["begun"] for each in venue.state()["fault_counts"].values()) > 100)
        client.close()
        counts = venue.state()["fault_counts"]
        assert sum(count["met"] for count in counts.values()) > 0
        assert counts["reset"]["number"] == 2
        again = venue.http.put("/simulator/faults", json={"kinds": {"outage": 10_000}})
        assert again.status_code == 422
        assert venue.http.put("/simulator/faults", json={}).json()["faults"]["seeded"] is None
