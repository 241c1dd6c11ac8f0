"""Run one variant beside itself under higher costs, neighbouring parameters, single years and later starts; the
worst case in words.
"""

from __future__ import annotations

from candleray.agents.answers import Answer, NextCall
from candleray.agents.handles import exact_robustness
from candleray.agents.subjects import Subject, request_about, variant_of
from candleray.agents.tool import Call, Tool
from candleray.backtests.robustness import Figures


class Row(Figures):
    check: str
    name: str
    """The thing that is otherwise."""


class Checked(Answer):
    summary: tuple[str, ...]
    """The worst case, then a line for each kind of check."""
    base: Figures
    """The strategy as it is."""
    cases: tuple[Row, ...]
    """The worst first."""
    notes: tuple[str, ...] = ()


def _run(call: Call, asked: Subject) -> Checked:
    request = request_about(call.client, asked)
    variant_index = variant_of(call.client, asked, request)
    told = call.client.robustness(request, variant_index)
    ranked = sorted(told.cases, key=lambda case: case.figures.total_return_pct)
    return Checked(
        summary=told.summary,
        base=told.base,
        cases=tuple(Row(check=case.check, name=case.name, **dict(case.figures)) for case in ranked),
        notes=told.notes,
        exact=exact_robustness(request, variant_index),
        next=() if asked.strategy else (_keep(variant_index),),
    )


def _keep(variant_index: int) -> NextCall:
    why = "keep this variant, with the request_hash of its search"
    return NextCall(tool="save_strategy", arguments={"variant_index": variant_index}, why=why)


TOOL = Tool("Check robustness", Subject, Checked, _run)
