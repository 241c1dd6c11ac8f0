"""Report one variant in full: every metric and its returns by month. Of a request, a job, or a saved strategy
over the last year of its candles.
"""

from __future__ import annotations

from candleray.agents.answers import Answer, NextCall
from candleray.agents.handles import exact_report
from candleray.agents.subjects import Subject, request_about, variant_of
from candleray.agents.tool import Call, Tool
from candleray.backtests.report import shown

_MONTHS = 24


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


def _run(call: Call, asked: Subject) -> Report:
    request = request_about(call.client, asked)
    variant_index = variant_of(call.client, asked, request)
    told = call.client.report(request, variant_index)
    months = told.months[-_MONTHS:]
    return Report(
        sentences=told.sentences,
        metrics={name: shown(name, value) for name, value in told.metrics.items()},
        months={one.month: one.return_pct for one in months},
        benchmark={one.month: one.benchmark_return_pct for one in months},
        trades=told.trades,
        bars=told.bars,
        notes=told.notes,
        exact=exact_report(request, variant_index),
        next=() if asked.strategy else (_keep(variant_index),),
    )


def _keep(variant_index: int) -> NextCall:
    why = "keep this variant, with the request_hash of its search"
    return NextCall(tool="save_strategy", arguments={"variant_index": variant_index}, why=why)


TOOL = Tool("Report a variant", Subject, Report, _run)
