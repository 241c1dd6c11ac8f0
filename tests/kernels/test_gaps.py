"""Positions before gaps: closed by both walks on the bars that the per-bar oracle says, pruned or not."""

from __future__ import annotations

import random
from itertools import product
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kernels.simulation.exits import EXIT_REASONS
from kernels.simulation.outcomes import Outcomes
from kernels.simulation.prices import Prices
from kernels.simulation.pruned.limits import REASONS
from kernels.simulation.pruned.pruning import Pruning, limits_of, no_deadlines
from kernels.simulation.without_stops import rank_range, trades_of
from tests.support.oracles import oracle
from tests.support.oracles.drawn_cases import cases, drawn_closes, drawn_rules, drawn_signal
from tests.support.oracles.oracle_comparison import Grid, assert_close


def check(grid: Grid) -> None:
    """Hold both walks against the oracle, and against each other where there are no stops."""
    grid.check()
    if grid.levels != [(None, None)]:
        return
    outcomes = Outcomes.for_variants(grid.planes.variants)
    rank_range(grid.planes, 0, grid.prices, grid.terms, outcomes)
    for got, same in zip(outcomes, grid.rank(), strict=True):
        assert got.tobytes() == same.tobytes()
    for base in range(grid.planes.variants):
        trades, _ = trades_of(grid.only(base), grid.prices, grid.terms)
        again, _ = grid.trades(base, (None, None))
        assert trades.tobytes() == again.tobytes()


def traded(closes: list[float], signal: str, *gaps: int, sl=None, tp=None, **rules: Any) -> list[tuple[Any, ...]]:
    """Entry bar, exit bar and reason of each trade; the oracle and the other walk say the same."""
    levels = [] if sl is None else [sl], [] if tp is None else [tp]
    grid = Grid(closes, [[signal]], oracle.Rules(**rules), *levels, gaps=gaps)
    check(grid)
    trades, _ = grid.trades(0, (sl, tp))
    return [(row["entry_bar"], row["exit_bar"], EXIT_REASONS[row["exit_reason"]]) for row in trades]


FLAT = [100.0] * 8


@pytest.mark.parametrize("direction", ["long-only", "long-short"])
@pytest.mark.parametrize("exit_on", ["opposite", "neutral"])
def test_a_position_is_closed_on_the_last_bar_before_a_gap(direction: str, exit_on: str):
    rules = {"direction": direction, "exit_on": exit_on}
    assert traded(FLAT, "LLLLLLLL", 3, **rules) == [(0, 3, "gap")]


def test_it_is_closed_at_the_close_with_costs():
    grid = Grid([100, 110, 300, 300], [["LLLL"]], oracle.Rules(fee_pct=1, init_cash_quote=1010), gaps=[1])
    trades, _ = grid.trades(0, (None, None))
    assert trades["pnl_quote"] == pytest.approx([1100 * 0.99 - 1010])


def test_the_first_bar_after_a_gap_enters_on_a_fresh_signal_alone():
    assert traded(FLAT, "LLL..LL.", 2, 4) == [(0, 2, "gap"), (5, 7, "last_bar")]
    assert traded(FLAT, "LLLSSSSS", 2) == [(0, 2, "gap"), (3, 7, "last_bar")]
    assert traded(FLAT, "LLLL.L..", 2) == [(0, 2, "gap"), (5, 7, "last_bar")]


def test_nothing_is_entered_on_the_last_bar_before_a_gap_nor_after_it_by_the_same_signal():
    assert traded(FLAT, "..LLLL..", 2) == []
    assert traded(FLAT, "..LLL.L.", 2) == [(6, 7, "last_bar")]


def test_an_opposite_signal_before_a_gap_closes_and_does_not_reverse():
    assert traded(FLAT, "LLSSSSS.", 2) == [(0, 2, "signal")]


def test_a_position_lives_between_two_gaps():
    assert traded(FLAT, "L.L.L.L.", 1, 3, exit_on="neutral") == [
        (0, 1, "signal"),
        (2, 3, "signal"),
        (4, 5, "signal"),
        (6, 7, "signal"),
    ]
    assert traded(FLAT, "L.L.L.L.", 1, 3, 4) == [(0, 1, "gap"), (2, 3, "gap"), (6, 7, "last_bar")]


def test_a_stop_on_the_bar_before_a_gap_goes_first_and_one_behind_it_comes_too_late():
    assert traded([100, 100, 90, 90], "LLLL", 2, sl=5) == [(0, 2, "stop_loss")]
    assert traded([100, 100, 90, 90], "LLLL", 1, sl=5, tp=5) == [(0, 1, "gap")]


