"""Fills at the next open and at levels inside the bar, against hand-worked examples and a clock of minutes.

`pytest tests/kernels/test_fills.py --oracle-cases 10000` draws more seeded cases than an ordinary run.
"""

from __future__ import annotations

import random
from dataclasses import replace
from itertools import product
from typing import Any

import pytest

from kernels.simulation.exits import EXIT_REASONS, SL_ATR, TP_ATR
from kernels.simulation.outcomes import Outcomes
from kernels.simulation.pruned.limits import REASONS
from kernels.simulation.pruned.pruning import Pruning, limits_of, no_deadlines
from kernels.simulation.without_stops import rank_range, trades_of
from tests.support.oracles import oracle
from tests.support.oracles.drawn_cases import drawn_rules, drawn_signal
from tests.support.oracles.filled_grid import FilledGrid, drawn_bars, drawn_exits, drawn_ranges, drawn_sizes
from tests.support.oracles.naive_fills import Bar, Minute, Policy

POLICIES = [
    Policy(entry, stops, tie)
    for entry, stops, tie in product(("close", "next_open"), ("close", "intrabar"), ("stop_first", "target_first"))
    if stops == "intrabar" or tie == "stop_first"
]


def drawn_grid(seed: int) -> FilledGrid:
    """The case of a seed: a policy, some bars with gaps, up to four base variants, up to two levels a kind."""
    draw = random.Random(seed)
    policy, count = draw.choice(POLICIES), draw.choice([1, 2, 3, 5, 30, 64, 65, 130])
    bars = drawn_bars(draw, count, draw.choice([1, 1, 2, 5, 60]))
    axes = [[drawn_signal(draw, count) for _ in range(draw.randint(1, 2))] for _ in range(draw.randint(1, 2))]
    gaps = sorted(draw.sample(range(count - 1), min(count - 1, draw.choice([0, 0, 1, 3]))))
    levels = [0.5, 1.0, 2.0, 3.0, 10.0, 40.0, 120.0]
    chosen = [sorted(draw.sample(levels, draw.choice([0, 1, 2]))) for _ in range(2)]
    others = None if draw.random() < 0.4 else drawn_exits(draw)
    atr = drawn_ranges(draw, bars) if others and (others[SL_ATR] or others[TP_ATR]) else None
    rules = drawn_rules(draw)
    if others is None or draw.random() < 0.5:
        return FilledGrid(bars, axes, rules, policy, *chosen, gaps, others, atr)
    sizing, sizes = drawn_sizes(draw, bool(chosen[0] or others[SL_ATR]))
    volatility = drawn_ranges(draw, bars) if sizing == "volatility_target" else None
    rules = replace(rules, sizing=sizing, max_leverage=sizes.leverage)
    return FilledGrid(bars, axes, rules, policy, *chosen, gaps, others, atr, sizes, volatility)


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_any_policy_of_fills_equals_the_clock_of_minutes(oracle_cases: int):
    for seed in range(oracle_cases):
        try:
            grid = drawn_grid(seed)
            grid.check()
            grid.check_marks()
            check_limits(grid, random.Random(seed))
        except AssertionError as exc:
            raise AssertionError(f"the case of seed {seed} is not what the clock of minutes says") from exc


def check_limits(grid: FilledGrid, draw: random.Random) -> None:
    """Whatever a limit prunes is what it prunes bar by bar, and walks without stops are the same bytes."""
    limits = oracle.Pruning(
        max_drawdown_pct=draw.choice([2.0, 40.0]),
        max_trades=draw.choice([2, 10]),
        max_trade_duration_bars=draw.choice([1, 3, 20]),
    )
    n_bars, cash = grid.close.size, grid.rules.init_cash_quote
    pruning = Pruning(
        limits_of({name: value for name, value in vars(limits).items() if value}), no_deadlines(n_bars)
    )
    outcomes, free = grid.rank(pruning=pruning), grid.rank()
    for at, (base, levels) in enumerate(product(range(grid.sizes.prod()), grid.levels)):
        whole = grid.oracle_run(base, levels)
        fate = oracle.pruned_by(whole, [t * 60_000 for t in range(n_bars)], 60_000, cash, limits)
        assert (None, *REASONS)[outcomes.fates[at]] == fate
    if all(level is None for one in grid.levels for level in one) and not grid.prices.first_entry:
        for limited, under in ((pruning, outcomes), (None, free)):
            same = Outcomes.for_variants(grid.planes.variants)
            rank_range(grid.planes, 0, grid.prices, grid.terms, same, limited)
            assert same.total_return_pct.tobytes() == under.total_return_pct.tobytes()
            assert (same.fates.tolist(), same.trades.tolist()) == (under.fates.tolist(), under.trades.tolist())
        for base in range(grid.planes.variants):
            trades, _ = trades_of(grid.only(base), grid.prices, grid.terms)
            assert trades.tobytes() == grid.trades(base, grid.levels[0])[0].tobytes()


# Hand-worked examples ------------------------------------------------------------------------------------------


