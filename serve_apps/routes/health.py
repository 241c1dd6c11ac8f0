"""Health of the API process, and readiness of the services behind it."""

from __future__ import annotations

from importlib.metadata import version
from typing import Any, Literal

from fastapi import APIRouter
from starlette.responses import Response

from candleray.build import own_commit
from candleray.validation import Model
from serve_apps.backend import InBackend
from serve_apps.http.access import public
from serve_apps.http.openapi import example
from serve_apps.http.readiness import NotReady, Readiness, check_readiness
from serve_apps.http.slots import slot

router = APIRouter(tags=["health"])


class Health(Model):
    status: Literal["ok"] = "ok"
    version: str
    commit: str | None
    """The commit that runs; None where the code is not a checkout of git."""


_HEALTHY = {"status": "ok", "version": "0.1.0", "commit": None}


@router.get("/health", response_model=Health, responses=example(_HEALTHY))
@public
@slot("none")
async def health() -> Any:
    """Answer while the process lives, whatever the state of the services behind it; tell which code it runs."""
    return Health(version=version("candleray"), commit=own_commit())


_UP = {"state": "up", "latency_ms": 1.2, "reason": None, "notice": None}
_DOWN = {"state": "down", "latency_ms": 2000.3, "reason": "no answer within 2 s", "notice": None}
_NOT_READY = {
    "ready": False,
    "services": {"clickhouse": _DOWN, "postgres": _UP, "ray": _UP, "valkey": _UP},
    "error": {
        "code": "service_unavailable",
        "message": "not ready: clickhouse does not answer",
        "problems": [{"field": "clickhouse", "code": "down", "message": "no answer within 2 s"}],
    },
}


@router.get(
    "/ready",
    response_model=Readiness,
    responses={
        **example({"ready": True, "services": {"clickhouse": _UP, "postgres": _UP, "ray": _UP, "valkey": _UP}}),
        503: {
            "model": NotReady,
            "description": "A service does not answer",
            "content": {"application/json": {"example": _NOT_READY}},
        },
    },
)
@public
async def ready(backend: InBackend) -> Any:
    """State and latency of every service behind the API, by name; 503 when one does not answer."""
    readiness = await check_readiness(backend.probes)
    return Response(readiness.model_dump_json(), 200 if readiness.ready else 503, media_type="application/json")
