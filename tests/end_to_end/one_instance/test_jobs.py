"""Jobs on a real instance: progress, cancel, and `kill -9` of everything there is.

`make faults` kills every part, `FAULTS="--fault-rounds 10"` each at ten random moments.
"""

from __future__ import annotations

import os
import random
import re
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, suppress
from typing import Any

import httpx
import psutil
import pytest

from candleray import Client
from candleray.backtests.phase import Phase
from candleray.errors import CandlerayError
from candleray.indicators.request_models import get_request_models
from candleray.jobs.job import Job
from candleray.sdk.jobs import SubmittedJob
from candleray.search.variants import resolve
from candleray.settings import BacktestSettings
from tests.support import forty_days
from tests.support.forty_days import REQUEST
from tests.support.instances.real_instance import RealInstance, kill
from tests.support.searches import search_over
from tests.support.waiting import wait_until

pytestmark = [
    pytest.mark.cluster,
    pytest.mark.slow,
    pytest.mark.timeout(3000),
]

SMALL: dict[str, Any] = {**REQUEST, "trades_for": 0, "risk": {"sl_pct": {"values": [1, 2]}}, "top_k": 20}

LARGE: dict[str, Any] = {
    **REQUEST,
    "indicators": [
        {
            "id": "sma",
            "inputs": {"source": ["close", "hlc3"]},
            "params": {"window": {"start": 2, "stop": 600, "step": 1}},
        },
        {
            "id": "rsi",
            "params": {"window": {"start": 6, "stop": 20, "step": 1}},
            "signal": {
                "long_threshold": {"start": 20, "stop": 40, "step": 4},
                "short_threshold": {"start": 60, "stop": 80, "step": 5},
            },
        },
    ],
    "risk": {"sl_pct": {"start": 0.5, "stop": 5, "step": 0.5}, "tp_pct": {"start": 1, "stop": 10, "step": 1}},
    "preselect": 100_000,
    "top_k": 500,
    "trades_for": 0,
}
"""539,100 base variants, then 100,000 of them under 100 combinations: each phase lasts long enough to be seen."""


@pytest.fixture
def client(instance: RealInstance) -> Iterator[Client]:
    with Client(instance.url, timeout_s=600) as client:
        yield client


@pytest.fixture(scope="module")
def watched(instance: RealInstance) -> tuple[Job, ...]:
    """Progress of an undisturbed job, from its submission to its end."""
    with Client(instance.url, timeout_s=600) as client:
        return tuple(client.submit(LARGE).watch(every_s=0.1))


@pytest.fixture(scope="module")
def undisturbed(instance: RealInstance, watched: tuple[Job, ...]) -> str:
    with Client(instance.url, timeout_s=600) as client:
        return top_of(client.job(watched[-1].job_id))


def ended(job: SubmittedJob) -> SubmittedJob:
    """The job once it has succeeded; an API that is being started again is asked again."""
    seen = wait_until(job.status, lambda seen: seen.ended, within_s=400, every_s=0.3, passing=(CandlerayError,))
    assert seen.state == "succeeded", seen
    return job


def top_of(job: SubmittedJob) -> str:
    top = job.top(500)
    assert not top.partial
    return top.model_dump_json(include={"top"})


def test_a_job_gives_the_answer_of_a_backtest_in_one_process(client: Client):
    resolved = resolve(get_request_models().validated_request(SMALL), BacktestSettings())
    direct = search_over(forty_days.candles(), resolved, BacktestSettings().warmup_bars)
    result = client.submit(SMALL).result()
    assert result.model_dump_json(exclude={"elapsed_s"}) == direct.model_dump_json(exclude={"elapsed_s"})


def test_progress_is_told_phase_by_phase_and_only_grows(watched: tuple[Job, ...]):
    phases = list(dict.fromkeys(job.phase for job in watched))
    assert phases == [phase for phase in Phase if phase in phases]
    assert {"stage-a", "stage-b"} <= set(phases)
    assert [job.variants_done for job in watched] == sorted(job.variants_done for job in watched)
    assert watched[-1].variants_done == watched[-1].simulations == 10_539_100
    assert any(job.eta_s for job in watched)
    assert any(job.best_total_return_pct is not None and not job.ended for job in watched)