def filled(
    bars: list[Bar], signal: str, policy: Policy, sl: float | None = None, tp: float | None = None, **more: Any
) -> list[tuple[int, int, str, float]]:
    """Entry bar, exit bar, reason and exit fill of each trade; the clock says the same."""
    gaps = more.pop("gaps", ())
    levels = [] if sl is None else [sl], [] if tp is None else [tp]
    grid = FilledGrid(bars, [[signal]], oracle.Rules(**more), policy, *levels, gaps)
    grid.check()
    trades, _ = grid.trades(0, (sl, tp))
    return [
        (
            row["entry_bar"].item(),
            row["exit_bar"].item(),
            EXIT_REASONS[row["exit_reason"]],
            row["exit_fill"].item(),
        )
        for row in trades
    ]


def bar(*minutes: tuple[float, float, float], close: float) -> Bar:
    """A bar of minutes, each an open, a high and a low."""
    return Bar(minutes[0][0], close, [Minute(*one) for one in minutes])


FLAT = bar((100, 100, 100), (100, 100, 100), close=100)
INTRABAR = Policy(stops="intrabar")


def test_a_touch_fills_at_the_level_with_slippage_on_a_loss_and_without_on_a_profit():
    dip = bar((100, 100, 95), (99, 101, 99), close=101)
    assert filled([FLAT, dip, FLAT], "LLL", INTRABAR, sl=5, slippage_pct=1) == [
        (0, 1, "stop_loss", pytest.approx(101 * 0.95 * 0.99))
    ]
    peak = bar((100, 111, 100), (100, 100, 100), close=100)
    assert filled([FLAT, peak, FLAT], "LLL", INTRABAR, tp=5, slippage_pct=1) == [
        (0, 1, "take_profit", pytest.approx(101 * 1.05))
    ]


def test_of_closes_the_same_dip_stops_nothing():
    dip = bar((100, 100, 95), (99, 101, 99), close=101)
    assert filled([FLAT, dip, FLAT], "LLL", Policy(), sl=5) == [(0, 2, "last_bar", 100)]


def test_a_leap_beyond_a_level_fills_at_the_minute_s_open():
    below = bar((90, 92, 89), (92, 92, 92), close=92)
    assert filled([FLAT, below, FLAT], "LLL", INTRABAR, sl=5) == [(0, 1, "stop_loss", 90)]
    above = bar((120, 121, 119), (119, 119, 119), close=119)
    assert filled([FLAT, above, FLAT], "LLL", INTRABAR, tp=5) == [(0, 1, "take_profit", 120)]
    assert filled([FLAT, above, FLAT], "SSS", INTRABAR, sl=5) == [(0, 1, "stop_loss", 120)]


def test_a_minute_that_touches_both_levels_is_decided_by_the_tie():
    both = bar((100, 100, 100), (100, 106, 94), close=100)
    first, second = Policy(stops="intrabar"), Policy(stops="intrabar", tie="target_first")
    assert filled([FLAT, both, FLAT], "LLL", first, sl=5, tp=5) == [(0, 1, "stop_loss", 95)]
    assert filled([FLAT, both, FLAT], "LLL", second, sl=5, tp=5) == [(0, 1, "take_profit", 105)]


def test_of_two_minutes_of_a_bar_the_earlier_one_decides():
    profit_first = bar((100, 106, 100), (100, 100, 94), close=94)
    assert filled([FLAT, profit_first, FLAT], "LLL", INTRABAR, sl=5, tp=5) == [(0, 1, "take_profit", 105)]


def test_a_signal_fills_at_the_open_of_the_next_bar_and_none_on_the_last():
    bars = [
        FLAT,
        bar((103, 110, 103), (110, 110, 104), close=104),
        bar((108, 108, 107), (107, 107, 107), close=107),
    ]
    waits = Policy(entry="next_open")
    assert filled(bars, "L..", waits, direction="long-only") == [(1, 2, "last_bar", 107)]
    assert filled(bars, "LS.", waits) == [(1, 2, "signal", 108), (2, 2, "last_bar", 107)]
    assert filled(bars, "..L", waits) == []


def test_an_open_counts_its_first_minute_for_the_levels():
    falls = bar((103, 103, 90), (100, 100, 100), close=100)
    policy = Policy(entry="next_open", stops="intrabar")
    assert filled([FLAT, falls, FLAT], "LLL", policy, sl=5) == [(1, 1, "stop_loss", pytest.approx(103 * 0.95))]


def test_the_next_open_lies_beyond_a_short_hole_and_never_beyond_a_long_one():
    # The bars are those there are: the open after a hole is that of the next whole bar.
    bars = [FLAT, bar((103, 110, 103), (110, 110, 104), close=104), FLAT, FLAT]
    waits = Policy(entry="next_open")
    assert filled(bars, "LLLL", waits, gaps=[0]) == []
    assert filled(bars, "LLSS", waits, gaps=[1]) == [(1, 1, "gap", 104), (3, 3, "last_bar", 100)]
