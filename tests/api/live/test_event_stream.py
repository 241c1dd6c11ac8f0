"""The stream of a user's events: in order, each once, none left out, whatever is away meanwhile."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack

import pytest
from pydantic import TypeAdapter

from candleray.databases.valkey import Valkey
from candleray.live.events import StrategyEvent
from candleray.live.standing import RunStanding
from candleray.live.stores.event_store import StrategyEvents
from candleray.live.stores.standings import asked_for
from candleray.live.stores.user_streams import events_stream, standings_stream
from serve_apps import event_watch
from serve_apps.examples import live as examples
from serve_apps.http import event_streams
from serve_apps.routes import events as event_routes
from tests.support.api.accounts import log_in
from tests.support.api.in_process_api import backend, serving, serving_strangers, unreachable
from tests.support.api.open_stream import OpenStream, open_stream
from tests.support.live.said_events import LONG, said
from tests.support.live.saved_runs import SavedRun, saved_run
from tests.support.waiting import let_work_until


async def numbers(stream: OpenStream, count: int) -> list[int]:
    return [(await stream.next("strategy_event", "error")).data["number"] for _ in range(count)]


async def tell(valkey: Valkey, run: SavedRun, number: int) -> None:
    """Append an entry as the runs' processes do after their commit."""
    await valkey.client.xadd(events_stream(run.user_id), {"event": "{}"}, id=f"{number}-0")


def test_the_examples_are_valid():
    TypeAdapter(StrategyEvent).validate_python(examples.EVENT)
    TypeAdapter(RunStanding).validate_python(examples.STANDING)


async def test_it_tells_what_there_is_behind_a_number_and_then_what_comes(api, postgres, run):
    await said(postgres, run, [(hour, LONG) for hour in range(3)])
    async with open_stream(api, "/events", after=2) as stream:
        begin = await stream.next()
        assert (begin.event, begin.data, begin.event_id) == ("begin", {"after": 2}, "2")
        assert await numbers(stream, 2) == [3, 4]
        await said(postgres, run, [(3, LONG), (4, LONG)])
        event = await stream.next("strategy_event")
        assert (event.event_id, event.data["run_id"], event.data["body"]["signal"]) == (
            "5",
            str(run.run_id),
            "long",
        )
        assert await numbers(stream, 1) == [6]


async def test_by_default_it_begins_with_what_is_said_from_now_on(api, postgres, run):
    async with open_stream(api, "/events") as stream:
        assert (await stream.next()).data == {"after": 1}
        await said(postgres, run, [(0, LONG)])
        assert await numbers(stream, 1) == [2]


async def test_after_a_cut_it_goes_on_behind_the_last_id(api, postgres, run):
    await said(postgres, run, [(hour, LONG) for hour in range(5)])
    async with open_stream(api, "/events", after=0) as stream:
        assert await numbers(stream, 3) == [1, 2, 3]
    async with open_stream(api, "/events", {"Last-Event-ID": "3"}, after=0) as stream:
        assert await numbers(stream, 3) == [4, 5, 6]


async def test_it_ends_after_the_time_that_is_asked_for(api, postgres, run):
    await said(postgres, run, [(hour, LONG) for hour in range(3)])
    async with open_stream(api, "/events", after=0, for_s=0) as stream:
        told = await stream.rest()
    assert [event.event for event in told] == ["begin", *["strategy_event"] * 4, "end"]
    assert told[-1].data == {"after": 4}


async def test_more_than_a_batch_comes_whole(api, postgres, run, monkeypatch):
    monkeypatch.setattr(event_routes, "BATCH", 7)
    await said(postgres, run, [(hour, LONG) for hour in range(40)])
    async with open_stream(api, "/events", after=0, for_s=0) as stream:
        told = await stream.rest()
    assert [event.data["number"] for event in told[1:-1]] == list(range(1, 42))


