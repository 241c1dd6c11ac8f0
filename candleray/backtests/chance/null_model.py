"""The answer to a null model: how often luck alone, without any edge to find, reaches the best of a search."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from pydantic import Field

from candleray.backtests.chance.luck import MAX_SEED, MAX_WALKS, History
from candleray.backtests.chance.percentiles import place_of
from candleray.backtests.metrics import Better
from candleray.backtests.pictures.distributions import Histogram
from candleray.backtests.rank_by import ranking_metric, score_of
from candleray.backtests.report import shown
from candleray.backtests.request import BacktestRequest
from candleray.validation import Model

BINS = 20
TOLD_PERCENTILES = (5, 25, 50, 75, 95)
SURE = 1.959963984540054
"""Standard deviations within which a normal number is in 95 of 100 cases."""


_IN_WORDS = {
    History.WALK: "random walks with the volatility of these candles",
    History.BLOCKS: "shuffles of these candles, a day of bars at a time",
}


class NullQuery(Model):
    """The histories of chance that a search is made over."""

    model: History = Field(History.WALK, description="random walks, or blocks of the candles in another order")
    walks: int = Field(20, ge=1, le=MAX_WALKS, description="histories to search, one after the other")
    first: int = Field(0, ge=0, le=1_000_000, description="number of the first of them: where an answer ended")
    seed: int = Field(0, ge=0, le=MAX_SEED, description="of all histories; each depends on it and its own number")


class NullSearch(Model):
    """A search over its candles, and the histories of chance that it is held against."""

    request: BacktestRequest
    """The search, resolved."""
    model: History
    seed: int
    first: int
    """Number of the first history."""
    best: float | None
    """Value of the best variant over the candles by the metric that ranks; null where none ranks."""
    variant_index: int | None
    strategy: dict[str, Any] | None
    """The best variant alone, as a request."""
    notes: tuple[str, ...] = ()


class NullModel(NullSearch):
    """The best of a search beside the best that the same search finds in histories of chance."""

    metric: str
    """The metric that ranks."""
    luck: tuple[float | None, ...]
    """Its value of the best variant over each history, in their order."""
    reached: int
    """Histories whose best is as good or better."""
    p: float
    """(1 + `reached`) / (1 + histories): the chance that luck alone does as well."""
    p_low: float
    """`reached` of so many histories leaves the chance between these two in 95 of 100 cases (Wilson)."""
    p_high: float
    percentiles: dict[str, float]
    """Percentile of `luck` to its value, where it is defined: `"5"`, `"25"`, `"50"`, `"75"`, `"95"`."""
    histogram: Histogram | None
    """The picture of `luck`; null where it is nowhere defined."""
    summary: tuple[str, ...]

    @property
    def walks(self) -> int:
        """The number of histories."""
        return len(self.luck)

    def __str__(self) -> str:
        return "\n".join(self.summary)

    __repr__ = __str__


def null_model(search: NullSearch, luck: Sequence[float | None]) -> NullModel:
    """Return the answer for the best of each history."""
    metric = ranking_metric(search.request.rank_by)
    best = score_of(metric, search.best)
    reached = sum(score_of(metric, one) >= best for one in luck) if best == best else len(luck)
    low, high = wilson(reached, len(luck))
    ordered = sorted(one for one in luck if one is not None)
    fields = {name: getattr(search, name) for name in NullSearch.model_fields}
    answer = NullModel(
        **fields,
        metric=metric.name,
        luck=tuple(luck),
        reached=reached,
        p=(1 + reached) / (1 + len(luck)),
        p_low=low,
        p_high=high,
        percentiles={str(one): ordered[place_of(one, len(ordered))] for one in TOLD_PERCENTILES if ordered},
        histogram=_histogram(ordered),
        summary=(),
    )
    return answer.model_copy(update={"summary": tuple(_summary(answer, metric.better is Better.LOWER))})


def joined(parts: Sequence[NullModel]) -> NullModel:
    """Join answers about the same search whose histories follow one another.

    Raises:
        ValueError: they do not.
    """
    first, at = _search(parts[0]), parts[0].first
    for part in parts:
        if _search(part) != first.model_copy(update={"first": at, "notes": part.notes}):
            raise ValueError(f"histories from {part.first} on do not follow those up to {at} of the same search")
        at += part.walks
    return null_model(first, [one for part in parts for one in part.luck])


def _search(answer: NullModel) -> NullSearch:
    return NullSearch.model_construct(**{name: getattr(answer, name) for name in NullSearch.model_fields})


def wilson(reached: int, of: int) -> tuple[float, float]:
    """Return the bounds of Wilson's interval of a share, 95 of 100 cases: never below 0 or above 1."""
    share, square = reached / of, SURE * SURE
    middle = (share + square / (2 * of)) / (1 + square / of)
    reach = SURE / (1 + square / of) * math.sqrt(share * (1 - share) / of + square / (4 * of * of))
    return max(0.0, middle - reach), min(1.0, middle + reach)


def _histogram(ordered: Sequence[float]) -> Histogram | None:
    if not ordered:
        return None
    low, high = ordered[0], ordered[-1]
    width = (high - low) / BINS
    counts = [0] * BINS
    for one in ordered:
        counts[min(BINS - 1, int((one - low) / width)) if width > 0 else 0] += 1
    return Histogram(low=low, high=high, counts=tuple(counts))


def _summary(told: NullModel, is_lower_better: bool) -> list[str]:
    many, what = f"{told.walks:,} {_IN_WORDS[told.model]}", told.metric
    if told.best is None:
        return [f"No variant ranks over the candles, so that there is nothing for {many} to reach."]
    best = f"{what} {shown(what, told.best)}"
    chance = f"p {told.p:.2g}, and {told.p_low:.2g} to {told.p_high:.2g} in 95 of 100 cases"
    first = f"Luck alone reached the best of this search, {best}, in {told.reached:,} of {many}: {chance}."
    if not told.percentiles:
        return [first]
    rare = told.percentiles["5" if is_lower_better else "95"]
    half, way = shown(what, told.percentiles["50"]), "less" if is_lower_better else "more"
    return [first, f"In half of them it reached {half} or {way}, in one of twenty {shown(what, rare)} or {way}."]