def test_the_dashboard_counts_the_tasks_that_the_job_counts(instance: RealInstance, watched: tuple[Job, ...]):
    last = watched[-1]
    assert last.tasks_done == last.tasks_total
    told = [seen for seen in watched if seen.attempt == last.attempt and seen.tasks_total > 1]
    counted = {seen.phase: seen.tasks_total for seen in told if seen.phase != "done"}
    assert {"stage-a", "stage-b"} <= set(counted)

    def all_finished(shown: dict[str, tuple[int, int]]) -> bool:
        return phases <= {phase for phase, (done, total) in shown.items() if done == total}

    phases = {"planes", "stage-a", "tables", "stage-b", "reports"}
    # Ray gathers the states of tasks from time to time.
    shown = wait_until(lambda: tasks_on_dashboard(instance, f"{last.job_id}-{last.attempt}"), all_finished)
    assert {phase: shown[phase][1] for phase in counted} == counted


def tasks_on_dashboard(instance: RealInstance, submission_id: str) -> dict[str, tuple[int, int]]:
    """Tasks by name: how many have finished of how many."""
    with instance.ray_dashboard() as ray:
        ray_id = ray.get(f"/api/jobs/{submission_id}").raise_for_status().json()["job_id"]
        of_job = {"filter_keys": "job_id", "filter_predicates": "=", "filter_values": ray_id}
        answer = ray.get("/api/v0/tasks/summarize", params=of_job).raise_for_status().json()
    found = answer["data"]["result"]["result"]["node_id_to_summary"]["cluster"]["summary"]
    states = {name: one["state_counts"] for name, one in found.items()}
    return {name: (counts.get("FINISHED", 0), sum(counts.values())) for name, counts in states.items()}


def test_a_cancelled_job_keeps_what_it_found_and_says_that_it_is_partial(client: Client):
    job = client.submit(LARGE)
    next(seen for seen in job.watch(every_s=0.1) if seen.variants_done > 10_000)
    job.cancel()
    *_, last = job.watch(every_s=0.1)
    assert (last.state, last.partial) == ("cancelled", True)
    assert 10_000 < last.variants_done < last.simulations
    top = job.top(50)
    assert (top.partial, len(top.top)) == (True, 50)


def test_a_users_second_job_says_why_it_waits(client: Client):
    first, second = client.submit(LARGE), client.submit(SMALL)
    next(seen for seen in first.watch(every_s=0.1) if seen.state == "running")
    assert str(first.job_id) in str(second.status().waiting_for)
    first.cancel()
    ended(second)


def test_two_users_share_the_machine_and_a_third_job_says_why_it_waits(instance: RealInstance, undisturbed: str):
    with ExitStack() as stack:
        people = {11: LARGE, 12: LARGE, 13: SMALL}
        jobs = [stack.enter_context(instance.client_of(who)).submit(wanted) for who, wanted in people.items()]
        *_, waiting = wait_until(
            lambda: [job.status() for job in jobs],
            lambda seen: [job.state for job in seen] == ["running", "running", "queued"],
        )
        assert "2 jobs run, the most at once" in str(waiting.waiting_for)
        assert [top_of(ended(job)) for job in jobs[:2]] == [undisturbed] * 2
        ended(jobs[2])


def test_what_a_driver_did_is_measured_after_its_end(instance: RealInstance, client: Client):
    pruned = client.submit({**SMALL, "pruning": {"max_drawdown_pct": 20}}).result().pruned
    assert pruned["max_drawdown_pct"] > 0
    wanted = {
        f'ray_candleray_job_pruned_total{{reason="max_drawdown_pct"}} {pruned["max_drawdown_pct"]:.1f}',
        'ray_candleray_job_phase_seconds_count{phase="reports"}',
        "ray_candleray_job_variants_total",
        'ray_candleray_jobs{state="succeeded"}',
    }

    def missing() -> list[str]:
        told = "\n".join(map(metrics_at, instance.file.metrics_urls))
        return [line for line in wanted if line not in told]

    wait_until(missing, lambda lines: lines == [], every_s=1)  # Ray collects every 10 s


