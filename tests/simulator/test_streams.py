"""The simulator's websockets over loopback, with a real client and a clock that the test steps."""

from __future__ import annotations

import json
import signal
import socket
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

import pytest
from websockets.client import ClientProtocol
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import ClientConnection
from websockets.uri import parse_uri

from candleray.candles import CandleRows
from candleray.simulator.generated_candles import GeneratedCandles
from candleray.simulator.market_clock import MarketClock
from candleray.timeframes import DAY_MS, MINUTE_MS
from tests.support.simulated_wire import Venue, closed_candle, simulated_venue
from tests.support.waiting import wait_until

START_MS = 1_750_600_035_000
MINUTE = START_MS // MINUTE_MS * MINUTE_MS


@pytest.fixture
def venue() -> Iterator[Venue]:
    clock = MarketClock(START_MS, speed=0)
    source = GeneratedCandles(symbols=["BTCUSDT", "ETHUSDT"])
    with simulated_venue(source, clock=clock) as venue:
        yield venue


@pytest.mark.parametrize(
    ("path", "frame", "klines"),
    [
        ("/ws/btcusdt@kline_1m", None, "/api/v3/klines?symbol=BTCUSDT&interval=1m"),
        ("/stream?streams=btcusdt@kline_1m", None, "/api/v3/klines?symbol=BTCUSDT&interval=1m"),
        (
            "/market/ws",
            {"method": "SUBSCRIBE", "params": ["btcusdt@kline_1m"], "id": 1},
            "/fapi/v1/klines?symbol=BTCUSDT&interval=1m",
        ),
        (
            "/v5/public/spot",
            {"op": "subscribe", "args": ["kline.1.BTCUSDT"]},
            "/v5/market/kline?category=spot&symbol=BTCUSDT&interval=1",
        ),
        (
            "/v5/public/linear",
            {"op": "subscribe", "args": ["kline.1.BTCUSDT"]},
            "/v5/market/kline?category=linear&symbol=BTCUSDT&interval=1",
        ),
    ],
)
def test_each_market_streams_the_candles_that_its_rest_interface_has(venue, path, frame, klines):
    client = venue.connect(path)
    if frame:
        client.send(json.dumps(frame))
        answer = json.loads(client.recv(timeout=20))
        assert answer.get("success", "result" in answer)
    else:
        wait_until(lambda: venue.sent(event="opened"), what="the connection is open")
    venue.step(90)
    cells = closed_candle(client)
    page = venue.http.get(klines).json()
    rows = page if isinstance(page, list) else page["result"]["list"]
    (row,) = [each for each in rows if int(each[0]) == MINUTE]
    names = ("o", "h", "l", "c", "v") if "o" in cells else ("open", "high", "low", "close", "volume")
    assert [float(cells[name]) for name in names] == [float(cell) for cell in row[1:6]]
    (noted,) = venue.sent(event="kline", ts_open_ms=MINUTE)
    assert (noted["symbol"], noted["version"], noted["close"]) == ("BTCUSDT", 1, float(row[4]))


def test_minutes_come_in_order_and_once_however_far_the_clock_jumps(venue):
    client = venue.connect("/stream?streams=btcusdt@kline_1m/ethusdt@kline_1m")
    wait_until(lambda: venue.sent(event="opened"), what="the connection is open")
    venue.step(60 * 20)
    seen = [closed_candle(client) for _ in range(40)]
    for symbol in ("BTCUSDT", "ETHUSDT"):
        opens = [cells["t"] for cells in seen if cells["s"] == symbol]
        assert opens == [MINUTE + n * MINUTE_MS for n in range(20)]
    assert venue.state()["streams"]["binance-spot"]["sent"]["closed"] == 40


def test_a_frozen_clock_sends_nothing_and_pings_are_answered(venue):
    client = venue.connect("/v5/public/linear")
    client.send(json.dumps({"op": "subscribe", "args": ["kline.1.BTCUSDT"]}))
    client.send(json.dumps({"op": "ping"}))
    assert [json.loads(client.recv(timeout=20))["op"] for _ in range(2)] == ["subscribe", "ping"]
    assert client.ping().wait(20)
    assert venue.state()["streams"]["bybit-futures"] == {"connections": 1, "topics": 1, "sent": {}}


def test_a_day_ends_the_connections_of_binance_and_not_those_of_bybit(venue):
    binance, bybit = venue.connect("/ws"), venue.connect("/v5/public/spot")
    wait_until(lambda: len(venue.sent(event="opened")) == 2, what="both are open")
    venue.step(DAY_MS / 1000 + 60)
    with pytest.raises(ConnectionClosed) as closed:
        binance.recv(timeout=20)
    assert (closed.value.rcvd.code, closed.value.rcvd.reason) == (1001, "Connection lived 24 hours")
    assert bybit.ping().wait(20)
    (entry,) = venue.sent(event="closed")
    assert (entry["market"], entry["how"]) == ("binance-spot", "close 1001 Connection lived 24 hours")


