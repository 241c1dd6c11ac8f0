"""The agents' door over HTTP: streamable HTTP of the Model Context Protocol, a token as bearer, no session."""

from __future__ import annotations

from urllib.parse import urlsplit

from fastapi import APIRouter, Request
from starlette.responses import Response

from candleray.errors import Forbidden
from serve_apps.agent_calls import AgentCaller
from serve_apps.backend import InBackend
from serve_apps.http.access import bearer_of, needs
from serve_apps.http.callers import address_of
from serve_apps.http.slots import slot

router = APIRouter()


@router.post("/mcp", include_in_schema=False)
@needs("read")
@slot("agent")
async def call_tools(request: Request, backend: InBackend) -> Response:
    """One message of the protocol; what it asks for needs the scopes that the API's routes need."""
    _require_own_origin(request)
    caller = AgentCaller(bearer_of(request), address_of(request, backend.settings))
    return await backend.agent_calls.answer(request.app, caller)


def _require_own_origin(request: Request) -> None:
    """
    Raises:
        Forbidden: a page of another site asks; programs that are no browser name no origin.
    """
    origin = request.headers.get("origin")
    # Ports are left out: a proxy before the API may not pass them on. Nobody is let in by this alone: a page whose
    # name was pointed here has no token.
    if origin is not None and _host_of(origin) != request.url.hostname:
        raise Forbidden(f"the origin {origin[:80]!r} is not this API's: a page of another site may not ask here")


def _host_of(origin: str) -> str | None:
    try:
        return urlsplit(origin).hostname
    except ValueError:
        return None
