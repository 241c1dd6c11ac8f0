"""Rankings: the best of many variants, and how those of parts merge."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from candleray.search.rankings import Ranking

FEW_VALUES = st.sampled_from([-100.0, -1.0, -0.0, 0.0, 1.0, 1.0 + 1e-15, 5e300, np.inf, np.nan])
RETURNS = st.lists(FEW_VALUES, max_size=60)


def ranking_of(returns: list[float], first: int = 0) -> Ranking:
    index = np.arange(first, first + len(returns))
    return Ranking(index, np.array(returns, float), index * 10)


@given(RETURNS, st.integers(1, 70))
def test_the_best_are_those_of_the_whole_order(returns, k):
    """Highest return first, the lower index of equals; what is no number comes last."""
    numbers = [at for at in range(len(returns)) if not np.isnan(returns[at])]
    others = [at for at in range(len(returns)) if np.isnan(returns[at])]
    expected = sorted(numbers, key=lambda at: (-returns[at], at)) + others
    best = ranking_of(returns).best(k)
    assert best.index.tolist() == expected[:k]
    assert best.conflicts.tolist() == [10 * at for at in expected[:k]]


@given(RETURNS, st.integers(1, 70), st.integers(0, 60))
def test_the_best_of_parts_are_the_best_of_all(returns, k, cut):
    parts = ranking_of(returns[:cut]).best(k), ranking_of(returns[cut:], min(cut, len(returns))).best(k)
    for one, other in (parts, parts[::-1]):
        assert one.merged(other, k).index.tolist() == ranking_of(returns).best(k).index.tolist()


def test_what_was_pruned_is_counted_and_does_not_rank():
    fates = np.array([0, 1, 0, 2, 1])
    kept = ranking_of([1.0, 9.0, 3.0, 8.0, 7.0]).without(fates)
    assert kept.best(2).index.tolist() == [2, 0]
    assert kept.pruned[:2].tolist() == [2, 1]
    assert kept.best(1).pruned.tolist() == kept.pruned.tolist()


def test_what_was_pruned_of_both_parts_is_counted_in_the_whole():
    one = ranking_of([1.0, 9.0]).without(np.array([0, 1]))
    other = ranking_of([3.0, 8.0, 7.0], 2).without(np.array([1, 2, 0]))
    for whole in (one.merged(other, 5), other.merged(one, 5)):
        assert whole.pruned[:2].tolist() == [2, 1]
        assert whole.index.tolist() == [4, 0]


@pytest.mark.parametrize("k", [1, 3])
def test_of_nothing_nothing_is_best(k):
    assert len(Ranking.empty().best(k)) == 0
