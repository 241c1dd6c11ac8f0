"""Following a job: its progress told while somebody waits, and what it has found."""

from __future__ import annotations

import time
from typing import Annotated, Any

from pydantic import Field

from candleray.agents.answers import Answer, NextCall
from candleray.agents.foreign_text import ForeignText
from candleray.agents.handles import job_of
from candleray.agents.ranked_rows import Row, rows_of
from candleray.agents.tool import Call
from candleray.jobs.job import Job, JobDetail, JobState
from candleray.sdk.client import Client
from candleray.sdk.jobs import SubmittedJob

LOOKS_EVERY_S = 0.5
MOST_WAIT_S = 300.0

WaitSeconds = Annotated[float, Field(ge=0, le=MOST_WAIT_S)]
RowCount = Annotated[int, Field(ge=1, le=20)]


class Followed(Answer):
    job_id: str
    state: str
    phase: str
    simulations_done: int
    simulations: int
    eta_s: float | None = None
    waiting_for: str | None = None
    error: ForeignText | None = None
    verdict: str | None = None
    """Is the best more than luck? Once it has succeeded."""
    luck: tuple[str, ...] = ()
    """The share of luck in the best, where the request asked for histories of chance."""
    ranked_by: str
    best: tuple[Row, ...] = ()
    """So far, while it runs."""
    notes: tuple[str, ...] = ()


def followed(call: Call, job: SubmittedJob, wait_s: float, rows: int, *, undoes: bool) -> Followed:
    """Wait for the job's end, no longer than that, and tell what it has found by then.

    Args:
        undoes: whether the job is cancelled where the caller says that the call is.
    """
    if undoes:
        call.undo = lambda client: _cancel(client, job)
    return _told(job, _waited(call, job, wait_s), rows)


def _waited(call: Call, job: SubmittedJob, wait_s: float) -> JobDetail:
    ends_at, most = time.monotonic() + wait_s, 0
    while True:
        now = job.status()
        most = max(most, now.variants_done)  # never back, though a driver that is replaced begins at a checkpoint
        call.tell(most, now.simulations, _words(now))
        left_s = ends_at - time.monotonic()
        if now.ended or left_s <= 0:
            return now
        call.sleep(min(LOOKS_EVERY_S, left_s))


def _words(job: Job) -> str:
    if job.waiting_for:
        return f"{job.state}: {job.waiting_for}"
    best = "" if job.best_total_return_pct is None else f", best {job.best_total_return_pct:+,.2f} %"
    left = "" if job.eta_s is None else f", {job.eta_s:,.0f} s left"
    return f"{job.phase}: {job.variants_done:,} of {job.simulations:,} simulations{best}{left}"


def _cancel(client: Client, job: SubmittedJob) -> None:
    now = client.job(job.job_id)
    if not now.status().ended:
        now.cancel()


def _told(job: SubmittedJob, now: JobDetail, rows: int) -> Followed:
    best = job.top(rows)
    return Followed(
        job_id=str(now.job_id),
        state=now.state,
        phase=now.phase,
        simulations_done=now.variants_done,
        simulations=now.simulations,
        eta_s=now.eta_s,
        waiting_for=now.waiting_for,
        error=now.error,
        verdict=best.verdict_text,
        luck=best.luck.summary if best.luck else (),
        ranked_by=best.ranked_by,
        best=rows_of(now.request, best.top, rows, best.ranked_by),
        notes=best.notes,
        exact=job_of(now.job_id),
        next=tuple(_next(now, best.top[0].variant_index if best.top else None)),
    )


def _next(job: Job, best: int | None) -> list[NextCall]:
    named: dict[str, Any] = {"job": str(job.job_id)}
    if not job.ended:
        return [
            NextCall(tool="follow_job", arguments=named, why="wait for its end"),
            NextCall(tool="cancel_job", arguments=named, why="end it; what it has found is kept"),
        ]
    if best is None or job.state is JobState.FAILED:
        return [NextCall(tool="explain_strategy", why="see what blocks the request")]
    variant = {**named, "variant_index": best}
    return [
        NextCall(tool="report", arguments=variant, why="the best variant in full"),
        NextCall(tool="robustness", arguments=variant, why="how it does where things are otherwise"),
        NextCall(tool="save_strategy", arguments=variant, why="keep it"),
    ]
