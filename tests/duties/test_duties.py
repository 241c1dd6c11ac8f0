"""Duties: done at the start and again and again, sooner after a failure, each apart from the others."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

import pytest

from candleray.databases.postgres import Postgres
from candleray.duties.course import follow
from candleray.duties.duty import Duty, Means
from candleray.duties.instrument_lists import Doubts
from candleray.duties.outcomes import Attempt, DutyOutcomes
from candleray.duties.roster import find_duties
from candleray.errors import CandlerayError, RateLimited, ServiceUnavailable
from candleray.exchanges.exchange import Listing
from candleray.feeds.feed_state import FeedState
from candleray.feeds.feed_store import FeedStore
from candleray.live.certificates.daily import Certified, certify_due_runs
from candleray.market_data.candle_store import CandleStore
from candleray.market_data.candle_store_client import CandleStoreClient
from candleray.market_data.history import History
from candleray.markets import MARKETS, Market
from candleray.settings import LiveSettings, Settings
from tests.support.api.in_process_api import in_process
from tests.support.simulated import Clock, history_of


class Ended(BaseException):
    """The course of a duty has been looked at for long enough."""


@pytest.fixture
async def outcomes(postgres: Postgres) -> DutyOutcomes:
    async with postgres.connection() as connection:
        await connection.execute("TRUNCATE duty_outcomes")
    return DutyOutcomes(postgres)


async def course(
    duty_ends: Sequence[Exception | str], outcomes: DutyOutcomes, every_s: float = 3600
) -> tuple[list[float], list[bool]]:
    """The pauses of a duty that ends like this, one time after the other, and what was told of it."""
    left, pauses, told = list(duty_ends), [], []

    async def run() -> str:
        end = left.pop(0)
        if isinstance(end, Exception):
            raise end
        return end

    async def sleep(seconds: float) -> None:
        pauses.append(seconds)
        if not left:
            raise Ended

    with pytest.raises(Ended):
        await follow(Duty("a duty", every_s, run), outcomes, lambda _, done, took_s: told.append(done), sleep)
    return pauses, told


async def test_a_duty_is_done_at_once_then_every_so_often_and_sooner_after_a_failure(outcomes: DutyOutcomes):
    away = ServiceUnavailable("the exchange does not answer")
    pauses, told = await course(["read", "read", away, away, away, away, away, away, "read"], outcomes)
    assert pauses == [3600, 3600, 30, 60, 120, 240, 480, 600, 3600]
    assert told == [True, True, *[False] * 6, True]


async def test_a_frequent_duty_is_not_done_less_often_because_it_fails(outcomes: DutyOutcomes):
    assert (await course([ServiceUnavailable("away")] * 3, outcomes, every_s=45))[0] == [30, 45, 45]


async def test_whatever_a_duty_raises_it_goes_on_and_what_hangs_is_ended(outcomes: DutyOutcomes):
    assert (await course([ValueError("a mistake of ours"), "read"], outcomes))[1] == [False, True]

    async def hang() -> str:
        await asyncio.sleep(3600)
        return ""

    async def end(seconds: float) -> None:
        raise Ended

    with pytest.raises(Ended):
        await follow(Duty("hanging", 60, hang, timeout_s=0.01), outcomes, lambda *_: None, end)
    assert "not done within 0.01 s" in await outcomes.notice()


async def test_the_last_success_and_the_last_failure_are_kept_and_only_what_fails_now_is_told(
    outcomes: DutyOutcomes,
):
    await course(["7 listed", ServiceUnavailable("no answer"), ServiceUnavailable("still none")], outcomes)
    (outcome,) = await outcomes.all()
    assert (outcome.said, outcome.failure, outcome.failures_in_row) == ("7 listed", "still none", 2)
    assert outcome.done_at is not None
    assert outcome.failed_at is not None
    notice = await outcomes.notice()
    assert notice.startswith("a duty: failed 2 times in a row, last done 20")
    assert notice.endswith("UTC: still none")
    await outcomes.done("a duty", "8 listed", Attempt(1.5, 3600.0, 3600.0))
    assert await outcomes.notice() == ""
    assert (await outcomes.all())[0].failure == "still none"


async def test_its_course_tells_when_it_is_next_and_how_long_it_took_and_not_why_it_failed(outcomes: DutyOutcomes):
    await course([ServiceUnavailable("a reason for operators alone")], outcomes)
    (failed,) = [outcome.course() for outcome in await outcomes.all()]
    assert (failed.name, failed.every_s, failed.done_at, failed.failures_in_row) == ("a duty", 3600, None, 1)
    assert failed.next_at is not None
    assert 0 < (failed.next_at - datetime.now(UTC)).total_seconds() <= 30
    assert failed.took_s is not None
    assert 0 <= failed.took_s < 10
    assert "reason" not in failed.model_dump_json()
    await course(["7 listed"], outcomes)
    (done,) = [outcome.course() for outcome in await outcomes.all()]
    assert done.done_at is not None
    assert done.next_at is not None
    assert (done.next_at - done.done_at).total_seconds() == pytest.approx(3600)


async def test_who_is_started_again_and_again_does_not_ask_each_time(outcomes: DutyOutcomes):
    await course(["read"], outcomes)
    assert (await course(["read"], outcomes))[0] == [60, 3600]


class Refusing(History):
    """The simulated exchanges, of which one refuses."""

    def __init__(self, refused: Market) -> None:
        self._simulated, self._refused = history_of(clock=Clock()), refused

    async def instruments(self, market: Market) -> Listing:
        if market == self._refused:
            raise RateLimited("bybit-spot asks to wait 600 s")
        return await self._simulated.instruments(market)


async def test_each_market_has_its_duty_and_one_that_fails_stops_no_other(
    embedded_store: CandleStore, postgres: Postgres, outcomes: DutyOutcomes
):
    candles = CandleStoreClient(in_process(embedded_store))
    settings = Settings(environment="test", live=LiveSettings(certify_every_s=0))
    means = Means(settings, postgres, candles, Refusing(MARKETS[3]))
    duties = find_duties(means)
    assert [duty.name for duty in duties] == [f"instruments of {market.name}" for market in MARKETS.values()]
    assert {duty.every_s for duty in duties} == {3600}
    done = await asyncio.gather(*(duty.run() for duty in duties), return_exceptions=True)
    assert [isinstance(one, CandlerayError) for one in done] == [False, False, True, False]
    assert done[0] == "7 listed, 7 written"
    assert {one.market_id for one in embedded_store.instruments()} == {1, 2, 4}


async def test_a_duty_may_be_due_early_and_is_asked_every_minute(outcomes: DutyOutcomes):
    pauses, asked, runs = [], [], []

    async def run() -> str:
        runs.append(len(pauses))
        return "read"

    async def is_due(passed_s: float) -> bool:
        asked.append(passed_s)
        if len(asked) == 2:
            raise ServiceUnavailable("Postgres is away")
        return len(asked) == 3

    async def sleep(seconds: float) -> None:
        pauses.append(seconds)
        if len(runs) == 3:
            raise Ended

    with pytest.raises(Ended):
        await follow(Duty("a duty", 150, run, is_due_early=is_due), outcomes, lambda *_: None, sleep)
    assert (pauses, runs) == ([60, 60, 30, 60, 60, 30, 60], [0, 3, 6])


def test_a_new_doubt_is_a_reason_to_read_and_old_ones_are_less_and_less_often():
    doubts, read = Doubts(), []
    for minute in range(60):
        named = {"AUSDT"} if minute >= 5 else set()
        named |= {"BUSDT"} if minute in (30, 31) else set()
        if doubts.are_due(named, 60):
            read.append(minute)
    assert read == [5, 7, 11, 19, 30, 32, 36, 44]


async def test_a_list_is_due_early_where_the_feed_misses_candles_of_that_market(postgres: Postgres):
    means = Means(Settings(environment="test", live=LiveSettings()), postgres, None, None)  # type: ignore[arg-type]
    duties = {duty.name: duty.is_due_early for duty in find_duties(means)}
    told = [
        FeedState(market="binance-spot", mode="sockets", silent={"ETHUSDT": datetime(2026, 1, 1, tzinfo=UTC)}),
        FeedState(market="bybit-spot", mode="sockets", not_traded={"ETHUSDT": "not traded at present"}),
        FeedState(market="bybit-futures", mode="sockets", refused_symbols={"ETHUSDT": "no such symbol"}),
        FeedState(market="binance-futures", mode="sockets"),
    ]
    await FeedStore(postgres).keep(told)
    for state, expected in zip(told, (True, True, True, False), strict=True):
        is_due = duties[f"instruments of {state.market}"]
        assert is_due is not None
        assert await is_due(60) is expected, state.market
    await FeedStore(postgres).keep([FeedState(market=state.market, mode="idle") for state in told])


def test_without_a_pause_between_them_no_list_is_read():
    settings = Settings(environment="test", live=LiveSettings(instruments_every_s=0, certify_every_s=0))
    assert find_duties(Means(settings, None, None, None)) == []  # type: ignore[arg-type]


async def test_runs_are_certified_in_a_process_of_its_own_and_how_they_stand_is_shown(postgres: Postgres):
    shown: list[Mapping[str, int]] = []

    async def elsewhere(step: Callable[..., Any], *arguments: Any) -> Certified:
        assert step is certify_due_runs
        return Certified("3 runs certified: 3 equal", {"equal": 3})

    settings = Settings(environment="test", live=LiveSettings(instruments_every_s=0, clock_speed=60))
    [duty] = find_duties(Means(settings, postgres, None, None, elsewhere, shown.append))  # type: ignore[arg-type]
    assert (duty.name, duty.every_s) == ("certificates of runs", 10)
    assert await duty.run() == "3 runs certified: 3 equal"
    assert shown == [{"equal": 3}]
