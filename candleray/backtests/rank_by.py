"""The metric that a search ranks by.

The order is total: the better value first, what is undefined last, and of equal values the lower variant index.
"""

from __future__ import annotations

from typing import Annotated, Any, TypeAlias

from pydantic import BeforeValidator, WithJsonSchema
from pydantic_core import PydanticCustomError

from candleray.backtests.metrics import METRICS, TOTAL_RETURN, Better, Metric, MetricKind, MetricValue, id_of
from candleray.errors import nearest

_BY_ID = {metric.id: metric for metric in METRICS}

RANKABLE = tuple(metric.id for metric in METRICS if metric.better is not Better.NEITHER)
"""Ids of the metrics that tell the variants of a search apart."""


def _id_of_another(value: Any) -> Any:
    """Return the id of the metric of that id or name; None for the default, so that one search has one hash."""
    if value is None:
        return None
    metric_id = id_of(value) if isinstance(value, str) else ""
    metric = _BY_ID.get(metric_id)
    if metric is None:
        raise PydanticCustomError(
            "unknown_metric",
            "unknown metric {name}; {hint}",
            {"name": repr(str(value)[:40]), "hint": nearest(metric_id, RANKABLE)},
        )
    if metric.better is Better.NEITHER:
        raise PydanticCustomError(
            "nothing_to_rank",
            "{name} is the same for every variant: rank by another metric, such as {other}",
            {"name": metric_id, "other": TOTAL_RETURN.id},
        )
    return None if metric is TOTAL_RETURN else metric_id


RankBy: TypeAlias = Annotated[
    str | None,
    BeforeValidator(_id_of_another),
    WithJsonSchema({"anyOf": [{"type": "string", "enum": list(RANKABLE)}, {"type": "null"}]}),
]
"""The id of a metric; its name is taken too. None is the default, total return."""


def ranking_metric(rank_by: str | None) -> Metric:
    """Return the metric that a request ranks by."""
    return TOTAL_RETURN if rank_by is None else _BY_ID[rank_by]


def score_of(metric: Metric, value: MetricValue) -> float:
    """Return a number that is higher where the value is better; NaN where it is undefined."""
    if value is None:
        return float("nan")
    return -float(value) if metric.better is Better.LOWER else float(value)


def value_of(metric: Metric, score: float) -> MetricValue:
    """Return the value that has this score."""
    if score != score:
        return None
    value = -score if metric.better is Better.LOWER else score
    return int(value) if metric.kind in (MetricKind.COUNT, MetricKind.DURATION) else value


def order_text(metric: Metric) -> str:
    """The order in words: `ranked by Sharpe Ratio, the highest first`."""
    first = "lowest" if metric.better is Better.LOWER else "highest"
    return f"ranked by {metric.name}, the {first} first"
