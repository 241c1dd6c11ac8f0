"""`candleray mcp` as a program of an assistant starts it: progress, cancellation, and what outlives it."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack, asynccontextmanager
from typing import Any

import pytest
from mcp.client.stdio import StdioServerParameters, stdio_client
from typer.testing import CliRunner

from candleray import Client, cli
from candleray.market_data.candle_store import CandleStore
from candleray.sdk.credentials import token_for
from tests.support.agents.assistant import Assistant, assistant_over
from tests.support.agents.endless_search import EndlessSearch
from tests.support.agents.small_search import REQUEST, SYMBOL
from tests.support.api.in_process_api import stored_walk
from tests.support.api.served import served_api
from tests.support.waiting import let_work_until

endless = EndlessSearch()


@pytest.fixture(scope="module")
def api_url(embedded_store: CandleStore) -> Iterator[str]:
    stored_walk(embedded_store, SYMBOL, 3000)
    with served_api(embedded_store, run_backtest=endless) as url:
        yield url


def pipes(url: str) -> Any:
    arguments = ["-m", "candleray", "mcp", "--api", url]
    environment = {**os.environ, "CANDLERAY_TOKEN": token_for(url) or ""}
    return stdio_client(StdioServerParameters(command=sys.executable, args=arguments, env=environment))


def state_of(url: str, job_id: str) -> str:
    with Client(url) as client:
        job = client.job(job_id).status()
        return "cancelled" if job.cancel_requested else job.state


async def submitting(assistant: Assistant, told: list[str]) -> asyncio.Task[Any]:
    """A call that waits for a job's end, which nobody brings about here, once it has told of it."""

    async def tell(done: float, total: float | None, words: str | None) -> None:
        told.append(words or "")

    arguments = {"request": REQUEST, "wait_s": 120}
    waiting = asyncio.create_task(assistant.client.call_tool("submit_job", arguments, progress_callback=tell))
    await let_work_until(lambda: bool(told))
    return waiting


def newest_job(url: str) -> str:
    with Client(url) as client:
        return str(client.jobs(limit=1)[0].job_id)


@pytest.mark.parametrize("era", ["auto", "legacy"])
async def test_a_job_tells_of_itself_and_is_cancelled_with_its_call(api_url: str, era: str):
    told: list[str] = []
    async with assistant_over(pipes(api_url), mode=era) as assistant:
        waiting = await submitting(assistant, told)
        job_id = newest_job(api_url)
        waiting.cancel()
        await let_work_until(lambda: state_of(api_url, job_id) == "cancelled")
        assert told[0].startswith("queued")
        listed = (await assistant.call("follow_job"))["jobs"]
        assert listed[0]["job_id"] == job_id


async def test_a_job_outlives_a_connection_that_is_lost_and_is_found_again(api_url: str):
    told: list[str] = []
    async with assistant_over(pipes(api_url)) as assistant:
        await submitting(assistant, told)
        job_id = newest_job(api_url)
    async with assistant_over(pipes(api_url)) as again:
        assert state_of(api_url, job_id) == "queued"
        assert (await again.call("follow_job", job=job_id, wait_s=0))["job"]["state"] == "queued"
        cancelled = await again.call("cancel_job", job=job_id[:13])
        assert cancelled["job_id"] == job_id


async def test_a_search_that_is_waited_for_ends_with_its_call(api_url: str):
    async with assistant_over(pipes(api_url)) as assistant:
        waiting = asyncio.create_task(assistant.client.call_tool("backtest", {"request": REQUEST}))
        await let_work_until(lambda: endless.begun > endless.cancelled)
        waiting.cancel()
        await let_work_until(lambda: endless.begun == endless.cancelled)


async def test_an_api_that_was_there_a_moment_ago_is_to_be_waited_for(embedded_store: CandleStore):
    with ExitStack() as up:
        url = up.enter_context(served_api(embedded_store))
        async with assistant_over(pipes(url)) as assistant:
            assert (await assistant.call("find_indicators"))["ids"]
            await asyncio.to_thread(up.close)
            told = await assistant.refusal("find_indicators")
            assert f"the API at {url} answered" in told["message"]
            assert told["remedy"].startswith("it restarts")


PING = b'{"jsonrpc": "2.0", "id": 1, "method": "ping"}\n'


@asynccontextmanager
async def started(url: str) -> AsyncIterator[asyncio.subprocess.Process]:
    """The command, once it has answered."""
    command = (sys.executable, "-m", "candleray", "mcp", "--api", url)
    pipe = asyncio.subprocess.PIPE
    process = await asyncio.create_subprocess_exec(*command, stdin=pipe, stdout=pipe, stderr=pipe)
    assert process.stdin
    assert process.stdout
    process.stdin.write(PING)
    assert await process.stdout.readline()
    yield process
    assert process.stderr
    assert await process.stderr.read() == b""


async def test_ctrl_c_ends_the_command_although_stdin_stays_open(api_url: str):
    async with started(api_url) as process:
        process.send_signal(signal.SIGINT)
        assert await process.wait() == -signal.SIGINT


async def test_the_command_ends_without_a_word_when_nobody_reads_its_answers(api_url: str):
    async with started(api_url) as process:
        assert process.stdin
        process._transport.get_pipe_transport(1).close()
        process.stdin.write(PING)
        process.stdin.close()
        assert await process.wait() == 0


def test_the_command_prints_how_a_program_starts_it():
    printed = CliRunner().invoke(cli.app, ["mcp", "--json", "--api", "http://localhost:8000"])
    entry = json.loads(printed.stdout)["mcpServers"]["candleray"]
    assert (entry["type"], entry["command"]) == ("stdio", sys.executable)
    assert entry["args"] == ["-m", "candleray", "mcp", "--api", "http://localhost:8000"]
