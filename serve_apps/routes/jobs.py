"""Jobs: searches in the background, submitted, watched and cancelled."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import aclosing
from functools import partial
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Depends, Header, Path, Query, Request
from fastapi.sse import ServerSentEvent
from pydantic import Field
from starlette.responses import Response

from candleray.backtests.phase import Phase
from candleray.backtests.preflight import Preflight
from candleray.backtests.rank_by import ranking_metric, value_of
from candleray.backtests.result import BacktestResult, table_of
from candleray.errors import CandlerayError
from candleray.jobs.job import (
    AcceptedJob,
    BestVariant,
    Conclusion,
    Job,
    JobDetail,
    JobPage,
    JobState,
    JobTop,
    JobVariant,
)
from candleray.jobs.store import Jobs
from candleray.market_data.arrow_stream import ARROW, stream_of
from candleray.paging import CURSOR_PATTERN, PagePosition, cursor_of, position_of
from candleray.search.bars import coverage_of, warmup_bars
from candleray.search.one_variant import one_variant
from candleray.search.sweep import newest_ranked
from candleray.search.variants import VariantGrid
from candleray.validation import Model
from serve_apps.backend import Backend, InBackend
from serve_apps.examples import backtests
from serve_apps.examples import jobs as examples
from serve_apps.http.access import needs
from serve_apps.http.backtest_body import InAsked, InRequest
from serve_apps.http.callers import InCaller, InUser
from serve_apps.http.errors import error_payload
from serve_apps.http.event_streams import EventStream, SameCaller
from serve_apps.http.json_body import StrictRoute
from serve_apps.http.openapi import example
from serve_apps.http.slots import slot
from serve_apps.recorded_searches import seal

router = APIRouter(prefix="/backtests", tags=["jobs"], route_class=StrictRoute)

JobId = Annotated[UUID, Path(description="of the answer to its submission", examples=[examples.JOB["job_id"]])]
IdempotencyKey = Annotated[
    str | None,
    Header(
        alias="Idempotency-Key",
        min_length=1,
        max_length=128,
        pattern=r"^[\x21-\x7e]+$",
        description="a name of your own for this submission: sent again with it, it makes no second job",
    ),
]


async def _job(job_id: JobId, backend: InBackend, user: InUser) -> Job:
    return await (await backend.jobs()).get(user.user_id, job_id)


InJob = Annotated[Job, Depends(_job)]
"""The caller's own job; one that is not there is answered before any event is."""


@router.post("/preflight", response_model=Preflight, responses=example(examples.PREFLIGHT))
@needs("read")
async def preflight_backtest(backtest: InRequest, backend: InBackend, user: InUser) -> Any:
    """Size a request exactly, time a sample of it on this cluster, and say whether it may run, and where."""
    async with backend.searches.held(f"user {user.user_id}"):
        return await backend.preflight(backtest)


@router.post("/jobs", response_model=AcceptedJob, status_code=202, responses=example(examples.ACCEPTED_JOB, 202))
async def submit_job(
    asked: InAsked, backend: InBackend, caller: InCaller, idempotency_key: IdempotencyKey = None
) -> Any:
    """Submit a search of any size that the guards allow: it is kept before this answers, and runs in its turn.

    `notes` say what is missing in the candles of its range. `holdout` leaves its last months out and seals them.
    """
    sized = await backend.job_request(asked.request)
    sealed = await seal(asked, caller, backend)
    job = await (await backend.jobs()).submit(caller.user.user_id, sized, idempotency_key)
    return AcceptedJob(**dict(job), notes=sized.notes, holdout=sealed)


class JobsQuery(Model):
    state: list[JobState] | None = Field(None, description="only in these states; may be given many times")
    limit: int = Field(50, ge=1, le=500, description="jobs on a page")
    cursor: str | None = Field(None, pattern=CURSOR_PATTERN, description="`next_cursor` of the page before")


@router.get("/jobs", response_model=JobPage, responses=example({"jobs": [examples.JOB], "next_cursor": None}))
async def list_jobs(query: Annotated[JobsQuery, Query()], backend: InBackend, user: InUser) -> Any:
    """Your jobs, the newest first, a page at a time."""
    before = None if query.cursor is None else position_of(query.cursor)
    jobs = await (await backend.jobs()).page(user.user_id, query.state, before, query.limit + 1)
    shown = jobs[: query.limit]
    last = PagePosition(shown[-1].created_at, shown[-1].job_id) if len(jobs) > query.limit else None
    return JobPage(jobs=tuple(shown), next_cursor=None if last is None else cursor_of(last))


@router.get("/jobs/{job_id}", response_model=JobDetail, responses=example(examples.JOB_DETAIL))
async def get_job(job: InJob, backend: InBackend, user: InUser) -> Any:
    """A job's progress, its request, and every transition it has made."""
    jobs = await backend.jobs()
    request, events = await jobs.request(user.user_id, job.job_id), await jobs.events(job.job_id)
    return JobDetail(**job.model_dump(), request=request, events=tuple(events))


class TopQuery(Model):
    limit: int = Field(500, ge=1, le=10_000, description="variants at most")


