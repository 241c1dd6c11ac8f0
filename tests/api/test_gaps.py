"""Holes in the candles of a range: refused with words in every route, or answered with notes."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import httpx
import numpy as np
import pytest

from candleray.candles import CandleRows
from candleray.databases.postgres import Postgres
from candleray.identity.models import User
from candleray.market_data.candle_store import CandleStore
from tests.support.api.in_process_api import backend, random_walk, serving

DAY = 1440
REQUEST: dict[str, Any] = {
    "instrument": {"market_id": 1, "symbol": "GAPUSDT"},
    "timeframe": "1h",
    "time_range": {"start": "2025-01-02T00:00:00Z", "end": "2025-01-09T00:00:00Z"},
    "indicators": [{"id": "sma", "params": {"window": {"start": 2, "stop": 6, "step": 1}}}],
    "top_k": 5,
}
SERIES = {name: REQUEST[name] for name in ("instrument", "timeframe", "time_range")} | {"indicator": {"id": "sma"}}
HOLE = "no candles for 2,940 minutes (2.0 days) from 2025-01-04T00:00:00Z to 2025-01-06T01:00:00Z"
COMMAND = (
    "`candleray backfill --market binance-spot --symbol GAPUSDT "
    "--start 2025-01-04T00:00:00Z --end 2025-01-06T01:00:00Z`"
)
NOTES = [
    "candles: there are 7,140 of the range's 10,080 minutes (70.83 %), which make 119 bars",
    "holes: 2,940 minutes are missing in 1 hole; the longest is 2,940 minutes (2.0 days) from "
    "2025-01-04T00:00:00Z to 2025-01-06T01:00:00Z",
]


@pytest.fixture
async def api(embedded_store: CandleStore, postgres: Postgres, user: User) -> AsyncIterator[httpx.AsyncClient]:
    """Nine days of candles from 2025-01-01 on, without those of two days and an hour."""
    walk = random_walk(9 * DAY)
    kept = np.delete(np.arange(9 * DAY), np.arange(3 * DAY, 5 * DAY + 60))
    embedded_store.insert(1, "GAPUSDT", CandleRows.of(walk.ts_open_ms, walk.values).take(kept))
    async with serving(backend(embedded_store, postgres), user) as client:
        yield client


async def saved(api: httpx.AsyncClient) -> dict[str, Any]:
    """A backtest of a saved strategy over the same range."""
    spec = {**{name: REQUEST[name] for name in ("instrument", "timeframe")}, "indicators": [{"id": "sma"}]}
    answer = await api.post("/strategies", json={"strategy": spec})
    return {"strategy_id": answer.json()["strategy_id"], "time_range": REQUEST["time_range"]}


async def body_for(api: httpx.AsyncClient, path: str, kind: str) -> dict[str, Any]:
    return SERIES if path == "/indicators/compute" else await saved(api) if kind == "saved" else REQUEST


@pytest.mark.parametrize("kind", ["grid", "saved"])
@pytest.mark.parametrize("path", ["/backtests", "/backtests/preflight", "/backtests/jobs", "/indicators/compute"])
async def test_a_long_hole_inside_the_range_is_refused_everywhere(api: httpx.AsyncClient, path: str, kind: str):
    answer = await api.post(path, json=await body_for(api, path, kind))
    error = answer.json()["error"]
    assert (answer.status_code, error["code"]) == (422, "gaps_in_range")
    for words in (HOLE, COMMAND, "more than 24 h", '"allow_gaps": true'):
        assert words in error["message"]


@pytest.mark.parametrize("kind", ["grid", "saved"])
@pytest.mark.parametrize("path", ["/backtests", "/backtests/preflight", "/indicators/compute"])
async def test_an_allowed_hole_is_named_in_the_notes(api: httpx.AsyncClient, path: str, kind: str):
    body = await body_for(api, path, kind)
    answer = await api.post(path, json={**body, "allow_gaps": True})
    assert answer.status_code == 200, answer.text
    assert answer.json()["notes"][:2] == NOTES


@pytest.mark.parametrize("kind", ["grid", "saved"])
@pytest.mark.parametrize(
    ("over_gaps", "note"),
    [
        ({}, "over_gaps: no position is held over the hole of more than 24 h; the "),
        ({"over_gaps": "close"}, "over_gaps: no position is held over the hole of more than 24 h; the "),
        ({"over_gaps": "hold"}, "over_gaps: positions are held over the hole of more than 24 h"),
    ],
    ids=["unsaid", "close", "hold"],
)
async def test_an_answer_says_what_became_of_positions_before_an_allowed_hole(
    api: httpx.AsyncClient, kind: str, over_gaps: dict[str, str], note: str
):
    body = await body_for(api, "/backtests", kind)
    result = (await api.post("/backtests", json={**body, "allow_gaps": True, **over_gaps})).json()
    assert result["notes"][2].startswith(note)
    assert result["request"].get("over_gaps") == ("hold" if over_gaps == {"over_gaps": "hold"} else None)


async def test_an_unknown_fate_of_positions_before_a_hole_is_refused(api: httpx.AsyncClient):
    answer = await api.post("/backtests", json={**REQUEST, "allow_gaps": True, "over_gaps": "keep"})
    assert answer.status_code == 422
    assert "over_gaps" in str(answer.json()["error"])
    assert "'close' or 'hold'" in str(answer.json()["error"])


async def test_a_preflight_counts_the_bars_that_the_search_has(api: httpx.AsyncClient):
    allowed = {**REQUEST, "allow_gaps": True}
    weighed = (await api.post("/backtests/preflight", json=allowed)).json()
    assert weighed["bars"] == (await api.post("/backtests", json=allowed)).json()["bars"] == 119


async def test_a_job_shows_the_notes_beside_its_best(api: httpx.AsyncClient):
    answer = await api.post("/backtests/jobs", json={**REQUEST, "allow_gaps": True})
    assert answer.status_code == 202, answer.text
    assert answer.json()["notes"] == NOTES
    top = (await api.get(f"/backtests/jobs/{answer.json()['job_id']}/top")).json()
    assert top["notes"] == NOTES


async def test_a_variant_over_a_hole_is_a_request_that_gives_the_same_numbers_and_can_be_saved(
    api: httpx.AsyncClient,
):
    result = (await api.post("/backtests", json={**REQUEST, "allow_gaps": True})).json()
    best = result["top"][0]
    again = (await api.post("/backtests", json=best["strategy"])).json()
    assert again["top"][0]["metrics"] == best["metrics"]
    strategy = (await api.post("/strategies", json={"strategy": best["strategy"]})).json()
    assert "allow_gaps" not in strategy["spec"]
    asked = {"strategy_id": strategy["strategy_id"], "time_range": REQUEST["time_range"], "allow_gaps": True}
    assert (await api.post("/backtests", json=asked)).json()["top"][0]["metrics"] == best["metrics"]


async def test_what_says_nothing_of_gaps_is_named_as_before(api: httpx.AsyncClient):
    whole = {**REQUEST, "time_range": {"start": "2025-01-02T00:00:00Z", "end": "2025-01-04T00:00:00Z"}}
    answers = [
        (await api.post("/backtests", json={**whole, **more})).json() for more in ({}, {"allow_gaps": False})
    ]
    for result in answers:
        assert result["notes"] == []
        assert "allow_gaps" not in result["request"]
        assert "allow_gaps" not in result["top"][0]["strategy"]
    assert answers[0]["request_hash"] == answers[1]["request_hash"]


async def test_a_range_past_the_last_candle_is_answered_and_says_so(api: httpx.AsyncClient):
    beyond = {**REQUEST, "time_range": {"start": "2025-01-08T00:00:00Z", "end": "2025-02-01T00:00:00Z"}}
    result = (await api.post("/backtests", json=beyond)).json()
    assert result["bars"] == 48
    note, before = result["notes"]
    assert before.startswith("warm-up: before the range 2,940 minutes are missing in 1 hole")
    assert "they end at 2025-01-10T00:00:00Z, before the range does" in note


BEHIND = {"start": "2025-01-06T04:30:00Z", "end": "2025-01-09T00:00:00Z"}
BEFORE = [
    "warm-up: before the range 2,940 minutes are missing in 1 hole; the longest is 2,940 minutes (2.0 days) from "
    "2025-01-04T00:00:00Z to 2025-01-06T01:00:00Z"
]


async def test_a_hole_in_the_warm_up_is_named_and_refuses_nothing(api: httpx.AsyncClient):
    behind = {**REQUEST, "time_range": BEHIND}
    for path in ("/backtests", "/backtests/preflight", "/backtests/jobs"):
        assert (await api.post(path, json=behind)).json()["notes"] == BEFORE
    [job] = (await api.get("/backtests/jobs")).json()["jobs"]
    assert (await api.get(f"/backtests/jobs/{job['job_id']}/top")).json()["notes"] == BEFORE
    assert (await api.post("/indicators/compute", json={**SERIES, "time_range": BEHIND})).json()["notes"] == BEFORE
    newest = {name: SERIES[name] for name in ("instrument", "timeframe", "indicator")}
    assert (await api.post("/indicators/compute", json={**newest, "last": 50})).json()["notes"] == BEFORE


async def test_the_newest_bars_of_an_indicator_are_refused_over_a_hole(api: httpx.AsyncClient):
    newest = {name: SERIES[name] for name in ("instrument", "timeframe", "indicator")}
    assert (await api.post("/indicators/compute", json={**newest, "last": 50})).status_code == 200
    refused = await api.post("/indicators/compute", json={**newest, "last": 100})
    assert refused.json()["error"]["code"] == "gaps_in_range"
