"""Holdouts through the API: sealed by a search, read by nothing of the user's, opened once."""

from __future__ import annotations

import json
import re
import time
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any
from uuid import UUID

import asyncpg
import httpx
import pytest

from candleray.databases.postgres import Postgres
from candleray.errors import ServiceUnavailable
from candleray.holdouts.store import Holdouts
from candleray.identity.models import User
from candleray.jobs.attempts import Attempts
from candleray.jobs.job import JobState
from candleray.market_data.candle_store import CandleStore
from candleray.settings import JobSettings
from candleray.timeframes import iso
from serve_apps.backend import Backend
from serve_apps.examples import certificates
from tests.support.api.in_process_api import backend, serving, stored_walk

SYMBOL = {"market_id": 1, "symbol": "HOLUSDT"}
WHOLE = {"start": "2025-01-02T00:00:00Z", "end": "2025-02-15T00:00:00Z"}
SEALED_FROM, SEALED_TO = "2025-01-15T00:00:00Z", "2025-02-15T00:00:00Z"
NOW = "now"
INSIDE = {"start": "2025-01-16T00:00:00Z", "end": "2025-02-01T00:00:00Z"}


def grid(*windows: int, **changes: Any) -> dict[str, Any]:
    indicators = [{"id": "sma", "params": {"window": {"values": list(windows)}}}]
    asked = {"instrument": SYMBOL, "timeframe": "1h", "time_range": WHOLE, "indicators": indicators, "top_k": 2}
    return {name: value for name, value in (asked | changes).items() if value is not None}


@pytest.fixture
def behind(embedded_store: CandleStore, postgres: Postgres) -> Backend:
    stored_walk(embedded_store, "HOLUSDT", 46 * 1440)
    return backend(embedded_store, postgres)


@pytest.fixture
async def api(behind: Backend, user: User) -> AsyncIterator[httpx.AsyncClient]:
    async with serving(behind, user) as client:
        yield client


async def sealing(api: httpx.AsyncClient, **changes: Any) -> dict[str, Any]:
    """Search a grid that reserves its last month."""
    answer = await api.post("/backtests", json=grid(5, 10, 20, holdout={"months": 1}, **changes))
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


async def saved(api: httpx.AsyncClient, answer: dict[str, Any], rank: int = 1) -> str:
    body = {"strategy": answer["top"][rank - 1]["strategy"], "request_hash": answer["request_hash"]}
    kept: str = (await api.post("/strategies", json=body)).json()["strategy_id"]
    return kept


async def opening(api: httpx.AsyncClient, holdout_id: str, *strategies: str) -> httpx.Response:
    return await api.post(f"/holdouts/{holdout_id}/open", json={"strategies": strategies})


async def test_a_search_leaves_what_it_reserves_out_and_seals_it(api: httpx.AsyncClient):
    answer = await sealing(api)
    assert answer["request"]["time_range"] == {"start": WHOLE["start"], "end": SEALED_FROM}
    assert answer["holdout"]["time_range"] == {"start": SEALED_FROM, "end": SEALED_TO}
    assert answer["holdout"]["searched_before"] == 0
    (listed,) = (await api.get("/holdouts")).json()["holdouts"]
    assert (listed["holdout_id"], listed["opened_at"]) == (answer["holdout"]["holdout_id"], None)
    again = await sealing(api)
    assert again["holdout"] == answer["holdout"], "the same candles are sealed once"


ATTACKS: dict[str, tuple[str, str, dict[str, Any]]] = {
    "a search": ("POST", "/backtests", grid(5)),
    "a search of the end": ("POST", "/backtests", grid(5, time_range=INSIDE)),
    "a search after it, warmed up by it": (
        "POST",
        "/backtests",
        grid(5, time_range={"start": SEALED_TO, "end": "2025-02-16T00:00:00Z"}),
    ),
    "a job": ("POST", "/backtests/jobs", grid(5)),
    "a preflight": ("POST", "/backtests/preflight", grid(5)),
    "an explanation": ("POST", "/backtests/explain", grid(5)),
    "a report": ("POST", "/backtests/report", grid(5)),
    "a report's curve": ("POST", "/backtests/report/curve", grid(5)),
    "a report's trades": ("POST", "/backtests/report/trades", grid(5)),
    "a robustness check": ("POST", "/backtests/robustness", grid(5)),
    "a null model": ("POST", "/backtests/null", grid(5)),
    "histories of chance": ("POST", "/backtests", grid(5, luck={"walks": 2})),
    "another timeframe": ("POST", "/backtests", grid(5, timeframe="5m")),
    "another market": ("POST", "/backtests", grid(5, instrument={"market_id": 3, "symbol": "HOLUSDT"})),
    "a condition of another instrument": (
        "POST",
        "/backtests",
        grid(
            5,
            instrument={"market_id": 1, "symbol": "OTHUSDT"},
            indicators=None,
            signals={"long_entry": {"above": [{"price": "close", "instrument": SYMBOL}, 1]}},
        ),
    ),
    "an indicator": (
        "POST",
        "/indicators/compute",
        {"instrument": SYMBOL, "timeframe": "1h", "indicator": {"id": "sma"}, "time_range": INSIDE},
    ),
    "an indicator's newest values": (
        "POST",
        "/indicators/compute",
        {"instrument": SYMBOL, "timeframe": "1h", "indicator": {"id": "sma"}, "last": 5},
    ),
    "an indicator warmed up by it": (
        "POST",
        "/indicators/compute",
        {
            "instrument": SYMBOL,
            "timeframe": "1h",
            "indicator": {"id": "sma"},
            "time_range": {"start": SEALED_TO, "end": "2025-02-16T00:00:00Z"},
        },
    ),
    "a chart": ("GET", "/market-data/candles", {**SYMBOL, "timeframe": "1h", **INSIDE}),
    "a chart of the newest": ("GET", "/market-data/candles", {**SYMBOL, "timeframe": "1h", "limit": 40}),
    "candles as they were known": (
        "GET",
        "/market-data/candles",
        {**SYMBOL, **INSIDE, "as_of": NOW},
    ),
    "versions of candles": ("GET", "/market-data/revisions", {**SYMBOL, **INSIDE}),
}