def test_a_short_is_not_ruined_by_the_price_behind_a_gap():
    assert traded([100, 150, 400, 400], "SSSS", 1) == [(0, 1, "gap")]
    assert traded([100, 250, 400, 400], "SSSS", 1) == [(0, 1, "ruin")]


@pytest.mark.parametrize("gaps", [[-1], [3], [4], [1, 1], [2, 1]])
def test_gaps_that_are_not_ascending_bars_before_the_last_are_refused(gaps: list[int]):
    with pytest.raises(ValueError, match="gaps after the bars"):
        Prices.over(np.array([1.0, 2.0, 3.0, 4.0]), 0.0, gaps)


def drawn_gaps(draw: random.Random, n: int) -> list[int]:
    return sorted(draw.sample(range(n - 1), min(n - 1, draw.choice([1, 1, 2, 3, 8]))))


LEVELS = st.lists(st.sampled_from([0.1, 1.0, 5.0, 50.0, 100.0, 300.0]), unique=True, max_size=2)


@settings(max_examples=300, deadline=None)
@given(cases(), LEVELS, LEVELS, st.data())
def test_every_variant_over_any_gaps_equals_the_oracle(case, stop_losses, take_profits, data):
    closes, axes, _, _, rules = case
    last = len(closes) - 1
    gaps = data.draw(st.lists(st.integers(0, last - 1), unique=True, max_size=6)) if last else []
    check(Grid(closes, axes[:2], rules, stop_losses, take_profits, sorted(gaps)))


@pytest.mark.parametrize("seed", range(40))
def test_gaps_at_any_place_of_a_word_equal_the_oracle(seed: int):
    draw = random.Random(seed)
    n = draw.choice([64, 65, 127, 128, 129, 250, 400])
    axes = [[drawn_signal(draw, n) for _ in range(2)]]
    grid = Grid(drawn_closes(draw, n), axes, drawn_rules(draw), gaps=drawn_gaps(draw, n))
    check(grid)
    for base in range(2):
        trades, _ = grid.trades(base, (None, None))
        for gap in grid.prices.gaps:
            assert not ((trades["entry_bar"] <= gap) & (trades["exit_bar"] > gap)).any()


@pytest.mark.parametrize("seed", range(20))
@pytest.mark.parametrize("stop_losses", [[], [1.0, 5.0]], ids=["without stops", "under stops"])
def test_what_is_pruned_over_gaps_is_what_the_oracle_prunes(seed: int, stop_losses: list[float]):
    draw = random.Random(seed)
    n = draw.choice([65, 128, 250])
    grid = Grid(
        drawn_closes(draw, n),
        [[drawn_signal(draw, n) for _ in range(2)]],
        drawn_rules(draw),
        stop_losses,
        gaps=drawn_gaps(draw, n),
    )
    limits = oracle.Pruning(max_drawdown_pct=draw.choice([5.0, 40.0]), max_trades=draw.choice([2, 10]))
    values = {"max_drawdown_pct": limits.max_drawdown_pct, "max_trades": limits.max_trades}
    pruning = Pruning(limits_of(values), no_deadlines(n))
    outcomes = grid.rank(pruning=pruning)
    for at, (base, levels) in enumerate(product(range(2), grid.levels)):
        whole = grid.oracle_run(base, levels)
        fate = oracle.pruned_by(whole, [t * 60_000 for t in range(n)], 60_000, grid.rules.init_cash_quote, limits)
        assert (None, *REASONS)[outcomes.fates[at]] == fate
        if fate is None:
            assert_close(outcomes.total_return_pct[at], whole.total_return_pct, "total return")
    if not stop_losses:
        same = Outcomes.for_variants(2)
        rank_range(grid.planes, 0, grid.prices, grid.terms, same, pruning)
        assert same.total_return_pct.tobytes() == outcomes.total_return_pct.tobytes()
        assert same.fates.tolist() == outcomes.fates.tolist()


def test_without_gaps_nothing_changes():
    draw = random.Random(5)
    grid = Grid(drawn_closes(draw, 300), [[drawn_signal(draw, 300)]], drawn_rules(draw))
    assert grid.prices.gaps.size == 0
    check(grid)
    run = grid.oracle_run(0, (None, None))
    assert_close(grid.rank().total_return_pct[0], run.total_return_pct, "total return")
