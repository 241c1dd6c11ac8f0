"""Start a saved strategy live, on paper money alone, or stop one of the user's runs. Ask the person first."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from candleray.agents.answers import Answer, NextCall
from candleray.agents.handles import run_of
from candleray.agents.tool import Call, Effect, Tool
from candleray.agents.tools.run_status import RunLine, run_line
from candleray.errors import invalid
from candleray.live.run import Run, StartedRun
from candleray.sdk.client import Client
from candleray.validation import Model


class Arguments(Model):
    action: Literal["start", "stop"]
    strategy: Annotated[str, Field(max_length=300)] | None = None
    """The saved strategy to start, by its id or name."""
    run: Annotated[str, Field(max_length=64)] | None = None
    """The run to stop, or to start again, by its id."""


class Controlled(Answer):
    run: RunLine
    notes: tuple[str, ...] = ()


def _run(call: Call, asked: Arguments) -> Controlled:
    run = _changed(call.client, asked)
    return Controlled(
        run=run_line(run),
        notes=run.notes if isinstance(run, StartedRun) else (),
        exact=run_of(run.run_id),
        next=(NextCall(tool="run_status", arguments={"run": str(run.run_id)}, why="how it stands"),),
    )


def _changed(client: Client, asked: Arguments) -> Run:
    if asked.action == "start" and asked.strategy is not None and asked.run is None:
        return client.start_run(asked.strategy)
    if asked.run is not None and asked.strategy is None:
        return client.restart_run(asked.run) if asked.action == "start" else client.stop_run(asked.run)
    raise invalid("run", "not_one_subject", "start takes a strategy, or a run to start again; stop takes a run")


TOOL = Tool("Start or stop a live run", Arguments, Controlled, _run, effect=Effect.ENDS, is_repeatable=False)