@router.get(
    "/jobs/{job_id}/top",
    response_model=JobTop,
    responses={
        200: {
            "description": "The variants with all there is of them; an Arrow table of their numbers where "
            "`Accept` asks for it",
            "content": {
                "application/json": {"example": examples.JOB_TOP},
                ARROW: {"schema": {"type": "string", "format": "binary"}},
            },
        }
    },
)
async def get_job_top(
    request: Request, job: InJob, query: Annotated[TopQuery, Query()], backend: InBackend, user: InUser
) -> Any:
    """The best variants: with their reports once the job has succeeded, until then the best so far.

    As an Arrow stream: a row a variant, each parameter and each metric a column, a tenth of the bytes.
    """
    jobs = await backend.jobs()
    top = await _top(jobs, job, user.user_id, query.limit)
    if ARROW in request.headers.get("accept", ""):
        table = table_of(await jobs.request(user.user_id, job.job_id), top)
        return Response(stream_of(table), media_type=ARROW, headers={"Vary": "Accept"})
    notes, verdict, luck = await _conclusion(jobs, job, user.user_id, backend)
    return JobTop(
        job_id=job.job_id,
        state=job.state,
        partial=job.partial,
        variants_done=job.variants_done,
        simulations=job.simulations,
        ranked_by=ranking_metric((await jobs.request(user.user_id, job.job_id)).rank_by).name,
        notes=notes,
        verdict=verdict,
        verdict_text=verdict.text if verdict else None,
        luck=luck,
        top=top,
    )


class VariantQuery(Model):
    variant_index: int = Field(0, ge=0, description="among all variants of the job; the first one if not given")


@router.get("/jobs/{job_id}/variant", response_model=JobVariant, responses=example(examples.JOB_VARIANT))
async def get_job_variant(
    job: InJob, query: Annotated[VariantQuery, Query()], backend: InBackend, user: InUser
) -> Any:
    """Any variant of a job as a strategy of its own, ranked or not; `/backtests/report` reports it."""
    request = await (await backend.jobs()).request(user.user_id, job.job_id)
    variant = await asyncio.to_thread(one_variant, request, query.variant_index, backend.settings)
    strategy = await asyncio.to_thread(VariantGrid(variant.whole).strategy, query.variant_index)
    return JobVariant(job_id=job.job_id, variant_index=query.variant_index, strategy=strategy)


@router.get("/jobs/{job_id}/result", response_model=BacktestResult, responses=example(backtests.BACKTEST_RESULT))
async def get_job_result(job_id: JobId, backend: InBackend, user: InUser) -> Any:
    """The result of a job that has succeeded, as `/backtests` would have answered."""
    return await (await backend.jobs()).result(user.user_id, job_id)


@router.get(
    "/jobs/{job_id}/events",
    response_class=EventStream,
    responses={
        200: {
            "description": "`progress` events, each a job as JSON, then one `end` event when it has ended",
            "content": {"text/event-stream": {"example": examples.JOB_EVENTS}},
        }
    },
)
@slot("stream")
async def watch_job(
    request: Request, job: InJob, backend: InBackend, user: InUser
) -> AsyncIterator[ServerSentEvent]:
    """The job's progress as server-sent events: one whenever something has changed, until it has ended.

    A user has a few streams at once. One whose token is revoked ends within seconds, with an `error` event.
    """
    jobs = await backend.jobs()
    changes = backend.job_watch.changes(job, partial(jobs.get, user.user_id, job.job_id))
    shown, caller = "", SameCaller(request, backend)
    try:
        async with aclosing(changes):
            async for now in changes:
                await caller.require()
                content = _without_heartbeat(now)
                if now.ended:
                    yield ServerSentEvent(event="end", raw_data=content)
                elif content != shown:
                    yield ServerSentEvent(event="progress", raw_data=content)
                shown = content
    except CandlerayError as error:
        yield ServerSentEvent(event="error", raw_data=error_payload(error))


def _without_heartbeat(job: Job) -> str:
    return job.model_dump_json(exclude={"heartbeat_at"})


@router.post("/jobs/{job_id}/cancel", response_model=Job, status_code=202, responses=example(examples.JOB, 202))
async def cancel_job(job_id: JobId, backend: InBackend, user: InUser) -> Any:
    """Ask a job to end; its results so far are kept and marked partial. Asking again changes nothing."""
    return await (await backend.jobs()).cancel(user.user_id, job_id)


@router.delete("/jobs/{job_id}", status_code=204, response_class=Response)
async def delete_job(job_id: JobId, backend: InBackend, user: InUser) -> Response:
    """Delete a job that has ended, with all its results."""
    await (await backend.jobs()).delete(user.user_id, job_id)
    return Response(status_code=204)


async def _conclusion(jobs: Jobs, job: Job, user_id: UUID, backend: Backend) -> Conclusion:
    if job.state is JobState.SUCCEEDED:
        return await jobs.conclusion(job.job_id)
    request = await jobs.request(user_id, job.job_id)
    grid = await asyncio.to_thread(VariantGrid, request)
    warmup = warmup_bars(grid, backend.settings.backtests.warmup_bars)
    return Conclusion((await coverage_of(backend.candles, grid.request, warmup)).notes)


async def _top(jobs: Jobs, job: Job, user_id: UUID, limit: int) -> tuple[Any, ...]:
    if job.state is JobState.SUCCEEDED:
        return tuple(await jobs.reports(job.job_id, limit))
    checkpoint = await jobs.checkpoint(job.job_id)
    sweep = newest_ranked(checkpoint.sweeps) if checkpoint else None
    if sweep is None:
        return ()
    grid = VariantGrid(await jobs.request(user_id, job.job_id))
    # Before Stage B its base variants, without stops, stand for what is to come.
    unit = 1 if sweep.phase is Phase.STAGE_B or not grid.has_stage_b else grid.combinations.size
    ranking, metric = sweep.ranking, grid.ranked_by
    return tuple(
        BestVariant(
            rank=position + 1,
            variant_index=int(ranking.index[position]) * unit,
            total_return_pct=float(ranking.total_return_pct[position]),
            conflicting_signals=int(ranking.conflicts[position]),
            metrics=(
                {} if ranking.scores is None else {metric.name: value_of(metric, float(ranking.scores[position]))}
            ),
            strategy=grid.strategy(int(ranking.index[position]) * unit),
        )
        for position in range(min(limit, len(ranking)))
    )
