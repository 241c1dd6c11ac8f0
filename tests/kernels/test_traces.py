"""Trades of many variants traced together, beside those of each traced alone."""

from __future__ import annotations

import numpy as np
import pytest

from kernels.simulation.outcomes import Outcomes
from kernels.simulation.under_stops import trades_of_combinations
from kernels.simulation.without_stops import rank_range, trades_of, trades_of_range
from tests.support.oracles import oracle
from tests.support.oracles.oracle_comparison import Grid

DIRECTIONS = ["long-only", "short-only", "long-short"]


def drawn(direction: str) -> Grid:
    random = np.random.default_rng(len(direction))
    closes = (100 * np.exp(np.cumsum(random.normal(0, 0.02, 300)))).tolist()
    axes = [["".join(random.choice(["L", "S", "."], 300)) for _ in range(size)] for size in (3, 4)]
    rules = oracle.Rules(direction=direction, fee_pct=0.1, slippage_pct=0.05)
    return Grid(closes, axes, rules, [1, 3], [2, 4])


def some_left_out(counts: np.ndarray) -> np.ndarray:
    return np.where(np.arange(counts.size) % 3 == 1, 0, counts)


@pytest.mark.parametrize("direction", DIRECTIONS)
def test_variants_traced_together_have_the_trades_of_each_alone(direction: str):
    grid = drawn(direction)
    outcomes = Outcomes.for_variants(10)
    rank_range(grid.planes, 2, grid.prices, grid.terms, outcomes)
    counts = some_left_out(outcomes.trades)
    traced = trades_of_range(grid.planes, 2, counts, grid.prices, grid.terms)
    alone = [trades_of(grid.only(2 + at), grid.prices, grid.terms)[0] for at in np.flatnonzero(counts)]
    assert counts.sum() > 100
    assert traced.tobytes() == np.concatenate(alone).tobytes()


@pytest.mark.parametrize("direction", DIRECTIONS)
def test_combinations_traced_together_have_the_trades_of_each_alone(direction: str):
    grid, bases = drawn(direction), np.array([1, 4, 5, 11])
    first, each = 2, len(grid.levels)
    counts = some_left_out(grid.rank(bases, first).trades)
    traced = trades_of_combinations(grid.planes, bases, grid.stops, first, counts, grid.prices, grid.terms)
    numbers = first + np.flatnonzero(counts)
    alone = [grid.trades(bases[number // each], grid.levels[number % each])[0] for number in numbers]
    assert counts.sum() > 100
    assert traced.tobytes() == np.concatenate(alone).tobytes()


def test_variants_outside_of_the_grid_are_refused():
    grid, counts = drawn("long-only"), np.ones(3, np.int64)
    with pytest.raises(ValueError, match=r"variants \[10, 13\) of 12"):
        trades_of_range(grid.planes, 10, counts, grid.prices, grid.terms)
    with pytest.raises(ValueError, match=r"combinations \[2, 5\) of 4"):
        trades_of_combinations(grid.planes, np.array([0]), grid.stops, 2, counts, grid.prices, grid.terms)
