"""The streams of users in Valkey: in order, each event once, completed where something was not told."""

from __future__ import annotations

import pytest

from candleray.databases.postgres import Postgres
from candleray.databases.stream_reader import entries_after
from candleray.databases.valkey import Valkey
from candleray.live.events import StrategyEvent
from candleray.live.stores.event_store import NewEvent, StrategyEvents, WrittenEvent, append
from candleray.live.stores.user_streams import UserStreams, events_stream
from tests.support.live.said_events import LONG, at_hour, said
from tests.support.live.saved_runs import SavedRun, saved_run


@pytest.fixture
async def streams(postgres: Postgres, valkey: Valkey) -> UserStreams:
    return UserStreams(valkey, StrategyEvents(postgres))


@pytest.fixture
async def run(postgres: Postgres) -> SavedRun:
    """A run that has said five things: its start, and four signals."""
    run = await saved_run(postgres)
    await said(postgres, run, [(hour, LONG) for hour in range(4)])
    return run


async def events_of(postgres: Postgres, run: SavedRun) -> list[WrittenEvent]:
    events = await StrategyEvents(postgres).after(run.user_id, 0, 100)
    return [WrittenEvent(run.user_id, event.number, event.model_dump_json()) for event in events]


async def told(valkey: Valkey, run: SavedRun) -> list[int]:
    entries = await entries_after(valkey, {events_stream(run.user_id): "0-0"}, 100, 0.001)
    numbers = [StrategyEvent.model_validate_json(one.fields["event"]).number for one in entries]
    assert numbers == [int(one.entry_id.partition("-")[0]) for one in entries]
    return numbers


async def test_what_is_told_again_stands_there_once(postgres, valkey, streams, run):
    events = await events_of(postgres, run)
    await streams.tell(events[1:2])
    await streams.tell(events[1:3])
    assert await told(valkey, run) == [2, 3]


async def test_what_was_left_out_before_an_event_comes_with_it(postgres, valkey, streams, run):
    events = await events_of(postgres, run)
    await streams.tell(events[:2])
    await streams.tell(events[4:])
    assert await told(valkey, run) == [1, 2, 3, 4, 5]


async def test_what_a_process_before_has_not_told_is_told_where_there_is_a_stream(postgres, valkey, streams, run):
    nobody_reads = await saved_run(postgres)
    await streams.tell((await events_of(postgres, run))[:1])
    await streams.complete()
    assert await told(valkey, run) == [1, 2, 3, 4, 5]
    assert await told(valkey, nobody_reads) == []


async def test_streams_of_many_users_are_each_told_their_own(postgres, valkey, streams):
    runs = [await saved_run(postgres) for _ in range(3)]
    async with postgres.transaction() as transaction:
        new = [NewEvent(one.user_id, one.run_id, 1, at_hour(hour), LONG) for hour in range(4) for one in runs]
        written = await append(transaction, new)
    gone_ahead = [event for event in written if event.user_id == runs[0].user_id][-1:]
    await streams.tell(gone_ahead)
    await streams.tell(written)
    assert [await told(valkey, one) for one in runs] == [[5], [2, 3, 4, 5], [2, 3, 4, 5]]
