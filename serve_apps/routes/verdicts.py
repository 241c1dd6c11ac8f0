"""Pictures of a job's verdict."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter
from starlette.responses import Response

from candleray.backtests.pictures.drawing import drawn
from candleray.errors import Conflict
from serve_apps.backend import InBackend
from serve_apps.routes.jobs import InJob

router = APIRouter(prefix="/backtests/jobs", tags=["jobs"])

SVG = "image/svg+xml"
POLICY = "default-src 'none'; style-src 'unsafe-inline'"


@router.get(
    "/{job_id}/verdict.svg",
    response_class=Response,
    responses={200: {"content": {SVG: {"schema": {"type": "string"}, "example": "<svg>…</svg>"}}}},
)
async def draw_job_verdict(job: InJob, backend: InBackend) -> Any:
    """The pictures of a job's verdict: ranks and returns on the other half, luck's best results, the walk-forward.

    They fit a light and a dark ground. A job that has not succeeded, or was judged by a version without them, has
    none.
    """
    verdict = (await (await backend.jobs()).conclusion(job.job_id)).verdict
    pictures = None if verdict is None else drawn(verdict)
    if pictures is None:
        raise Conflict(f"job {job.job_id} is {job.state}, and has no verdict with pictures")
    return Response(pictures, media_type=SVG, headers={"Content-Security-Policy": POLICY})
