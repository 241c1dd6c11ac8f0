"""Searches on a real Ray: guards are asked first, and whatever ends a search leaves nothing of it behind.

The tasks are real, the steps that they run stand for those of the engine: it is the course that is tested.
"""

from __future__ import annotations

import asyncio
import signal
import time
from collections.abc import Callable, Coroutine, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import numpy as np
import pytest
import ray
from ray.exceptions import RayTaskError

from candleray.backtests.phase import Phase
from candleray.backtests.preflight import Pace
from candleray.backtests.request import BacktestRequest
from candleray.databases.postgres import Postgres
from candleray.errors import GuardExceeded
from candleray.indicators.request_models import get_request_models
from candleray.jobs.attempts import Attempts
from candleray.jobs.checkpoint import Checkpoint
from candleray.jobs.job import JobState
from candleray.jobs.store import Jobs
from candleray.search.costs import SignalCosts, StopCosts
from candleray.search.engine import planes_of
from candleray.search.rankings import Ranking
from candleray.search.variants import VariantGrid, resolve, sized_request
from candleray.settings import BacktestSettings, ComputeSettings, GuardSettings, JobSettings, Settings
from cluster.search import compiling, job_attempt, tasks
from cluster.search.fan_out import backtest
from cluster.search.job_attempt import drive
from cluster.search.job_search import Search
from cluster.search.preflight import weigh
from cluster.search.shared_arrays import SharedArrays
from tests.support.instances.ray_workers import ray_workers
from tests.support.sample_search import CANDLES, resolved
from tests.support.searches import MinutesInMemory, bars_over, search_over
from tests.support.waiting import PATIENCE_S, eventually

pytestmark = pytest.mark.cluster

STORE = MinutesInMemory(CANDLES)
SETTINGS = Settings(environment="test", compute=ComputeSettings(task_variants=12))

HELD_S = 120.0
"""A held task takes so long unless it is cancelled."""
GONE_WITHIN_S = 20.0
RELEASED = "released"
"""Ends the held tasks of a test that nothing has ended."""

Step = Callable[..., Any]

# One table of stops: while it is held, a worker is left for the variants.
ONE_TABLE = {"risk": {"sl_pct": {"values": [0.5, 1, 2]}}, "direction": "long-only", "preselect": 10}
TWO_TABLES = {"risk": {"sl_pct": 1, "tp_pct": {"values": [1, 2]}}, "direction": "long-only", "preselect": "all"}


@pytest.fixture(scope="module", autouse=True)
def two_workers() -> Iterator[None]:
    """Workers below a process that ignores SIGINT, as one is that a shell starts in the background."""
    with ignored(signal.SIGINT), ray_workers(2):
        ray.get([tasks.submit("warm-up", time.sleep, 0.5) for _ in range(2)])
        yield


@contextmanager
def ignored(number: signal.Signals) -> Iterator[None]:
    former = signal.signal(number, signal.SIG_IGN)
    yield
    signal.signal(number, former)


def steps(variant_s: float) -> dict[str, Step]:
    """Tasks in place of the engine's steps; functions of no module go to the workers whole."""

    def answering(answer: Any) -> Step:
        return lambda *_: answer

    def rank_variants(bars: Any, request: Any, planes: Any, first: int, last: int) -> Ranking:
        index = np.arange(first, last)
        return Ranking(index, -index.astype(float), np.zeros(len(index), np.int64))

    def rank_under_stops(bars: Any, request: Any, planes: Any, bases: Any, first: int, *_: Any) -> Ranking:
        return Ranking(np.array([bases[0] * 2 + first]), np.zeros(1), np.zeros(1, np.int64))

    return {
        "measure_signals": answering(SignalCosts(plane_s=0.0, variant_s=variant_s, report_s=0.001)),
        "measure_stops": answering(StopCosts(0.0, base_s=0.001, combination_s=0.001)),
        "compile_planes": answering(None),
        "build_planes": answering(None),
        "rank_variants": rank_variants,
        "build_tables": answering(None),
        "rank_under_stops": rank_under_stops,
        "report_variants": answering([]),
        "constant_conditions": answering(()),
    }


