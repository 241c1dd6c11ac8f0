"""Run one variant beside itself under higher costs, neighbouring parameters, single years and later starts; the
worst case in words.
"""

from __future__ import annotations

from candleray.agents.answers import Answer, NextCall
from candleray.agents.handles import exact_robustness
from candleray.agents.subjects import Subject, request_about
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
    told = call.client.robustness(request, asked.variant_index)
    ranked = sorted(told.cases, key=lambda case: case.figures.total_return_pct)
    return Checked(
        summary=told.summary,
        base=told.base,
        cases=tuple(Row(check=case.check, name=case.name, **dict(case.figures)) for case in ranked),
        notes=told.notes,
        exact=exact_robustness(request, asked.variant_index),
        next=() if asked.strategy else (NextCall(tool="save_strategy", why="keep this variant"),),
    )


TOOL = Tool("Check robustness", Subject, Checked, _run)
