"""A search gives the same bytes on one node, on three, and when one of them dies under it."""

from __future__ import annotations

import asyncio
import os
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest

from candleray import Client
from candleray.backtests.request import BacktestRequest
from candleray.candles import Candles
from candleray.identity.local_secrets import BOT_TOKEN
from candleray.identity.telegram import sign_widget
from candleray.private_files import read_private
from candleray.search.variants import resolve
from candleray.settings import ROOT, Settings
from cluster.instance.instance_file import Instance, read_instance
from cluster.machine.data_folder import DataFolder
from cluster.machine.processes import answers_of, process_of, tree_of
from cluster.search.fan_out import backtest
from tests.support import forty_days
from tests.support.forty_days import LONG_REQUEST
from tests.support.instances.ports import free_port
from tests.support.instances.ray_nodes import RayNodes, ray_nodes
from tests.support.sample_search import numbers_of
from tests.support.searches import MinutesInMemory, search_over
from tests.support.waiting import wait_until

pytestmark = [pytest.mark.faults, pytest.mark.cluster, pytest.mark.slow, pytest.mark.timeout(1800)]

REQUEST: dict[str, Any] = {
    **LONG_REQUEST,
    "risk": {"sl_pct": {"start": 0.5, "stop": 4, "step": 0.5}, "tp_pct": {"start": 1, "stop": 5, "step": 1}},
    "preselect": 20_000,
}
"""150,000 variants, then 800,000 combinations: each phase lasts long enough for a node to die in."""


@pytest.fixture(scope="module")
def candles() -> Candles:
    return forty_days.candles()


@pytest.fixture(scope="module")
def settings() -> Settings:
    base = Settings()
    return base.model_copy(update={"compute": base.compute.model_copy(update={"task_seconds": 0.05})})


@pytest.fixture(scope="module")
def undisturbed(candles: Candles, settings: Settings) -> str:
    """Search in this process alone, step by step."""
    request = resolve(BacktestRequest.model_validate(REQUEST), settings.backtests)
    return numbers_of(search_over(candles, request, settings.backtests.warmup_bars))


@pytest.fixture(scope="module")
def three_nodes() -> Iterator[RayNodes]:
    """A cluster that lives to the end of the module: what needs one of its own comes before."""
    with ray_nodes(1, 1, 1) as nodes:
        yield nodes


def search(candles: Candles, settings: Settings) -> str:
    request = BacktestRequest.model_validate(REQUEST)
    return numbers_of(asyncio.run(backtest(request, MinutesInMemory(candles), settings)))


def test_one_node_gives_the_bytes_of_one_process(candles: Candles, settings: Settings, undisturbed: str) -> None:
    with ray_nodes(2):
        assert search(candles, settings) == undisturbed


def test_a_job_on_three_nodes_gives_the_bytes_of_one_process_when_one_of_them_dies_too(
    candles: Candles, undisturbed: str
) -> None:
    with (
        ray_nodes(1, 1, 1, dashboard=True) as nodes,
        joined(nodes, CANDLERAY_COMPUTE__TASK_SECONDS="0.1") as instance,
        client_of(instance) as client,
    ):
        client.put_candles("binance-spot", "BTCUSDT", forty_days.candle_rows())
        job = client.submit(REQUEST)
        answer, seen = watched(nodes, lambda: numbers_of(job.result()))
        print(f"nodes that ranked: {sorted(seen)}")
        assert answer == undisturbed
        assert len(seen) > 1
        again = client.submit({**REQUEST, "trades_for": 1})
        reached = wait_until(lambda: (works_on(nodes, 2, "ray::stage-"), again.status().ended), any, every_s=0.01)
        assert reached[0], "it was over before it reached the node"
        nodes.kill(2)
        assert numbers_of(client.submit(REQUEST).result()) == undisturbed
        assert again.result().top[0].total_return_pct == job.result().top[0].total_return_pct


