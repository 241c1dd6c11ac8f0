"""The one thread with a loop of all long-lived actors: it lives as long as its work, and its process no longer."""

from __future__ import annotations

import asyncio
import re
import threading
from collections.abc import Awaitable, Callable

import pytest

from actors.loop_thread import LoopThread, keep_doing
from candleray.errors import ServiceUnavailable
from candleray.settings import ROOT
from tests.support.waiting import wait_until


def thread_of(work: Callable[[], Awaitable[None]]) -> tuple[LoopThread, list[int]]:
    ended: list[int] = []
    return LoopThread("part of a test", work, ended.append), ended


async def _returns() -> None: ...


async def _fails() -> None:
    raise ValueError("broken")


async def _ends() -> None:
    raise SystemExit(3)


@pytest.mark.parametrize("work", [_returns, _fails, _ends])
def test_a_process_whose_work_ends_is_ended_so_that_ray_starts_it_again(
    work: Callable[[], Awaitable[None]],
) -> None:
    thread, ended = thread_of(work)
    thread.start()
    wait_until(lambda: ended == [1], what="the end of the process")


def test_other_threads_have_steps_taken_by_the_loop_once_it_has_begun() -> None:
    over = threading.Event()

    async def work() -> None:
        await asyncio.to_thread(over.wait)

    async def step() -> str:
        return (asyncio.current_task() is not None and threading.current_thread().name) or ""

    thread, ended = thread_of(work)
    with pytest.raises(ServiceUnavailable, match="the part of a test has not begun yet"):
        thread.call(step(), 1.0)
    thread.start()
    wait_until(lambda: thread.has_begun, what="the loop")
    assert thread.call(step(), 5.0) == "part of a test"
    thread.require()
    assert not ended
    over.set()
    wait_until(lambda: ended == [1], what="its end")


def test_work_beside_others_begins_again_after_a_failure_alone() -> None:
    begun: list[int] = []

    async def work() -> None:
        begun.append(1)
        if len(begun) < 3:
            raise ValueError("broken")

    keep_doing("work of a test", work, 0.01)
    wait_until(lambda: len(begun) == 3, what="the third try")
    wait_until(lambda: not any(one.name == "work of a test" for one in threading.enumerate()), what="its end")


def test_no_actor_has_a_loop_or_an_end_of_its_own() -> None:
    makes = re.compile(r"asyncio\.run\(|new_event_loop|os\._exit")
    found = {path.name for path in (ROOT / "actors").glob("*.py") if makes.search(path.read_text())}
    assert found == {"loop_thread.py", "candle_store.py"}, (
        "the candle store has calls alone, and ends for a folder"
    )