def metrics_at(url: str) -> str:
    """Samples with our own labels alone."""
    text = httpx.get(url, trust_env=False, timeout=60).text
    return (
        re.sub(r'(?:Component|NodeAddress|SessionName|Version|WorkerId|otel_\w+)="[^"]*",?', "", text)
        .replace(",}", "}")
        .replace("{}", "")
    )


FAULTS: dict[str, Callable[[RealInstance], list[psutil.Process]]] = {
    "driver": lambda instance: instance.processes("cluster.search.job "),
    "worker": lambda instance: (instance.processes("ray::stage-") or instance.processes("ray::IDLE"))[:1],
    "api replica": lambda instance: instance.processes("ray::ServeReplica")[:1],
    "scheduler": lambda instance: instance.processes("ray::JobSchedulerActor"),
    "valkey": lambda instance: instance.processes("valkey-server"),
    "postgres": lambda instance: instance.processes("postgres"),
    "all of ray": lambda instance: [
        process for words in ("gcs_server", "raylet", "ray::") for process in instance.processes(words)
    ],
}


def progress_of(job: SubmittedJob, seconds: float) -> list[tuple[float, Job]]:
    """Return the progress it told for so long, with the times."""
    told: list[tuple[float, Job]] = []
    until = time.monotonic() + seconds
    while not told or time.monotonic() < until:
        told.append((time.monotonic(), job.status()))
        time.sleep(0.05)
    return told


def work_lost_s(job: SubmittedJob, told: list[tuple[float, Job]], killed_at: float) -> float:
    """Return the age, at the kill, of the ranking that the next attempt began with; 0 without one."""
    attempt = told[-1][1].attempt
    while time.monotonic() < killed_at + 120:
        with suppress(CandlerayError):
            seen = job.status()
            if seen.ended or (seen.attempt == attempt and time.monotonic() > killed_at + 10):
                return 0.0
            # It tells what its checkpoint holds as soon as it has read the candles.
            if seen.attempt > attempt and seen.phase not in ("queued", "candles"):
                again = [at for at, before in told if before.variants_done > seen.variants_done]
                return killed_at - again[0] if again else 0.0
        time.sleep(0.05)
    raise AssertionError(f"no attempt after {attempt}: {job.status()}")


@pytest.mark.parametrize(
    "fault", ["driver", *(pytest.param(name, marks=pytest.mark.faults) for name in FAULTS if name != "driver")]
)
def test_kill_9_at_a_random_moment_changes_no_byte(
    instance: RealInstance, client: Client, undisturbed: str, fault: str, fault_rounds: int
):
    moments = random.Random(f"{fault} {os.environ.get('PYTEST_SEED', '')}")
    for number in range(fault_rounds):
        job = client.submit(LARGE)
        # Every other time while it ranks: the rest of a job is as long, and has nothing to lose.
        ranks = number % 2 == 0
        next(seen for seen in job.watch(every_s=0.1) if seen.phase != "queued" and seen.variants_done >= ranks)
        wait_s = moments.uniform(0, 2.5 if ranks else 6)
        told = progress_of(job, wait_s)
        victims = FAULTS[fault](instance)
        assert victims, f"there is no {fault}"
        kill(victims)
        killed_at = time.monotonic()
        lost_s = work_lost_s(job, told, killed_at)
        assert lost_s < 5
        assert top_of(ended(job)) == undisturbed
        detail = job.status()
        print(
            f"{fault}: killed {len(victims)} after {wait_s:.1f} s in {told[-1][1].phase}, "
            f"{lost_s:.1f} s of work lost, "
            f"ended {time.monotonic() - killed_at:.1f} s later at attempt {detail.attempt}"
        )
        running = [event for event in detail.events if event.to_state == "running"]
        assert len(running) == detail.attempt
