"""Size a request before it is searched: variants, seconds, and whether backtest or submit_job takes it."""

from __future__ import annotations

from typing import Literal

from candleray.agents.answers import Answer, NextCall
from candleray.agents.schemas import Request
from candleray.agents.tool import Call, Tool
from candleray.backtests.preflight import Guard
from candleray.validation import Model


class Arguments(Model):
    request: Request


class Size(Answer):
    mode: Literal["sync", "job", "refused"]
    """sync: backtest takes it; job: submit_job alone; refused: neither."""
    variants_total: int
    simulations: int
    bars: int
    estimated_s: float | None = None
    estimated_job_s: float | None = None
    over_the_limit: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()


def _run(call: Call, asked: Arguments) -> Size:
    size = call.client.preflight(asked.request)
    violated = size.violated_for_job or size.violated_for_sync
    return Size(
        mode=size.mode,
        variants_total=size.variants_total,
        simulations=size.simulations,
        bars=size.bars,
        estimated_s=size.estimated_s,
        estimated_job_s=size.estimated_job_s,
        over_the_limit=tuple(map(_words, violated)),
        notes=size.notes,
        next=(_NEXT[size.mode],),
    )


def _words(guard: Guard) -> str:
    return f"{guard.name}: {guard.number:,}, the limit is {guard.limit:,}"


_NEXT = {
    "sync": NextCall(tool="backtest", why="the same request, answered at once; submit_job keeps the answer"),
    "job": NextCall(tool="submit_job", why="the same request, searched in the background"),
    "refused": NextCall(tool="preflight", why="with fewer values an axis, or a shorter range"),
}

TOOL = Tool("Size a search", Arguments, Size, _run)
