"""The heart of a driver: it beats while the search runs, whatever becomes of the database."""

from __future__ import annotations

import asyncio
from typing import Any, cast
from uuid import uuid4

import pytest

from candleray.backtests.phase import Phase
from candleray.errors import ServiceUnavailable
from candleray.jobs.attempts import Attempts
from candleray.jobs.checkpoint import Checkpoint
from candleray.jobs.job import Superseded
from candleray.search.rankings import Ranking
from candleray.search.sweep import Sweep
from candleray.search.variants import engine_params_hash
from candleray.settings import JobSettings, Settings
from cluster.search.job_attempt import Heart
from cluster.search.job_search import Search
from tests.support.sample_search import resolved

REQUEST = resolved()
SETTINGS = Settings(environment="test", jobs=JobSettings(heartbeat_s=0.01))
ENGINE = engine_params_hash(REQUEST, SETTINGS.backtests)


class Database:
    """Answers heartbeats one after the other; the last answer is that of all later ones."""

    def __init__(self, *answers: bool | Exception) -> None:
        self._answers = list(answers)
        self.beats = 0

    async def heartbeat(self, *_: Any) -> bool:
        self.beats += 1
        answer = self._answers.pop(0) if len(self._answers) > 1 else self._answers[0]
        if isinstance(answer, Exception):
            raise answer
        return answer


async def beaten(database: Database) -> None:
    search = Search(REQUEST, None, SETTINGS)
    async with asyncio.timeout(60):
        await Heart(cast(Attempts, database), uuid4(), 1, search, SETTINGS).beat_until_cancelled()


async def test_it_beats_without_news_until_its_job_is_to_be_cancelled():
    database = Database(False, False, False, False, True)
    await beaten(database)
    assert database.beats == 5


async def test_a_database_that_is_away_for_a_while_ends_nothing():
    away = ServiceUnavailable("starting")
    database = Database(False, away, away, away, True)
    await beaten(database)
    assert database.beats == 5


async def test_it_ends_when_another_attempt_has_taken_over():
    with pytest.raises(Superseded):
        await beaten(Database(False, Superseded("a test")))


@pytest.mark.parametrize(
    ("candles_hash", "engine", "spent_s"),
    [("candles", ENGINE, 4.0), ("others", ENGINE, 0.0), ("candles", "another", 0.0)],
)
def test_time_counts_over_all_attempts_but_not_that_of_work_thrown_away(
    candles_hash: str, engine: str, spent_s: float
):
    sweep = Sweep(Phase.STAGE_A, 72, 20)
    sweep.add(0, 10, Ranking.empty())
    former = Checkpoint(candles_hash, engine, (sweep,), {Phase.STAGE_A: 4.0})
    search = Search(REQUEST, former, SETTINGS)
    search._go_on_from_checkpoint("candles")
    for phase in (Phase.PLANES, Phase.REPORTS, Phase.DONE):
        search.begin(phase)
    elapsed = search.elapsed()
    assert elapsed.stage_a == spent_s
    assert elapsed.total == pytest.approx(spent_s, abs=1.0)
