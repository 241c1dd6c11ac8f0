"""Prometheus metrics of the replicas."""

from __future__ import annotations

from fastapi import APIRouter
from prometheus_client import CONTENT_TYPE_LATEST
from starlette.responses import Response

from serve_apps.backend import InBackend
from serve_apps.http.access import public

router = APIRouter(tags=["health"])

_EXAMPLE = 'candleray_api_requests_total{replica="0",route="/health",method="GET",status="200"} 3.0\n'


@router.get(
    "/metrics",
    response_class=Response,
    responses={200: {"content": {"text/plain": {"example": _EXAMPLE}}}},
)
@public
async def metrics(backend: InBackend) -> Response:
    """Requests, latencies, backtests and ingested rows of every replica, in Prometheus' text format.

    The label `replica` tells their series apart. `candleray_api_replicas_reporting` is how many are in this
    answer: the one that answers alone, where Valkey does not answer.
    """
    return Response(await backend.metrics_of_all.render(), media_type=CONTENT_TYPE_LATEST)
