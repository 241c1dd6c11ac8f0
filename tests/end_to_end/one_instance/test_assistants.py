"""Assistants at a real instance: from an idea to a judged and saved strategy, and fifty of them at once."""

from __future__ import annotations

import asyncio
import os
import statistics
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from concurrent.futures import ProcessPoolExecutor
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from multiprocessing import get_context

import httpx
import httpx2
import pytest
from mcp import MCPError
from mcp.client.stdio import StdioServerParameters, stdio_client
from mcp.client.streamable_http import streamable_http_client

from candleray import Client
from candleray.jobs.job import JobState
from tests.support.agents.assistant import Assistant, assistant_over
from tests.support.forty_days import LONG_REQUEST, REQUEST
from tests.support.instances.real_instance import RealInstance
from tests.support.waiting import let_work_until

pytestmark = [
    pytest.mark.cluster,
    pytest.mark.slow,
    pytest.mark.timeout(1800),
]

ASSISTANTS = 50
MOST_CALLS = 8
PATIENCE = 5
IDEA = {
    **{name: REQUEST[name] for name in ("instrument", "time_range")},
    "timeframe": "15m",
    "indicators": [
        {
            "id": "rsi",
            "params": {"window": {"values": [7, 14, 21]}},
            "signal": {"long_threshold": {"start": 20, "stop": 40, "step": 5}},
        }
    ],
    "risk": {"sl_pct": {"values": [1, 2, 4]}},
}
SMALL = {**IDEA, "risk": {}, "verdict": False}

Opened = Callable[[RealInstance, str], AbstractAsyncContextManager[Assistant]]


@asynccontextmanager
async def by_pipes(instance: RealInstance, token: str) -> AsyncIterator[Assistant]:
    arguments = ["-m", "candleray", "mcp", "--api", instance.url]
    environment = {**os.environ, "CANDLERAY_TOKEN": token}
    command = StdioServerParameters(command=sys.executable, args=arguments, env=environment)
    async with assistant_over(stdio_client(command)) as assistant:
        yield assistant


@asynccontextmanager
async def by_http(instance: RealInstance, token: str) -> AsyncIterator[Assistant]:
    http = httpx2.AsyncClient(headers={"Authorization": f"Bearer {token}"}, timeout=600)
    transport = streamable_http_client(f"{instance.url}/mcp", http_client=http)
    async with http, assistant_over(transport) as assistant:
        yield assistant


@pytest.mark.parametrize("opened", [pytest.param(by_pipes, marks=pytest.mark.faults), by_http])
async def test_an_idea_becomes_a_judged_and_saved_strategy_in_eight_calls(instance: RealInstance, opened: Opened):
    person = 4_100_000 + (opened is by_http)
    async with opened(instance, instance.token_of(person)) as assistant:
        found = await assistant.call("find_instruments", letters="btc")
        (indicator, *_) = (await assistant.call("find_indicators", measures="overbought oversold rsi"))[
            "indicators"
        ]
        assert (found["instruments"][0]["instrument"], indicator["id"]) == (IDEA["instrument"], "rsi")
        assert "RSI" in (await assistant.call("explain_strategy", request=IDEA))["sentences"][0]
        assert (await assistant.call("preflight", request=IDEA))["mode"] == "sync"
        job = await assistant.call("submit_job", request=IDEA, wait_s=300)
        assert (job["state"], job["best"][0]["rank"]) == ("succeeded", 1)
        variant = {"job": job["job_id"], "variant_index": job["best"][0]["variant_index"]}
        assert (await assistant.call("report", **variant))["metrics"]
        assert (await assistant.call("robustness", **variant))["summary"]
        kept = await assistant.call("save_strategy", **variant)
    assert kept["verdict"] == job["verdict"]
    assert len(assistant.sizes) == MOST_CALLS
    with instance.client_of(person) as client:
        assert [str(one.strategy_id) for one in client.strategies()] == [kept["strategy"]["strategy_id"]]
    print(f"\n{opened.__name__}: {assistant.sizes}, {sum(assistant.sizes.values()):,} bytes in all")


