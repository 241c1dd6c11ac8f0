"""The choice of members: the best Sharpe ratio together, no two of them much alike."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest

from candleray.portfolio.courses import DailyReturns
from candleray.portfolio.suggesting import Candidates, returns_of


def drawn(seed: int, members: int = 12) -> np.ndarray:
    random = np.random.default_rng(seed)
    common = random.normal(0, 0.01, (200, 3))
    return common @ random.normal(0, 1, (3, members)) + random.normal(0.0005, 0.01, (200, members))


def ratio(returns: np.ndarray, choice: tuple[int, ...]) -> float:
    together = returns[:, list(choice)].mean(axis=1)
    return float(together.mean() / together.std(ddof=1) * np.sqrt(365))


def best_by_hand(returns: np.ndarray, count: int, most: float) -> float:
    alike = np.corrcoef(returns.T)
    allowed = (
        choice
        for choice in combinations(range(returns.shape[1]), count)
        if all(alike[pair] <= most for pair in combinations(choice, 2))
    )
    return max(ratio(returns, choice) for choice in allowed)


@pytest.mark.parametrize("seed", range(5))
def test_choices_that_are_grown_and_exchanged_find_the_best(seed: int):
    returns = drawn(seed)
    candidates = Candidates.of(returns, 0.5)
    found = max(candidates.grown(4), key=candidates.sharpe)
    assert candidates.allows(found)
    assert candidates.sharpe(found) == pytest.approx(ratio(returns, found))
    assert candidates.sharpe(found) == pytest.approx(best_by_hand(returns, 4, 0.5))


def test_a_day_without_candles_returns_nothing():
    one = DailyReturns(np.array([1, 2]), np.array([0.1, 0.2]))
    other = DailyReturns(np.array([2, 3]), np.array([0.3, 0.4]))
    assert returns_of([one, other]).tolist() == [[0.1, 0.0], [0.2, 0.3], [0.0, 0.4]]


def test_twins_are_not_chosen_together():
    returns = drawn(1, 3)
    twins = np.column_stack([returns, returns[:, 0]])
    assert not Candidates.of(twins, 0.99).allows((0, 3))
