"""The agents' door over HTTP: streamable HTTP of the Model Context Protocol, a token as bearer, no session."""

from __future__ import annotations

from fastapi import APIRouter, Request
from starlette.responses import Response

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
    caller = AgentCaller(bearer_of(request), address_of(request, backend.settings))
    return await backend.agent_calls.answer(request.app, caller)
