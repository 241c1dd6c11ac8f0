"""Operators and users: who writes what all share, and what is told and recorded of it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any
from uuid import UUID, uuid4

import httpx
import numpy as np
import pytest

from candleray.candles import CandleRows
from candleray.databases.postgres import Postgres
from candleray.identity.models import SCOPES, User
from candleray.identity.roles import role_of
from candleray.identity.tokens import Caller
from candleray.market_data.arrow_stream import ARROW, encode_rows
from candleray.market_data.candle_store import CandleStore
from candleray.settings import IdentitySettings, Settings
from tests.support.api.accounts import log_in, log_in_operator
from tests.support.api.api_document import operations
from tests.support.api.in_process_api import START_MS, backend, random_walk, serving_strangers

OPERATORS_ONLY = {
    "POST /market-data/candles",
    "POST /market-data/instruments",
    "POST /market-data/instruments/refresh",
    "POST /market-data/subscriptions",
    "DELETE /market-data/subscriptions/{market_id}/{symbol}",
    "POST /market-data/subscription-requests/{request_id}/accept",
    "POST /market-data/subscription-requests/{request_id}/refuse",
}
NO_SHARED_VALUES = {"POST /market-data/backfills", "POST /market-data/subscription-requests"}
"""Routes that take no caller's values for all: a range to fetch, a wish."""


@pytest.fixture
async def api(embedded_store: CandleStore) -> AsyncIterator[httpx.AsyncClient]:
    async with serving_strangers(backend(embedded_store)) as client:
        yield client


async def put(api: httpx.AsyncClient, symbol: str, minutes: int = 100, **query: Any) -> httpx.Response:
    walk = random_walk(minutes)
    body = encode_rows(CandleRows.of(walk.ts_open_ms, walk.values))
    query = {"market_id": 1, "symbol": symbol, **query}
    return await api.post("/market-data/candles", params=query, content=body, headers={"Content-Type": ARROW})


async def events(postgres: Postgres, api: httpx.AsyncClient) -> list[tuple[str, dict[str, Any]]]:
    """The shared writes of whom the client is logged in as."""
    author = UUID((await api.get("/me")).json()["user_id"])
    rows = await postgres.fetch("audit_events_from", 0, 100_000)
    return [
        (row["event"], row["details"])
        for row in rows
        if row["user_id"] == author and row["event"].endswith("_written")
    ]


def test_every_route_that_writes_what_all_share_is_an_operator_s():
    assert {str(one) for one in operations() if one.described.get("x-role") == "operator"} == OPERATORS_ONLY
    shared = {str(one) for one in operations() if one.path.startswith("/market-data") and one.method != "GET"}
    assert shared - NO_SHARED_VALUES == OPERATORS_ONLY


@pytest.mark.parametrize(
    ("environment", "named", "telegram_user_id", "is_first_user", "role"),
    [
        ("dev", (), 7, True, "operator"),
        ("dev", (), 7, False, "user"),
        ("dev", (8,), 7, True, "user"),
        ("dev", (7, 8), 7, False, "operator"),
        ("test", (), 7, True, "operator"),
        ("prod", (), 7, True, "user"),
        ("prod", (7,), 7, False, "operator"),
        ("prod", (7,), 8, True, "user"),
    ],
)
def test_settings_name_the_operators_and_where_they_do_not_the_first_user_is_one_but_never_in_production(
    environment, named, telegram_user_id, is_first_user, role
):
    settings = Settings(environment=environment, identity=IdentitySettings(operators=named))
    caller = Caller(
        user=User(user_id=uuid4(), telegram_user_id=telegram_user_id),
        token_id=uuid4(),
        kind="session",
        scopes=SCOPES,
        is_first_user=is_first_user,
    )
    assert role_of(caller, settings) == role


async def test_the_first_user_is_who_has_been_one_for_longest(postgres: Postgres):
    async with serving_strangers(backend(object(), identity={"operators": ()})) as api:
        await log_in(api)
        await log_in(api)
        later = (await api.get("/me")).json()
        assert later["role"] == "user"
        async with postgres.connection() as connection:
            longest = "UPDATE users SET created_at = '2001-01-01' WHERE user_id = $1"
            await connection.execute(longest, UUID(later["user_id"]))
        assert (await api.get("/me")).json()["role"] == "operator"


