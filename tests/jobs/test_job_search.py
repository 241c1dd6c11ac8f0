"""One attempt at a job, without its cluster: what it takes up, tells and keeps."""

from __future__ import annotations

import asyncio
from typing import Any, cast
from uuid import uuid4

import numpy as np
import pytest

from candleray.backtests.phase import Phase
from candleray.databases.lazy_service import LazyService
from candleray.databases.patience import patiently
from candleray.databases.postgres import Postgres
from candleray.errors import GuardExceeded, InstanceError, ServiceUnavailable
from candleray.jobs.attempts import Attempts
from candleray.jobs.checkpoint import Checkpoint
from candleray.search.rankings import Ranking
from candleray.search.sweep import Sweep
from candleray.settings import JobSettings, Settings
from cluster.search.job_attempt import Heart, _unless
from cluster.search.job_search import Search
from tests.support.jobs import ENGINE, REQUEST


def half_done(candles_hash: str = "candles", engine: str = ENGINE) -> Checkpoint:
    first, second = Sweep(Phase.STAGE_A, 10, 3), Sweep(Phase.STAGE_B, 40, 3)
    first.add(0, 10, Ranking(np.arange(3), np.array([3.0, 2.0, 1.0]), np.zeros(3, np.int64)))
    second.add(8, 20, Ranking(np.array([9]), np.array([7.0]), np.zeros(1, np.int64)))
    return Checkpoint(candles_hash, engine, (first, second), {Phase.STAGE_A: 4.0})


def search(checkpoint: Checkpoint | None) -> Search:
    return Search(REQUEST, checkpoint, Settings(environment="test"))


def test_an_attempt_that_is_killed_again_at_once_has_forgotten_no_phase():
    taken_up = search(half_done())
    taken_up._go_on_from_checkpoint("candles")
    kept = taken_up.checkpoint()
    assert kept is not None
    assert [(sweep.phase, sweep.done) for sweep in kept.sweeps] == [("stage-a", 10), ("stage-b", 12)]
    told = taken_up.progress()
    assert (told.variants_done, told.best_total_return_pct) == (22, 7.0)


@pytest.mark.parametrize("former", [half_done(candles_hash="others"), half_done(engine="another")])
def test_what_was_ranked_over_other_candles_or_by_another_engine_does_not_count(former: Checkpoint):
    anew = search(former)
    anew._go_on_from_checkpoint("candles")
    assert anew.checkpoint() is None
    assert anew.progress().variants_done == 0


def test_a_search_that_would_take_longer_than_any_job_may_is_refused():
    limited = Search(REQUEST, None, Settings(environment="test", jobs=JobSettings(max_seconds=1)))
    limited._require_short(0.9)
    with pytest.raises(GuardExceeded, match=r"any job: seconds 50\.0 is over the limit of 1"):
        limited._require_short(50.0)


class Listener:
    """Hears the heartbeats instead of Postgres; nobody cancels."""

    def __init__(self) -> None:
        self.checkpoints: list[Checkpoint | None] = []

    async def heartbeat(self, *arguments: Any) -> bool:
        self.checkpoints.append(arguments[-1])
        return False


async def test_the_first_ranges_are_kept_at_once_and_the_next_ones_after_a_while():
    begun, listener = search(half_done()), Listener()
    heart = Heart(cast(Attempts, listener), uuid4(), 1, begun, Settings(environment="test"))
    await heart.beat()
    begun._go_on_from_checkpoint("candles")
    await heart.beat()
    await heart.beat()
    assert [checkpoint is not None for checkpoint in listener.checkpoints] == [False, True, False]


async def test_a_search_that_ends_on_its_own_news_ends_its_heart_too():
    """`asyncio.wait_for` would hear the news and not that it is cancelled: each job ended a second later."""
    ending, listener = search(None), cast(Attempts, Listener())
    beating = asyncio.ensure_future(
        Heart(listener, uuid4(), 1, ending, Settings(environment="test")).beat_until_cancelled()
    )

    async def end() -> str:
        await asyncio.sleep(0.01)
        ending.begin(Phase.DONE)
        return "the answer"

    assert await _unless(beating, end()) == "the answer"
    assert beating.cancelled()


async def test_a_driver_waits_for_a_database_whose_connections_others_have():
    answers = [ServiceUnavailable("sorry, too many clients already")] * 3

    async def opened() -> str:
        if answers:
            raise answers.pop()
        return "open"

    assert await patiently(opened, pause_s=0.001) == "open"
    answers.append(ServiceUnavailable("the database system is shutting down"))
    with pytest.raises(ServiceUnavailable, match="is shutting down"):
        await patiently(opened, pause_s=0.001, for_s=-1.0)


async def test_a_driver_does_not_wait_for_the_address_of_a_database():
    asked: list[str] = []

    async def opened(url: str) -> Postgres:
        asked.append(url)
        raise ServiceUnavailable("Postgres does not answer")

    with pytest.raises(InstanceError, match="the setting postgres_url names no address"):
        await patiently(LazyService(opened, None, "postgres_url").get)
    assert asked == []
