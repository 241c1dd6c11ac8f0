"""Runs: one table of states, every transition an event, one active run a strategy."""

from __future__ import annotations

import asyncio
import re
from datetime import UTC, datetime
from itertools import product
from pathlib import Path
from uuid import UUID, uuid4

import asyncpg
import pytest
from hypothesis import given
from hypothesis import strategies as st

from candleray.databases.postgres import Postgres
from candleray.databases.statements import SQL, named_statements
from candleray.errors import Conflict, NotFound
from candleray.indicators.catalogue import get_catalogue
from candleray.live.run import (
    ACTION_MEANINGS,
    ACTIVE_STATES,
    FIRST_STATE,
    TRANSITIONS,
    Run,
    RunAction,
    RunFilter,
    RunMetadata,
    RunState,
    next_state,
)
from candleray.live.starting.warm_up import live_warmup_bars, run_metadata
from candleray.live.stores.store import Runs
from candleray.paging import position_of
from candleray.settings import BacktestSettings
from candleray.strategies.saving import name_of, spec_of
from candleray.strategies.store import Strategies
from candleray.strategies.strategy import StrategyDraft, StrategySpec
from kernels.indicators import INDICATORS
from tests.support.api.run_paths import path_to
from tests.support.users import new_user_id

NOON = datetime(2026, 1, 5, 12, 34, 56, tzinfo=UTC)
PAIRS = list(product(RunState, RunAction))
ALLOWED = {
    ("starting", "warm_up"): "warming_up",
    ("starting", "stop"): "stopping",
    ("starting", "fail"): "failed",
    ("warming_up", "go_live"): "running",
    ("warming_up", "stop"): "stopping",
    ("warming_up", "fail"): "failed",
    ("running", "stop"): "stopping",
    ("running", "fail"): "failed",
    ("stopping", "halt"): "stopped",
    ("stopping", "run"): "starting",
    ("stopping", "fail"): "failed",
    ("stopped", "run"): "starting",
    ("stopped", "fail"): "failed",
    ("failed", "run"): "starting",
}
"""Written down a second time, so that a slip in the table is one."""


def spec(window: int = 20, **parts: object) -> StrategySpec:
    content = {
        "instrument": {"market_id": 1, "symbol": "BTCUSDT"},
        "timeframe": "1h",
        "indicators": [{"id": "sma", "params": {"window": window}}],
        **parts,
    }
    return spec_of(StrategyDraft.model_validate(content), BacktestSettings())


METADATA = run_metadata(spec(), NOON)


@pytest.fixture
def runs(postgres: Postgres) -> Runs:
    return Runs(postgres)


@pytest.fixture
async def strategy_id(postgres: Postgres, user_id: UUID) -> UUID:
    return (await Strategies(postgres).save(user_id, name_of(spec()), spec())).strategy_id


async def run_in(runs: Runs, user_id: UUID, strategy_id: UUID, state: RunState) -> Run:
    run = await runs.start(user_id, strategy_id, METADATA, "to begin")
    for action in path_to(state):
        run = await runs.move(user_id, run.run_id, action, "to get there")
    assert run.state == state
    return run


# The table ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("state", "action"), PAIRS)
def test_each_pair_of_state_and_action_leads_where_it_should_or_is_refused_with_the_allowed(state, action):
    if (state, action) in ALLOWED:
        assert next_state(state, action) == ALLOWED[state, action]
        return
    with pytest.raises(Conflict) as refused:
        next_state(state, action)
    told = re.fullmatch(rf"a run that is {state} does not take {action}; allowed: (.+)", refused.value.message)
    assert told is not None
    assert set(told[1].split(", ")) == {allowed for at, allowed in ALLOWED if at == state}


def test_failed_is_reached_from_every_state_and_every_state_is_reached():
    assert all(RunState.FAILED in TRANSITIONS[state].values() for state in RunState if state != RunState.FAILED)
    assert all(path_to(state) is not None for state in RunState)
    assert set(ACTION_MEANINGS) == set(RunAction)


@given(st.lists(st.sampled_from(RunAction), max_size=30))
def test_whatever_is_asked_in_whatever_order_a_run_is_in_a_state_that_can_go_on(actions):
    state = FIRST_STATE
    for action in actions:
        try:
            state = next_state(state, action)
        except Conflict:
            assert (state, action) not in ALLOWED
    assert TRANSITIONS[state]


def test_the_states_that_the_database_counts_as_active_are_those_of_the_table():
    states = [state.value for state in ACTIVE_STATES]
    migration = (SQL / "postgres_0005_runs.sql").read_text()
    (index,) = re.findall(r"runs_active ON runs \(strategy_id\)\s+WHERE state IN \((.+?)\)", migration)
    (statement,) = re.findall(r"state IN \((.+?)\)", named_statements("postgres")["active_run"])
    assert re.findall(r"\w+", index) == states
    assert re.findall(r"\w+", statement) == states
    (check,) = re.findall(r"CHECK \(state IN \((.+?)\)\)", migration)
    assert re.findall(r"\w+", check) == list(RunState)