def send_too_fast(client: ClientConnection) -> None:
    for n in range(100):
        client.send(json.dumps({"method": "LIST_SUBSCRIPTIONS", "id": n}))
    while True:
        client.recv(timeout=20)


def test_the_sixth_frame_in_a_second_ends_the_connection_and_the_third_time_bans(venue):
    for _ in range(3):
        client = venue.connect("/ws")
        with pytest.raises(ConnectionClosed) as closed:
            send_too_fast(client)
        assert closed.value.rcvd.code == 1008
    assert [each["banned"] for each in venue.sent(event="too_many_frames")] == [False, False, True]
    with pytest.raises(InvalidStatus) as refused:
        venue.connect("/ws")
    assert (refused.value.response.status_code, refused.value.response.headers["Retry-After"]) == (418, "120")
    venue.connect("/market/ws")
    venue.step(121)
    venue.connect("/ws")


def close_of_a_silent_client(url: str) -> tuple[int, str]:
    """The close frame that ends a client which shakes hands and says nothing more, no pong either."""
    protocol, address = ClientProtocol(parse_uri(url)), urlsplit(url)
    assert address.port
    with socket.create_connection((address.hostname, address.port), timeout=20) as wire:
        protocol.send_request(protocol.connect())
        wire.sendall(b"".join(protocol.data_to_send()))
        while protocol.close_rcvd is None:
            heard = wire.recv(65_536)
            assert heard, "it ended without a close frame"
            protocol.receive_data(heard)
    return protocol.close_rcvd.code, protocol.close_rcvd.reason


@pytest.mark.parametrize(
    ("path", "close"), [("/ws", (1008, "Pong timeout")), ("/v5/public/linear", (1001, "No heartbeat"))]
)
def test_silence_ends_a_connection_sooner_where_connections_are_fast(path, close):
    with simulated_venue(clock=MarketClock(START_MS, speed=0), connection_speed=1000) as venue:
        assert close_of_a_silent_client(venue.url.replace("http", "ws", 1) + path) == close


def test_a_path_without_streams_is_refused(venue):
    with pytest.raises(InvalidStatus) as refused:
        venue.connect("/nothing")
    assert refused.value.response.status_code == 404
    assert venue.http.get("/ws").status_code == 404


def test_the_log_is_read_page_by_page_and_kept_in_a_file(tmp_path):
    file = tmp_path / "sent.jsonl"
    with simulated_venue(clock=MarketClock(START_MS, speed=0), sent_file=file) as venue:
        client = venue.connect("/ws/btcusdt@kline_1m")
        wait_until(lambda: venue.sent(event="opened"), what="the connection is open")
        venue.step(240)
        for _ in range(4):
            closed_candle(client)
        pages, since = [], 0
        while page := venue.http.get("/simulator/sent", params={"since": since, "limit": 2}).json()["entries"]:
            pages.append(page)
            since = page[-1]["number"]
        entries = [each for page in pages for each in page]
        assert [each["number"] for each in entries] == list(range(1, len(entries) + 1))
        assert max(map(len, pages)) == 2
        written = [json.loads(line) for line in file.read_text().splitlines()]
        assert written[: len(entries)] == entries


class Broken(GeneratedCandles):
    def candles(self, *_: Any) -> CandleRows:
        raise OSError("the disk has gone")


def test_a_simulator_whose_streams_broke_says_so_and_ends(caplog):
    signals: list[int] = []
    former = signal.signal(signal.SIGTERM, lambda number, _: signals.append(number))
    try:
        with simulated_venue(Broken(), clock=MarketClock(START_MS, speed=0)) as venue:
            venue.subscribe("binance-spot", "BTCUSDT")
            venue.step(60)
            wait_until(lambda: signals, what="it ends")
    finally:
        signal.signal(signal.SIGTERM, former)
    assert "the streams broke, and so the simulator ends" in caplog.text
    assert "the disk has gone" in caplog.text


def test_a_fast_clock_sends_a_minute_in_a_moment():
    with simulated_venue(clock=MarketClock(START_MS, speed=600)) as venue:
        client = venue.connect("/market/ws/btcusdt@kline_1m")
        opens = [closed_candle(client)["t"] for _ in range(10)]
        assert opens == [opens[0] + n * MINUTE_MS for n in range(10)]