async def test_an_entry_in_valkey_wakes_it_at_once_and_postgres_within_a_second(
    api, postgres, valkey, run, monkeypatch
):
    monkeypatch.setattr(event_watch, "ASK_S", 3600.0)
    async with open_stream(api, "/events") as stream:
        await stream.next("begin")
        await asyncio.sleep(0.3)  # until it has asked Postgres for the only time
        await said(postgres, run, [(0, LONG), (1, LONG)])
        await tell(valkey, run, 3)  # the entry before is missing
        assert await numbers(stream, 2) == [2, 3]


async def test_valkey_may_be_emptied_while_it_goes_on(api, postgres, valkey, run):
    async with open_stream(api, "/events", after=1) as stream:
        for hour, number in ((0, 2), (1, 3), (2, 4)):
            await said(postgres, run, [(hour, LONG)])
            await tell(valkey, run, number)
            assert await numbers(stream, 1) == [number]
            await valkey.client.delete(events_stream(run.user_id))


async def test_it_goes_on_without_valkey(postgres, user, run):
    async with (
        serving(backend(object(), postgres), user, valkey=unreachable) as api,
        open_stream(api, "/events", after=0) as stream,
    ):
        assert await numbers(stream, 1) == [1]
        await said(postgres, run, [(0, LONG)])
        assert await numbers(stream, 1) == [2]


async def test_it_tells_how_the_runs_stand_each_entry_once(api, valkey, run):
    stream_name, standing = standings_stream(run.user_id), [{**examples.STANDING, "run_id": str(run.run_id)}]
    entry = {"standings": TypeAdapter(list).dump_json(standing).decode()}
    await valkey.client.xadd(stream_name, entry)
    async with open_stream(api, "/events") as stream:
        assert (await stream.next("standings")).data == standing
        assert run.user_id in await asked_for(valkey), "for shards tell of nobody else's runs"
        await valkey.client.xadd(stream_name, {"standings": "[]"})
        assert (await stream.next("standings")).data == []
    async with open_stream(api, "/events", standings=False, for_s=0.8) as stream:
        assert [event.event for event in await stream.rest()] == ["begin", "end"]


async def test_all_streams_of_a_replica_ask_together(api, postgres, run, monkeypatch):
    asked = []
    look = event_watch.StrategyEvents.last_numbers

    async def counted(self, user_ids):
        asked.append(user_ids)
        return await look(self, user_ids)

    monkeypatch.setattr(event_watch.StrategyEvents, "last_numbers", counted)
    async with AsyncExitStack() as opened:
        streams = [await opened.enter_async_context(open_stream(api, "/events", after=1)) for _ in range(8)]
        for stream in streams:
            await stream.next("begin")
        await said(postgres, run, [(0, LONG)])
        assert [await numbers(stream, 1) for stream in streams] == [[2]] * 8
    assert asked
    assert all(user_ids == [run.user_id] for user_ids in asked)


def asking() -> list[asyncio.Task[None]]:
    """The tasks that ask for all streams of this process."""
    return [task for task in asyncio.all_tasks() if "EventWatch._ask" in repr(task)]


async def test_one_who_leaves_takes_nothing_from_the_others_and_the_last_one_ends_the_asking(api, postgres, run):
    async with open_stream(api, "/events", after=1) as stays:
        await stays.next("begin")
        async with open_stream(api, "/events", after=1) as leaves:
            await leaves.next("begin")
        await said(postgres, run, [(0, LONG)])
        assert await numbers(stays, 1) == [2]
        assert len(asking()) == 2
    await let_work_until(lambda: not asking())


async def test_a_stream_to_which_nothing_comes_reads_no_events_again(api, postgres, valkey, run, monkeypatch):
    read, asked = StrategyEvents.after, []

    async def counted(self, *given):
        asked.append(given)
        return await read(self, *given)

    monkeypatch.setattr(event_streams, "ASK_AGAIN_S", 0.05)
    monkeypatch.setattr(StrategyEvents, "after", counted)
    async with open_stream(api, "/events", after=0) as stream:
        assert await numbers(stream, 1) == [1]
        await said(postgres, run, [(0, LONG)])
        await tell(valkey, run, 2)
        assert await numbers(stream, 1) == [2]
        await asyncio.sleep(1.0)
        assert len(asked) <= 5, "at its begin, and for each word of Valkey's and Postgres's"


