"""One real instance: Ray, Serve, ClickHouse, Postgres, Valkey; candles in, a ranked grid out.

Faults are real ones: `kill -9` of whatever works on the request.
"""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import psutil
import pytest

from candleray import Client, GuardExceeded, InvalidInput, NotFound
from candleray.backtests.result import BacktestResult
from candleray.candles import Candles
from candleray.indicators.request_models import get_request_models
from candleray.markets import find_market
from candleray.sdk.credentials import token_for
from candleray.search.variants import resolve
from candleray.settings import BacktestSettings
from candleray.simulator.generated_candles import GeneratedCandles
from candleray.timeframes import MINUTE_MS
from tests.support.canaries import search_instance
from tests.support.searches import search_over

pytestmark = [
    pytest.mark.cluster,
    pytest.mark.slow,
    pytest.mark.timeout(600),
]

MARKET = find_market("binance-spot")
START_MS = 1_746_057_600_000  # 2025-05-01
END_MS = START_MS + 40 * 1440 * MINUTE_MS

REQUEST: dict[str, Any] = {
    "instrument": {"market_id": 1, "symbol": "BTCUSDT"},
    "timeframe": "1m",
    "time_range": {"start": "2025-05-02T00:00:00Z", "end": "2025-06-10T00:00:00Z"},
    "indicators": [
        {
            "id": "sma",
            "inputs": {"source": ["close", "hlc3"]},
            "params": {"window": {"start": 5, "stop": 300, "step": 5}},
        },
        {
            "id": "rsi",
            "params": {"window": {"values": [7, 14, 21]}},
            "signal": {"long_threshold": {"start": 20, "stop": 40, "step": 5}},
        },
    ],
    "top_k": 50,
    "trades_for": 2,
}

LONG_REQUEST: dict[str, Any] = {
    **REQUEST,
    "indicators": [
        {
            "id": "sma",
            "inputs": {"source": ["close", "hlc3"]},
            "params": {"window": {"start": 2, "stop": 1000, "step": 1}},
        },
        {
            "id": "rsi",
            "params": {"window": {"values": [7, 14, 21]}},
            "signal": {
                "long_threshold": {"start": 20, "stop": 40, "step": 5},
                "short_threshold": {"start": 60, "stop": 80, "step": 5},
            },
        },
    ],
}
"""150,000 variants: each phase lasts long enough to be killed in."""


STOPS_REQUEST: dict[str, Any] = {
    **REQUEST,
    "risk": {"sl_pct": {"start": 0.5, "stop": 2, "step": 0.5}, "tp_pct": {"values": [1, 2, 4]}},
    "preselect": 200,
}


