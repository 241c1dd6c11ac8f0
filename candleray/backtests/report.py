"""The report of a variant as people read it: a Markdown table of metrics."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from enum import Enum, auto

from candleray.timeframes import iso

MetricValue = float | int | None


class MetricKind(Enum):
    """The unit of a metric's number, which its name tells."""

    TIME = auto()
    """Milliseconds since the epoch."""
    DURATION = auto()
    """Milliseconds."""
    COUNT = auto()
    NUMBER = auto()


def metric_kind(name: str) -> MetricKind:
    if name in ("Start", "End"):
        return MetricKind.TIME
    if "Duration" in name:
        return MetricKind.DURATION
    return MetricKind.COUNT if name.startswith("Num.") else MetricKind.NUMBER


def table_md(metrics: Mapping[str, MetricValue]) -> str:
    """The metrics in their order as a Markdown table; an undefined one is a dash."""
    rows = [f"|{name}|{shown(name, value)}|" for name, value in metrics.items()]
    return "\n".join(["|Metric|Value|", "|---|---|", *rows])


def shown(name: str, value: MetricValue) -> str:
    """One metric's value as text."""
    if value is None:
        return "–"
    kind = metric_kind(name)
    if kind is MetricKind.TIME:
        return iso(int(value))
    if kind is MetricKind.DURATION:
        return str(timedelta(milliseconds=int(value) // 1000 * 1000))
    if isinstance(value, int):
        return str(value)
    return f"{value:,.4f}" if abs(value) < 1 else f"{value:,.2f}"