def test_three_nodes_share_a_search_and_give_the_same_bytes(
    three_nodes: RayNodes, candles: Candles, settings: Settings, undisturbed: str
) -> None:
    answer, seen = watched(three_nodes, lambda: search(candles, settings))
    assert answer == undisturbed
    # A node that is slow to start its worker may find nothing left to do.
    assert len(seen) > 1


@pytest.mark.parametrize("phase", ["planes", "stage-a", "stage-b"])
def test_a_node_that_dies_in_the_middle_changes_no_byte(
    three_nodes: RayNodes, candles: Candles, settings: Settings, undisturbed: str, phase: str
) -> None:
    """The objects in its store, the signal planes among them, are computed again elsewhere."""
    answers: list[str] = []
    searching = threading.Thread(target=lambda: answers.append(search(candles, settings)))
    began = time.monotonic()
    searching.start()
    reached = wait_until(
        lambda: (works_on(three_nodes, 1, f"ray::{phase}"), not searching.is_alive()), any, every_s=0.002
    )
    assert reached[0], f"it was over before {phase} reached the node"
    three_nodes.kill(1)
    searching.join()
    print(f"killed in {phase}: {time.monotonic() - began:.1f} s in all")
    assert answers == [undisturbed]
    three_nodes.add(1)
    three_nodes.wait_alive()


def test_an_instance_that_joins_a_cluster_joins_it_again_when_its_driver_is_lost(three_nodes: RayNodes) -> None:
    with joined(three_nodes, "--app", "tests.support.api.tiny_app:build") as started:
        commands = answers_of(tree_of(process_of(started.pid)), psutil.Process.cmdline)
        (driver,) = [process for process, command in commands if "cluster.instance.ray_driver" in command]
        driver.kill()
        wait_until(
            lambda: read_instance(DataFolder(started.data_dir)),
            lambda seen: seen and seen.state == "ready" and "ray" in seen.restarts,
        )
        assert httpx.get(f"{started.api_url}/ready", trust_env=False, timeout=60).json() == {
            "ready": True,
            "services": {},
        }
        three_nodes.wait_alive()  # it is not ours to end


@contextmanager
def joined(nodes: RayNodes, *options: str, **changes: str) -> Iterator[Instance]:
    """An instance on this cluster."""
    folder = DataFolder(Path(tempfile.mkdtemp(prefix="candleray-joined-", dir="/tmp")) / "data")
    folder.path.parent.chmod(0o711)
    environment = {**os.environ, "CANDLERAY_SERVICES__RAY_ADDRESS": nodes.address, **changes}

    def candleray(*arguments: str) -> None:
        command = [sys.executable, "-m", "candleray", *arguments, "--data", str(folder)]
        done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=600)
        assert done.returncode == 0, done.stdout + done.stderr

    try:
        candleray("up", "--detach", "--port", str(free_port()), *options)
        started = read_instance(folder)
        assert started is not None
        assert started.ray_address == nodes.address
        yield started
    finally:
        candleray("down")
        shutil.rmtree(folder.path.parent, ignore_errors=True)


def client_of(instance: Instance) -> Client:
    bot_token = read_private(instance.data_dir / BOT_TOKEN)
    assert bot_token is not None
    with Client(instance.api_url, timeout_s=600) as anybody:
        token = anybody.log_in(sign_widget(1, bot_token, time.time())).token
    return Client(instance.api_url, token=token, timeout_s=600)


def watched(nodes: RayNodes, work: Callable[[], str]) -> tuple[str, set[int]]:
    """Return its answer, and the nodes that ranked meanwhile."""
    answers: list[str] = []
    working = threading.Thread(target=lambda: answers.append(work()))
    working.start()
    seen: set[int] = set()
    while working.is_alive():
        seen |= {number for number in range(3) if works_on(nodes, number, "ray::stage-")}
        time.sleep(0.01)
    return answers[0], seen


def works_on(nodes: RayNodes, number: int, task: str) -> bool:
    commands = answers_of(nodes.processes(number), psutil.Process.cmdline)
    return any(" ".join(command).startswith(task) for _, command in commands)
