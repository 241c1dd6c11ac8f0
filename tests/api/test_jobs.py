"""The routes of jobs over a real Postgres; nobody drives the jobs here."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from typing import Any
from uuid import UUID, uuid4

import httpx
import numpy as np
import pytest

from candleray.backtests.phase import Phase
from candleray.backtests.preflight import Pace
from candleray.backtests.result import Elapsed
from candleray.databases.postgres import Postgres
from candleray.identity.user_store import Users
from candleray.jobs.attempts import Attempts
from candleray.jobs.checkpoint import Checkpoint
from candleray.jobs.job import Job, JobState, Progress
from candleray.jobs.store import Jobs
from candleray.market_data.candle_store import CandleStore
from candleray.search.rankings import Ranking
from candleray.search.sweep import Sweep
from candleray.settings import JobSettings
from serve_apps.http import event_streams
from serve_apps.job_watch import WATCH_S
from tests.support.api.hostile_requests import HOSTILE
from tests.support.api.in_process_api import backend, serving, stored_walk, unreachable
from tests.support.api.open_stream import open_stream
from tests.support.searches import search_over
from tests.support.waiting import let_work_until

MINUTES = 3000
REQUEST: dict[str, Any] = {
    "instrument": {"market_id": 1, "symbol": "JOBUSDT"},
    "timeframe": "1m",
    "time_range": {"start": "2025-01-01T00:00:00Z", "end": "2025-01-03T02:00:00Z"},
    "indicators": [{"id": "sma", "params": {"window": {"start": 5, "stop": 50, "step": 5}}}],
    "risk": {"sl_pct": {"values": [1, 2]}},
    "top_k": 3,
}


@pytest.fixture(scope="module")
def candles(embedded_store: CandleStore):
    return stored_walk(embedded_store, "JOBUSDT", MINUTES)


@pytest.fixture
async def postgres(postgres_url: str) -> AsyncIterator[Postgres]:
    store = await Postgres.open(postgres_url)
    async with store.connection() as connection:
        await connection.execute("DELETE FROM jobs")
    yield store
    await store.close()


@pytest.fixture
async def api(embedded_store: CandleStore, candles: Any, postgres: Postgres) -> AsyncIterator[httpx.AsyncClient]:
    user = await Users(postgres).known(8_000_001)
    async with serving(backend(embedded_store, postgres=postgres), user=user) as client:
        yield client


@pytest.fixture
def jobs(postgres: Postgres) -> Jobs:
    return Jobs(postgres, backend(object()).settings.jobs)


@pytest.fixture
def attempts(postgres: Postgres) -> Attempts:
    return Attempts(postgres, backend(object()).settings.jobs)


async def submit(api: httpx.AsyncClient, request: dict[str, Any] = REQUEST, **headers: str) -> dict[str, Any]:
    answer = await api.post("/backtests/jobs", json=request, headers=headers)
    assert answer.status_code == 202, answer.text
    return answer.json()


async def test_a_job_is_submitted_listed_and_shown(api: httpx.AsyncClient):
    job = await submit(api)
    assert (job["state"], job["variants_total"], job["simulations"]) == ("queued", 20, 20)
    listed = (await api.get("/backtests/jobs", params={"state": "queued"})).json()
    assert [one["job_id"] for one in listed["jobs"]] == [job["job_id"]]
    shown = (await api.get(f"/backtests/jobs/{job['job_id']}")).json()
    assert shown["request"]["top_k"] == 3
    assert shown["request"]["fee_pct"] == 0.075
    assert [event["to_state"] for event in shown["events"]] == ["queued"]


async def test_the_same_idempotency_key_makes_no_second_job(api: httpx.AsyncClient):
    made = {(await submit(api, **{"Idempotency-Key": "mine"}))["job_id"] for _ in range(2)}
    assert len(made) == 1
    other = await api.post("/backtests/jobs", json={**REQUEST, "top_k": 4}, headers={"Idempotency-Key": "mine"})
    assert (other.status_code, other.json()["error"]["code"]) == (409, "conflict")


async def test_pages_of_jobs_follow_their_cursor(api: httpx.AsyncClient):
    made = [(await submit(api))["job_id"] for _ in range(5)]
    found: list[str] = []
    cursor: str | None = None
    while True:
        page = (
            await api.get("/backtests/jobs", params={"limit": 2, **({"cursor": cursor} if cursor else {})})
        ).json()
        found += [one["job_id"] for one in page["jobs"]]
        cursor = page["next_cursor"]
        if cursor is None:
            break
    assert found == made[::-1]


@pytest.mark.parametrize("cursor", ["x", "e30=", "a b", "MjAyNSB4"])
async def test_a_made_up_cursor_is_refused(api: httpx.AsyncClient, cursor: str):
    answer = await api.get("/backtests/jobs", params={"cursor": cursor})
    assert (answer.status_code, answer.json()["error"]["problems"][0]["field"]) == (422, "cursor")


@pytest.mark.parametrize(
    ("method", "what"),
    [("GET", ""), ("GET", "/top"), ("GET", "/result"), ("GET", "/events"), ("POST", "/cancel"), ("DELETE", "")],
)
async def test_an_unknown_job_is_not_found_everywhere(api: httpx.AsyncClient, method: str, what: str):
    answer = await api.request(method, f"/backtests/jobs/{uuid4()}{what}")
    assert (answer.status_code, answer.json()["error"]["code"]) == (404, "not_found")


async def test_the_best_so_far_is_shown_while_it_runs(api: httpx.AsyncClient, attempts: Attempts):
    job = await submit(api)
    job_id, attempt = (await attempts.take_next()) or pytest.fail("nothing to run")
    assert (await api.get(f"/backtests/jobs/{job_id}/top")).json()["top"] == []
    sweep = Sweep(Phase.STAGE_B, 20, 3)
    sweep.add(0, 4, Ranking(np.array([3, 1]), np.array([7.5, -2.0]), np.array([0, 1])))
    told = Progress(Phase.STAGE_B, 4, 20, 4, 40.0, 7.5, "candles", None, eta_s=0.4)
    await attempts.heartbeat(job_id, attempt, told, Checkpoint("candles", "engine", (sweep,), {}))
    found = (await api.get(f"/backtests/jobs/{job_id}/top")).json()
    assert (found["partial"], found["variants_done"], found["simulations"]) == (True, 4, 20)
    assert [(one["rank"], one["variant_index"], one["total_return_pct"]) for one in found["top"]] == [
        (1, 3, 7.5),
        (2, 1, -2.0),
    ]
    assert found["top"][0]["strategy"]["risk"] == {"sl_pct": 2, "tp_pct": None}
    shown = (await api.get(f"/backtests/jobs/{job['job_id']}")).json()
    assert (shown["eta_s"], shown["best_total_return_pct"]) == (0.4, 7.5)


async def test_the_best_so_far_by_another_metric_show_it(api: httpx.AsyncClient, attempts: Attempts):
    await submit(api, {**REQUEST, "rank_by": "max_drawdown"})
    job_id, attempt = (await attempts.take_next()) or pytest.fail("nothing to run")
    sweep, returns = Sweep(Phase.STAGE_B, 20, 3), np.array([-2.0, 7.5, 1.0])
    ranking = Ranking(np.array([3, 1, 2]), returns, np.zeros(3, np.int64), scores=np.array([-9.5, -1.25, -4.0]))
    sweep.add(0, 4, ranking)
    told = Progress(Phase.STAGE_B, 4, 20, 4, 40.0, 7.5, "candles", None)
    await attempts.heartbeat(job_id, attempt, told, Checkpoint("candles", "engine", (sweep,), {}))
    found = (await api.get(f"/backtests/jobs/{job_id}/top")).json()
    assert found["ranked_by"] == "Max. Drawdown [%]"
    assert [(one["variant_index"], one["metrics"]) for one in found["top"]] == [
        (1, {"Max. Drawdown [%]": 1.25}),
        (2, {"Max. Drawdown [%]": 4.0}),
        (3, {"Max. Drawdown [%]": 9.5}),
    ]


async def test_the_answer_of_a_job_is_that_of_a_backtest(api: httpx.AsyncClient, attempts: Attempts, candles: Any):
    job = await submit(api)
    job_id, attempt = (await attempts.take_next()) or pytest.fail("nothing to run")
    early = await api.get(f"/backtests/jobs/{job_id}/result")
    assert (early.status_code, early.json()["error"]["code"]) == (409, "conflict")
    request, _ = await attempts.job_to_run(job_id, attempt)
    await attempts.finish(job_id, attempt, search_over(candles, request, 200))
    direct = (await api.post("/backtests", json=REQUEST)).json()
    result = (await api.get(f"/backtests/jobs/{job_id}/result")).json()
    assert {**result, "elapsed_s": None} == {**direct, "elapsed_s": None}
    top = (await api.get(f"/backtests/jobs/{job_id}/top", params={"limit": 2})).json()
    assert (top["partial"], top["top"]) == (False, direct["top"][:2])
    assert top["verdict"] == direct["verdict"]
    assert top["verdict_text"].startswith(
        direct["verdict"]["says"].capitalize() if direct["verdict"]["says"] else "No verdict: "
    )
    done = (await api.get(f"/backtests/jobs/{job['job_id']}")).json()
    assert (done["state"], done["phase"], done["partial"]) == ("succeeded", "done", False)
    assert done["best_total_return_pct"] == direct["top"][0]["total_return_pct"]
    assert (done["instrument"], done["timeframe"]) == (REQUEST["instrument"], REQUEST["timeframe"])


async def test_the_table_of_a_job_says_what_its_histories_of_chance_say(
    api: httpx.AsyncClient, attempts: Attempts, candles: Any
):
    job = await submit(api, {**REQUEST, "luck": {"walks": 3, "model": "walk"}})
    job_id, attempt = (await attempts.take_next()) or pytest.fail("nothing to run")
    assert "luck" not in (await api.get(f"/backtests/jobs/{job_id}/top")).json()
    request, _ = await attempts.job_to_run(job_id, attempt)
    await attempts.finish(job_id, attempt, search_over(candles, request, 200))
    top = (await api.get(f"/backtests/jobs/{job_id}/top")).json()
    assert top["luck"] == (await api.get(f"/backtests/jobs/{job['job_id']}/result")).json()["luck"]
    assert top["luck"]["summary"][0].startswith("Luck alone reached the best of this search")


async def test_progress_comes_as_events_until_the_end(
    api: httpx.AsyncClient, attempts: Attempts, monkeypatch: pytest.MonkeyPatch
):
    await submit(api)
    job_id, attempt = (await attempts.take_next()) or pytest.fail("nothing to run")

    async def drive() -> AsyncIterator[None]:
        """Go one step on at each look of the stream."""
        yield
        for done in (5, 10):
            told = Progress(Phase.STAGE_B, done, 20, done, 10.0, 1.0, "candles", None)
            yield await attempts.heartbeat(job_id, attempt, told)
        yield await attempts.move(job_id, JobState.CANCELLED, "cancelled by its user", attempt)

    async def look(jobs: Jobs, *arguments: Any) -> Job:
        await anext(driving)
        return await looked_up(jobs, *arguments)

    driving, looked_up = drive(), Jobs.get
    monkeypatch.setattr(Jobs, "get", look)
    answer = await api.get(f"/backtests/jobs/{job_id}/events")
    assert answer.headers["content-type"].startswith("text/event-stream")
    assert answer.headers["cache-control"] == "private, no-store"
    events = [part.split("\n") for part in answer.text.strip().split("\n\n")]
    kinds = [lines[0].removeprefix("event: ") for lines in events]
    told = [json.loads(lines[1].removeprefix("data: ")) for lines in events]
    assert kinds == ["progress"] * 3 + ["end"]
    assert [job["done"] for job in told] == [0, 5, 10, 10]
    assert told[-1]["state"] == "cancelled"


async def test_cancel_and_delete(api: httpx.AsyncClient, attempts: Attempts):
    job = await submit(api)
    place = f"/backtests/jobs/{job['job_id']}"
    assert (await api.delete(place)).status_code == 409
    assert (await api.post(f"{place}/cancel")).json()["cancel_requested"] is True
    (asked,) = await attempts.unfinished()
    assert (asked.state, asked.cancel_requested) == (JobState.QUEUED, True)
    await attempts.move(asked.job_id, JobState.CANCELLED, "a test")
    assert (await api.delete(place)).status_code == 204
    assert (await api.get(place)).status_code == 404


async def test_without_its_database_nothing_is_accepted(embedded_store: CandleStore, candles: Any):
    async with serving(backend(embedded_store), postgres=unreachable) as api:
        answer = await api.post("/backtests/jobs", json=REQUEST)
        assert (answer.status_code, answer.json()["error"]["code"]) == (503, "service_unavailable")


async def test_estimates_learn_from_the_newest_jobs(
    api: httpx.AsyncClient, jobs: Jobs, attempts: Attempts, candles: Any
):
    before = (await api.post("/backtests/preflight", json=REQUEST)).json()
    assert before["estimated_job_s"] > before["estimated_s"]
    await submit(api)
    job_id, attempt = (await attempts.take_next()) or pytest.fail("nothing to run")
    request, _ = await attempts.job_to_run(job_id, attempt)
    await attempts.heartbeat(
        job_id, attempt, Progress(Phase.STAGE_A, 1, 20, 1, 1.0, None, "candles", expected_s=0.5)
    )
    elapsed = Elapsed.model_validate({"candles": 2.0, "planes": 0.5, "stage-a": 1.0, "reports": 0.5, "total": 4.0})
    result = search_over(candles, request, 200).model_copy(update={"elapsed_s": elapsed})
    await attempts.finish(job_id, attempt, result)
    assert await jobs.pace() == Pace(fixed_s=0.0, stretch=4.0)


class TestPreflight:
    async def test_it_sizes_exactly_and_says_where_a_request_may_run(self, api: httpx.AsyncClient):
        found = (await api.post("/backtests/preflight", json=REQUEST)).json()
        assert (found["variants_total"], found["simulations"], found["planes"], found["bars"]) == (
            20,
            20,
            10,
            3000,
        )
        assert found["mode"] == "sync"
        assert found["core_s"] > 0
        assert found["estimated_s"] > 0

    async def test_a_vast_grid_is_described_and_refused_with_its_numbers(self, api: httpx.AsyncClient):
        axis = {"window": {"start": 2, "stop": 10001, "step": 1}}
        vast = {**REQUEST, "indicators": [{"id": name, "params": axis} for name in ("sma", "ema", "wma")]}
        found = (await api.post("/backtests/preflight", json=vast)).json()
        assert found["variants_total"] == 2 * 10**12
        assert (found["mode"], found["core_s"], found["estimated_s"]) == ("refused", None, None)
        assert {"name": "variants", "number": 10**12 + 40_000, "limit": 10**10} in found["violated_for_job"]
        refused = await api.post("/backtests/jobs", json=vast)
        assert (refused.status_code, refused.json()["error"]["code"]) == (422, "guard_exceeded")
        assert "variants 1000000040000 is over the limit of 10000000000" in refused.text


@pytest.mark.parametrize(
    ("request_changes", "field"), [one[1:] for one in HOSTILE], ids=[one[0] for one in HOSTILE]
)
@pytest.mark.parametrize("path", ["/backtests/jobs", "/backtests"])
async def test_a_hostile_request_is_refused_by_name_before_anything_is_computed(
    api: httpx.AsyncClient, path: str, request_changes: dict[str, Any], field: str
):
    answer = await api.post(path, json={**REQUEST, **request_changes})
    assert answer.status_code == 422, answer.text
    fields = [problem["field"] for problem in answer.json()["error"]["problems"]]
    assert any(named.startswith(field) for named in fields), fields


# Watching -------------------------------------------------------------------------------------------------------


async def watched(client: httpx.AsyncClient, job_id: str) -> httpx.Response:
    return await client.get(f"/backtests/jobs/{job_id}/events")


async def test_streams_of_one_user_are_few_and_hold_no_slots_of_requests(
    embedded_store: CandleStore, candles: Any, postgres: Postgres
) -> None:
    few = {"max_streams_per_user": 2, "max_requests_per_user": 1, "max_waiting_per_user": 0}
    user = await Users(postgres).known(8_000_001)
    async with serving(backend(embedded_store, postgres=postgres, api=few), user=user) as api:
        job_id = (await submit(api))["job_id"]
        path = f"/backtests/jobs/{job_id}/events"
        async with AsyncExitStack() as opened:
            streams = [await opened.enter_async_context(open_stream(api, path)) for _ in range(2)]
            for stream in streams:
                await stream.next("progress")
            refused = await watched(api, job_id)
            assert (refused.status_code, refused.headers["Retry-After"]) == (429, "1")
            assert "at most 2" in refused.json()["error"]["message"]
            assert (await api.get("/me")).status_code == 200
            await api.post(f"/backtests/jobs/{job_id}/cancel")
            await Attempts(postgres, JobSettings()).move(UUID(job_id), JobState.CANCELLED, "a test")
            assert [(await stream.rest())[-1].event for stream in streams] == ["end", "end"]
        assert (await watched(api, job_id)).status_code == 200


async def test_all_who_watch_a_job_share_one_poll(api: httpx.AsyncClient, attempts: Attempts, monkeypatch) -> None:
    job_id = (await submit(api))["job_id"]
    looks, looked_up = [], Jobs.get

    async def look(jobs: Jobs, *arguments: Any) -> Job:
        looks.append(arguments)
        return await looked_up(jobs, *arguments)

    monkeypatch.setattr(Jobs, "get", look)
    began_s = time.monotonic()
    streams = [asyncio.ensure_future(watched(api, job_id)) for _ in range(6)]
    await let_work_until(lambda: len(looks) >= 6 + 6, what="each has looked, and the poll six times")
    await attempts.move(UUID(job_id), JobState.CANCELLED, "a test")
    assert all("event: end" in answer.text for answer in await asyncio.gather(*streams))
    assert len(looks) <= 6 + 1 + (time.monotonic() - began_s) / WATCH_S


async def test_a_stream_ends_soon_after_its_token_is_revoked(
    api: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(event_streams, "ASK_AGAIN_S", 0.2)
    job_id = (await submit(api))["job_id"]
    token = (await api.post("/tokens", json={"name": "watcher", "scopes": ["read"]})).json()
    headers = {"Authorization": f"Bearer {token['token']}"}
    async with open_stream(api, f"/backtests/jobs/{job_id}/events", headers) as stream:
        await stream.next("progress")
        await api.delete(f"/tokens/{token['info']['token_id']}")
        last = (await stream.rest())[-1]
    assert (last.event, last.data["error"]["code"]) == ("error", "unauthenticated")
