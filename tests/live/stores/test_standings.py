"""Standings of runs: shards tell of those for whom somebody asks, and whoever asks first waits a moment."""

from __future__ import annotations

import asyncio
from uuid import UUID, uuid4

from candleray.databases.postgres import Postgres
from candleray.databases.valkey import Valkey
from candleray.live.standing import RunStanding
from candleray.live.stores import standings
from candleray.live.stores.event_store import StrategyEvents
from candleray.live.stores.standings import ask_for, asked_for, standing_of, standings_of
from candleray.live.stores.user_streams import UserStreams
from tests.support.live.saved_runs import saved_run
from tests.support.waiting import let_work_until


def standing(run_id: UUID) -> RunStanding:
    return RunStanding(run_id=run_id, session=1, equity_quote=10_000.0, return_pct=0.0)


async def test_users_are_asked_for_until_nobody_asks_for_a_while(valkey: Valkey, monkeypatch) -> None:
    ada, eve = uuid4(), uuid4()
    assert not await ask_for(valkey, [ada])
    assert not await ask_for(valkey, [ada, eve]), "one of them is new"
    assert await ask_for(valkey, [ada, eve])
    assert {ada, eve} <= await asked_for(valkey)
    later_ms = standings._now_ms() + 41_000
    monkeypatch.setattr(standings, "_now_ms", lambda: later_ms)
    assert not {ada, eve} & await asked_for(valkey)
    assert not await ask_for(valkey, [ada]), "it was forgotten"


async def test_who_asks_first_has_what_is_told_thereupon(valkey: Valkey, postgres: Postgres) -> None:
    run = await saved_run(postgres)

    async def opened() -> Valkey:
        return valkey

    async def shard() -> None:
        async def is_asked() -> bool:
            return run.user_id in await asked_for(valkey)

        await let_work_until(is_asked, what="the question")
        await UserStreams(valkey, StrategyEvents(postgres)).tell_standings({run.user_id: [standing(run.run_id)]})

    told, _ = await asyncio.gather(standing_of(opened, postgres, run.user_id, run.run_id), shard())
    assert told == standing(run.run_id)
    assert await standings_of(opened, run.user_id) == {run.run_id: standing(run.run_id)}
