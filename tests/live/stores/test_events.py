"""Events of runs: written once, numbered without a gap in the order of the commits, fenced by epochs."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from uuid import UUID

import asyncpg
import pytest

from candleray.databases.postgres import Postgres
from candleray.live.events import EventKind, Gap, SignalChange, StateChange, Wait
from candleray.live.run import RunAction
from candleray.live.stores.event_store import NewEvent, StrategyEvents, append
from candleray.live.stores.shard_store import EpochOver, ShardStore, move_checkpoints
from candleray.live.stores.store import Runs
from candleray.markets import Instrument
from candleray.timeframes import to_ms
from tests.support.live.said_events import exit_of
from tests.support.live.saved_runs import SavedRun, saved_run

NOON = datetime(2026, 1, 5, 12, tzinfo=UTC)
LONG = SignalChange(signal="long", before="none", close=100.5)


@pytest.fixture
async def run(postgres: Postgres) -> SavedRun:
    return await saved_run(postgres)


def signals(run: SavedRun, minutes: Sequence[int]) -> list[NewEvent]:
    return [NewEvent(run.user_id, run.run_id, 1, NOON + timedelta(minutes=minute), LONG) for minute in minutes]


async def write(postgres: Postgres, run: SavedRun, minutes: Sequence[int]) -> list[int]:
    async with postgres.transaction() as transaction:
        return [event.number for event in await append(transaction, signals(run, minutes))]


async def enter(shard: ShardStore) -> None:
    async with shard.writing():
        pass


async def numbers(postgres: Postgres, user_id: UUID) -> list[int]:
    return [event.number for event in await StrategyEvents(postgres).after(user_id, 0, 1000)]


async def test_an_event_is_written_once_and_comes_back_as_it_was(postgres: Postgres, run: SavedRun) -> None:
    assert await write(postgres, run, [0, 1]) == [2, 3], "the first is that of its start"
    assert await write(postgres, run, [1, 2]) == [4], "what is there already is left out, and takes no number"
    events = await StrategyEvents(postgres).of_run(run.user_id, run.run_id, kinds=[EventKind.SIGNAL])
    assert [(event.ts_open, event.body) for event in events] == [
        (NOON + timedelta(minutes=minute), LONG) for minute in range(3)
    ]
    assert await StrategyEvents(postgres).last_number(run.user_id) == 4


async def test_an_event_is_told_as_it_is_read(postgres: Postgres, run: SavedRun) -> None:
    bodies = (
        LONG,
        exit_of(1, 10_000.0),
        Gap(minutes=3),
        Wait(instrument="BTCUSDT", reason='a "reason" of \u2028 its own'),
    )
    moments = (NOON, NOON, NOON + timedelta(microseconds=250), NOON)
    new = [
        NewEvent(run.user_id, run.run_id, 1, ts_open, body) for ts_open, body in zip(moments, bodies, strict=True)
    ]
    async with postgres.transaction() as transaction:
        written = await append(transaction, new)
    read = await StrategyEvents(postgres).after(run.user_id, 1, 10)
    assert [event.text for event in written] == [event.model_dump_json() for event in read]


async def test_numbers_of_a_user_have_no_gap_whoever_writes_and_rolls_back(
    postgres: Postgres, run: SavedRun
) -> None:
    async def fail() -> None:
        async with postgres.transaction() as transaction:
            await append(transaction, signals(run, [1000]))
            raise ZeroDivisionError

    async def roll_back() -> None:
        with pytest.raises(ZeroDivisionError):
            await fail()

    writers = [write(postgres, run, range(first, first + 5)) for first in range(0, 100, 5)]
    await asyncio.gather(*writers, *(roll_back() for _ in range(5)))
    assert await numbers(postgres, run.user_id) == list(range(1, 102))


async def test_every_transition_is_told_with_its_cause(postgres: Postgres, run: SavedRun) -> None:
    await Runs(postgres).move(run.user_id, run.run_id, RunAction.WARM_UP, "the runner has it")
    event = (await StrategyEvents(postgres).after(run.user_id, 1, 10))[0]
    assert isinstance(event.body, StateChange)
    assert (event.body.to_state, event.body.cause) == ("warming_up", "the runner has it")


async def test_a_run_that_starts_again_begins_a_session_with_the_bar_that_is_open(
    postgres: Postgres, run: SavedRun
) -> None:
    runs = Runs(postgres)
    for action in (RunAction.STOP, RunAction.HALT):
        await runs.move(run.user_id, run.run_id, action, "the test")
    at = NOON + timedelta(days=3, minutes=7)
    await runs.move(run.user_id, run.run_id, RunAction.RUN, "the test", at)
    found = [one for one in await ShardStore(postgres, 0).runs() if one.run.run_id == run.run_id]
    assert [one.last.session for one in found] == [4]
    assert found[0].last.live_from == NOON + timedelta(days=3)


async def test_an_event_never_changes(postgres: Postgres, run: SavedRun) -> None:
    await write(postgres, run, [0])
    for statement in ("UPDATE strategy_events SET kind = 'exit'", "DELETE FROM strategy_events"):
        with pytest.raises(asyncpg.RestrictViolationError):
            await postgres._pool.execute(statement)


async def test_a_process_that_was_replaced_writes_nothing_more(postgres: Postgres, run: SavedRun) -> None:
    former, successor = ShardStore(postgres, 7), ShardStore(postgres, 7)
    await former.begin(8)
    async with former.writing() as transaction:
        await append(transaction, signals(run, [0]))
    await successor.begin(8)
    with pytest.raises(EpochOver):
        await enter(former)
    async with successor.writing() as transaction:
        await append(transaction, signals(run, [2]))
    assert await numbers(postgres, run.user_id) == [1, 2, 3]


async def test_with_another_number_of_shards_every_epoch_is_over(postgres: Postgres) -> None:
    first, other = ShardStore(postgres, 0), ShardStore(postgres, 1)
    await first.begin(2)
    await other.begin(2)
    await ShardStore(postgres, 0).begin(1)
    for former in (first, other):
        with pytest.raises(EpochOver):
            await enter(former)


async def test_a_checkpoint_never_moves_back(postgres: Postgres) -> None:
    instrument = Instrument(market_id=1, symbol="BACKUSDT")
    for minute in (5, 7, 6):
        async with postgres.transaction() as transaction:
            await move_checkpoints(transaction, {instrument: to_ms(NOON + timedelta(minutes=minute))})
    known = await ShardStore(postgres, 0).checkpoints([instrument, Instrument(market_id=1, symbol="NONEUSDT")])
    assert known == {instrument: to_ms(NOON + timedelta(minutes=7))}
    with pytest.raises(asyncpg.RestrictViolationError):
        await postgres._pool.execute("UPDATE live_checkpoints SET ts_open = ts_open - interval '1 minute'")
