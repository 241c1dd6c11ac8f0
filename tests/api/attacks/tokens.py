"""Tokens expired, revoked and malformed; cookies without the CSRF token of their session."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from candleray.identity.tokens import token_hash
from serve_apps.http.access import CSRF_HEADER, SESSION_COOKIE
from tests.api.attacks.target import Attack, Target
from tests.support.api.accounts import log_in
from tests.support.api.api_document import operations
from tests.support.api.in_process_api import fresh_login

MALFORMED = {
    "none": "",
    "no token": "Bearer",
    "too short": "Bearer x",
    "unknown session": "Bearer crs_" + "x" * 43,
    "unknown API token": "Bearer crt_" + "x" * 43,
    "another scheme": "Basic YTpi",
    "SQL": "Bearer crs_' OR 1=1 --",
    "a path": "Bearer crs_../../../etc/passwd",
    "very long": "Bearer crs_" + "A" * 60_000,
}
ENDED = {
    "unused for too long": "expires_at = now() - interval '1 second'",
    "too old": "expires_at = now() - interval '1 second', ends_at = now() - interval '1 second'",
    "revoked": "revoked_at = now()",
}
SAFE = ("GET", "HEAD")


def bearing(header: str) -> Callable[[Target], Any]:
    async def ask(target: Target) -> None:
        await target.attack("GET", "/me", headers={"Authorization": header})
        await target.attack("POST", "/tokens", json={"name": "x"}, headers={"Authorization": header})

    return ask


def ended(change: str) -> Callable[[Target], Any]:
    async def ask(target: Target) -> None:
        session = await log_in(target.api)
        api_token = (await target.api.post("/tokens", json={"name": "mine"})).json()["token"]
        for token in (session, api_token):
            await target.change(f"UPDATE access_tokens SET {change} WHERE token_hash = $1", token_hash(token))
            await target.attack("GET", "/me", headers={"Authorization": f"Bearer {token}"})

    return ask


async def logged_out(target: Target) -> None:
    await log_in(target.api)
    (await target.api.post("/logout")).raise_for_status()
    await target.attack("GET", "/me")


async def nobody_on_every_route(target: Target) -> None:
    for operation in operations():
        if not operation.is_public:
            path = operation.path.replace("{", "").replace("}", "")
            await target.attack(operation.method, path, content=b"{ no json")


async def beyond_its_scopes(target: Target) -> None:
    session = {"Authorization": f"Bearer {await log_in(target.api)}"}
    for scope in ("read", "trade", "account"):
        made = await target.api.post("/tokens", json={"name": scope, "scopes": [scope]}, headers=session)
        headers = {"Authorization": f"Bearer {made.json()['token']}"}
        for operation in operations():
            if operation.described.get("x-scope") not in (None, scope):
                path = operation.path.replace("{", "").replace("}", "")
                await target.attack(operation.method, path, content=b"{ no json", headers=headers)


async def cookie_of(target: Target) -> tuple[dict[str, str], str]:
    """A session's cookie, and the CSRF token that belongs to it."""
    answer = await target.api.post("/login/telegram/widget?session=cookie", json=fresh_login(7))
    session = next(one for one in answer.headers.get_list("Set-Cookie") if one.startswith(SESSION_COOKIE))
    target.api.cookies.clear()
    return {"Cookie": session.partition(";")[0]}, answer.json()["csrf_token"]


async def cookie_alone(target: Target) -> None:
    cookie, _ = await cookie_of(target)
    for operation in operations():
        if operation.method not in SAFE and not operation.is_public:
            path = operation.path.replace("{", "").replace("}", "")
            await target.attack(operation.method, path, content=b"{ no json", headers=cookie)


async def wrong_csrf(target: Target) -> None:
    cookie, csrf = await cookie_of(target)
    _, another = await cookie_of(target)
    for wrong in ("", another, csrf[:-1], csrf.upper(), "é", "x" * 10_000):
        headers: Any = {**cookie, CSRF_HEADER: wrong.encode()}
        await target.attack("POST", "/tokens", json={"name": "x"}, headers=headers)


NOBODY, FORBIDDEN = frozenset({401}), frozenset({403})
ATTACKS = [
    *(Attack(f"token, malformed: {name}", NOBODY, bearing(text)) for name, text in MALFORMED.items()),
    *(Attack(f"token, {name}", NOBODY, ended(change)) for name, change in ENDED.items()),
    Attack("token, logged out", NOBODY, logged_out),
    Attack("token, none, on every route", NOBODY, nobody_on_every_route),
    Attack("token, beyond its scopes, on every route", FORBIDDEN, beyond_its_scopes),
    Attack("CSRF token, missing, on every route that changes something", FORBIDDEN, cookie_alone),
    Attack("CSRF token, wrong", FORBIDDEN, wrong_csrf),
]
