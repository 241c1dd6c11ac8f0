"""The scheduler's actor: how it waits for a service that does not answer."""

from __future__ import annotations

import asyncio
import time
from types import SimpleNamespace
from typing import cast

import pytest
from pydantic import SecretStr

from actors import job_scheduler
from actors.job_scheduler import JobSchedulerActor
from actors.ray_jobs import end_in_words
from candleray.errors import ServiceUnavailable


@pytest.mark.parametrize(
    ("code", "said"),
    [
        (None, "has ended"),
        (0, "has ended with exit code 0"),
        (1, "has ended with exit code 1"),
        (143, "was killed by signal 15"),
        (-11, "was killed by signal 11"),
        (137, "was killed by signal 9, as by the kernel where memory runs out"),
        (-9, "was killed by signal 9, as by the kernel where memory runs out"),
        (255, "has ended with exit code 255"),
    ],
)
def test_the_end_of_a_driver_is_told_with_its_cause(code: int | None, said: str):
    assert end_in_words(code) == said


class Failing:
    """An actor whose schedule works for so many seconds each time, until a service fails."""

    def __init__(self, works_s: list[float]) -> None:
        self.now_s = 0.0
        self.pauses: list[float] = []
        self._works_s = works_s
        self._failures = SimpleNamespace(inc=lambda: None)

    async def _schedule(self) -> None:
        if not self._works_s:
            raise asyncio.CancelledError
        self.now_s += self._works_s.pop(0)
        raise ServiceUnavailable("Postgres does not answer")

    async def sleep(self, seconds: float) -> None:
        self.pauses.append(seconds)
        self.now_s += seconds


@pytest.mark.parametrize(
    ("works_s", "pauses"),
    [
        ([0] * 7, [0.3, 0.6, 1.2, 2.4, 4.8, 5, 5]),
        ([0, 0, 0, 3600, 0, 0], [0.3, 0.6, 1.2, 0.3, 0.6, 1.2]),
        ([0, 0, 1, 0], [0.3, 0.6, 1.2, 2.4]),
    ],
)
async def test_pauses_double_while_a_service_is_away_and_begin_anew_after_it_has_worked(
    works_s: list[float], pauses: list[float], monkeypatch: pytest.MonkeyPatch
):
    actor = Failing(works_s)
    with monkeypatch.context() as patch:
        patch.setattr(time, "monotonic", lambda: actor.now_s)
        patch.setattr(asyncio, "sleep", actor.sleep)
        with pytest.raises(asyncio.CancelledError):
            await JobSchedulerActor._keep_scheduling(cast(JobSchedulerActor, actor))
    assert actor.pauses == pytest.approx(pauses)


async def test_the_clock_that_one_scheduler_has_seen_is_given_to_the_next(
    postgres_url: str, monkeypatch: pytest.MonkeyPatch
):
    """Postgres is opened anew after a failure, and may have been away because its machine's clock was put."""
    given: list[object] = []

    class Away:
        def __init__(self, attempts: object, drivers: object, limits: object, clock: object) -> None:
            given.append(clock)

        async def step(self) -> None:
            raise ServiceUnavailable("Postgres does not answer")

    monkeypatch.setattr(job_scheduler, "Scheduler", Away)
    parts = {"_url": SecretStr(postgres_url), "_limits": None, "_drivers": None, "_clock": object()}
    actor = cast(JobSchedulerActor, SimpleNamespace(**parts))
    for _ in range(2):
        with pytest.raises(ServiceUnavailable):
            await JobSchedulerActor._schedule(actor)
    assert given == [parts["_clock"]] * 2