def test_the_drawing_has_every_transition():
    page = (Path(__file__).parents[3] / "docs" / "reference" / "run-states.md").read_text()
    drawn = re.findall(r"^    (\w+) --> (\w+): (\w+)$", page, re.MULTILINE)
    assert {(state, action): there for state, there, action in drawn} == ALLOWED


# The store ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("state", "action"), PAIRS)
async def test_the_store_moves_and_notes_or_refuses_and_changes_nothing(runs, user_id, strategy_id, state, action):
    former = await run_in(runs, user_id, strategy_id, state)
    before = await runs.get(user_id, former.run_id)
    if (state, action) not in ALLOWED:
        with pytest.raises(Conflict, match="allowed: "):
            await runs.move(user_id, former.run_id, action, "why")
        assert await runs.get(user_id, former.run_id) == before
        return
    moved = await runs.move(user_id, former.run_id, action, "why")
    after = await runs.get(user_id, former.run_id)
    *earlier, event = after.events
    assert moved.state == after.state == event.to_state == ALLOWED[state, action]
    assert (event.from_state, event.action, event.cause) == (state, action, "why")
    assert (tuple(earlier), event.number) == (before.events, len(before.events) + 1)
    assert event.at >= earlier[-1].at
    assert after.metadata == former.metadata


async def test_twenty_starts_at_once_make_one_run(runs, user_id, strategy_id):
    starts = (runs.start(user_id, strategy_id, METADATA, "all at once") for _ in range(20))
    told = await asyncio.gather(*starts, return_exceptions=True)
    (run,) = [one for one in told if isinstance(one, Run)]
    conflicts = [one for one in told if isinstance(one, Conflict)]
    assert len(conflicts) == 19
    assert all(str(run.run_id) in conflict.message for conflict in conflicts)
    assert (await runs.page(user_id, RunFilter(), None, 10)).runs == (run,)


async def test_twenty_restarts_at_once_make_one_transition(runs, user_id, strategy_id):
    run = await run_in(runs, user_id, strategy_id, RunState.STOPPED)
    known = len((await runs.get(user_id, run.run_id)).events)
    restarts = (runs.move(user_id, run.run_id, RunAction.RUN, "all at once") for _ in range(20))
    told = await asyncio.gather(*restarts, return_exceptions=True)
    assert sum(isinstance(one, Run) for one in told) == 1
    assert sum(isinstance(one, Conflict) for one in told) == 19
    assert len((await runs.get(user_id, run.run_id)).events) == known + 1


async def test_two_ended_runs_of_one_strategy_do_not_both_start_again(runs, user_id, strategy_id):
    first = await run_in(runs, user_id, strategy_id, RunState.STOPPED)
    second = await run_in(runs, user_id, strategy_id, RunState.FAILED)
    both = (runs.move(user_id, run.run_id, RunAction.RUN, "again") for run in (first, second))
    told = await asyncio.gather(*both, return_exceptions=True)
    assert sorted(type(one).__name__ for one in told) == ["Conflict", "Run"]
    with pytest.raises(Conflict, match="has an active run"):
        await runs.start(user_id, strategy_id, METADATA, "a third")


async def test_a_strategy_with_an_active_run_is_not_deleted_and_a_deleted_one_not_run(
    postgres, runs, user_id, strategy_id
):
    strategies = Strategies(postgres)
    run = await run_in(runs, user_id, strategy_id, RunState.RUNNING)
    with pytest.raises(Conflict, match=f"{run.run_id} is running; stop it first"):
        await strategies.delete(user_id, strategy_id)
    for action in (RunAction.STOP, RunAction.HALT):
        await runs.move(user_id, run.run_id, action, "to delete it")
    await strategies.delete(user_id, strategy_id)
    with pytest.raises(Conflict, match="is deleted"):
        await runs.move(user_id, run.run_id, RunAction.RUN, "again")
    with pytest.raises(NotFound):
        await runs.start(user_id, strategy_id, METADATA, "anew")
    assert (await runs.get(user_id, run.run_id)).state == RunState.STOPPED


async def test_deleting_and_starting_at_once_leaves_no_run_of_a_deleted_strategy(postgres, runs, user_id):
    for window in range(10, 20):
        kept = await Strategies(postgres).save(user_id, name_of(spec(window)), spec(window))
        told = await asyncio.gather(
            runs.start(user_id, kept.strategy_id, METADATA, "start"),
            Strategies(postgres).delete(user_id, kept.strategy_id),
            return_exceptions=True,
        )
        assert sum(isinstance(one, Conflict | NotFound) for one in told) == 1


async def test_a_foreign_run_is_answered_as_an_unknown_one(postgres, runs, user_id, strategy_id):
    run = await run_in(runs, user_id, strategy_id, RunState.RUNNING)
    stranger = await new_user_id(postgres)
    for run_id in (run.run_id, uuid4()):
        with pytest.raises(NotFound, match=f"^there is no run {run_id}$"):
            await runs.get(stranger, run_id)
        with pytest.raises(NotFound, match=f"^there is no run {run_id}$"):
            await runs.move(stranger, run_id, RunAction.STOP, "mine")
    with pytest.raises(NotFound, match=f"^there is no strategy {strategy_id}$"):
        await runs.start(stranger, strategy_id, METADATA, "mine")
    assert (await runs.page(stranger, RunFilter(), None, 10)).runs == ()
    assert (await runs.get(user_id, run.run_id)).state == RunState.RUNNING


