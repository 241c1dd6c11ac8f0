"""One real instance: Ray, Serve, ClickHouse, Postgres, Valkey; candles in, a ranked grid out.

Faults are real ones: `kill -9` of whatever works on the request.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest

from candleray import Client, GuardExceeded, InvalidInput, NotFound
from candleray.candles import Candles
from candleray.indicators.request_models import get_request_models
from candleray.live.certificates.verification import Finding
from candleray.sdk.credentials import token_for
from candleray.search.variants import resolve
from candleray.settings import BacktestSettings
from serve_apps.examples import certificates
from tests.support import forty_days
from tests.support.forty_days import LONG_REQUEST, REQUEST
from tests.support.instances.real_instance import RealInstance, kill
from tests.support.sample_search import numbers_of
from tests.support.searches import search_over
from tests.support.waiting import wait_until

pytestmark = [
    pytest.mark.cluster,
    pytest.mark.slow,
    pytest.mark.timeout(1800),
]

STOPS_REQUEST: dict[str, Any] = {
    **REQUEST,
    "risk": {"sl_pct": {"start": 0.5, "stop": 2, "step": 0.5}, "tp_pct": {"values": [1, 2, 4]}},
    "preselect": 200,
}


@pytest.fixture(scope="module")
def candles() -> Candles:
    return forty_days.candles()


@pytest.fixture
def client(instance: RealInstance) -> Iterator[Client]:
    with Client(instance.url, timeout_s=600) as client:
        yield client


@pytest.fixture(scope="module")
def undisturbed(instance: RealInstance) -> str:
    with Client(instance.url, timeout_s=600) as client:
        return numbers_of(client.backtest(REQUEST))


@pytest.fixture(scope="module")
def undisturbed_long(instance: RealInstance) -> str:
    with Client(instance.url, timeout_s=600) as client:
        return numbers_of(client.backtest(LONG_REQUEST))


def test_every_service_is_ready_by_name(client: Client):
    assert sorted(client.ready()) == ["clickhouse", "disk", "postgres", "ray", "valkey"]


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


def test_the_same_request_twice_gives_the_same_bytes(instance: RealInstance):
    headers = {"Authorization": f"Bearer {token_for(instance.url)}"}
    answers = [
        httpx.post(f"{instance.url}/backtests", json=REQUEST, headers=headers, timeout=600).json()
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
    instance: RealInstance, victim: str, undisturbed_long: str
):
    def ask() -> str:
        with Client(instance.url, timeout_s=600) as client:
            return numbers_of(client.backtest(LONG_REQUEST))

    for _ in range(10):  # a phase may be over before it is seen
        with ThreadPoolExecutor(1) as pool:
            asking = pool.submit(ask)
            killed = was_killed_during(asking, instance, victim)
            assert asking.result() == undisturbed_long
        if killed:
            return
    pytest.fail(f"no {victim} was seen")


def was_killed_during(asking: Future[str], instance: RealInstance, victim: str) -> bool:
    """Kill the first process of that name that is seen before the answer comes; whether one was."""
    victims, _ = wait_until(lambda: (instance.processes(victim), asking.done()), any, every_s=0.002)
    kill(victims[:1])
    return bool(victims)


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


def test_kill_9_of_everything_loses_no_row(instance: RealInstance, undisturbed: str):
    with Client(instance.url) as client:
        before = client.coverage()
    kill(instance.processes())
    instance.up()
    with Client(instance.url, timeout_s=600) as client:
        assert client.coverage() == before
        assert numbers_of(client.backtest(REQUEST)) == undisturbed


def test_a_certificate_is_computed_on_the_cluster_from_the_candles_there(client: Client):
    found = client.verify_certificate(certificates.CERTIFICATE)
    assert (found.is_intact, found.finding) == (True, Finding.NOT_COMPARABLE)


def test_the_instance_makes_certificates_of_running_runs_by_itself(instance: RealInstance):
    """A worker of Ray does it at every start."""

    def is_done() -> bool:
        logs = [
            *Path(instance.folder.ray_dir(instance.file.boot)).rglob("worker-*"),
            *instance.folder.logs.rglob("worker-*"),
        ]
        lines = (line for log in logs for line in log.read_text(errors="replace").splitlines())
        return any("certificates of runs" in line and "duty_done" in line for line in lines)

    wait_until(is_done, what="the certificates of all runs", every_s=1.0)