def held(begun: Path) -> Step:
    seconds = HELD_S

    def hold(*_: Any) -> None:
        (begun / uuid4().hex).touch()
        give_up_at = time.monotonic() + seconds
        while time.monotonic() < give_up_at and not (begun / RELEASED).exists():
            time.sleep(0.01)  # Ray interrupts between two statements

    return hold


def failing() -> Step:
    def fail(*_: Any) -> None:
        time.sleep(0.3)  # the other worker has begun meanwhile
        raise ValueError("a test")

    return fail


class Tasks:
    """Submits the tasks of all searches of a test, and keeps them."""

    def __init__(self, run: Any, steps: Mapping[str, Step], begun: Path) -> None:
        self._run = run
        self._steps = dict(steps)
        self._begun = begun
        self._fails_first: str | None = None
        self.names: list[str] = []
        self.refs: list[Any] = []

    def hold(self, *names: str) -> None:
        """Steps that take until they are cancelled."""
        self._steps |= dict.fromkeys(names, held(self._begun))

    def fail(self, name: str) -> None:
        """The first task of this step fails."""
        self._fails_first = name

    def options(self, **options: Any) -> Tasks:
        self._named = self._run.options(**options)
        return self

    def remote(self, step: Step, *arguments: Any) -> Any:
        name = step.__name__
        fails = name == self._fails_first and name not in self.names
        self.names.append(name)
        self.refs.append(self._named.remote(failing() if fails else self._steps[name], *arguments))
        return self.refs[-1]

    async def until_held(self, has_come: Callable[[], bool]) -> None:
        """Wait until the search has come so far, and every task that could begin is held."""
        begun = -1
        async with asyncio.timeout(PATIENCE_S):
            while not has_come() or begun < 1 or begun != self._count_begun():
                begun = self._count_begun()
                await asyncio.sleep(0.2)

    def _count_begun(self) -> int:
        return len(list(self._begun.iterdir()))

    async def until_gone(self) -> None:
        """Require that each ends or will never begin: none runs, none waits.

        One that began as it was cancelled is cancelled again a second later.
        """
        submitted = len(self.refs)
        for _ in range(round(GONE_WITHIN_S / 0.05)):
            if not tasks._pending(self.refs):
                break
            await asyncio.sleep(0.05)  # cancelling again is done by this loop
        left = tasks._pending(self.refs)
        (self._begun / RELEASED).touch()
        assert [self.names[self.refs.index(ref)] for ref in left] == []
        assert len(self.refs) == submitted