FORBIDDEN = [
    ("UPDATE runs SET state = 'stopped' WHERE run_id = $1", asyncpg.RestrictViolationError),
    (
        "UPDATE runs SET state = 'stopped', last_event = last_event + 1 WHERE run_id = $1",
        asyncpg.ForeignKeyViolationError,
    ),
    (
        "UPDATE runs SET metadata = '{}', last_event = last_event + 1 WHERE run_id = $1",
        asyncpg.RestrictViolationError,
    ),
    ("DELETE FROM runs WHERE run_id = $1", asyncpg.RestrictViolationError),
    ("UPDATE run_events SET cause = 'another' WHERE run_id = $1", asyncpg.RestrictViolationError),
    ("DELETE FROM run_events WHERE run_id = $1", asyncpg.RestrictViolationError),
    (
        "INSERT INTO runs (user_id, strategy_id, state, metadata)"
        " SELECT user_id, strategy_id, state, metadata FROM runs WHERE run_id = $1",
        asyncpg.UniqueViolationError,
    ),
]


@pytest.mark.parametrize(("statement", "error"), FORBIDDEN)
async def test_the_database_refuses_a_second_run_a_state_without_its_event_and_changed_history(
    postgres, runs, user_id, strategy_id, statement, error
):
    run = await run_in(runs, user_id, strategy_id, RunState.RUNNING)
    before = await runs.get(user_id, run.run_id)
    async with postgres._pool.acquire() as connection:
        with pytest.raises(error):
            await connection.execute(statement, run.run_id)
    assert await runs.get(user_id, run.run_id) == before


async def test_pages_and_filters(postgres, runs, user_id, strategy_id):
    ended = [await run_in(runs, user_id, strategy_id, RunState.STOPPED) for _ in range(3)]
    kept = await Strategies(postgres).save(user_id, name_of(spec(30)), spec(30))
    active = await run_in(runs, user_id, kept.strategy_id, RunState.WARMING_UP)
    first = await runs.page(user_id, RunFilter(), None, 3)
    assert first.next_cursor is not None
    rest = await runs.page(user_id, RunFilter(), position_of(first.next_cursor), 3)
    assert [run.run_id for run in (*first.runs, *rest.runs)] == [run.run_id for run in (active, *reversed(ended))]
    chosen = await runs.page(user_id, RunFilter(state=RunState.WARMING_UP), None, 9)
    assert chosen.runs == (active,)
    assert len((await runs.page(user_id, RunFilter(strategy_id=strategy_id), None, 9)).runs) == 3


async def test_who_runs_them_finds_the_active_runs_of_every_user(runs, user_id, strategy_id):
    run = await run_in(runs, user_id, strategy_id, RunState.STOPPING)
    assert (user_id, run) in await runs.active()
    await runs.move(user_id, run.run_id, RunAction.HALT, "done")
    assert run.run_id not in {one.run_id for _, one in await runs.active()}


async def test_a_cause_is_cut_before_it_fills_the_database(runs, user_id, strategy_id):
    run = await run_in(runs, user_id, strategy_id, RunState.STARTING)
    await runs.move(user_id, run.run_id, RunAction.FAIL, "x" * 100_000)
    assert len((await runs.get(user_id, run.run_id)).events[-1].cause) == 500


# The warm-up ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("indicators", "bars"),
    [
        ([{"id": "sma", "params": {"window": 50}}], 50),
        ([{"id": "sma", "params": {"window": 50}}, {"id": "rsi", "params": {"window": 90}}], 90),
        ([{"id": "macd", "params": {"fast": 12, "slow": 26, "signal": 9}}], 26),
        ([{"id": "hv", "params": {"window": 30, "bars_per_year": 365}}], 30),
        ([{"id": "sma", "params": {"window": 5}}, {"id": "hv", "signal": {"long_delta_periods": 77}}], 77),
        ([{"id": "psar"}], 1),
    ],
)
def test_the_warm_up_is_the_largest_window_over_the_indicators(indicators, bars):
    assert live_warmup_bars(spec(indicators=indicators)) == bars


@pytest.mark.parametrize("name", sorted(INDICATORS))
def test_every_indicator_has_a_warm_up_of_its_largest_window(name):
    info = get_catalogue().info(name)
    declared = INDICATORS[name]
    windows = [
        int(param.default)
        for group in (declared.params, declared.rule.params)
        for param in group.values()
        if param.is_window
    ]
    assert live_warmup_bars(spec(indicators=[{"id": info.id}])) == max(windows, default=1)


def test_the_warm_up_ends_with_the_last_bar_closed_at_the_start():
    told = run_metadata(spec(50), NOON)
    assert told == RunMetadata(
        instrument_key="binance:spot:BTCUSDT",
        timeframe="1h",
        warmup_bars=50,
        lookback_bars=49,
        warmup_from=datetime(2026, 1, 3, 10, tzinfo=UTC),
    )
