"""Trials in Postgres: every search of a user, counted by the later ones over the same candles."""

from __future__ import annotations

import asyncio
from typing import Any
from uuid import UUID

import pytest

from candleray.backtests.chance.luck import Luck
from candleray.backtests.verdict import EarlierSearches, Saying, Verdict
from candleray.databases.postgres import Postgres
from candleray.errors import NotFound
from candleray.hashes import content_hash
from candleray.paging import position_of
from candleray.trials import store as trial_store
from candleray.trials.store import Trials, record
from candleray.trials.trial import Trial, TriedGrid, grid_hash
from tests.support.jobs import REQUEST
from tests.support.users import new_user_id

YEAR = {"start": "2025-01-01T00:00:00Z", "end": "2026-01-01T00:00:00Z"}
VERDICT = Verdict(says=Saying.EDGE, luck_p=0.01, losing_splits=0.1, independent_variants=40.0, variants=500)


def tried(name: str, **changes: Any) -> TriedGrid:
    fields = {
        "instrument": {"market_id": 1, "symbol": "BTCUSDT"},
        "timeframe": "1h",
        "time_range": YEAR,
        "grid_hash": name,
        "request_hash": content_hash(name),
        "variants": 500,
        "independent_variants": 40.0,
        "verdict": VERDICT,
        "best_total_return_pct": 12.5,
    }
    return TriedGrid.model_validate(fields | changes)


@pytest.fixture
def trials(postgres: Postgres) -> Trials:
    return Trials(postgres)


async def put(postgres: Postgres, user_id: UUID, grid: TriedGrid) -> EarlierSearches | None:
    async with postgres.transaction() as transaction:
        verdict, is_kept = await record(transaction, user_id, None, grid)
    assert is_kept
    return verdict and verdict.earlier


async def kept(trials: Trials, user_id: UUID) -> tuple[Trial, ...]:
    return (await trials.page(user_id, None, None, None, 500)).trials


async def test_a_search_counts_those_before_it_and_is_counted_after(postgres: Postgres, user_id: UUID):
    assert await put(postgres, user_id, tried("one")) is None
    assert await put(postgres, user_id, tried("two")) == EarlierSearches(
        searches=1, variants=500, independent_variants=40.0
    )
    assert await put(postgres, user_id, tried("three")) == EarlierSearches(
        searches=2, variants=1000, independent_variants=80.0
    )


async def test_the_same_search_again_is_no_further_trial(postgres: Postgres, trials: Trials, user_id: UUID):
    await put(postgres, user_id, tried("one"))
    assert await put(postgres, user_id, tried("one", request_hash="f" * 64)) is None, "another answer to it"
    assert await put(postgres, user_id, tried("one")) is None
    assert sorted(one.searches for one in await kept(trials, user_id)) == [1, 2]
    assert await put(postgres, user_id, tried("two")) == EarlierSearches(
        searches=1, variants=500, independent_variants=40.0
    )


async def test_a_search_that_comes_again_counts_those_before_its_first_time(postgres: Postgres, user_id: UUID):
    await put(postgres, user_id, tried("one"))
    first = await put(postgres, user_id, tried("two"))
    await put(postgres, user_id, tried("three"))
    assert await put(postgres, user_id, tried("two")) == first
    assert await put(postgres, user_id, tried("one")) is None


@pytest.mark.parametrize(
    ("changes", "independent"),
    [
        ({}, 40.0),
        ({"instrument": {"market_id": 2, "symbol": "BTCUSDT"}}, 40.0),
        ({"timeframe": "5m"}, 40.0),
        ({"instrument": {"market_id": 1, "symbol": "ETHUSDT"}}, None),
        ({"time_range": {"start": "2024-01-01T00:00:00Z", "end": "2025-01-01T00:00:00Z"}}, None),
        ({"time_range": {"start": "2024-07-01T00:00:00Z", "end": "2025-07-02T12:00:00Z"}}, 20.0),
        ({"time_range": {"start": "2020-01-01T00:00:00Z", "end": "2030-01-01T00:00:00Z"}}, 40.0),
        ({"verdict": None, "independent_variants": None}, 500.0),
    ],
)
async def test_the_share_of_the_range_that_was_seen_counts(
    postgres: Postgres, user_id: UUID, changes: dict[str, Any], independent: float | None
):
    await put(postgres, user_id, tried("before", **changes))
    earlier = await put(postgres, user_id, tried("now"))
    assert (earlier and earlier.independent_variants) == independent


async def test_of_searches_at_once_each_counts_those_that_were_first(postgres: Postgres, user_id: UUID):
    earlier = await asyncio.gather(*(put(postgres, user_id, tried(f"grid {one}")) for one in range(8)))
    assert sorted(one.searches if one else 0 for one in earlier) == list(range(8))


async def test_trials_are_their_users_own_and_come_in_pages(postgres: Postgres, trials: Trials, user_id: UUID):
    for one in range(5):
        await put(postgres, user_id, tried(f"grid {one}"))
    await put(postgres, user_id, tried("other", instrument={"market_id": 1, "symbol": "ETHUSDT"}))
    first = await trials.page(user_id, None, "BTCUSDT", None, 3)
    assert first.next_cursor is not None
    second = await trials.page(user_id, 1, "BTCUSDT", position_of(first.next_cursor), 3)
    assert [one.grid_hash for one in (*first.trials, *second.trials)] == [f"grid {one}" for one in (4, 3, 2, 1, 0)]
    assert first.trials[0].verdict == (await trials.get(user_id, content_hash("grid 4"))).verdict
    stranger = await new_user_id(postgres)
    assert await kept(trials, stranger) == ()
    with pytest.raises(NotFound, match="you have made no search with request_hash"):
        await trials.get(stranger, content_hash("grid 4"))


async def test_a_full_record_takes_no_more_and_says_so(
    postgres: Postgres, user_id: UUID, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(trial_store, "MOST_TRIALS", 1)
    await put(postgres, user_id, tried("one"))
    async with postgres.transaction() as transaction:
        verdict, is_kept = await record(transaction, user_id, None, tried("two"))
    assert not is_kept
    assert verdict is not None
    assert verdict.earlier is not None
    await put(postgres, user_id, tried("one"))


def test_a_grid_has_one_name_whatever_of_it_is_answered():
    def name(**changes: Any) -> str:
        return grid_hash(REQUEST.model_copy(update=changes))

    assert name(top_k=7) == name(trades_for=3) == name(verdict=False) == name()
    assert name(luck=Luck(walks=5)) == name(), "histories of chance are no candles"
    assert name(fee_pct=0.2) != name()
