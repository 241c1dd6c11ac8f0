"""The choice of members for a portfolio: together the best Sharpe ratio, no two of them much alike."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np

from candleray.backtests.request import BacktestRequest
from candleray.candles import FloatArray
from candleray.errors import invalid
from candleray.market_data.bar_reader import CandleReader
from candleray.portfolio.answer import correlation_of
from candleray.portfolio.courses import DailyReturns, Member, daily_returns_of
from candleray.portfolio.portfolio_request import SuggestionRequest
from candleray.portfolio.portfolio_result import SuggestedMember, Suggestion
from candleray.portfolio.reading import members_of
from candleray.settings import BacktestSettings, Settings
from candleray.work_elsewhere import Compute

MOST_CHOICES = 50_000
"""Choices that are all looked at, in about a second; of more, one exchange after the other."""

DAYS_A_YEAR = 365

Choice = tuple[int, ...]


async def suggested(
    request: SuggestionRequest,
    strategies: Sequence[tuple[str, BacktestRequest]],
    store: CandleReader,
    settings: Settings,
    compute: Compute,
) -> Suggestion:
    """Choose among strategies.

    Raises:
        InvalidInput: so many that are so unlike are not among them; they share nothing in time.
        GuardExceeded: the range is too long for one synchronous answer.
        NotFound: unknown symbol, or no candles there.
        GapsInRange: a long hole that the request does not allow.
    """
    _require_enough(request)
    members = await members_of(strategies, store, settings)
    found: Suggestion = await compute(chosen, request, members, settings.backtests)
    return found


def _require_enough(request: SuggestionRequest) -> None:
    if len(request.members) < request.choose:
        raise invalid(
            "choose",
            "too_few",
            f"{request.choose} of {len(request.members)} members: choose fewer, or name more",
        )


def chosen(request: SuggestionRequest, members: Sequence[Member], defaults: BacktestSettings) -> Suggestion:
    """Choose among members whose bars are read."""
    returns = returns_of([daily_returns_of(one.request, one.bars, defaults) for one in members])
    candidates = Candidates.of(returns, request.max_correlation)
    count = math.comb(len(members), request.choose)
    choices = (
        combinations(range(len(members)), request.choose)
        if count <= MOST_CHOICES
        else candidates.grown(request.choose)
    )
    best = max(filter(candidates.allows, choices), key=candidates.sharpe, default=None)
    if best is None:
        raise invalid(
            "max_correlation",
            "too_much_alike",
            f"no {request.choose} of {len(members)} candidates were found of which no two correlate more than "
            f"{request.max_correlation:g} by day: allow more, or choose fewer",
        )
    return _told(best, members, returns, candidates, count <= MOST_CHOICES)


def returns_of(samples: Sequence[DailyReturns]) -> FloatArray:
    """Return the daily returns side by side, `(days, members)`; a day without candles of a member returns 0."""
    days = np.unique(np.concatenate([one.days for one in samples]))
    returns = np.zeros((days.size, len(samples)))
    for at, one in enumerate(samples):
        returns[np.searchsorted(days, one.days), at] = one.returns
    return returns


@dataclass(frozen=True)
class Candidates:
    """The moments of some daily returns, and which pairs are not too much alike."""

    means: FloatArray
    covariances: FloatArray
    pairs: FloatArray
    """1 where two may be chosen together."""

    @classmethod
    def of(cls, returns: FloatArray, max_correlation: float) -> Candidates:
        days = max(len(returns) - 1, 1)
        apart = returns - returns.mean(axis=0)
        # One that never moves is like nobody.
        alike = np.array([[-1.0 if one is None else one for one in row] for row in correlation_of(returns)])
        pairs = (alike <= max_correlation).astype(float)
        np.fill_diagonal(pairs, 0.0)
        return cls(returns.mean(axis=0), apart.T @ apart / days, pairs)

    def allows(self, choice: Choice) -> bool:
        return all(self.pairs[one, other] for one, other in combinations(choice, 2))

    def sharpe(self, choice: Choice) -> float:
        """Return the ratio of the mean of their returns; one that never moves is worth nothing."""
        places = list(choice)
        spread = float(self.covariances[np.ix_(places, places)].sum())
        return float(self.means[places].sum()) / math.sqrt(spread) * math.sqrt(DAYS_A_YEAR) if spread > 0 else 0.0

    def grown(self, count: int) -> Iterator[Choice]:
        """Yield a choice begun with each candidate, grown by the best, then exchanged while that betters it."""
        for first in range(self.means.size):
            choice: Choice | None = (first,)
            while choice is not None and len(choice) < count:
                choice = self._best_with(choice)
            if choice is not None:
                yield self._exchanged(choice)

    def _best_with(self, choice: Choice) -> Choice | None:
        places = list(choice)
        allowed = self.pairs[places].all(axis=0)
        if not allowed.any():
            return None
        sums = self.means[places].sum() + self.means
        spreads = (
            self.covariances[np.ix_(places, places)].sum()
            + 2.0 * self.covariances[places].sum(axis=0)
            + np.diag(self.covariances)
        )
        ratios = np.where(spreads > 0.0, sums / np.sqrt(np.where(spreads > 0.0, spreads, 1.0)), 0.0)
        return (*choice, int(np.argmax(np.where(allowed, ratios, -np.inf))))

    def _exchanged(self, choice: Choice) -> Choice:
        while True:
            others = (self._best_with(choice[:at] + choice[at + 1 :]) for at in range(len(choice)))
            better = max((one for one in others if one is not None), key=self.sharpe)
            if self.sharpe(better) <= self.sharpe(choice) + 1e-12:
                return tuple(sorted(choice))
            choice = better


def _told(
    best: Choice, members: Sequence[Member], returns: FloatArray, candidates: Candidates, is_exact: bool
) -> Suggestion:
    alike = correlation_of(returns[:, list(best)])
    highest = [
        max((one for at, one in enumerate(row) if at != own and one is not None), default=None)
        for own, row in enumerate(alike)
    ]
    together = candidates.sharpe(best)
    most = max((one for one in highest if one is not None), default=None)
    return Suggestion(
        members=tuple(
            SuggestedMember(
                place=place,
                name=members[place].name,
                sharpe_ratio=candidates.sharpe((place,)) if candidates.covariances[place, place] > 0 else None,
                total_return_pct=float(np.prod(1.0 + returns[:, place]) - 1.0) * 100.0,
                highest_correlation=highest[at],
            )
            for at, place in enumerate(best)
        ),
        sharpe_ratio=together,
        is_exact=is_exact,
        candidates=len(members),
        summary=tuple(_summary(len(best), len(members), together, most, is_exact)),
    )


def _summary(chosen: int, candidates: int, sharpe: float, most: float | None, is_exact: bool) -> Iterator[str]:
    alike = "" if most is None else f"; no two correlate more than {most:.2f} by day"
    yield f"{chosen} of {candidates} candidates: together a Sharpe ratio of {sharpe:.2f}{alike}."
    if not is_exact:
        yield "Not every choice was looked at: none that differs in one member is better."
    yield "The choice was made in sample, on the days that it is told of: expect less on others."
