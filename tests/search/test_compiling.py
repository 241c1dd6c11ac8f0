"""Kernels are compiled as a phase of their own, once: a search that compiles nothing shows no such phase."""

from __future__ import annotations

import asyncio
import json
from concurrent.futures import Future
from typing import Any

import numpy as np
import pytest

from candleray.backtests.phase import SEARCH_PHASES, Phase
from candleray.backtests.result import Elapsed
from candleray.market_data.range_coverage import RangeCoverage
from candleray.search.bars import Bars
from candleray.search.engine import compile_planes
from candleray.search.phases import Stopwatch
from candleray.search.variants import VariantGrid
from candleray.timeframes import MINUTE_MS
from cluster.search import compiling
from cluster.search.compiling import compile_kernels
from tests.support.sample_search import CANDLES, resolved

GRID = VariantGrid(resolved())
SPAN = int(CANDLES.ts_open_ms[0]), int(CANDLES.ts_open_ms[-1]) + MINUTE_MS
BARS = Bars(CANDLES, 100, MINUTE_MS, "hash", RangeCoverage.of(np.empty((0, 2), np.int64), SPAN, SPAN, MINUTE_MS))


class Submitted:
    """A task that ends when the test says so."""

    def __init__(self) -> None:
        self.answer: Future[None] = Future()
        self.bars: list[int] = []

    def submit(self, phase: Phase, step: Any, bars: Bars, *rest: Any) -> Submitted:
        assert phase is Phase.COMPILE
        self.bars.append(bars.stop)
        return self

    def future(self) -> Future[None]:
        return self.answer


@pytest.fixture
def task(monkeypatch: pytest.MonkeyPatch) -> Submitted:
    task = Submitted()
    monkeypatch.setattr(compiling, "submit", task.submit)
    monkeypatch.setattr(compiling, "_there", set())
    monkeypatch.setattr(compiling, "SOON_S", 0.05)
    return task


async def phases_of(task: Submitted, after_s: float) -> list[Phase]:
    begun: list[Phase] = []
    asyncio.get_running_loop().call_later(after_s, task.answer.set_result, None)
    await compile_kernels(GRID, BARS, 200, begun.append)
    return begun


def test_the_phase_begins_where_compiling_takes_long_and_is_asked_for_once(task: Submitted) -> None:
    assert asyncio.run(phases_of(task, 0.3)) == [Phase.COMPILE]
    again: list[Phase] = []
    asyncio.run(compile_kernels(GRID, BARS, 200, again.append))
    assert (again, task.bars) == ([], [compiling.FEW_BARS])


def test_kernels_that_are_there_make_no_phase(task: Submitted, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(compiling, "SOON_S", 60.0)
    task.answer.set_result(None)
    begun: list[Phase] = []
    asyncio.run(compile_kernels(GRID, BARS, 200, begun.append))
    assert begun == []


def test_who_leaves_meanwhile_cancels_the_task_and_the_next_asks_again(
    task: Submitted, monkeypatch: pytest.MonkeyPatch
) -> None:
    cancelled: list[Any] = []
    monkeypatch.setattr(compiling, "cancel", cancelled.extend)

    async def leave() -> None:
        async with asyncio.timeout(0.1):
            await compile_kernels(GRID, BARS, 200, lambda phase: None)

    with pytest.raises(TimeoutError):
        asyncio.run(leave())
    assert cancelled == [task]
    assert compiling._there == set()


def test_a_few_bars_are_enough_to_compile_every_plane_of_a_grid() -> None:
    compile_planes(BARS.head(compiling.FEW_BARS), GRID, 200)
    compile_planes(BARS.head(3), GRID, 200)


def test_elapsed_seconds_name_compiling_only_where_there_was_some() -> None:
    stopwatch = Stopwatch(Phase.CANDLES)
    for phase in (Phase.PLANES, Phase.REPORTS):
        stopwatch.begin(phase)
    without = json.loads(stopwatch.elapsed().model_dump_json())
    assert list(without) == ["candles", "planes", "stage-a", "tables", "stage-b", "reports", "total"]
    compiled = Elapsed.of({Phase.CANDLES: 0.5, Phase.COMPILE: 12.0, Phase.PLANES: 0.5, Phase.REPORTS: 1.0})
    assert json.loads(compiled.model_dump_json())["compile"] == 12.0
    assert compiled.total == 14.0
    assert SEARCH_PHASES[:3] == (Phase.CANDLES, Phase.COMPILE, Phase.PLANES)