async def test_streams_of_one_user_are_few_and_those_of_others_are_not_fewer_for_them(postgres, run, user):
    async with AsyncExitStack() as opened:
        api = await opened.enter_async_context(serving_strangers(backend(object(), postgres)))
        other = {"Authorization": f"Bearer {await log_in(api)}"}
        await log_in(api)
        for _ in range(8):
            stream = await opened.enter_async_context(open_stream(api, "/events"))
            await stream.next("begin")
        for _ in range(300):
            refused = await api.get("/events", params={"for_s": 0})
            assert refused.status_code == 429
        assert "at most 8" in refused.json()["error"]["message"]
        assert (await api.get("/runs")).status_code == 200
        assert (await api.get("/events", params={"for_s": 0}, headers=other)).status_code == 200


async def test_it_ends_soon_after_its_token_is_revoked_also_amid_events_that_are_read_slowly(
    api, postgres, run, monkeypatch
):
    monkeypatch.setattr(event_streams, "ASK_AGAIN_S", 0.2)
    await said(postgres, run, [(hour, LONG) for hour in range(200)])
    token = (await api.post("/tokens", json={"name": "watcher", "scopes": ["read"]})).json()
    headers = {"Authorization": f"Bearer {token['token']}"}
    async with AsyncExitStack() as opened:
        idle = await opened.enter_async_context(open_stream(api, "/events", headers))
        slow = await opened.enter_async_context(open_stream(api, "/events", headers, after=0))
        await idle.next("begin")
        assert await numbers(slow, 1) == [1]
        await api.delete(f"/tokens/{token['info']['token_id']}")
        await asyncio.sleep(0.3)
        for stream in (idle, slow):
            told = await stream.rest()
            assert (told[-1].event, told[-1].data["error"]["code"]) == ("error", "unauthenticated")
            assert len(told) < 10, "what waits on the way may come, and no more"


async def test_a_slow_reader_holds_nothing_and_gets_everything(api, postgres, run):
    await said(postgres, run, [(hour, LONG) for hour in range(1200)])
    async with open_stream(api, "/events", after=0) as stream:
        assert await numbers(stream, 1) == [1]
        async with asyncio.timeout(60):
            answers = await asyncio.gather(*(api.get("/runs") for _ in range(20)))
        assert {answer.status_code for answer in answers} == {200}
        assert await numbers(stream, 1200) == list(range(2, 1202))


async def test_what_others_runs_say_is_not_told(api, postgres, run):
    stranger = await saved_run(postgres)
    async with open_stream(api, "/events", after=0) as stream:
        assert await numbers(stream, 1) == [1]
        await said(postgres, stranger, [(0, LONG)])
        await said(postgres, run, [(0, LONG)])
        event = await stream.next("strategy_event")
        assert (event.data["number"], event.data["run_id"]) == (2, str(run.run_id))


@pytest.mark.parametrize(
    ("query", "header", "words"),
    [
        ({"after": 2}, None, "after: 2 is beyond your last event, 1"),
        ({"after": 0}, "9", "after: 9 is beyond your last event, 1"),
        ({"after": -1}, None, "greater than or equal to 0"),
        ({"for_s": 86_401}, None, "less than or equal to 86400"),
        ({}, "last", "match pattern"),
    ],
)
async def test_a_number_that_cannot_be_is_refused_before_the_stream_begins(api, run, query, header, words):
    answer = await api.get("/events", params=query, headers={"Last-Event-ID": header} if header else {})
    assert answer.status_code == 422
    assert words in answer.json()["error"]["problems"][0]["message"]