async def test_no_later_user_is_the_first_one_even_if_the_clock_went_back(postgres: Postgres):
    async with serving_strangers(backend(object(), identity={"operators": ()})) as api:
        await log_in(api)
        async with postgres.connection() as connection:
            await connection.execute("UPDATE users SET created_at = created_at + interval '1 hour'")
        await log_in(api)
        assert (await api.get("/me")).json()["role"] == "user"


async def test_a_user_is_refused_with_the_way_to_become_an_operator_and_nothing_is_written(
    api: httpx.AsyncClient, embedded_store: CandleStore, postgres: Postgres
):
    await log_in(api, 4711)
    reference = {"market_id": 1, "symbol": "ROLEAUSDT"}
    for answer in (await put(api, "ROLEAUSDT"), await api.post("/market-data/instruments", json=[reference])):
        error = answer.json()["error"]
        assert (answer.status_code, error["code"]) == (403, "forbidden")
        assert "only an operator" in error["message"]
        assert "identity.operators" in error["message"]
        assert "yours is 4711" in error["message"]
    assert embedded_store.instruments(1, "ROLEAUSDT") == []
    assert await events(postgres, api) == []


async def test_a_token_has_never_more_than_its_user_and_of_an_operator_s_no_more_than_its_scopes(
    api: httpx.AsyncClient,
):
    may = {}
    for name, become in (("user", log_in), ("operator", log_in_operator)):
        session = await become(api)
        for scope in SCOPES:
            api.headers["Authorization"] = f"Bearer {session}"
            made = (await api.post("/tokens", json={"name": scope, "scopes": [scope]})).json()["token"]
            api.headers["Authorization"] = f"Bearer {made}"
            may[name, scope] = (await put(api, "ROLEBUSDT")).status_code
    assert {allowed for allowed, status in may.items() if status == 200} == {("operator", "trade")}
    assert set(may.values()) == {200, 403}


async def test_who_one_is_says_the_role_and_the_scopes(api: httpx.AsyncClient):
    await log_in_operator(api)
    me = (await api.get("/me")).json()
    assert (me["role"], me["scopes"]) == ("operator", list(SCOPES))


async def test_a_write_of_candles_is_an_event_with_its_author_and_what_it_changed(
    api: httpx.AsyncClient, postgres: Postgres
):
    await log_in_operator(api)
    assert (await put(api, "ROLECUSDT", source="ROLECUSDT-1m-2025-01.csv")).json()["written"] == 100
    rows = CandleRows.of(START_MS + np.arange(3) * 60_000, np.full((5, 3), 999_999.0))
    query = {"market_id": 1, "symbol": "ROLECUSDT"}
    answer = await api.post(
        "/market-data/candles", params=query, content=encode_rows(rows), headers={"Content-Type": ARROW}
    )
    assert (answer.json()["written"], answer.json()["changed"]) == (3, 3)
    (first, imported), (second, changed) = await events(postgres, api)
    assert (first, second) == ("candles_written", "candles_written")
    counts = ("received", "written", "changed", "refused", "source")
    assert [imported[name] for name in counts] == [100, 100, 0, 0, "ROLECUSDT-1m-2025-01.csv"]
    assert [changed[name] for name in counts] == [3, 3, 3, 0, "not said"]
    where = ("market", "symbol", "first_minute", "last_minute")
    assert [changed[name] for name in where] == [
        *("binance-spot", "ROLECUSDT", "2025-01-01T00:00:00Z", "2025-01-01T00:02:00Z")
    ]


async def test_a_write_of_instruments_is_an_event_too(api: httpx.AsyncClient, postgres: Postgres):
    await log_in_operator(api)
    references = [{"market_id": market_id, "symbol": "ROLEDUSDT"} for market_id in (1, 3)]
    assert (await api.post("/market-data/instruments", json=references)).json()["written"] == 2
    ((event, details),) = await events(postgres, api)
    assert event == "instruments_written"
    assert (details["markets"], details["received"], details["written"]) == ("binance-spot, bybit-spot", 2, 2)


@pytest.mark.parametrize("source", ["", "x" * 201, "two\nlines"])
async def test_a_source_is_a_short_line(api: httpx.AsyncClient, source: str):
    await log_in_operator(api)
    assert (await put(api, "ROLEEUSDT", source=source)).status_code == 422
