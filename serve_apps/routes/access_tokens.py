"""Sessions and personal API tokens: listed, made, revoked."""

from __future__ import annotations

from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Body, Path
from starlette.responses import JSONResponse, Response

from candleray.identity.models import NewToken, TokenInfo, TokenRequest
from candleray.identity.token_store import AccessTokens
from candleray.validation import Model
from serve_apps.backend import Backend, InBackend
from serve_apps.examples import identity as examples
from serve_apps.http.access import needs
from serve_apps.http.callers import InCaller, InUser
from serve_apps.http.json_body import StrictRoute
from serve_apps.http.openapi import example

router = APIRouter(tags=["identity"], route_class=StrictRoute)

TokenId = Annotated[UUID, Path(description="of `GET /tokens`", examples=[examples.TOKEN_ID])]
SessionId = Annotated[UUID, Path(description="of `GET /sessions`", examples=[examples.TOKEN_ID])]


class Revoked(Model):
    revoked: int
    """Number of revoked tokens."""


async def _tokens(backend: Backend) -> AccessTokens:
    return AccessTokens(await backend.postgres(), backend.settings.identity)


@router.delete("/sessions", response_model=Revoked, responses=example({"revoked": 2}))
@needs("account")
async def revoke_other_sessions(caller: InCaller, backend: InBackend) -> Any:
    """End every session but the one that this request came with."""
    return Revoked(revoked=await (await _tokens(backend)).revoke_other_sessions(caller))


@router.delete("/sessions/{session_id}", response_model=Revoked, responses=example({"revoked": 1}))
@needs("account")
async def revoke_session(session_id: SessionId, user: InUser, backend: InBackend) -> Any:
    """End one session: the next request with its token is refused."""
    await (await _tokens(backend)).revoke(user, session_id, "session")
    return Revoked(revoked=1)


@router.get("/tokens", response_model=list[TokenInfo], responses=example([examples.API_TOKEN]))
@needs("account")
async def list_tokens(user: InUser, backend: InBackend) -> Any:
    """The valid personal API tokens, the newest first, without their secrets."""
    return await (await _tokens(backend)).of_user(user, "api")


@router.post("/tokens", response_model=NewToken, responses=example(examples.NEW_TOKEN))
@needs("account")
async def create_token(
    body: Annotated[TokenRequest, Body(openapi_examples=examples.TOKEN_BODIES)], user: InUser, backend: InBackend
) -> Response:
    """Make a personal API token for scripts: named, scoped, expiring. Only this answer shows it."""
    token = await (await _tokens(backend)).create(user, body)
    return JSONResponse(token.model_dump(mode="json"), headers={"Cache-Control": "no-store"})


@router.delete("/tokens/{token_id}", response_model=Revoked, responses=example({"revoked": 1}))
@needs("account")
async def revoke_token(token_id: TokenId, user: InUser, backend: InBackend) -> Any:
    """Revoke a personal API token: the next request with it is refused."""
    await (await _tokens(backend)).revoke(user, token_id, "api")
    return Revoked(revoked=1)
