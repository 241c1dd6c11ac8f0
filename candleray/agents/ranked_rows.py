"""Rows of a ranked table as an assistant reads them: what varies, and the headline metrics as text."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from candleray.backtests.metrics import HEADLINE_METRICS, TOTAL_RETURN
from candleray.backtests.parameters import parameters, varied
from candleray.backtests.report import shown
from candleray.backtests.request import BacktestRequest
from candleray.backtests.result import Ranked
from candleray.validation import Model


class Row(Model):
    rank: int
    variant_index: int
    """The number that report and save_strategy take."""
    parameters: dict[str, Any]
    """The parameters that the search varies; of a single variant all."""
    metrics: dict[str, str]


def rows_of(
    request: BacktestRequest, top: Sequence[Ranked], count: int, ranked_by: str = TOTAL_RETURN.name
) -> tuple[Row, ...]:
    shown_rows = top[:count]
    flat = [parameters(variant.strategy) for variant in shown_rows]
    # As many rows as are asked for: a parameter is named although all of these have one value of it.
    names = varied(request)
    return tuple(
        Row(
            rank=variant.rank,
            variant_index=variant.variant_index,
            parameters={name: values.get(name) for name in names or values},
            metrics=_metrics(variant, (ranked_by, *HEADLINE_METRICS)),
        )
        for variant, values in zip(shown_rows, flat, strict=True)
    )


def _metrics(variant: Ranked, wanted: Iterable[str]) -> dict[str, str]:
    known: Mapping[str, float | int | None] = {TOTAL_RETURN.name: variant.total_return_pct, **variant.metrics}
    return {name: shown(name, known[name]) for name in dict.fromkeys(wanted) if name in known}
