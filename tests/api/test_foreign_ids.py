"""Every route with an id, asked by another user: answered exactly as an unknown id, 404.

The routes come from the OpenAPI document: one that takes a new kind of id fails here until `OWNED` can make it.
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from typing import Any
from uuid import UUID, uuid4

import httpx
import pytest

from candleray.databases.postgres import Postgres
from candleray.jobs.job import JobState
from candleray.live.run import RunState
from candleray.live.stores.store import Runs
from candleray.market_data.candle_store import CandleStore
from candleray.strategies.store import Strategies
from tests.api.attacks.ids import IN_BODIES, IN_PATHS, IN_QUERIES
from tests.support.api.accounts import OWNED, log_in, set_up
from tests.support.api.api_document import Operation, with_ids
from tests.support.api.in_process_api import backend, serving_strangers, stored_walk
from tests.support.api.run_paths import path_to
from tests.support.jobs import moved_to, rows_of

DOCUMENTS = ("/certificates/verify",)
"""Routes whose body is a document of any instance, with ids that are looked up nowhere."""


@pytest.fixture
async def somebody(embedded_store: CandleStore) -> AsyncIterator[httpx.AsyncClient]:
    """A user who may do everything: logged in, and past a fresh code."""
    stored_walk(embedded_store, "BTCUSDT")
    async with serving_strangers(backend(embedded_store)) as client:
        await log_in(client)
        await set_up(client)
        yield client


async def answers_of(
    client: httpx.AsyncClient, names: list[str], operation: Operation, **request: Any
) -> list[tuple[int, str]]:
    """Answers to somebody else who names these ids, or unknown ones: which is all that differs."""
    owned = {name: await OWNED[name](client) for name in names}
    await log_in(client)
    await set_up(client)
    answers = []
    for ids in (owned, {name: str(uuid4()) for name in names}):
        given = {kind: with_ids(content, ids) for kind, content in request.items()}
        answer = await client.request(operation.method, operation.path.format(**ids), **given)
        text = json.dumps(answer.json())
        for name, value in ids.items():
            text = text.replace(value, name)
        answers.append((answer.status_code, text))
    return answers


def test_there_is_an_owner_for_every_kind_of_id():
    assert {name for one in IN_PATHS for name in one.ids} <= OWNED.keys()
    assert len(IN_PATHS) > 8
    assert len(IN_BODIES) > 5


@pytest.mark.parametrize("operation", IN_PATHS, ids=str)
async def test_a_foreign_id_is_answered_as_an_unknown_one(somebody: httpx.AsyncClient, operation: Operation):
    body = next(iter(operation.bodies), None)
    owned, unknown = await answers_of(somebody, operation.ids, operation, json=body)
    assert owned == unknown
    assert owned[0] == 404


@pytest.mark.parametrize(("operation", "body"), IN_BODIES, ids=lambda value: str(value)[:30])
async def test_a_foreign_id_in_a_body_is_answered_as_an_unknown_one(
    somebody: httpx.AsyncClient, operation: Operation, body: Any
):
    owned, unknown = await answers_of(somebody, list(OWNED), operation, json=body)
    assert owned == unknown
    assert owned[0] == (200 if operation.path in DOCUMENTS else 404)


@pytest.mark.parametrize(("operation", "name"), IN_QUERIES, ids=str)
async def test_a_list_narrowed_by_a_foreign_id_is_as_empty_as_by_an_unknown_one(
    somebody: httpx.AsyncClient, operation: Operation, name: str
):
    owned, unknown = await answers_of(somebody, [name], operation, params={name: "its"})
    assert owned == unknown
    assert owned[0] == 200


async def refused_as_unknown(client: httpx.AsyncClient, name: str, owned: str) -> None:
    """Ask every route and body that takes such an id, as somebody new: nothing tells it from no id at all."""
    await log_in(client)
    asked = [(one, next(iter(one.bodies), None)) for one in IN_PATHS if one.ids == [name]]
    asked += [(one, body) for one, body in IN_BODIES if not one.ids]
    for operation, body in asked:
        answers = []
        for value in (owned, str(uuid4())):
            path = operation.path.format(**{name: value})
            answer = await client.request(operation.method, path, json=with_ids(body, {name: value}))
            answers.append((answer.status_code, answer.text.replace(value, "ID")))
        assert answers[0] == answers[1], operation
        assert operation.ids == [] or answers[0][0] == 404, operation


@pytest.mark.parametrize("state", list(JobState))
async def test_a_foreign_job_is_answered_as_an_unknown_one_in_every_state(
    somebody: httpx.AsyncClient, postgres: Postgres, state: JobState
):
    user_id = UUID((await somebody.get("/me")).json()["user_id"])
    job = (await moved_to(postgres, user_id, state)).job_id
    before = await rows_of(postgres, job)
    await refused_as_unknown(somebody, "job_id", str(job))
    assert await rows_of(postgres, job) == before


@pytest.mark.parametrize("state", list(RunState))
async def test_a_foreign_run_and_its_strategy_are_answered_as_unknown_ones_in_every_state(
    somebody: httpx.AsyncClient, postgres: Postgres, state: RunState
):
    user_id = UUID((await somebody.get("/me")).json()["user_id"])
    strategy = await OWNED["strategy_id"](somebody)
    run = UUID((await somebody.post("/runs", json={"strategy_id": strategy})).json()["run_id"])
    runs = Runs(postgres)
    for action in path_to(state):
        await runs.move(user_id, run, action, "to get there")
    before = await runs.get(user_id, run), await Strategies(postgres).get(user_id, UUID(strategy))
    await refused_as_unknown(somebody, "run_id", str(run))
    await refused_as_unknown(somebody, "strategy_id", strategy)
    assert (await runs.get(user_id, run), await Strategies(postgres).get(user_id, UUID(strategy))) == before
