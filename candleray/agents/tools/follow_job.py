"""Follow a job: wait a while for its end, with its progress, then its best variants and the verdict; without a job
the newest jobs are listed. Ending this call leaves the job running.
"""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from candleray.agents.answers import Answer, NextCall
from candleray.agents.following import Followed, RowCount, WaitSeconds, followed
from candleray.agents.tool import Call, Tool
from candleray.jobs.job import Job
from candleray.validation import Model

_LISTED = 10


class Arguments(Model):
    job: Annotated[str, Field(max_length=64)] | None = None
    """Its id, or the beginning of it."""
    wait_s: WaitSeconds = 30
    rows: RowCount = 5


class JobLine(Model):
    job_id: str
    state: str
    instrument: str
    timeframe: str
    variants_total: int
    created_at: str


class Jobs(Answer):
    jobs: tuple[JobLine, ...] = ()
    """The newest, where none was named."""
    job: Followed | None = None


def _run(call: Call, asked: Arguments) -> Answer:
    if asked.job is None:
        lines = tuple(_line(job) for job in call.client.jobs(limit=_LISTED))
        return Jobs(jobs=lines, next=(NextCall(tool="follow_job", why="one of them"),) if lines else ())
    told = followed(call, call.client.job(asked.job), asked.wait_s, asked.rows, undoes=False)
    own = {"next": told.next, "exact": told.exact}
    return Jobs(job=told.model_copy(update={"next": (), "exact": None}), **own)


def _line(job: Job) -> JobLine:
    return JobLine(
        job_id=str(job.job_id),
        state=job.state,
        instrument=job.instrument.key,
        timeframe=job.timeframe,
        variants_total=job.variants_total,
        created_at=f"{job.created_at:%Y-%m-%dT%H:%M:%SZ}",
    )


TOOL = Tool("Follow a job", Arguments, Jobs, _run)
