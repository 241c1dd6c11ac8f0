"""Login by Telegram, and logout."""

from __future__ import annotations

import time
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Body, Query, Request
from pydantic import Field
from starlette.responses import JSONResponse, Response

from candleray.errors import InstanceError
from candleray.identity.attempt_limits import AttemptLimits
from candleray.identity.local_secrets import key_ring
from candleray.identity.models import (
    BrowserSession,
    CookieLogin,
    LoginWays,
    Me,
    MiniAppLogin,
    NewToken,
    TokenInfo,
    WidgetLogin,
)
from candleray.identity.roles import role_of
from candleray.identity.second_factor_store import SecondFactors
from candleray.identity.telegram import (
    MAX_AGE_S,
    MAX_SKEW_S,
    LoginRefused,
    login_fingerprint,
    telegram_user_of_mini_app,
    telegram_user_of_widget,
)
from candleray.identity.token_store import AccessTokens
from candleray.identity.tokens import Caller, csrf_token
from candleray.logs import get_logger
from candleray.validation import Model
from serve_apps.backend import Backend, InBackend
from serve_apps.examples import identity as examples
from serve_apps.http.access import SESSION_COOKIE, needs, public, session_of
from serve_apps.http.callers import InCaller, address_of
from serve_apps.http.json_body import StrictRoute
from serve_apps.http.openapi import example

CSRF_COOKIE = "candleray_csrf"
_DAY_S = 86_400

log = get_logger("identity")

router = APIRouter(tags=["identity"], route_class=StrictRoute)


class LoginQuery(Model):
    session: Literal["token", "cookie"] = Field(
        "token", description="a token to send as `Authorization: Bearer`, or a browser's cookie"
    )


_ANSWER: dict[int | str, dict[str, Any]] = example(examples.LOGIN)


@router.post("/login/telegram/widget", response_model=NewToken | CookieLogin, responses=_ANSWER)
@public
async def log_in_by_widget(
    request: Request,
    body: Annotated[WidgetLogin, Body(openapi_examples=examples.WIDGET_BODIES)],
    query: Annotated[LoginQuery, Query()],
    backend: InBackend,
) -> Response:
    """Log in with the data that Telegram's Login Widget gave to the page, within five minutes and once.

    The first login makes the user. Whatever is wrong with a login, the answer is the same.
    """
    return await _log_in(request, body, query, backend)


@router.post("/login/telegram/mini-app", response_model=NewToken | CookieLogin, responses=_ANSWER)
@public
async def log_in_by_mini_app(
    request: Request,
    body: Annotated[MiniAppLogin, Body(openapi_examples=examples.MINI_APP_BODIES)],
    query: Annotated[LoginQuery, Query()],
    backend: InBackend,
) -> Response:
    """Log in with the `initData` of a Telegram Mini App, untouched, within five minutes and once."""
    return await _log_in(request, body, query, backend)


async def _log_in(
    request: Request, login: WidgetLogin | MiniAppLogin, query: LoginQuery, backend: Backend
) -> Response:
    rules = backend.settings.identity
    limits = AttemptLimits(await backend.valkey())
    address = address_of(request, backend.settings)
    await limits.require("login_address", address, rules.logins_per_minute, 60)
    try:
        telegram_user_id = _verified(login, backend)
        await limits.require("login_user", str(telegram_user_id), rules.logins_per_user, 600)
        if not await limits.once("login", login_fingerprint(login), MAX_AGE_S + 2 * MAX_SKEW_S):
            raise LoginRefused("replayed")
    except LoginRefused as error:
        log.warning("login_refused", reason=error.reason, address=address)
        raise
    name = "browser" if query.session == "cookie" else "token"
    session = await AccessTokens(await backend.postgres(), rules).log_in(telegram_user_id, name)
    log.info("logged_in", token_id=str(session.info.token_id))
    return _answer(session, query, rules.cookie_secure)


def _verified(login: WidgetLogin | MiniAppLogin, backend: Backend) -> int:
    token = backend.settings.identity.bot_token
    if token is None:
        raise InstanceError("nobody can log in: the setting identity.bot_token is empty")
    if isinstance(login, WidgetLogin):
        return telegram_user_of_widget(login, token.get_secret_value(), time.time())
    return telegram_user_of_mini_app(login, token.get_secret_value(), time.time())


def _answer(session: NewToken, query: LoginQuery, secure: bool) -> Response:
    headers = {"Cache-Control": "no-store"}
    if query.session == "token":
        return JSONResponse(session.model_dump(mode="json"), headers=headers)
    csrf = csrf_token(session.token)
    login = CookieLogin(csrf_token=csrf, info=session.info)
    answer = JSONResponse(login.model_dump(mode="json"), headers=headers)
    left_s = int((session.info.ends_at - session.info.created_at).total_seconds())
    answer.set_cookie(
        SESSION_COOKIE, session.token, max_age=left_s, secure=secure, httponly=True, samesite="strict", path="/"
    )
    answer.set_cookie(CSRF_COOKIE, csrf, max_age=left_s, secure=secure, samesite="strict", path="/")
    return answer


class LoggedOut(Model):
    logged_out: bool = True


@router.post("/logout", response_model=LoggedOut, responses=example({"logged_out": True}))
@needs("read")
async def log_out(caller: InCaller, backend: InBackend) -> Response:
    """End the session, or revoke the API token, that this request came with."""
    await AccessTokens(await backend.postgres(), backend.settings.identity).log_out(caller)
    answer = JSONResponse({"logged_out": True})
    for name in (SESSION_COOKIE, CSRF_COOKIE):
        answer.delete_cookie(name, path="/")
    return answer


@router.get("/login/telegram", response_model=LoginWays, responses=example(examples.LOGIN_WAYS))
@public
async def get_login_ways(backend: InBackend) -> Any:
    """The Telegram bot to log in with, if Telegram knows it."""
    token = backend.settings.identity.bot_token
    if token is None or not backend.settings.telegram.enabled:
        return LoginWays(bot_id=None)
    return LoginWays(bot_id=int(token.get_secret_value().partition(":")[0]))


@router.get("/session", response_model=BrowserSession, responses=example(examples.BROWSER_SESSION))
@public
async def get_session(request: Request, response: Response, backend: InBackend) -> Any:
    """The user of the browser's cookie; that there is nobody is no error."""
    response.headers["Cache-Control"] = "private, no-store"
    caller = await session_of(request, backend)
    if caller is None:
        return BrowserSession()
    settings = backend.settings
    factors = SecondFactors(await backend.postgres(), settings.identity, lambda: key_ring(settings))
    enabled = (await factors.state(caller.user)).enabled
    return BrowserSession(user=_me(caller, backend), second_factor=enabled)


@router.get("/me", response_model=Me, responses=example(examples.ME))
async def get_me(caller: InCaller, backend: InBackend) -> Any:
    """The user that this request's token stands for, their role, and the token's scopes."""
    return _me(caller, backend)


def _me(caller: Caller, backend: Backend) -> Me:
    return Me(**caller.user.model_dump(), role=role_of(caller, backend.settings), scopes=caller.scopes)


@router.get("/sessions", response_model=list[TokenInfo], responses=example([examples.SESSION]))
@needs("account")
async def list_sessions(caller: InCaller, backend: InBackend) -> Any:
    """The sessions that are open, the newest first."""
    tokens = AccessTokens(await backend.postgres(), backend.settings.identity)
    return [
        info.model_copy(update={"current": info.token_id == caller.token_id})
        for info in await tokens.of_user(caller.user, "session")
    ]
