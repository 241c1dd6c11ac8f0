"""Events, signals, trades and equity of a run through the API."""

from __future__ import annotations

import json
from typing import Any
from uuid import uuid4

import httpx
import pytest
from pydantic import TypeAdapter

from candleray.databases.postgres import Postgres
from candleray.databases.valkey import Valkey
from candleray.live.records import EquityPage, EventPage, SignalPage, TradePage
from candleray.live.run import RunAction
from candleray.live.stores.shard_store import move_checkpoints
from candleray.live.stores.store import Runs
from candleray.live.stores.user_streams import standings_stream
from candleray.strategies.store import Strategies
from candleray.timeframes import MINUTE_MS, to_ms
from serve_apps.examples import live as examples
from tests.support.api.in_process_api import backend, serving, unreachable
from tests.support.live.said_events import ANNULLED, LONG, at_hour, entry, exit_of, said
from tests.support.live.saved_runs import SavedRun, saved_run

TWO_TRADES_AND_ONE_ANNULLED = [
    (0, LONG),
    (0, entry()),
    (3, exit_of(0, 10_050.0)),
    (3, entry(10_050.0)),
    (5, exit_of(3, 10_020.0)),
    (6, entry(10_020.0)),
    (6, ANNULLED),
    (9, entry(10_020.0)),
]


async def told(api: httpx.AsyncClient, run: SavedRun, what: str, **query: Any) -> Any:
    answer = await api.get(f"/runs/{run.run_id}/{what}", params=query)
    assert answer.status_code == 200, answer.text
    return answer.json()


async def started_again(postgres: Postgres, run: SavedRun) -> int:
    """The new session of a run that was stopped and started again."""
    runs = Runs(postgres)
    for action in (RunAction.STOP, RunAction.HALT, RunAction.RUN):
        await runs.move(run.user_id, run.run_id, action, "the test")
    return 4


@pytest.mark.parametrize(
    ("model", "example"),
    [
        (EventPage, examples.EVENTS),
        (SignalPage, examples.SIGNALS),
        (TradePage, examples.TRADES),
        (EquityPage, examples.EQUITY),
    ],
)
def test_the_examples_are_valid(model, example):
    TypeAdapter(model).validate_python(example)


async def test_events_come_in_pages_that_go_on_by_their_numbers(api, postgres, run):
    await said(postgres, run, TWO_TRADES_AND_ONE_ANNULLED)
    first = await told(api, run, "events", limit=5)
    second = await told(api, run, "events", limit=5, after=first["next_after"])
    assert [one["number"] for one in first["events"] + second["events"]] == list(range(1, 10))
    assert (first["next_after"], second["next_after"]) == (5, None)
    assert await told(api, run, "events", after=9) == {"events": [], "next_after": None}


async def test_events_are_narrowed_by_kinds_and_session(api, postgres, run):
    await said(postgres, run, TWO_TRADES_AND_ONE_ANNULLED)
    session = await started_again(postgres, run)
    await said(postgres, run, [(20, LONG)], session)
    exits = await told(api, run, "events", kind=["exit", "annulled"])
    assert [one["body"]["kind"] for one in exits["events"]] == ["exit", "exit", "annulled"]
    assert [one["session"] for one in (await told(api, run, "events", session=session))["events"]] == [4, 4]


async def test_signals_are_the_changes_of_the_final_signal(api, postgres, run):
    await said(postgres, run, TWO_TRADES_AND_ONE_ANNULLED)
    (signal,) = (await told(api, run, "signals"))["signals"]
    assert (signal["signal"], signal["before"], signal["close"]) == ("long", "none", 100.5)
    assert signal["ts_open"] == "2026-01-05T12:00:00Z"


async def test_trades_are_entries_with_their_exits_the_open_one_last_and_annulled_ones_counted(api, postgres, run):
    await said(postgres, run, TWO_TRADES_AND_ONE_ANNULLED)
    page = await told(api, run, "trades")
    shown = [(one["state"], one["entered"], one["exited"]) for one in page["trades"]]
    assert shown == [
        ("closed", "2026-01-05T12:00:00Z", "2026-01-05T15:00:00Z"),
        ("closed", "2026-01-05T15:00:00Z", "2026-01-05T17:00:00Z"),
        ("open", "2026-01-05T21:00:00Z", None),
    ]
    assert [one["exit"] and one["exit"]["entered"] for one in page["trades"]] == [
        "2026-01-05T12:00:00Z",
        "2026-01-05T15:00:00Z",
        None,
    ]
    assert page["annulled"] == 1


async def test_trades_come_in_pages(api, postgres, run):
    await said(postgres, run, TWO_TRADES_AND_ONE_ANNULLED)
    first = await told(api, run, "trades", limit=2)
    second = await told(api, run, "trades", limit=2, after=first["next_after"])
    assert [len(first["trades"]), len(second["trades"]), second["next_after"]] == [2, 1, None]


async def test_a_position_that_was_open_when_its_session_ended_is_left_open(api, postgres, run):
    await said(postgres, run, [(0, entry())])
    assert (await told(api, run, "trades"))["trades"][0]["state"] == "open"
    session = await started_again(postgres, run)
    await said(postgres, run, [(30, entry()), (31, exit_of(30, 9_990.0)), (32, entry())], session)
    trades = (await told(api, run, "trades"))["trades"]
    assert [(one["session"], one["state"]) for one in trades] == [(1, "left_open"), (4, "closed"), (4, "open")]
    for action in (RunAction.STOP, RunAction.HALT):
        await Runs(postgres).move(run.user_id, run.run_id, action, "the test")
    assert (await told(api, run, "trades", session=4))["trades"][1]["state"] == "left_open"


