"""Backfills by the instance: every user may ask for one, and none changes a stored minute."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any
from uuid import UUID

import httpx
import numpy as np
import pytest

import serve_apps.backfills
from candleray.candles import CandleRows
from candleray.databases.postgres import Postgres
from candleray.duties import instrument_refresh
from candleray.errors import ServiceUnavailable
from candleray.market_data.candle_store import CandleStore
from candleray.market_data.history import History
from candleray.markets import MARKETS, Market
from candleray.settings import HistorySettings
from candleray.timeframes import DAY_MS, MINUTE_MS
from serve_apps.backfills import Backfills
from tests.support.api.accounts import log_in
from tests.support.api.in_process_api import START_MS, backend, serving_strangers
from tests.support.simulated import Clock, history_of

BYBIT_SPOT = 3
DAY = {"start": "2025-01-01", "end": "2025-01-02"}


@pytest.fixture
async def api(embedded_store: CandleStore) -> AsyncIterator[httpx.AsyncClient]:
    """A user who is no operator."""
    async with serving_strangers(backend(embedded_store)) as client:
        await log_in(client)
        yield client


async def backfill(api: httpx.AsyncClient, symbol: str = "BTCUSDT", **changes: Any) -> httpx.Response:
    body = {"market_id": BYBIT_SPOT, "symbol": symbol, **DAY, **changes}
    return await api.post("/market-data/backfills", json=body)


async def test_a_user_has_missing_minutes_fetched_and_is_the_author_of_the_event(
    api: httpx.AsyncClient, embedded_store: CandleStore, postgres: Postgres
):
    assert (await api.get("/me")).json()["role"] == "user"
    first, again = [(await backfill(api)).json() for _ in range(2)]
    assert (first["report"]["inserted"]["written"], first["next_start"]) == (1440, None)
    assert (again["report"]["missing_before"], again["report"]["fetched"]) == (0, 0)
    assert len(embedded_store.read(BYBIT_SPOT, "BTCUSDT", START_MS, START_MS + DAY_MS)) == 1440
    author = UUID((await api.get("/me")).json()["user_id"])
    rows = await postgres.fetch("audit_events_from", 0, 100_000)
    written = [row["details"] for row in rows if row["user_id"] == author and row["event"] == "candles_written"]
    assert [(one["written"], one["changed"], one["source"]) for one in written] == [
        (1440, 0, "backfill from bybit")
    ]


async def test_a_minute_that_is_stored_stays_even_between_two_holes(
    api: httpx.AsyncClient, embedded_store: CandleStore
):
    own = CandleRows.of(np.array([START_MS + 5 * MINUTE_MS]), np.full((5, 1), 999_999.0))
    embedded_store.insert(BYBIT_SPOT, "ETHUSDT", own)
    report = (await backfill(api, "ETHUSDT")).json()["report"]
    assert (report["inserted"]["written"], report["inserted"]["changed"]) == (1439, 0)
    kept = embedded_store.read(BYBIT_SPOT, "ETHUSDT", START_MS, START_MS + DAY_MS)
    assert len(kept) == 1440
    assert kept.column("close")[5] == 999_999.0


async def test_a_long_range_goes_in_steps(api: httpx.AsyncClient):
    steps: list[dict[str, Any]] = []
    start: str | None = "2025-01-01"
    while start:
        steps.append((await backfill(api, "SOLUSDT", start=start, end="2025-01-20")).json())
        start = steps[-1]["next_start"]
    assert [step["report"]["inserted"]["written"] for step in steps] == [20_000, 19 * 1440 - 20_000]


@pytest.mark.parametrize(
    ("changes", "status", "word"),
    [
        ({"symbol": "NOPEUSDT"}, 404, "did you mean"),
        ({"start": "2025-01-03"}, 422, "must be before"),
        ({"url": "http://127.0.0.1:1"}, 422, "url"),
        ({"market_id": 9}, 422, "market_id"),
    ],
)
async def test_what_cannot_be_fetched_is_refused(
    api: httpx.AsyncClient, changes: dict[str, Any], status: int, word: str
):
    answer = await backfill(api, **changes)
    assert answer.status_code == status
    assert word in answer.text


async def told_in_vain(store: CandleStore, monkeypatch: pytest.MonkeyPatch, within_s: float) -> list[str]:
    """The words of a backfill and of a refresh that wait so long for an exchange that fails."""
    monkeypatch.setattr(serve_apps.backfills, "STEP_TIMEOUT_S", within_s)
    monkeypatch.setattr(instrument_refresh, "WITHIN_S", within_s)
    down = httpx.MockTransport(lambda request: httpx.Response(503, text="closed"))
    history = History(HistorySettings(max_attempts=100), transport=down)
    backfills = Backfills(lambda: history)
    async with serving_strangers(backend(store), backfills=backfills) as api:
        await log_in(api)
        step = await backfill(api)
        with pytest.raises(ServiceUnavailable) as refused:
            await backfills.refresh(None, None, MARKETS[BYBIT_SPOT], may_shrink=False)  # type: ignore[arg-type]
    assert step.status_code == 503
    return [step.json()["error"]["message"], refused.value.message]


async def test_who_waits_for_an_exchange_in_vain_is_told_how_it_failed_last(
    embedded_store: CandleStore, monkeypatch: pytest.MonkeyPatch
):
    # A busy machine may not get to its first question within the time.
    for within_s in (0.1, 1.0, 10.0):
        told = await told_in_vain(embedded_store, monkeypatch, within_s)
        if all("HTTP 503" in each for each in told):
            break
    for each in told:
        assert "s (bybit-spot GET /v5/market/" in each
        assert "HTTP 503" in each


async def test_a_user_has_one_under_way_at_a_time(embedded_store: CandleStore):
    history = history_of(clock=Clock())
    closed_until_ms, begun, may_go_on = history.closed_until_ms, asyncio.Event(), asyncio.Event()

    async def held(market: Market) -> int:
        begun.set()
        await may_go_on.wait()
        return await closed_until_ms(market)

    history.closed_until_ms = held  # type: ignore[method-assign]
    async with serving_strangers(backend(embedded_store), backfills=Backfills(lambda: history)) as api:
        await log_in(api)
        first = asyncio.create_task(backfill(api))
        await begun.wait()
        second = await backfill(api)
        may_go_on.set()
        assert (second.status_code, second.headers["Retry-After"]) == (429, "5")
        assert "one at a time" in second.text
        assert (await first).status_code == 200