@pytest.fixture
def submitted(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Tasks:
    watched = Tasks(tasks._run, steps(variant_s=0.0001), tmp_path)
    monkeypatch.setattr(tasks, "_run", watched)
    monkeypatch.setattr(compiling, "_there", set())
    return watched


# What is left behind

COURSES: dict[Phase, tuple[dict[str, Any], str, tuple[str, ...], int]] = {
    Phase.COMPILE: (ONE_TABLE, "compile_planes", (), 1),
    Phase.PLANES: (ONE_TABLE, "build_planes", (), 1),
    Phase.STAGE_A: (ONE_TABLE, "rank_variants", ("build_tables",), 1),
    Phase.TABLES: (TWO_TABLES, "build_tables", ("rank_under_stops",), 1),
    # Two of them wait for the tables, the rest is submitted when these are there.
    Phase.STAGE_B: (TWO_TABLES, "rank_under_stops", (), 3),
    Phase.REPORTS: (TWO_TABLES, "report_variants", (), 1),
}
"""A request, the step that is held, others that are, how many tasks of the step there are once it has begun."""

either_ending = pytest.mark.parametrize("ending", ["cancelled", "failed"])


async def end_early(
    work: Coroutine[Any, Any, Any], submitted: Tasks, ending: str, step: str, has_come: Callable[[], bool]
) -> None:
    """Cancel the work when it has come so far, or let the first task of that step fail; all must be gone then."""
    if ending == "failed":
        submitted.fail(step)
        with pytest.raises(RayTaskError, match="a test"):
            await work
        await submitted.until_gone()
        return
    running = asyncio.ensure_future(work)
    await submitted.until_held(has_come)
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    await submitted.until_gone()


@either_ending
@pytest.mark.parametrize("phase", COURSES)
async def test_a_backtest_that_ends_early_leaves_no_task_behind(submitted: Tasks, phase: Phase, ending: str):
    changes, step, others, count = COURSES[phase]
    submitted.hold(step, *others)
    work = backtest(resolved(**changes), STORE, SETTINGS)
    await end_early(work, submitted, ending, step, lambda: submitted.names.count(step) >= count)


@either_ending
@pytest.mark.parametrize("phase", COURSES)
async def test_a_job_that_ends_early_leaves_no_task_behind(submitted: Tasks, phase: Phase, ending: str):
    changes, step, others, _ = COURSES[phase]
    submitted.hold(step, *others)
    search = Search(resolved(**changes), None, SETTINGS)
    await end_early(search.run(STORE), submitted, ending, step, lambda: search.phase == phase)


@either_ending
@pytest.mark.parametrize(
    ("step", "other"), [("measure_signals", "measure_stops"), ("measure_stops", "build_planes")]
)
async def test_a_job_that_ends_while_it_is_measured_leaves_no_task_behind(
    submitted: Tasks, step: str, other: str, ending: str
):
    submitted.hold(step, other)
    work = Search(resolved(**ONE_TABLE), None, SETTINGS).run(STORE)
    await end_early(work, submitted, ending, step, lambda: {step, other} <= set(submitted.names))


@either_ending
async def test_a_request_that_is_no_longer_weighed_leaves_no_task_behind(submitted: Tasks, ending: str):
    submitted.hold("measure_signals", "measure_stops")
    work = weigh(resolved(**ONE_TABLE), STORE, SETTINGS, Pace())
    await end_early(work, submitted, ending, "measure_signals", lambda: len(submitted.names) == 2)


@pytest.mark.parametrize("step", ["build_planes", "rank_variants", "report_variants"])
async def test_a_task_that_has_an_answer_is_not_cancelled(
    submitted: Tasks, monkeypatch: pytest.MonkeyPatch, step: str
):
    """Ray aborts the process that cancels a task which has just failed."""
    cancelled: list[Any] = []
    submitted.fail(step)
    with monkeypatch.context() as patch:
        patch.setattr(ray, "cancel", lambda ref, **_: cancelled.append(ref))
        with pytest.raises(RayTaskError, match="a test"):
            await backtest(resolved(**ONE_TABLE), STORE, SETTINGS)
    assert submitted.refs[submitted.names.index(step)] not in cancelled
    await submitted.until_gone()


async def test_a_task_that_does_not_hear_of_its_cancelling_is_cancelled_again(
    submitted: Tasks, monkeypatch: pytest.MonkeyPatch
):
    """Ray loses a request to cancel that meets a task in the moment in which it begins."""
    asked: list[Any] = []
    cancel = ray.cancel

    def deaf_at_first(ref: Any, **options: Any) -> None:
        asked.append(ref)
        if asked.count(ref) > 2:
            cancel(ref, **options)

    monkeypatch.setattr(tasks, "AGAIN_S", (0.1, 0.2))
    monkeypatch.setattr(ray, "cancel", deaf_at_first)
    submitted.hold("rank_variants")
    running = asyncio.ensure_future(backtest(resolved(**ONE_TABLE), STORE, SETTINGS))
    await submitted.until_held(lambda: "rank_variants" in submitted.names)
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    await submitted.until_gone()
    # A slow machine, on which the task ends later than it is asked again, asks a fourth time.
    assert asked.count(submitted.refs[submitted.names.index("rank_variants")]) >= 3


# Jobs


@pytest.fixture
def candles_in_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    """Drivers read them instead of asking the candle store's actor."""
    monkeypatch.setattr(job_attempt, "CandleStoreClient", lambda call: STORE)


async def running_job(postgres: Postgres, user_id: UUID, request: BacktestRequest) -> tuple[Attempts, UUID]:
    async with postgres.connection() as connection:
        await connection.execute("DELETE FROM jobs")
    attempts = Attempts(postgres, JobSettings())
    sized = sized_request(VariantGrid(request), SETTINGS.backtests)
    job = await Jobs(postgres, JobSettings()).submit(user_id, sized, None)
    assert await attempts.take_next() == (job.job_id, 1)
    return attempts, job.job_id


async def test_a_job_that_its_user_cancels_stops_at_once_and_was_heard_of_until_then(
    submitted: Tasks, candles_in_memory: None, postgres: Postgres, user_id: UUID
):
    submitted.hold("rank_variants", "build_tables")
    attempts, job_id = await running_job(postgres, user_id, resolved(**ONE_TABLE))
    jobs = Jobs(postgres, JobSettings())
    settings = SETTINGS.model_copy(update={"jobs": JobSettings(heartbeat_s=0.1)})
    driving = asyncio.ensure_future(drive(attempts, job_id, 1, settings))
    await submitted.until_held(lambda: "rank_variants" in submitted.names)
    first = await eventually(lambda: jobs.get(user_id, job_id), lambda seen: seen.heartbeat_at)
    second = await eventually(
        lambda: jobs.get(user_id, job_id), lambda seen: seen.heartbeat_at > first.heartbeat_at, what="it beats"
    )
    assert (first.phase, second.phase) == (Phase.STAGE_A, Phase.STAGE_A)
    await jobs.cancel(user_id, job_id)
    async with asyncio.timeout(PATIENCE_S):
        await driving
    assert (await jobs.get(user_id, job_id)).state == JobState.CANCELLED
    await submitted.until_gone()


async def test_a_job_that_would_take_longer_than_any_may_fails_before_it_ranks(
    submitted: Tasks, candles_in_memory: None, postgres: Postgres, user_id: UUID
):
    submitted._steps |= steps(variant_s=10.0)
    attempts, job_id = await running_job(postgres, user_id, resolved())
    for_720_s = SETTINGS.model_copy(update={"jobs": JobSettings(max_seconds=359)})
    await drive(attempts, job_id, 1, for_720_s)
    jobs = Jobs(postgres, JobSettings())
    job, events = await jobs.get(user_id, job_id), await jobs.events(job_id)
    assert (job.state, events[-1].cause) == (JobState.FAILED, "guard_exceeded")
    assert "seconds 360.0 is over the limit of 359" in str(job.error)
    assert "rank_variants" not in submitted.names
    await submitted.until_gone()


def test_tasks_are_cancelled_as_they_begin_and_as_they_end():
    def brief(*_: Any) -> None:
        time.sleep(0.003)

    shared = ray.put(b"1" * 200_000)
    for turn in range(150):
        refs = [tasks.submit("brief", brief, shared) for _ in range(2)]
        refs.append(tasks.submit("after both", brief, shared, *refs))
        time.sleep(0.001 * (turn % 12))
        tasks.cancel(refs)
        tasks.cancel(refs)  # as where two callers give up at once


# Guards

LEVELS = {"sl_pct": {"start": 0.1, "stop": 10, "step": 0.1}}
TOO_LARGE: dict[str, tuple[dict[str, Any], dict[str, int]]] = {
    "variants": ({}, {"max_variants": 71}),
    "top_k": ({"top_k": 20}, {"max_top_k": 19}),
    "preselect": (ONE_TABLE, {"max_preselect": 9}),
    "compute_bytes": ({"risk": LEVELS, "preselect": "all"}, {"max_compute_bytes": 1_000_000}),
}
"""Requests by guard: one over its limit, and the limit."""


def limited_to(limits: dict[str, int]) -> Settings:
    jobs = {name: limit for name, limit in limits.items() if name == "max_variants"}
    return SETTINGS.model_copy(update={"guards": GuardSettings(**limits), "jobs": JobSettings(**jobs)})


@pytest.mark.parametrize("guard", TOO_LARGE)
async def test_what_is_over_a_limit_is_refused_before_anything_of_it_is_computed(submitted: Tasks, guard: str):
    changes, limits = TOO_LARGE[guard]
    with pytest.raises(GuardExceeded) as refusal:
        await backtest(resolved(**changes), STORE, limited_to(limits))
    assert [problem.field for problem in refusal.value.problems] == [guard]
    weighed = await weigh(resolved(**changes), STORE, limited_to(limits), Pace())
    assert (weighed.mode, weighed.core_s) == ("refused", None)
    assert [exceeded.name for exceeded in weighed.violated_for_sync] == [guard]
    assert submitted.names == []


async def test_what_is_at_its_limits_is_computed(submitted: Tasks):
    settings = limited_to({"max_variants": 72, "max_top_k": 20})
    assert (await weigh(resolved(), STORE, settings, Pace())).mode == "sync"
    assert (await backtest(resolved(), STORE, settings)).variants_evaluated == 72


@pytest.mark.parametrize(
    ("fast_windows", "slow_windows", "plane_each_s", "chunk_lengths"),
    [
        ([5, 8, 13], [21, 34], (0.1, 0.1), [3, 3, 3, 3]),
        ([5], [21], (), [2]),
        ([5, 8], [21], (), [1, 1, 1, 1]),
    ],
)
def test_tasks_of_signals_give_the_planes_in_their_order(
    fast_windows: list[int], slow_windows: list[int], plane_each_s: tuple[float, ...], chunk_lengths: list[int]
):
    fast, slow = (
        {"id": "ema", "params": {"window": {"values": windows}}} for windows in (fast_windows, slow_windows)
    )
    content = {
        "instrument": {"market_id": 1, "symbol": "BTCUSDT"},
        "timeframe": "1m",
        "time_range": {"start": "2025-01-01T05:00:00Z", "end": "2025-01-03T12:00:00Z"},
        "let": {"fast": fast, "slow": slow},
        "signals": {
            "long_entry": {"cross_above": ["fast", "slow"]},
            "long_exit": {"cross_below": ["fast", "slow"]},
        },
    }
    grid = VariantGrid(resolve(get_request_models().validated_request(content), BacktestSettings()))
    bars = bars_over(CANDLES, grid.request, 200)
    costs = SignalCosts(plane_s=1.0, variant_s=0.0, report_s=0.0, plane_each_s=plane_each_s)
    arrays = SharedArrays(grid, ray.put(bars), costs, ComputeSettings(), 200)
    chunks = ray.get(arrays.plane_refs)
    assert [len(chunk) for chunk in chunks] == chunk_lengths
    assert (np.concatenate(chunks) == planes_of(bars, grid, 0, grid.planes, 200)).all()


async def test_a_search_that_ends_among_histories_of_chance_goes_on_from_there_to_the_same_bytes():
    quick = SETTINGS.model_copy(update={"compute": ComputeSettings(task_seconds=0.02)})
    request = resolved(**ONE_TABLE, luck={"walks": 60, "model": "blocks"})
    ended = Search(request, None, quick)
    running = asyncio.ensure_future(ended.run(STORE))
    await eventually(lambda: ended.phase is Phase.LUCK and 3 <= ended.progress().done < 60)
    kept = ended.checkpoint()
    running.cancel()
    await asyncio.wait({running})
    assert kept is not None
    taken_up = Search(request, Checkpoint.from_bytes(kept.to_bytes()), quick)
    result = await taken_up.run(STORE)
    assert taken_up.progress().variants_done == taken_up.grid.simulations
    whole = search_over(CANDLES, request, quick.backtests.warmup_bars)
    told, expected = (one.model_dump_json(exclude={"elapsed_s"}) for one in (result, whole))
    assert told == expected
