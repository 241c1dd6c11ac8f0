"""Strategies through the API: saved, listed, cloned, deleted; hostile ones refused."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any
from uuid import uuid4

import httpx
import pytest
from pydantic import TypeAdapter

from candleray.databases.postgres import Postgres
from candleray.identity.models import User
from candleray.indicators.catalogue import get_catalogue
from candleray.indicators.request_models import get_request_models
from candleray.strategies.strategy import Strategy, StrategyPage
from serve_apps.examples import strategies as examples
from tests.api.attacks.bodies import HOSTILE, VARIANT
from tests.support.api.in_process_api import backend, serving
from tests.support.users import new_user


@pytest.fixture
async def api(postgres: Postgres, user: User) -> AsyncIterator[httpx.AsyncClient]:
    async with serving(backend(object(), postgres), user) as client:
        yield client


@pytest.fixture
async def strangers_api(postgres: Postgres, stranger: User) -> AsyncIterator[httpx.AsyncClient]:
    async with serving(backend(object(), postgres), stranger) as client:
        yield client


async def save(api: httpx.AsyncClient, **changes: Any) -> dict[str, Any]:
    answer = await api.post("/strategies", json={"strategy": {**VARIANT, **changes}})
    assert answer.status_code == 200, answer.text
    return answer.json()


@pytest.mark.parametrize(
    ("model", "example"),
    [
        *((get_request_models().new_strategy, one["value"]) for one in examples.NEW_STRATEGIES.values()),
        *((get_request_models().strategy_changes, one["value"]) for one in examples.STRATEGY_CHANGES.values()),
        (Strategy, examples.STRATEGY),
        (Strategy, examples.CLONE),
        (Strategy, examples.DELETED_STRATEGY),
        (StrategyPage, examples.STRATEGIES),
    ],
)
def test_the_examples_are_valid(model, example):
    TypeAdapter(model).validate_python(example)


async def test_the_examples_are_what_the_api_answers(api):
    strategy = await save(api)
    same = {"name", "spec_hash", "spec"}
    assert {name: strategy[name] for name in same} == {name: examples.STRATEGY[name] for name in same}
    changes = examples.STRATEGY_CHANGES["direction"]["value"]
    clone = (await api.post(f"/strategies/{strategy['strategy_id']}/clone", json=changes)).json()
    assert {name: clone[name] for name in same} == {name: examples.CLONE[name] for name in same}
    assert clone["parent_id"] == strategy["strategy_id"]


async def test_a_strategy_is_saved_found_listed_and_deleted(api):
    strategy = await save(api)
    place = f"/strategies/{strategy['strategy_id']}"
    assert (await api.get(place)).json() == strategy
    assert (await api.get("/strategies")).json() == {"strategies": [strategy], "next_cursor": None}
    deleted = (await api.delete(place)).json()
    assert deleted["deleted_at"]
    assert {**deleted, "deleted_at": None} == strategy
    assert (await api.get(place)).status_code == (await api.delete(place)).status_code == 404
    assert (await api.get("/strategies")).json() == {"strategies": [], "next_cursor": None}


async def test_saved_twice_it_is_one_strategy_in_any_spelling(api):
    first = await save(api)
    again = dict(reversed(VARIANT.items()))
    again["indicators"] = list(reversed(VARIANT["indicators"]))
    again["fee_pct"], again["init_cash_quote"] = 7.5e-2, 1e4
    assert (await api.post("/strategies", json={"strategy": again})).json() == first


async def test_a_spec_sent_back_is_the_same_strategy(api):
    strategy = await save(api)
    assert (await api.post("/strategies", json={"strategy": strategy["spec"]})).json() == strategy


async def test_one_more_than_a_user_may_have_is_refused_with_the_number_and_the_limit(postgres, user):
    async with serving(backend(object(), postgres, strategies={"max_per_user": 1}), user) as api:
        strategy = await save(api)
        clone = await api.post(f"/strategies/{strategy['strategy_id']}/clone", json={"direction": "long-only"})
        new = await api.post("/strategies", json={"strategy": {**VARIANT, "timeframe": "4h"}})
        for answer in (clone, new):
            assert (answer.status_code, answer.json()["error"]["code"]) == (409, "conflict")
            assert "saved strategies 1, the limit of one user is 1" in answer.text


async def test_pages_follow_the_cursor(api):
    for window in range(10, 15):
        await save(api, indicators=[{"id": "sma", "params": {"window": window}}])
    names, query = [], {"limit": 2}
    while query:
        page = (await api.get("/strategies", params=query)).json()
        names += [one["name"].split("-")[2] for one in page["strategies"]]
        query = {"limit": 2, "cursor": page["next_cursor"]} if page["next_cursor"] else {}
    assert names == ["sma14", "sma13", "sma12", "sma11", "sma10"]


async def test_a_list_is_narrowed(api):
    await save(api)
    await save(api, timeframe="5m")
    assert (
        len((await api.get("/strategies", params={"timeframe": "5m", "indicator": "rsi"})).json()["strategies"])
        == 1
    )
    unknown = await api.get("/strategies", params={"indicator": "smaa"})
    assert (unknown.status_code, "did you mean 'sma'?" in unknown.text) == (404, True)


async def test_a_clone_replaces_whole_parts_and_keeps_the_rest(api):
    parent = await save(api)
    changes = {"indicators": [{"id": "ema", "params": {"window": 9}}], "risk": {"tp_pct": 6}}
    clone = (await api.post(f"/strategies/{parent['strategy_id']}/clone", json=changes)).json()
    assert [one["id"] for one in clone["spec"]["indicators"]] == ["ema"]
    assert clone["spec"]["risk"] == {"sl_pct": None, "tp_pct": 6}
    kept = ("instrument", "timeframe", "direction", "sizing", "fee_pct")
    assert {name: clone["spec"][name] for name in kept} == {name: parent["spec"][name] for name in kept}
    assert (await api.get(f"/strategies/{parent['strategy_id']}")).json() == parent


@pytest.mark.parametrize(
    "changes", [{}, {"direction": None}, {"direction": "long-short"}, {"risk": {"sl_pct": 2.50}}]
)
async def test_a_clone_without_a_change_is_refused(api, changes):
    parent = await save(api)
    answer = await api.post(f"/strategies/{parent['strategy_id']}/clone", json=changes)
    assert (answer.status_code, answer.json()["error"]["problems"][0]["code"]) == (422, "no_change")
    assert parent["name"] in answer.text


async def test_a_foreign_id_answers_as_an_unknown_one(api, strangers_api):
    foreign = (await save(strangers_api))["strategy_id"]
    for method, path, body in (
        ("GET", "/strategies/{}", None),
        ("DELETE", "/strategies/{}", None),
        ("POST", "/strategies/{}/clone", {"direction": "long-only"}),
    ):
        answers = []
        for strategy_id in (foreign, str(uuid4())):
            answer = await api.request(method, path.format(strategy_id), json=body)
            answers.append((answer.status_code, answer.text.replace(strategy_id, "ID")))
        assert answers[0] == answers[1]
        assert answers[0][0] == 404
    assert (await strangers_api.get(f"/strategies/{foreign}")).status_code == 200


@pytest.mark.parametrize("body", HOSTILE.values(), ids=list(HOSTILE))
async def test_a_hostile_strategy_is_refused_the_same_way_each_time(api, body):
    headers = {"Content-Type": "application/json"}
    answers = [await api.post("/strategies", content=body, headers=headers) for _ in range(2)]
    assert answers[0].status_code in (413, 422), answers[0].text[:500]
    assert answers[0].content == answers[1].content
    assert len(answers[0].content) < 100_000
    assert (await api.get("/strategies")).json()["strategies"] == []


@pytest.mark.parametrize(
    "query",
    ["cursor=x", f"cursor={'f' * 32}", "name=%00", "name=a%27b", "indicator=..%2F", "symbol=btc", "limit=0",
     "limit=501", "timeframe=7m", "market_id=9", "nam=x", "limit=1e1"],
)  # fmt: skip
async def test_a_wrong_query_is_refused(api, query):
    answer = await api.get(f"/strategies?{query}")
    assert answer.status_code == 422, answer.text
    assert answer.json()["error"]["problems"]


@pytest.mark.parametrize("strategy_id", ["x", "1", "' OR 1=1", "..%2F..", "%00", "0" * 5000])
async def test_what_is_no_id_is_refused(api, strategy_id):
    for method in ("GET", "DELETE"):
        answer = await api.request(method, f"/strategies/{strategy_id}")
        assert answer.status_code in (404, 422), answer.text
        assert len(answer.content) < 2000


async def test_many_users_save_and_list_at_once_without_meeting(postgres):
    async def one(number: int) -> None:
        async with serving(backend(object(), postgres), await new_user(postgres)) as api:
            mine = await save(api, indicators=[{"id": "sma", "params": {"window": 10 + number}}])
            assert (await api.get("/strategies")).json()["strategies"] == [mine]

    await asyncio.gather(*(one(number) for number in range(8)))


def test_the_bodies_know_every_indicator():
    text = json.dumps(get_request_models().new_strategy.model_json_schema())
    assert all(f'"const": "{one.id}"' in text for one in get_catalogue().describe())
