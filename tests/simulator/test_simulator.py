"""The exchange simulator as a server: its own routes, budgets, faults on demand, and the command that runs it."""

from __future__ import annotations

import json
import re
import signal
import subprocess
import sys
from collections.abc import Iterator

import httpx
import pytest
from fastapi.testclient import TestClient

from candleray.errors import InvalidInput
from candleray.markets import MARKETS
from candleray.simulator.generated_candles import GeneratedCandles
from serve_apps.simulator import Faults, build_simulator
from tests.support.simulated import NOW_MS, Clock

KLINES = "/api/v3/klines?symbol=BTCUSDT&interval=1m&limit=2"
BYBIT_KLINES = "/v5/market/kline?category=linear&symbol=BTCUSDT&interval=1&limit=2"


def client_of(faults: Faults | None = None, *, clock: Clock | None = None, with_limits: bool = True) -> TestClient:
    app = build_simulator(GeneratedCandles(), faults, with_limits=with_limits, clock=(clock or Clock()).venue)
    return TestClient(app)


def test_one_address_serves_every_market_in_its_dialect():
    client = client_of()
    assert len(client.get(KLINES).json()) == 2
    assert len(client.get(KLINES.replace("/api/v3", "/fapi/v1")).json()) == 2
    for category in ("spot", "linear"):
        answer = client.get(BYBIT_KLINES.replace("linear", category)).json()
        assert (answer["retCode"], answer["result"]["category"], len(answer["result"]["list"])) == (0, category, 2)
        assert answer["time"] == NOW_MS


def test_the_state_tells_what_is_served_and_how_often_it_was_asked():
    client = client_of()
    client.get(KLINES)
    client.get(KLINES)
    state = client.get("/simulator").json()
    assert set(state["markets"]) == {market.name for market in MARKETS.values()}
    assert "BTCUSDT" in state["markets"]["bybit-futures"]
    assert state["requests"] == {"binance-spot": 2}


@pytest.mark.parametrize("path", ["/", "/nothing", "/api/v3/nothing", "/v5/market/nothing", "/api/v4/klines"])
def test_a_path_no_venue_has_is_not_found(path):
    assert client_of().get(path).status_code == 404


def test_the_weight_of_a_minute_is_counted_and_then_refused_until_the_next():
    clock = Clock()
    client = client_of(clock=clock)
    used = [client.get("/api/v3/exchangeInfo").headers["x-mbx-used-weight-1m"] for _ in range(300)]
    assert (used[0], used[-1]) == ("20", "6000")
    refused = client.get(KLINES)
    assert (refused.status_code, refused.json()["code"]) == (429, -1003)
    assert client.get(KLINES.replace("/api/v3", "/fapi/v1")).status_code == 200
    clock.now_s += int(refused.headers["retry-after"])
    assert client.get(KLINES).status_code == 200


def test_both_markets_of_bybit_share_one_budget():
    client = client_of()
    codes = [client.get(BYBIT_KLINES.replace("linear", c)).json()["retCode"] for c in ["linear", "spot"] * 300]
    assert set(codes) == {0}
    refused = client.get(BYBIT_KLINES)
    assert refused.json()["retCode"] == 10006
    assert int(refused.headers["x-bapi-limit-reset-timestamp"]) == NOW_MS + 5_000 - NOW_MS % 5_000


def test_without_limits_nothing_is_counted():
    answer = client_of(with_limits=False).get(KLINES)
    assert "x-mbx-used-weight-1m" not in answer.headers


def test_every_fault_befalls_its_turn():
    client = client_of(Faults(unavailable=2, html=3))
    kinds = []
    for _ in range(6):
        answer = client.get(KLINES)
        kinds.append(answer.status_code if "json" in answer.headers["content-type"] else "html")
    assert kinds == [200, 503, "html", 503, 200, 503]


def test_faults_change_while_it_runs():
    client = client_of()
    assert client.put("/simulator/faults", json={"banned": 2, "retry_after_s": 60}).json()["faults"]["banned"] == 2
    answers = [client.get(KLINES) for _ in range(2)]
    assert [answer.status_code for answer in answers] == [200, 418]
    assert answers[1].headers["retry-after"] == "60"
    client.put("/simulator/faults", json={})
    assert [client.get(KLINES).status_code for _ in range(2)] == [200, 200]
    assert client.put("/simulator/faults", json={"banned": 1}).status_code == 422


def test_half_an_answer_is_half_an_answer():
    client = client_of(Faults(truncated=2))
    whole, half = client.get(KLINES), client.get(KLINES)
    assert whole.text.startswith(half.text)
    with pytest.raises(json.JSONDecodeError):
        half.json()


def test_faults_are_read_from_text():
    assert Faults.parse(" rate_limited=50, slow=100,retry_after_s=2.5") == Faults(
        rate_limited=50, slow=100, retry_after_s=2.5
    )
    assert Faults.parse("") == Faults()
    for text in ("earthquake=3", "html", "html=often", "html=1"):
        with pytest.raises(InvalidInput, match="kinds: rate_limited"):
            Faults.parse(text)


# The command

RUN = [sys.executable, "-c", "import typer; from serve_apps.simulator import simulator; typer.run(simulator)"]


@pytest.fixture
def running() -> Iterator[tuple[subprocess.Popen[str], list[str]]]:
    arguments = ["--port", "0", "--symbols", "BTCUSDT,FOOUSDT"]
    with subprocess.Popen([*RUN, *arguments], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        lines = [process.stdout.readline().strip() for _ in range(4 + 2 * len(MARKETS))]
        yield process, lines
        process.kill()


def test_the_command_says_where_it_is_and_what_to_try_and_stops_on_ctrl_c(running):
    process, lines = running
    address = re.search(r"http://127\.0\.0\.1:\d+", lines[0])
    assert address
    assert "binance-spot     BTCUSDT FOOUSDT" in lines
    exported = next(line for line in lines if line.startswith("export "))
    urls = json.loads(exported.partition("=")[2].strip("'"))
    assert urls == {market.name: address[0] for market in MARKETS.values()}
    for line in (line for line in lines if line.startswith("curl ")):
        answer = httpx.get(line.removeprefix("curl ").strip("'")).raise_for_status().json()
        assert len(answer if isinstance(answer, list) else answer["result"]["list"]) == 1
    port = address[0].rpartition(":")[2]
    second = subprocess.run([*RUN, "--port", port], capture_output=True, text=True, check=False)
    assert second.returncode != 0
    assert f"cannot listen on 127.0.0.1 port {port}" in re.sub(r"\s+", " ", second.stderr)
    process.send_signal(signal.SIGINT)
    assert process.wait(60) == 0
    assert process.stdout.read().strip() == "stopped"