@pytest.mark.parametrize("attack", ATTACKS)
async def test_nothing_of_the_user_reads_them_before(api: httpx.AsyncClient, attack: str):
    answer = await sealing(api)
    method, path, content = ATTACKS[attack]
    if content.get("as_of") == NOW:
        content = content | {"as_of": iso(time.time_ns() // 1_000_000)}
    given = {"params": content} if method == "GET" else {"json": content}
    refused = await api.request(method, path, **given)
    assert (refused.status_code, refused.json()["error"].get("code")) == (422, "sealed_candles"), refused.text
    assert answer["holdout"]["holdout_id"] in refused.json()["error"]["message"]


async def test_no_saved_strategy_and_no_certificate_reads_them(api: httpx.AsyncClient):
    strategy = await saved(api, await sealing(api))
    for path in ("/backtests", "/backtests/jobs", "/backtests/report"):
        refused = await api.post(path, json={"strategy_id": strategy, "time_range": INSIDE})
        assert refused.json()["error"]["code"] == "sealed_candles", path
    forged = _forged_certificate()
    refused = await api.post("/certificates/verify", json=forged)
    assert refused.json().get("error", {}).get("code") == "sealed_candles", refused.text


def _forged_certificate() -> dict[str, Any]:
    """Return the certificate of a run that never was, over the sealed candles."""
    content: dict[str, Any] = next(iter(certificates.CERTIFICATES.values()))["value"]
    text = json.dumps(content).replace("BTCUSDT", "HOLUSDT").replace("ETHUSDT", "HOLUSDT")
    forged: dict[str, Any] = json.loads(re.sub(r'"20\d\d-\d\d-\d\dT', '"2025-01-20T', text))
    return forged


async def test_the_part_that_is_searched_stays_readable_and_others_read_all(
    api: httpx.AsyncClient, behind: Backend, stranger: User
):
    await sealing(api)
    assert (
        await api.post("/backtests", json=grid(7, time_range={**WHOLE, "end": SEALED_FROM}))
    ).status_code == 200
    shown = await api.get("/market-data/candles", params={**SYMBOL, "timeframe": "1h", "end": SEALED_FROM})
    assert shown.status_code == 200
    async with serving(behind, stranger) as other:
        assert (await other.post("/backtests", json=grid(7))).status_code == 200
        assert (await other.get("/holdouts")).json() == {"holdouts": []}


async def test_it_is_opened_once_and_stays_on_record_and_on_the_strategy(
    api: httpx.AsyncClient, postgres: Postgres, user: User
):
    answer = await sealing(api)
    holdout_id = answer["holdout"]["holdout_id"]
    strategies = [await saved(api, answer, rank) for rank in (1, 2)]
    opened = (await opening(api, holdout_id, *strategies)).json()
    assert opened["chosen"] == strategies
    assert [one["strategy_id"] for one in opened["results"]] == strategies
    alone = {"strategy_id": strategies[0], "time_range": {"start": SEALED_FROM, "end": SEALED_TO}}
    direct = (await api.post("/backtests", json=alone)).json()
    first = opened["results"][0]
    assert first["total_return_pct"] == direct["top"][0]["total_return_pct"]
    assert first["metrics"] == direct["top"][0]["metrics"]
    assert first["luck_p_among"] > first["luck_p"], "two were chosen"
    (on_record,) = (await api.get(f"/strategies/{strategies[0]}")).json()["holdouts"]
    assert (on_record["holdout_id"], on_record["chosen"]) == (holdout_id, 2)
    for again in (strategies, strategies[:1], []):
        refused = await opening(api, holdout_id, *again)
        assert (refused.status_code, refused.json()["error"]["code"]) == (409, "conflict")
    resealed = await api.post("/backtests", json=grid(5, holdout={"months": 1}))
    assert resealed.status_code == 409
    assert "nobody looks for the first time twice" in resealed.text
    with pytest.raises(asyncpg.RestrictViolationError, match="opened once"):
        await postgres._pool.execute("UPDATE holdouts SET opened_at = NULL WHERE user_id = $1", user.user_id)
    assert (await api.get(f"/holdouts/{holdout_id}")).json() == opened


async def test_whoever_is_killed_while_it_is_opened_may_ask_again_for_the_same_alone(
    api: httpx.AsyncClient, behind: Backend, user: User
):
    answer = await sealing(api)
    holdout_id = answer["holdout"]["holdout_id"]
    strategies = [await saved(api, answer, rank) for rank in (1, 2)]

    async def killed(request: Any) -> Any:
        raise ServiceUnavailable("the cluster lost this backtest; send it again")

    async with serving(replace(behind, run_backtest=killed), user) as dying:
        assert (await opening(dying, holdout_id, strategies[0])).status_code == 503
    assert (await api.get(f"/holdouts/{holdout_id}")).json()["results"] is None
    refused = await opening(api, holdout_id, strategies[1])
    assert (refused.status_code, strategies[0] in refused.text) == (409, True)
    assert (await opening(api, holdout_id, strategies[0])).json()["results"] is not None


async def test_a_choice_that_does_not_fit_opens_nothing(api: httpx.AsyncClient, behind: Backend, stranger: User):
    answer = await sealing(api)
    holdout_id, mine = answer["holdout"]["holdout_id"], await saved(api, answer)
    elsewhere = answer["top"][0]["strategy"] | {"instrument": {"market_id": 1, "symbol": "OTHUSDT"}}
    other = (await api.post("/strategies", json={"strategy": elsewhere})).json()["strategy_id"]
    assert "trades OTHUSDT, the holdout is of HOLUSDT" in (await opening(api, holdout_id, mine, other)).text
    assert "named twice" in (await opening(api, holdout_id, mine, mine)).text
    async with serving(behind, stranger) as thief:
        assert (await opening(thief, holdout_id)).status_code == 404
        assert (await thief.get(f"/holdouts/{holdout_id}")).status_code == 404
    assert (await api.get(f"/holdouts/{holdout_id}")).json()["chosen"] is None


async def test_candles_that_were_searched_or_may_be_are_not_sealed_in_silence(
    api: httpx.AsyncClient, postgres: Postgres
):
    for windows in ((5,), (6, 7)):
        assert (await api.post("/backtests", json=grid(*windows))).status_code == 200
    job = (await api.post("/backtests/jobs", json=grid(9))).json()["job_id"]
    refused = await api.post("/backtests", json=grid(5, holdout={"months": 1}))
    assert (refused.status_code, f"your job {job} may still read HOLUSDT" in refused.text) == (409, True)
    await Attempts(postgres, JobSettings()).move(UUID(job), JobState.CANCELLED, "a test")
    assert (await sealing(api))["holdout"]["searched_before"] == 2


async def test_a_job_seals_before_it_is_kept(api: httpx.AsyncClient, postgres: Postgres, user: User):
    made = await api.post("/backtests/jobs", json=grid(5, 10, holdout={"months": 1}))
    assert made.status_code == 202, made.text
    (sealed,) = await Holdouts(postgres).sealed(user.user_id)
    assert made.json()["holdout"]["holdout_id"] == str(sealed.holdout_id)
    assert (await api.get(f"/backtests/jobs/{made.json()['job_id']}")).json()["request"]["time_range"][
        "end"
    ] == SEALED_FROM


async def test_a_token_that_may_read_seals_nothing(api: httpx.AsyncClient, behind: Backend, user: User):
    token = (await api.post("/tokens", json={"name": "reader", "scopes": ["read"]})).json()["token"]
    async with serving(behind, user) as reader:
        reader.headers["Authorization"] = f"Bearer {token}"
        refused = await reader.post("/backtests", json=grid(5, holdout={"months": 1}))
        assert (refused.status_code, "lacks the scope 'trade'" in refused.text) == (403, True)
        assert (await reader.post("/backtests", json=grid(5))).status_code == 200
    assert (await api.get("/holdouts")).json() == {"holdouts": []}


async def test_where_nothing_is_sealed_a_request_cannot_seem_to_seal(api: httpx.AsyncClient):
    refused = await api.post("/backtests/null", json=grid(5, holdout={"months": 1}))
    assert (refused.status_code, "only a search seals candles" in refused.text) == (422, True)
    assert (await api.get("/holdouts")).json() == {"holdouts": []}
