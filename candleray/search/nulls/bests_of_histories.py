"""The best of each history of chance, as a ranking that sweeps and checkpoints keep, and the answer made of it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Protocol

import numpy as np

from candleray.backtests.chance.luck import History
from candleray.backtests.chance.null_model import NullModel, NullSearch, null_model
from candleray.backtests.metrics import MetricValue
from candleray.backtests.rank_by import ranking_metric
from candleray.backtests.request import BacktestRequest
from candleray.backtests.result import RankedVariant
from candleray.search.rankings import Ranking


class Histories(Protocol):
    """The histories of chance that were searched."""

    @property
    def model(self) -> History: ...
    @property
    def seed(self) -> int: ...


def ranking_of(numbers: Sequence[int], bests: Iterable[MetricValue]) -> Ranking:
    """Return histories by their numbers, each with the value of its best; none is NaN."""
    values = np.array([np.nan if best is None else float(best) for best in bests])
    return Ranking(np.array(numbers, np.int64), values, np.zeros(len(numbers), np.int64))


def bests_of(ranking: Ranking) -> list[float | None]:
    """Return the value of the best of each history, in the order of their numbers."""
    values = ranking.total_return_pct[np.argsort(ranking.index)].tolist()
    return [None if value != value else value for value in values]


def held_against(
    histories: Histories,
    request: BacktestRequest,
    top: Sequence[RankedVariant],
    luck: Sequence[MetricValue],
    first: int = 0,
    notes: Sequence[str] = (),
) -> NullModel:
    """Return the best of a search beside that of each of these histories, from that number on."""
    best = top[0] if top else None
    search = NullSearch(
        request=request,
        model=histories.model,
        seed=histories.seed,
        first=first,
        best=None if best is None else best.metrics[ranking_metric(request.rank_by).name],
        variant_index=None if best is None else best.variant_index,
        strategy=None if best is None else best.strategy,
        notes=tuple(notes),
    )
    return null_model(search, luck)