@dataclass(frozen=True)
class Instance:
    data: Path
    port: int

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def candleray(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        environment = {**os.environ, "CANDLERAY_ENVIRONMENT": "test", "CANDLERAY_API_URL": self.url}
        environment.pop("PYTHONDONTWRITEBYTECODE", None)
        command = [sys.executable, "-m", "candleray", *arguments]
        return subprocess.run(command, env=environment, capture_output=True, text=True, check=False, timeout=300)

    def up(self) -> None:
        started = self.candleray("up", "--detach", "--data", str(self.data), "--port", str(self.port))
        assert started.returncode == 0, started.stdout + started.stderr
        login = self.candleray("login", "--data", str(self.data))
        assert login.returncode == 0, login.stdout + login.stderr

    def down(self) -> None:
        self.candleray("down", "--data", str(self.data))

    def processes(self) -> list[psutil.Process]:
        """Everything of the instance: the supervisor, what it started, what that started."""
        pid = json.loads((self.data / "instance.json").read_text())["pid"]
        supervisor = psutil.Process(pid)
        return [supervisor, *supervisor.children(recursive=True)]


@pytest.fixture(scope="module")
def candles() -> Candles:
    rows = GeneratedCandles(seed=11).candles(MARKET, "BTCUSDT", START_MS, END_MS)
    return Candles(rows.ts_open_ms, rows.values)


@pytest.fixture(scope="module")
def instance(candles: Candles) -> Iterator[Instance]:
    folder = Path(tempfile.mkdtemp(prefix="candleray-e2e-", dir="/tmp"))
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    instance = Instance(folder / "data", port)
    try:
        instance.up()
        rows = GeneratedCandles(seed=11).candles(MARKET, "BTCUSDT", START_MS, END_MS)
        with Client(instance.url) as client:
            assert client.put_candles("binance-spot", "BTCUSDT", rows).written == len(candles)
        yield instance
    finally:
        instance.down()
        search_instance(folder)
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def client(instance: Instance) -> Iterator[Client]:
    with Client(instance.url, timeout_s=120) as client:
        yield client


def numbers_of(result: BacktestResult) -> str:
    return result.model_dump_json(exclude={"elapsed_s"})


@pytest.fixture(scope="module")
def undisturbed(instance: Instance) -> str:
    with Client(instance.url, timeout_s=120) as client:
        return numbers_of(client.backtest(REQUEST))


@pytest.fixture(scope="module")
def undisturbed_long(instance: Instance) -> str:
    with Client(instance.url, timeout_s=120) as client:
        return numbers_of(client.backtest(LONG_REQUEST))


def test_every_service_is_ready_by_name(client: Client):
    assert sorted(client.ready()) == ["clickhouse", "postgres", "ray", "valkey"]


def test_the_cluster_gives_the_bytes_of_one_process(candles: Candles, undisturbed: str):
    resolved = resolve(get_request_models().validated_request(REQUEST), BacktestSettings())
    assert undisturbed == numbers_of(search_over(candles, resolved, BacktestSettings().warmup_bars))


@pytest.mark.parametrize("preselect", [200, "all"])
def test_the_cluster_gives_the_bytes_of_one_process_under_stops(
    client: Client, candles: Candles, preselect: int | str
):
    request = {**STOPS_REQUEST, "preselect": preselect}
    resolved = resolve(get_request_models().validated_request(request), BacktestSettings())
    assert numbers_of(client.backtest(request)) == numbers_of(
        search_over(candles, resolved, BacktestSettings().warmup_bars)
    )


def test_the_same_request_twice_gives_the_same_bytes(instance: Instance):
    headers = {"Authorization": f"Bearer {token_for(instance.url)}"}
    answers = [
        httpx.post(f"{instance.url}/backtests", json=REQUEST, headers=headers, timeout=120).json()
        for _ in range(2)
    ]
    assert answers[0].pop("elapsed_s") != answers[1].pop("elapsed_s")
    assert json.dumps(answers[0]) == json.dumps(answers[1])


def test_a_strategy_of_the_table_sent_back_gives_its_numbers(client: Client):
    best = client.backtest(REQUEST).top[0]
    alone = client.backtest({**best.strategy, "trades_for": 1})
    assert alone.variants_total == 1
    assert alone.top[0].metrics == best.metrics
    assert alone.top[0].trades == best.trades


def test_sma_20_over_the_last_1000_candles(client: Client, candles: Candles):
    """The first thing that a new user computes."""
    series = client.compute(
        {
            "instrument": {"market_id": 1, "symbol": "BTCUSDT"},
            "timeframe": "1m",
            "indicator": {"id": "sma", "params": {"window": 20}},
            "last": 1000,
        }
    )
    close = candles.column("close")
    expected = [close[at - 19 : at + 1].mean() for at in range(len(close) - 1000, len(close))]
    np.testing.assert_allclose(next(iter(series.outputs.values())), expected, rtol=1e-12)


@pytest.mark.parametrize("victim", ["ray::planes", "ray::stage-a", "ray::IDLE", "ray::CandleStoreActor"])
def test_kill_9_in_the_middle_of_a_request_does_not_change_the_answer(
    instance: Instance, victim: str, undisturbed_long: str
):
    answers: list[str] = []

    def ask() -> None:
        with Client(instance.url, timeout_s=240) as client:
            answers.append(numbers_of(client.backtest(LONG_REQUEST)))

    asking = threading.Thread(target=ask)
    asking.start()
    killed = _kill_while(asking, instance, victim)
    asking.join(240)
    assert answers == [undisturbed_long]
    assert killed


def _kill_while(asking: threading.Thread, instance: Instance, victim: str) -> bool:
    while asking.is_alive():
        for process in instance.processes():
            try:
                if process.cmdline()[:1] and process.cmdline()[0].startswith(victim):
                    process.kill()
                    return True
            except psutil.NoSuchProcess:
                continue
        time.sleep(0.002)
    return False


@pytest.mark.parametrize(
    ("changes", "error", "words"),
    [
        ({"indicators": [{"id": "smaa"}]}, InvalidInput, "did you mean 'sma'"),
        ({"indicators": [{"id": "sma", "params": {"window": 1}}]}, InvalidInput, "1 is outside 2 to"),
        ({"instrument": {"market_id": 1, "symbol": "BTCUSD"}}, NotFound, "BTCUSDT"),
        ({"time_range": {"start": "2015-01-01", "end": "2015-02-01"}}, NotFound, "no 1m bar"),
        (
            {"indicators": [{"id": "sma", "params": {"window": {"start": 2, "stop": 9000, "step": 1}}}] * 2},
            GuardExceeded,
            "is over the limit of",
        ),
    ],
)
def test_a_wrong_request_is_answered_and_breaks_nothing(
    client: Client, undisturbed: str, changes: dict[str, Any], error: type[Exception], words: str
):
    with pytest.raises(error, match=words):
        client.backtest({**REQUEST, **changes})
    assert numbers_of(client.backtest(REQUEST)) == undisturbed


def test_kill_9_of_everything_loses_no_row(instance: Instance, undisturbed: str):
    with Client(instance.url) as client:
        before = client.coverage()
    for process in instance.processes():
        try:
            process.kill()
        except psutil.NoSuchProcess:
            continue
    instance.up()
    with Client(instance.url, timeout_s=120) as client:
        assert client.coverage() == before
        assert numbers_of(client.backtest(REQUEST)) == undisturbed
