"""The rows of block returns that a walk leaves, against the per-bar oracle; and that they change nothing else."""

from __future__ import annotations

import math
import random

import numpy as np
import pytest

from kernels.simulation.marks import block_ends, measured_log
from kernels.simulation.outcomes import Outcomes
from kernels.simulation.under_stops import rank_combinations
from kernels.simulation.without_stops import rank_range
from kernels.trust.blocks import LIMIT, UNIT
from kernels.trust.winners import BLOCKS
from tests.support.oracles import oracle
from tests.support.oracles.drawn_cases import drawn_closes, drawn_rules, drawn_signal
from tests.support.oracles.oracle_comparison import Grid

LEAST = 1e-52


def expected_row(run: oracle.Run, init_cash: float) -> list[float]:
    """The row of a run, unrounded, from its equity bar by bar."""
    row, before = [], init_cash
    for bar in block_ends(len(run.equity)):
        equity = run.equity[bar]
        ruined = min(before, equity) <= LEAST * init_cash
        row.append(-LIMIT if ruined else max(-LIMIT, min(LIMIT, math.log(equity / before) / UNIT)))
        before = equity
    return row


def bars_in_market(run: oracle.Run) -> int:
    return sum(trade.exit_bar - trade.entry_bar for trade in run.trades)


def drawn_grid(seed: int, **levels) -> Grid:
    draw = random.Random(seed)
    n = draw.choice([16, 17, 40, 64, 129, 300])
    axes = [[drawn_signal(draw, n) for _ in range(3)] for _ in range(draw.choice([1, 2]))]
    gaps = sorted(draw.sample(range(n - 1), 2)) if draw.random() < 0.3 else ()
    return Grid(drawn_closes(draw, n), axes, drawn_rules(draw), **levels, gaps=gaps)


def marked(grid: Grid, under_stops: bool) -> Outcomes:
    marks = block_ends(grid.close.size)
    bases = np.arange(grid.planes.variants)
    outcomes = Outcomes.for_variants(bases.size * (len(grid.levels) if under_stops else 1), marks)
    if under_stops:
        rank_combinations(grid.planes, bases, grid.stops, 0, grid.prices, grid.terms, outcomes)
    else:
        rank_range(grid.planes, 0, grid.prices, grid.terms, outcomes)
    return outcomes


def assert_rows_are_the_oracles(grid: Grid, outcomes: Outcomes) -> None:
    levels = grid.levels
    for at in range(outcomes.variants):
        run = grid.oracle_run(at // len(levels), levels[at % len(levels)])
        expected = np.array(expected_row(run, grid.rules.init_cash_quote))
        assert np.abs(outcomes.rows[at] - expected).max() <= 1.0, (at, outcomes.rows[at], expected)
        assert outcomes.in_market[at] == bars_in_market(run)


@pytest.mark.parametrize("seeds", [range(120)])
def test_rows_without_stops_are_those_of_the_oracle(seeds):
    for seed in seeds:
        grid = drawn_grid(seed)
        outcomes = marked(grid, under_stops=False)
        assert_rows_are_the_oracles(grid, outcomes)
        plain = Outcomes.for_variants(outcomes.variants)
        rank_range(grid.planes, 0, grid.prices, grid.terms, plain)
        for column in ("total_return_pct", "trades", "conflicts"):
            assert getattr(outcomes, column).tobytes() == getattr(plain, column).tobytes()


@pytest.mark.parametrize("seeds", [range(60)])
def test_rows_under_stops_are_those_of_the_oracle(seeds):
    for seed in seeds:
        grid = drawn_grid(seed, stop_losses=[1.0, 20.0], take_profits=[2.0, 60.0])
        outcomes = marked(grid, under_stops=True)
        assert_rows_are_the_oracles(grid, outcomes)
        plain = grid.rank()
        for column in ("total_return_pct", "trades", "conflicts"):
            assert getattr(outcomes, column).tobytes() == getattr(plain, column).tobytes()


def test_who_is_ruined_stays_at_the_least():
    """Zeros would rank the dead above the living."""
    grid = Grid([100.0] * 20 + [500.0] + [100.0] * 43, [["S" * 64]], oracle.Rules())
    [row] = marked(grid, under_stops=False).rows.tolist()
    assert row == [0] * 5 + [-LIMIT] * 11


def test_blocks_are_as_equal_as_whole_bars_are():
    ends = block_ends(525_601)
    assert ends[-1] == 525_600
    assert set(np.diff(ends, prepend=-1).tolist()) == {32_850, 32_851}
    assert block_ends(32).tolist() == list(range(1, 32, 2))


def test_logs_are_those_of_the_library_to_far_below_a_unit():
    draw = random.Random(3)
    for _ in range(2_000):
        value = math.exp(draw.uniform(-120.0, 120.0))
        assert measured_log(value) == pytest.approx(math.log(value), abs=1e-12)
    near = [1.0, math.nextafter(1.0, 2.0), math.nextafter(1.0, 0.0), 0.5, 2.0, math.sqrt(0.5), math.sqrt(2.0)]
    assert [measured_log(value) for value in near] == pytest.approx([math.log(value) for value in near], abs=1e-14)


def test_rows_without_room_for_each_variant_are_refused():
    grid = drawn_grid(1)
    few = Outcomes.for_variants(grid.planes.variants, block_ends(grid.close.size))
    with pytest.raises(ValueError, match="equally many variants"):
        rank_range(grid.planes, 0, grid.prices, grid.terms, few._replace(rows=np.empty((1, BLOCKS), np.int32)))
    with pytest.raises(ValueError, match="a row has 16 blocks, not 15"):
        rank_range(grid.planes, 0, grid.prices, grid.terms, few._replace(marks=few.marks[1:]))