@pytest.mark.faults  # tests/agents has it of an API in this process
async def test_a_call_that_is_cancelled_cancels_its_job_and_one_that_is_lost_leaves_it(instance: RealInstance):
    person = 4_200_000
    token = instance.token_of(person)
    with Client(instance.url, token=token) as client:
        for opened, asked_for in ((by_pipes, True), (by_http, False)):
            told: list[str] = []

            async def tell(done: float, total: float | None, words: str | None, told: list[str] = told) -> None:
                told.append(words or "")

            arguments = {"request": LONG_REQUEST, "wait_s": 300}
            async with opened(instance, token) as assistant:
                waiting = asyncio.create_task(
                    assistant.client.call_tool("submit_job", arguments, progress_callback=tell)
                )
                await let_work_until(lambda told=told: bool(told))
                newest = client.jobs(limit=1)[0]
                waiting.cancel()
                if asked_for:
                    await let_work_until(lambda job=newest: job.status().cancel_requested)
            async with opened(instance, token) as again:
                jobs = (await again.call("follow_job"))["jobs"]
                assert jobs[0]["job_id"] == str(newest.job_id)
                assert newest.status().cancel_requested == asked_for
                if not asked_for:
                    await again.call("cancel_job", job=jobs[0]["job_id"])
        ends = {JobState.CANCELLED, JobState.SUCCEEDED}
        await let_work_until(lambda: all(job.status().state in ends for job in client.jobs()))


@pytest.mark.faults  # it takes all cores for minutes: what else the suite runs would wait for it
async def test_fifty_assistants_at_once_keep_nobody_else_waiting(instance: RealInstance):
    tokens = [instance.token_of(4_300_000 + number) for number in range(ASSISTANTS)]
    async with by_http(instance, tokens[0]) as first:  # each replica imports the protocol once
        for _ in range(4):
            await first.call("backtest", request=SMALL)

    refused: list[str] = []

    async def patient(call: Callable[[], Awaitable[object]]) -> None:
        """Ask again what a busy machine refused, as every refusal of the kind says."""
        for _ in range(PATIENCE):
            try:
                await call()
            except MCPError as error:
                refused.append(error.message)
                await asyncio.sleep(1)
            else:
                return
        pytest.fail(f"refused {PATIENCE} times: {refused[-1]}")

    async def one(token: str) -> None:
        async with by_http(instance, token) as assistant:
            await patient(lambda: assistant.call("find_instruments", letters="btc"))
            await patient(lambda: assistant.call("preflight", request=SMALL))
            await patient(lambda: assistant.call("backtest", request=SMALL))

    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as beside:
        measuring = asyncio.get_running_loop().run_in_executor(
            beside, _latencies_s, instance.url, instance.token_of(4_100_000), 10.0
        )
        began = time.monotonic()
        await asyncio.gather(*map(one, tokens))
        took_s = time.monotonic() - began
        latencies_s = await measuring
    worst = {path: max(seconds) for path, seconds in latencies_s.items()}
    told = ", ".join(
        f"{path} {statistics.median(seconds):.3f} s, at worst {worst[path]:.3f} s of {len(seconds)}"
        for path, seconds in latencies_s.items()
    )
    calls = f"{3 * ASSISTANTS} calls in {took_s:.1f} s, {len(refused)} asked again"
    print(f"\n{ASSISTANTS} assistants, {calls}; meanwhile {told}")
    # The worst is the machine's as well: it is claimed of a quiet one, by the line above.
    assert all(statistics.median(seconds) < 1 for seconds in latencies_s.values()), told


def _latencies_s(url: str, token: str, for_s: float) -> dict[str, list[float]]:
    """Seconds that the page and the API take, asked by a process of its own."""
    ends_at, taken = time.monotonic() + for_s, dict[str, list[float]]()
    with httpx.Client(base_url=url, headers={"Authorization": f"Bearer {token}"}, timeout=60) as client:
        while time.monotonic() < ends_at:
            for path in ("/", "/health", "/strategies"):
                began = time.monotonic()
                assert client.get(path).status_code == 200
                taken.setdefault(path, []).append(time.monotonic() - began)
            time.sleep(0.02)
    return taken
