"""The report as a person reads it: the `|Metric|Value|` table of R4.10."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta

from candleray.timeframes import iso

MetricValue = float | int | None


def table_md(metrics: Mapping[str, MetricValue]) -> str:
    """The metrics in their order as a Markdown table; what is undefined is a dash."""
    rows = [f"|{name}|{shown(name, value)}|" for name, value in metrics.items()]
    return "\n".join(["|Metric|Value|", "|---|---|", *rows])


def shown(name: str, value: MetricValue) -> str:
    """One value in words, by what its name says it is."""
    if value is None:
        return "–"
    if name in ("Start", "End"):
        return iso(int(value))
    if "Duration" in name:
        return str(timedelta(milliseconds=int(value) // 1000 * 1000))
    if isinstance(value, int):
        return str(value)
    return f"{value:,.4f}" if abs(value) < 1 else f"{value:,.2f}"