async def test_annulled_entries_and_cash_are_those_of_the_session_that_is_asked_for(api, postgres, run):
    await said(postgres, run, TWO_TRADES_AND_ONE_ANNULLED)
    session = await started_again(postgres, run)
    assert [(await told(api, run, "trades", session=one))["annulled"] for one in (1, session)] == [1, 0]
    equity = await told(api, run, "equity", session=session)
    assert ([one["session"] for one in equity["sessions"]], equity["points"]) == ([session], [])


async def test_equity_is_told_after_each_trade_by_sessions(api, postgres, run):
    await said(postgres, run, TWO_TRADES_AND_ONE_ANNULLED)
    session = await started_again(postgres, run)
    await said(postgres, run, [(30, entry()), (31, exit_of(30, 9_900.0))], session)
    page = await told(api, run, "equity")
    assert [(one["session"], one["init_cash_quote"]) for one in page["sessions"]] == [(1, 10_000), (4, 10_000)]
    points = [(one["session"], one["ts_open"], one["equity_quote"]) for one in page["points"]]
    assert points == [
        (1, "2026-01-05T15:00:00Z", 10_050.0),
        (1, "2026-01-05T17:00:00Z", 10_020.0),
        (4, "2026-01-06T19:00:00Z", 9_900.0),
    ]
    assert [round(one["return_pct"], 9) for one in page["points"]] == [0.5, 0.2, -1.0]
    assert [one["session"] for one in (await told(api, run, "equity", session=4))["sessions"]] == [4]


async def test_trades_and_equity_stay_when_the_strategy_is_deleted(api, postgres, run):
    await said(postgres, run, TWO_TRADES_AND_ONE_ANNULLED)
    for action in (RunAction.STOP, RunAction.HALT):
        await Runs(postgres).move(run.user_id, run.run_id, action, "the test")
    await Strategies(postgres).delete(run.user_id, run.run.strategy_id)
    assert len((await told(api, run, "equity"))["points"]) == 2
    assert (await told(api, run, "trades"))["trades"][-1]["state"] == "left_open"


async def test_a_run_is_shown_with_its_newest_standing_while_it_is_active(api, postgres, valkey_url, run):
    kept = (await api.get(f"/runs/{run.run_id}")).json()["standing"]
    assert kept["waits_for"] == "its runner, which has told nothing of it for 35 s"
    standing = {**examples.STANDING, "run_id": str(run.run_id)}
    valkey = await Valkey.open(valkey_url)
    for equity in (1.0, 2.0):
        told = json.dumps([{**standing, "equity_quote": equity}])
        await valkey.client.xadd(standings_stream(run.user_id), {"standings": told})
    await valkey.client.xadd(standings_stream(run.user_id), {"standings": "[]"})  # of another shard
    await valkey.close()
    assert (await api.get(f"/runs/{run.run_id}")).json()["standing"] == {**standing, "equity_quote": 2.0}
    for action in (RunAction.STOP, RunAction.HALT):
        await Runs(postgres).move(run.user_id, run.run_id, action, "the test")
    assert (await api.get(f"/runs/{run.run_id}")).json()["standing"] is None


async def test_without_valkey_a_run_is_shown_as_the_database_keeps_it(postgres, user, run):
    async with serving(backend(object(), postgres), user, valkey=unreachable) as api:
        fresh = (await api.get(f"/runs/{run.run_id}")).json()["standing"]
        assert (fresh["as_of"], fresh["last_bar"], fresh["equity_quote"], fresh["side"]) == (
            None,
            None,
            10_000,
            None,
        )
        await said(postgres, run, TWO_TRADES_AND_ONE_ANNULLED)
        for action in (RunAction.WARM_UP, RunAction.GO_LIVE):
            await Runs(postgres).move(run.user_id, run.run_id, action, "the test")
        last_minute_ms = to_ms(at_hour(10)) - MINUTE_MS
        async with postgres.transaction() as transaction:
            await move_checkpoints(transaction, {run.spec.instrument: last_minute_ms})
        standing = (await api.get(f"/runs/{run.run_id}")).json()["standing"]
    assert standing == {
        **examples.STANDING,
        "run_id": str(run.run_id),
        "as_of": "2026-01-05T22:00:00Z",
        "source": "records",
        "last_bar": "2026-01-05T21:00:00Z",
        "lag_s": None,
        "quantity": 1.0,
        "entry_price": 100.0,
        "equity_quote": 10_020.0,
        "return_pct": pytest.approx(0.2),
        "trades": 2,
    }


@pytest.mark.parametrize("what", ["events", "signals", "trades", "equity"])
async def test_a_session_that_the_run_has_not_is_refused_with_those_it_has(api, run, what):
    answer = await api.get(f"/runs/{run.run_id}/{what}", params={"session": 9})
    assert answer.status_code == 422
    assert answer.json()["error"]["problems"][0]["message"] == "session: the run has no session 9; it has 1"


@pytest.mark.parametrize("query", ["after=-1", f"after={2**63}", "limit=0", "limit=5001", "kind=signals", "a=1"])
async def test_a_wrong_query_is_refused(api, run, query):
    assert (await api.get(f"/runs/{run.run_id}/events?{query}")).status_code == 422


async def test_what_runs_of_others_have_said_stays_theirs(api, postgres, run, stranger):
    await said(postgres, run, TWO_TRADES_AND_ONE_ANNULLED)
    theirs = await saved_run(postgres, user_id=stranger.user_id)
    async with serving(backend(object(), postgres), stranger) as client:
        for what in ("events", "signals", "trades", "equity"):
            foreign = await client.get(f"/runs/{run.run_id}/{what}")
            unknown = await client.get(f"/runs/{uuid4()}/{what}")
            assert (foreign.status_code, unknown.status_code) == (404, 404)
        assert (await told(client, theirs, "trades"))["trades"] == []
