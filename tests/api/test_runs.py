"""Runs through the API: started, stopped, started again, each answer and each refusal."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from itertools import product
from typing import Any
from uuid import UUID, uuid4

import httpx
import pytest
from pydantic import TypeAdapter

from candleray.databases.postgres import Postgres
from candleray.identity.models import User
from candleray.live.run import FIRST_STATE, TRANSITIONS, NewRun, Run, RunAction, RunPage, RunState
from candleray.live.run_history import RunHistory
from candleray.live.stores.store import Runs
from serve_apps.examples import strategies as examples
from tests.support.api.in_process_api import backend, serving
from tests.support.api.run_paths import path_to

USERS_ACTIONS = {"run": RunAction.RUN, "stop": RunAction.STOP}


@pytest.fixture
async def api(postgres: Postgres, user: User) -> AsyncIterator[httpx.AsyncClient]:
    async with serving(backend(object(), postgres), user) as client:
        client.headers["X-Test-User"] = str(user.user_id)
        yield client


@pytest.fixture
async def strategy_id(api: httpx.AsyncClient) -> str:
    saved = await api.post("/strategies", json=examples.NEW_STRATEGIES["variant"]["value"])
    return saved.json()["strategy_id"]


async def start(api: httpx.AsyncClient, strategy_id: str) -> dict[str, Any]:
    answer = await api.post("/runs", json={"strategy_id": strategy_id})
    assert answer.status_code == 200, answer.text
    run = answer.json()
    assert run.pop("notes") == []
    return run


@pytest.mark.parametrize(
    ("model", "example"),
    [
        (NewRun, examples.NEW_RUNS["one"]["value"]),
        (Run, examples.RUN),
        (Run, examples.STOPPING_RUN),
        (RunHistory, examples.RUN_HISTORY),
        (RunPage, examples.RUNS),
    ],
)
def test_the_examples_are_valid(model, example):
    TypeAdapter(model).validate_python(example)


async def test_a_run_is_started_found_listed_and_stopped(api, strategy_id):
    run = await start(api, strategy_id)
    assert (run["state"], run["strategy_id"]) == ("starting", strategy_id)
    assert {**run["metadata"], "warmup_from": ""} == {**examples.RUN["metadata"], "warmup_from": ""}
    assert (await api.get("/runs", params={"strategy_id": strategy_id})).json()["runs"] == [run]
    stopping = (await api.post(f"/runs/{run['run_id']}/stop")).json()
    assert stopping["state"] == "stopping"
    history = (await api.get(f"/runs/{run['run_id']}")).json()
    told = [(event["from_state"], event["action"], event["to_state"]) for event in history["events"]]
    assert told == [(None, "run", "starting"), ("starting", "stop", "stopping")]
    assert (await api.get("/runs", params={"state": "running"})).json()["runs"] == []


@pytest.mark.parametrize(("state", "asked"), [*product(RunState, USERS_ACTIONS)])
async def test_each_state_takes_what_it_should_and_refuses_the_rest_with_what_it_takes(
    api, postgres, strategy_id, state, asked
):
    run = await start(api, strategy_id)
    user_id, place = UUID(api.headers["X-Test-User"]), f"/runs/{run['run_id']}"
    for action in path_to(state):
        await Runs(postgres).move(user_id, UUID(run["run_id"]), action, "to get there")
    answer = await api.post(f"{place}/{asked}")
    allowed = TRANSITIONS[state]
    if USERS_ACTIONS[asked] in allowed:
        assert (answer.status_code, answer.json()["state"]) == (200, allowed[USERS_ACTIONS[asked]])
        return
    again = await api.post(f"{place}/{asked}")
    assert (answer.status_code, answer.content) == (409, again.content)
    assert answer.json()["error"]["message"] == (
        f"a run that is {state} does not take {asked}; allowed: {', '.join(allowed)}"
    )


async def test_twenty_starts_at_once_make_one_run(api, strategy_id):
    answers = await asyncio.gather(*(api.post("/runs", json={"strategy_id": strategy_id}) for _ in range(20)))
    assert sorted(answer.status_code for answer in answers) == [200] + [409] * 19
    (run,) = (await api.get("/runs")).json()["runs"]
    assert all(run["run_id"] in answer.text for answer in answers)


@pytest.mark.parametrize("end", [RunState.STOPPED, RunState.FAILED, RunState.STOPPING])
async def test_a_run_starts_again_and_goes_the_whole_way(api, postgres, strategy_id, end):
    run = await start(api, strategy_id)
    user_id, run_id = UUID(api.headers["X-Test-User"]), UUID(run["run_id"])
    for action in path_to(end):
        await Runs(postgres).move(user_id, run_id, action, "to get there")
    again = (await api.post(f"/runs/{run_id}/run")).json()
    assert {**again, "state_since": ""} == {**run, "state_since": "", "notes": []}
    for action in path_to(RunState.RUNNING):
        await Runs(postgres).move(user_id, run_id, action, "as ever")
    assert (await api.get(f"/runs/{run_id}")).json()["state"] == "running"
    assert FIRST_STATE == "starting"


async def test_a_strategy_that_runs_is_not_deleted(api, strategy_id):
    run = await start(api, strategy_id)
    refused = await api.delete(f"/strategies/{strategy_id}")
    assert (refused.status_code, run["run_id"] in refused.text) == (409, True)


async def test_a_foreign_id_answers_as_an_unknown_one(api, strategy_id, postgres, stranger):
    run_id = (await start(api, strategy_id))["run_id"]
    async with serving(backend(object(), postgres), stranger) as theirs:
        for method, path in (("GET", "/runs/{}"), ("POST", "/runs/{}/stop"), ("POST", "/runs/{}/run")):
            answers = []
            for one in (run_id, str(uuid4())):
                answer = await theirs.request(method, path.format(one))
                answers.append((answer.status_code, answer.text.replace(one, "ID")))
            assert answers[0] == answers[1]
            assert answers[0][0] == 404
        assert (await theirs.post("/runs", json={"strategy_id": strategy_id})).status_code == 404
        assert (await theirs.get("/runs", params={"strategy_id": strategy_id})).json()["runs"] == []
    assert (await api.get(f"/runs/{run_id}")).json()["state"] == "starting"


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/runs", {}),
        ("/runs", []),
        ("/runs", {"strategy_id": "x"}),
        ("/runs", {"strategy_id": None}),
        ("/runs", {"strategy_id": str(uuid4()), "state": "running"}),
        ("/runs", {"strategy_id": "' OR 1=1 --"}),
    ],
)
async def test_a_wrong_body_is_refused_the_same_way_each_time(api, path, body):
    answers = [await api.post(path, json=body) for _ in range(2)]
    assert answers[0].status_code == 422
    assert answers[0].content == answers[1].content
    assert answers[0].json()["error"]["problems"]


@pytest.mark.parametrize("query", ["state=runing", "strategy_id=1", "cursor=x", "limit=0", "user_id=1"])
async def test_a_wrong_query_is_refused(api, query):
    assert (await api.get(f"/runs?{query}")).status_code == 422
