"""Sessions, tokens, scopes, cookies: who may call what, and what is refused."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any
from uuid import UUID, uuid4

import httpx
import pytest
from fastapi import APIRouter
from fastapi.routing import APIRoute

from candleray.databases.postgres import Postgres
from candleray.identity.tokens import token_hash
from candleray.settings import TelegramSettings
from serve_apps.api import discover_routers
from serve_apps.http.access import CSRF_HEADER, SESSION_COOKIE, scope_of
from tests.support.api.in_process_api import (
    BOT_TOKEN,
    backend,
    fresh_login,
    serving,
    serving_strangers,
    settings,
)

PUBLIC = {
    "GET /",
    "GET /docs",
    "GET /health",
    "GET /login/telegram",
    "GET /metrics",
    "GET /page/{version}/{path:path}",
    "GET /ready",
    "GET /session",
    "GET /status",
    "POST /login/telegram/mini-app",
    "POST /login/telegram/widget",
}
ROUTES = [route for router in discover_routers() for route in router.routes if isinstance(route, APIRoute)]


@pytest.fixture
async def stranger() -> AsyncIterator[httpx.AsyncClient]:
    async with serving_strangers(backend(object())) as client:
        yield client


async def logged_in(client: httpx.AsyncClient, telegram_user_id: int | None = None) -> dict[str, str]:
    """Headers of a session of its own."""
    answer = await client.post("/login/telegram/widget", json=fresh_login(telegram_user_id or uuid4().int >> 80))
    return {"Authorization": f"Bearer {answer.json()['token']}"}


def path_of(route: APIRoute) -> str:
    return route.path_format.replace("{", "").replace("}", "")


def test_the_public_routes_are_these_and_no_others():
    open_ones = {f"{method} {route.path}" for route in ROUTES if not scope_of(route) for method in route.methods}
    assert open_ones == PUBLIC


def test_a_new_route_is_protected_as_it_is():
    router = APIRouter()

    @router.get("/seen")
    @router.post("/changed")
    async def either() -> None: ...

    assert {route.path: scope_of(route) for route in router.routes} == {"/seen": "read", "/changed": "trade"}


@pytest.mark.parametrize("route", ROUTES, ids=lambda route: f"{sorted(route.methods)[0]} {route.path}")
async def test_every_route_asks_who_is_there_before_it_reads_a_byte(stranger, route):
    if scope_of(route) is None:
        return
    for method in route.methods:
        answer = await stranger.request(method, path_of(route), content=b"{ no json")
        assert answer.status_code == 401, route.path
        assert answer.headers["WWW-Authenticate"] == "Bearer"


@pytest.mark.parametrize(
    "header",
    [
        "Bearer",
        "Bearer ",
        "Bearer x",
        "Bearer crs_" + "x" * 43,
        "Bearer crt_" + "x" * 43,
        "Basic YTpi",
        "Bearer crs_' OR 1=1 --",
        "Bearer " + "crs_" + "A" * 100_000,
        "Bearer crs_../../../etc/passwd",
    ],
    ids=lambda text: text[:30],
)
async def test_a_token_that_is_none_is_refused_in_the_same_words(stranger, header):
    answer = await stranger.get("/me", headers={"Authorization": header})
    assert answer.status_code == 401
    assert answer.json()["error"]["message"] == "the token is not valid: it is unknown, expired or revoked"


async def test_only_the_hash_of_a_token_is_kept(stranger, postgres: Postgres):
    headers = await logged_in(stranger)
    token = headers["Authorization"].removeprefix("Bearer ")
    async with postgres.connection() as connection:
        rows = await connection.fetch("SELECT * FROM access_tokens WHERE token_hash = $1", token_hash(token))
    assert len(rows) == 1
    assert token not in repr(rows)


async def test_a_session_ends_when_unused_when_old_and_when_revoked(stranger, postgres: Postgres):
    for change in (
        "expires_at = now() - interval '1 second'",
        "expires_at = now() - interval '1 second', ends_at = now() - interval '1 second'",
        "revoked_at = now()",
    ):
        headers = await logged_in(stranger)
        digest = token_hash(headers["Authorization"].removeprefix("Bearer "))
        assert (await stranger.get("/me", headers=headers)).status_code == 200
        async with postgres.connection() as connection:
            await connection.execute(f"UPDATE access_tokens SET {change} WHERE token_hash = $1", digest)
        assert (await stranger.get("/me", headers=headers)).status_code == 401


async def test_use_moves_a_session_s_end_up_to_its_last_day(stranger, postgres: Postgres):
    headers = await logged_in(stranger)
    digest = token_hash(headers["Authorization"].removeprefix("Bearer "))

    async def ends_after_use(ends: str) -> float:
        async with postgres.connection() as connection:
            await connection.execute(
                "UPDATE access_tokens SET last_used_at = now() - interval '2 minutes', "
                f"expires_at = now() + interval '1 hour', ends_at = now() + interval '{ends}' "
                "WHERE token_hash = $1",
                digest,
            )
            assert (await stranger.get("/me", headers=headers)).status_code == 200
            return float(
                await connection.fetchval(
                    "SELECT extract(epoch FROM expires_at - now()) / 3600 FROM access_tokens "
                    "WHERE token_hash = $1",
                    digest,
                )
            )

    assert await ends_after_use("20 days") == pytest.approx(72, abs=0.1)
    assert await ends_after_use("2 hours") == pytest.approx(2, abs=0.1)


async def test_sessions_are_listed_and_revoked(stranger):
    somebody = uuid4().int >> 80
    here, there = await logged_in(stranger, somebody), await logged_in(stranger, somebody)
    sessions = (await stranger.get("/sessions", headers=here)).json()
    assert [one["current"] for one in sessions] == [False, True]
    other = sessions[0]["token_id"]
    assert (await stranger.delete(f"/sessions/{other}", headers=here)).status_code == 200
    assert (await stranger.get("/me", headers=there)).status_code == 401
    assert (await stranger.delete(f"/sessions/{other}", headers=here)).status_code == 404
    await logged_in(stranger, somebody)
    assert (await stranger.delete("/sessions", headers=here)).json() == {"revoked": 1}
    assert (await stranger.post("/logout", headers=here)).status_code == 200
    assert (await stranger.get("/me", headers=here)).status_code == 401


async def make_token(client: httpx.AsyncClient, headers: dict[str, str], *scopes: str) -> dict[str, Any]:
    answer = await client.post("/tokens", json={"name": "a notebook", "scopes": scopes}, headers=headers)
    assert answer.status_code == 200, answer.text
    return answer.json()


async def test_an_api_token_may_do_what_its_scopes_say(stranger):
    session = await logged_in(stranger)
    may = {}
    for scope in ("read", "trade", "account"):
        token = await make_token(stranger, session, scope)
        headers = {"Authorization": f"Bearer {token['token']}"}
        may[scope] = [
            (await stranger.request(method, path, headers=headers, json=body)).status_code != 403
            for method, path, body in (("GET", "/me", None), ("POST", "/strategies", {}), ("GET", "/tokens", None))
        ]
    assert may == {"read": [True, False, False], "trade": [False, True, False], "account": [False, False, True]}


async def test_an_api_token_is_shown_once_listed_without_it_and_revoked_at_once(stranger):
    session = await logged_in(stranger)
    made = await make_token(stranger, session, "read")
    listed = await stranger.get("/tokens", headers=session)
    assert made["token"] not in listed.text
    assert [one["token_id"] for one in listed.json()] == [made["info"]["token_id"]]
    headers = {"Authorization": f"Bearer {made['token']}"}
    assert (await stranger.get("/me", headers=headers)).status_code == 200
    assert (await stranger.delete(f"/tokens/{made['info']['token_id']}", headers=session)).status_code == 200
    assert (await stranger.get("/me", headers=headers)).status_code == 401


async def test_there_are_only_so_many_api_tokens():
    async with serving(backend(object(), identity={"max_api_tokens": 1})) as client:
        session = await logged_in(client)
        await make_token(client, session, "read")
        answer = await client.post("/tokens", json={"name": "one more"}, headers=session)
        assert answer.status_code == 409


# Browsers --------------------------------------------------------------------------------------------------------


async def test_a_browser_s_session_is_in_a_cookie_that_no_script_reads(stranger):
    answer = await stranger.post("/login/telegram/widget?session=cookie", json=fresh_login(7))
    cookies = answer.headers.get_list("Set-Cookie")
    session = next(one for one in cookies if one.startswith(SESSION_COOKIE))
    assert all(word in session for word in ("HttpOnly", "Secure", "SameSite=strict", "Path=/"))
    assert session.partition("=")[2].partition(";")[0] not in answer.text


async def test_a_cookie_changes_nothing_without_its_own_csrf_token(stranger):
    async def log_in() -> tuple[dict[str, str], str]:
        answer = await stranger.post("/login/telegram/widget?session=cookie", json=fresh_login(7))
        session = next(one for one in answer.headers.get_list("Set-Cookie") if one.startswith(SESSION_COOKIE))
        return {"Cookie": session.partition(";")[0]}, answer.json()["csrf_token"]

    cookie, csrf = await log_in()
    _, another = await log_in()
    stranger.cookies.clear()
    assert (await stranger.get("/me", headers=cookie)).status_code == 200
    for wrong in ({}, {CSRF_HEADER: ""}, {CSRF_HEADER: another}, {CSRF_HEADER: csrf[:-1]}, {CSRF_HEADER: "é"}):
        encoded = {name: value.encode() for name, value in wrong.items()}
        answer = await stranger.post("/tokens", json={"name": "x"}, headers={**cookie, **encoded})
        assert (answer.status_code, answer.json()["error"]["code"]) == (403, "forbidden")
    right = {**cookie, CSRF_HEADER: csrf}
    assert (await stranger.post("/tokens", json={"name": "x"}, headers=right)).status_code == 200
    assert (await stranger.post("/logout", headers=right)).status_code == 200
    assert (await stranger.get("/me", headers=cookie)).status_code == 401


async def test_what_one_user_is_told_is_kept_by_no_cache(stranger):
    assert "no-store" in (await stranger.get("/me", headers=await logged_in(stranger))).headers["Cache-Control"]


async def test_the_first_login_makes_the_user_and_the_next_finds_it(stranger, postgres: Postgres):
    somebody = uuid4().int >> 80
    users = set()
    for _ in range(2):
        users.add((await stranger.get("/me", headers=await logged_in(stranger, somebody))).json()["user_id"])
    assert len(users) == 1
    rows = await postgres.fetch("audit_events_from", 0, 100_000)
    events = [row["event"] for row in rows if row["user_id"] == UUID(next(iter(users)))]
    assert events == ["user_created", "logged_in", "logged_in"]


async def test_a_caller_whom_postgres_cannot_name_is_answered_in_words_and_not_kept(
    stranger: httpx.AsyncClient, postgres: Postgres
):
    session = await logged_in(stranger)
    async with postgres.connection() as other, other.transaction():
        await other.execute("LOCK TABLE access_tokens IN ACCESS EXCLUSIVE MODE")
        answer = await stranger.get("/me", headers=session)
    assert answer.status_code == 503
    assert "Postgres does not answer within 5 s" in answer.json()["error"]["message"]
    assert (await stranger.get("/me", headers=session)).status_code == 200


async def test_a_browser_is_told_whose_session_it_has_and_nobody_is_no_error(stranger: httpx.AsyncClient):
    nobody = {"user": None, "second_factor": None}
    assert (await stranger.get("/session")).json() == nobody
    login = await stranger.post("/login/telegram/widget?session=cookie", json=fresh_login(991))
    token = login.cookies["candleray_session"]
    there = (await stranger.get("/session", headers={"Cookie": f"candleray_session={token}"})).json()
    assert there["user"]["telegram_user_id"] == 991
    assert there["second_factor"] is False
    for headers in ({"Cookie": "candleray_session=crs_none"}, {"Authorization": f"Bearer {token}"}):
        stranger.cookies.clear()
        answer = await stranger.get("/session", headers=headers)
        assert (answer.json(), answer.headers["Cache-Control"]) == (nobody, "private, no-store")


async def test_a_bot_that_telegram_does_not_know_is_no_way_in():
    known = settings().model_copy(update={"telegram": TelegramSettings(enabled=True)})
    for given, bot_id in ((settings(), None), (known, int(BOT_TOKEN.partition(":")[0]))):
        async with serving_strangers(replace(backend(object()), settings=given)) as api:
            assert (await api.get("/login/telegram")).json() == {"bot_id": bot_id}
