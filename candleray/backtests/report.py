"""The report of a variant as people read it: a Markdown table of metrics."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from candleray.backtests.metrics import MetricKind, MetricValue, kind_of
from candleray.backtests.parameters import parameters
from candleray.timeframes import iso


def table_md(metrics: Mapping[str, MetricValue]) -> str:
    """The metrics in their order as a Markdown table; an undefined one is a dash."""
    rows = [f"|{name}|{shown(name, value)}|" for name, value in metrics.items()]
    return "\n".join(["|Metric|Value|", "|---|---|", *rows])


def variant_text(rank: int, variant_index: int, total_return_pct: float, strategy: Mapping[str, Any]) -> str:
    """One variant on one line, as it stands in a notebook."""
    values = ", ".join(f"{name} {value}" for name, value in parameters(strategy).items())
    return f"<rank {rank}, variant {variant_index:,}: {total_return_pct:+,.4f} %, {values}>"


def shown(name: str, value: MetricValue) -> str:
    """One metric's value as text."""
    if value is None:
        return "–"
    kind = kind_of(name)
    if kind is MetricKind.TIME:
        return iso(int(value))
    if kind is MetricKind.DURATION:
        return str(timedelta(milliseconds=int(value) // 1000 * 1000))
    if isinstance(value, int):
        return str(value)
    return f"{value:,.4f}" if abs(value) < 1 else f"{value:,.2f}"
