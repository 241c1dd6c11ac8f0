"""Cancel a job; what it has found is kept and marked partial."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from candleray.agents.answers import Answer, NextCall
from candleray.agents.tool import Call, Effect, Tool
from candleray.validation import Model


class Arguments(Model):
    job: Annotated[str, Field(max_length=64)]
    """Its id, or the beginning of it."""


class Cancelled(Answer):
    job_id: str
    state: str
    cancel_requested: bool


def _run(call: Call, asked: Arguments) -> Cancelled:
    job = call.client.job(asked.job).cancel()
    follow = NextCall(tool="follow_job", arguments={"job": str(job.job_id)}, why="what it had found")
    return Cancelled(
        job_id=str(job.job_id), state=job.state, cancel_requested=job.cancel_requested, next=(follow,)
    )


TOOL = Tool("Cancel a job", Arguments, Cancelled, _run, effect=Effect.ENDS)
