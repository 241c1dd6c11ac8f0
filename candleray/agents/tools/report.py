"""Report one variant in full: every metric and its returns by month. Of a request, a job, or a saved strategy
over the last year of its candles.
"""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import Field

from candleray.agents.answers import Answer, NextCall
from candleray.agents.handles import exact_report
from candleray.agents.schemas import Request
from candleray.agents.tool import Call, Tool
from candleray.backtests.report import shown
from candleray.errors import invalid
from candleray.sdk.client import Client
from candleray.sdk.saved_requests import request_of_saved
from candleray.validation import Model

_MONTHS = 24


class Arguments(Model):
    request: Request | None = None
    job: Annotated[str, Field(max_length=64)] | None = None
    strategy: Annotated[str, Field(max_length=300)] | None = None
    """One of the three: the id of a job, a saved strategy's id or name, or a request."""
    variant_index: Annotated[int, Field(ge=0)] = 0
    """The variant, as a row of the ranking has it; of a strategy there is one."""


class Report(Answer):
    sentences: tuple[str, ...]
    metrics: dict[str, str]
    months: dict[str, float]
    """Return of each month in percent; of the last two years."""
    benchmark: dict[str, float]
    """The same of buying and holding."""
    trades: int
    bars: int
    notes: tuple[str, ...] = ()


def _run(call: Call, asked: Arguments) -> Report:
    request = _request_of(call.client, asked)
    told = call.client.report(request, asked.variant_index)
    months = told.months[-_MONTHS:]
    return Report(
        sentences=told.sentences,
        metrics={name: shown(name, value) for name, value in told.metrics.items()},
        months={one.month: one.return_pct for one in months},
        benchmark={one.month: one.benchmark_return_pct for one in months},
        trades=told.trades,
        bars=told.bars,
        notes=told.notes,
        exact=exact_report(request, asked.variant_index),
        next=() if asked.strategy else (NextCall(tool="save_strategy", why="keep this variant"),),
    )


def _request_of(client: Client, asked: Arguments) -> dict[str, Any]:
    given = [one for one in (asked.request, asked.job, asked.strategy) if one is not None]
    if len(given) != 1:
        raise invalid("request", "not_one_subject", "give one of request, job and strategy")
    if asked.job is not None:
        return client.job(asked.job).status().request.model_dump(mode="json", exclude_none=True)
    if asked.strategy is not None:
        return dict(request_of_saved(client.strategy(asked.strategy), client.coverage, None, None))
    return asked.request or {}


TOOL = Tool("Report a variant", Arguments, Report, _run)
