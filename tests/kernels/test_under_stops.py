"""Stops against hand-worked examples and the per-bar oracle.

`pytest tests/kernels/test_under_stops.py --oracle-cases 10000` draws more seeded cases than an ordinary run. A
case that fails prints its seed.
"""

from __future__ import annotations

import math
import random
from itertools import pairwise, product
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kernels.bits import pack, row_addresses, unpack
from kernels.simulation.accounts import LONG, SHORT
from kernels.simulation.entry_bars import EntryBars
from kernels.simulation.exits import EXIT_REASONS, SL_PCT, TP_PCT
from kernels.simulation.levels.first_passages import BLOCK_LEVELS, StopTable, passages
from kernels.simulation.levels.stops import Stops
from kernels.simulation.outcomes import Outcomes
from kernels.simulation.prices import Prices
from kernels.simulation.stop_walks import entries_a_window
from kernels.simulation.under_stops import trades_under
from kernels.simulation.without_stops import rank_range, trades_of
from tests.support.oracles import oracle
from tests.support.oracles.drawn_cases import cases, drawn_closes, drawn_rules, drawn_signal, prices
from tests.support.oracles.oracle_comparison import Grid, assert_close

# Hand-worked examples ------------------------------------------------------------------------------------------


def stopped(closes: list[float], signal: str, sl=None, tp=None, **rules: Any) -> list[tuple[int, int, str]]:
    """Entry bar, exit bar and reason of each trade; the oracle says the same."""
    levels = [] if sl is None else [sl], [] if tp is None else [tp]
    grid = Grid(closes, [[signal]], oracle.Rules(**rules), *levels)
    grid.check()
    trades, _ = grid.trades(0, (sl, tp))
    return [(row["entry_bar"], row["exit_bar"], EXIT_REASONS[row["exit_reason"]]) for row in trades]


def test_a_long_stops_at_a_close_at_its_level():
    assert stopped([100, 96, 95, 90], "L...", sl=5, tp=5) == [(0, 2, "stop_loss")]
    assert stopped([100, 104, 105, 90], "L...", sl=5, tp=5) == [(0, 2, "take_profit")]


def test_a_short_is_the_mirror_of_a_long():
    assert stopped([100, 104, 105, 90], "S...", sl=5, tp=5) == [(0, 2, "stop_loss")]
    assert stopped([100, 96, 95, 90], "S...", sl=5, tp=5) == [(0, 2, "take_profit")]


def test_levels_are_taken_from_the_entry_fill_and_held_against_the_raw_close():
    # Bought at 102: 5 % below is 96.9, which 96 is under and the 98 of the raw close would not be.
    assert stopped([100, 98, 96, 96], "L...", sl=5, slippage_pct=2) == [(0, 2, "stop_loss")]


def test_a_stop_fills_at_the_close_with_slippage_and_fee():
    grid = Grid([100, 80, 80], [["L.."]], oracle.Rules(fee_pct=1, slippage_pct=1, init_cash_quote=1010), [5])
    trades, _ = grid.trades(0, (5, None))
    # 1000 / 101 bought, sold at 80 · 0.99, 1 % of both.
    proceeds = 1000 / 101 * 79.2
    assert trades["exit_fill"] == pytest.approx([79.2])
    assert trades["pnl_quote"] == pytest.approx([proceeds * 0.99 - 1010])


def test_a_stop_goes_before_a_signal_on_the_same_bar():
    assert stopped([100, 90, 90], "LS.", sl=5, direction="long-only") == [(0, 1, "stop_loss")]


def test_of_both_levels_on_one_bar_the_stop_loss_goes_first():
    # No close is beyond both levels, so both are given the same passages: the order alone decides.
    grid = Grid([100, 110, 90], [["L.."]], oracle.Rules(), [5], [5])
    every = EntryBars.every(3)
    [table] = passages(grid.prices, 0.0, [StopTable(LONG, TP_PCT, [5])], every)
    both = Stops.of(row_addresses([table[None]] * 4), {SL_PCT: [5.0], TP_PCT: [5.0]}, every)
    trades, _ = trades_under(grid.only(0), both, 0, grid.prices, grid.terms)
    assert [EXIT_REASONS[code] for code in trades["exit_reason"]] == ["stop_loss"]


def test_the_signal_that_was_stopped_does_not_enter_again():
    assert stopped([100, 90, 90, 90, 80], "LLLL.", sl=5) == [(0, 1, "stop_loss")]
    assert stopped([100, 110, 110, 110, 80], "LLLL.", tp=5) == [(0, 1, "take_profit")]


def test_a_fresh_signal_after_a_stop_enters():
    assert stopped([100, 90, 90, 90, 80], "LL.L.", sl=5) == [(0, 1, "stop_loss"), (3, 4, "stop_loss")]


def test_a_fresh_signal_on_the_bar_of_a_stop_enters_there():
    assert stopped([100, 90, 80, 80], "L.L.", sl=15) == [(0, 2, "stop_loss"), (2, 3, "last_bar")]


def test_a_stop_and_a_reversal_on_one_bar_pay_twice():
    assert stopped([100, 90, 80], "LS.", sl=5, fee_pct=1) == [(0, 1, "stop_loss"), (1, 2, "last_bar")]


def test_a_stop_on_the_last_bar_is_a_stop():
    assert stopped([100, 90], "L.", sl=5) == [(0, 1, "stop_loss")]


def test_thousands_of_trades_under_stops_are_all_listed():
    closes, signal = [100.0, 90.0, 100.0, 100.0] * 1_500, "L..." * 1_500
    grid = Grid(closes, [[signal]], oracle.Rules(fee_pct=0, sizing="fixed_quote", fixed_quote=1), [5])
    trades, _ = grid.trades(0, (5, None))
    assert trades.size == grid.rank().trades[0] == 1_500
    assert trades["entry_bar"].tolist() == list(range(0, 6_000, 4))
    assert {EXIT_REASONS[code] for code in trades["exit_reason"]} == {"stop_loss"}


def test_a_short_that_leaps_over_its_stop_is_ruined():
    assert stopped([100, 150, 100, 250, 50, 50], "S..SLL", sl=60) == [(0, 3, "ruin")]
    assert stopped([100, 150, 100, 199, 190, 190], "S..LSS", sl=60) == [
        (0, 3, "stop_loss"),
        (3, 4, "signal"),
        (4, 5, "last_bar"),
    ]


@pytest.mark.parametrize("level", [100, 1000])
def test_what_lies_100_percent_below_the_fill_is_never_reached(level: float):
    assert stopped([100, 1e-9, 1e-9], "L..", sl=level) == [(0, 2, "last_bar")]
    assert stopped([100, 1e-9, 1e-9], "S..", tp=level) == [(0, 2, "last_bar")]


# First passages ------------------------------------------------------------------------------------------------


levels_pct = st.lists(
    st.sampled_from([0.1, 1.0, 5.0, 50.0, 99.0, 100.0, 300.0]), min_size=1, max_size=BLOCK_LEVELS
)
stop_tables = st.builds(StopTable, st.sampled_from([LONG, SHORT]), st.sampled_from([SL_PCT, TP_PCT]), levels_pct)


@settings(max_examples=200, deadline=None)
@given(
    st.integers(1, 200).flatmap(prices),
    st.lists(stop_tables, max_size=6),
    st.sampled_from([0.0, 0.01, 2.0]),
    st.data(),
)
def test_a_table_holds_the_first_close_at_or_beyond_each_level(closes, wanted, slippage_pct, data):
    slippage = slippage_pct / 100
    marked = np.array(data.draw(st.lists(st.booleans(), min_size=len(closes), max_size=len(closes))))
    entries = EntryBars.of(pack(np.stack([marked, ~marked])))
    tables = passages(Prices.over(np.array(closes), slippage), slippage, wanted, entries)
    for (side, kind, levels), table in zip(wanted, tables, strict=True):
        towards = side * (-1 if kind == SL_PCT else 1)
        rows = np.flatnonzero(marked if side == LONG else ~marked)
        assert table.shape == (rows.size, len(levels))
        for (row, bar), column in product(enumerate(rows), range(len(levels))):
            level = closes[bar] * (1 + side * slippage) * (1 + towards * levels[column] / 100)
            hits = [
                later
                for later in range(bar + 1, len(closes))
                if (closes[later] >= level if towards > 0 else closes[later] <= level)
            ]
            assert table[row, column] == min(hits, default=len(closes))


@pytest.mark.parametrize("levels", [[], [0.0], [-1.0], [float("nan")], [1.0] * (BLOCK_LEVELS + 1)])
def test_levels_that_make_no_table_are_refused(levels: list[float]):
    with pytest.raises(ValueError, match="levels above 0"):
        passages(
            Prices.over(np.array([1.0, 2.0]), 0.0), 0.0, [StopTable(LONG, SL_PCT, levels)], EntryBars.every(2)
        )


def test_tables_have_rows_for_the_bars_on_which_some_variant_may_enter():
    grid = Grid([100, 90, 80, 95, 70], [["L.L.L", "LL..S"], ["LSL..", "...SS"]], oracle.Rules(), [5], [])
    entries = EntryBars.among(grid.planes, 1)
    assert unpack(entries.marks, 5).tolist() == [
        [True, False, True, False, False],
        [False, False, False, False, True],
    ]
    assert (entries.rows(LONG), entries.rows(SHORT)) == (2, 1)


def test_an_entry_that_the_tables_have_no_row_for_is_refused():
    grid = Grid([100.0] * 200, [["." * 150 + "L" + "." * 49]], oracle.Rules(), [5], [])
    none = EntryBars.of(np.zeros((2, 4), np.uint64))
    with pytest.raises(ValueError, match="tables of stops have no row for"):
        trades_under(grid.only(0), grid.stops._replace(entry_bars=none), 0, grid.prices, grid.terms)


@given(st.integers(1, 300), st.data())
def test_a_bar_s_row_is_the_number_of_marked_bars_before_it(n_bars: int, data):
    marked = np.array(data.draw(st.lists(st.booleans(), min_size=n_bars, max_size=n_bars)))
    entries = EntryBars.of(pack(np.stack([marked, marked])))
    each = [
        entries.before[0, bar // 64] + int(np.count_nonzero(marked[bar // 64 * 64 : bar])) for bar in range(n_bars)
    ]
    assert each == np.concatenate([[0], np.cumsum(marked)[:-1]]).tolist()
    assert EntryBars.every(n_bars).rows(SHORT) == n_bars


# Against the oracle --------------------------------------------------------------------------------------------

# 1 % of 100 is 99, 5 % is 105, 50 % is 150 or 50, 100 % is 200: closes lie exactly on these levels.
LEVELS = st.lists(st.sampled_from([0.1, 1.0, 5.0, 50.0, 100.0, 300.0]), unique=True, max_size=2)


@settings(max_examples=150, deadline=None)
@given(cases(), LEVELS, LEVELS)
def test_every_combination_equals_the_oracle(case, stop_losses, take_profits):
    closes, axes, _, _, rules = case
    Grid(closes, axes[:2], rules, stop_losses, take_profits).check()


@settings(max_examples=60, deadline=None)
@given(cases(), LEVELS, LEVELS, st.data())
def test_a_range_of_combinations_is_a_slice_of_all(case, stop_losses, take_profits, data):
    closes, axes, _, _, rules = case
    grid = Grid(closes, axes, rules, stop_losses, take_profits)
    count = int(grid.sizes.prod()) * len(grid.levels)
    first = data.draw(st.integers(0, count))
    last = data.draw(st.integers(first, count))
    for part, whole in zip(grid.rank(first=first, last=last), grid.rank(), strict=True):
        assert part.tobytes() == whole[first:last].tobytes()


@pytest.mark.parametrize("direction", ["long-only", "short-only", "long-short"])
@pytest.mark.parametrize("exit_on", ["opposite", "neutral"])
def test_entries_of_many_windows_equal_the_oracle(direction: str, exit_on: str):
    """A window is as narrow as there are many levels: the walks go on from one to the next, and leap over some."""
    draw = random.Random(f"{direction} {exit_on}")
    stop_losses, take_profits = [0.1 * step for step in range(1, 301)], [0.7, 90.0]
    closes = [100 * (1 + 0.3 * math.sin(t / 150)) * (1 + draw.gauss(0, 0.004)) for t in range(1500)]
    signal = "".join(draw.choice("LLSS.") for _ in closes)
    rules = oracle.Rules(fee_pct=0.01, slippage_pct=0.01, direction=direction, exit_on=exit_on)
    grid = Grid(closes, [[signal]], rules, stop_losses, take_profits)
    fresh = sum(
        a != b and b in {"long-only": "L", "short-only": "S"}.get(direction, "LS") for a, b in pairwise(signal)
    )
    assert fresh > 4 * entries_a_window(len(stop_losses) + len(take_profits))
    whole = totals, counts, *_ = grid.rank()
    for at, levels in enumerate(grid.levels):
        trades, _ = grid.trades(0, levels)  # in one window
        assert (counts[at], totals[at]) == (trades.size, (trades["equity_quote"][-1] / 10_000 - 1) * 100)
    for at in draw.sample(range(len(grid.levels)), 5):
        expected = grid.oracle_run(0, grid.levels[at])
        assert counts[at] == len(expected.trades)
        assert_close(totals[at], expected.total_return_pct, "total return")
    for first in (0, 7, 299, 411):
        for part, of in zip(grid.rank(first=first, last=first + 189), whole, strict=True):
            assert part.tobytes() == of[first : first + 189].tobytes()


@settings(max_examples=60, deadline=None)
@given(cases())
def test_without_a_level_stage_b_gives_the_bytes_of_stage_a(case):
    closes, axes, _, _, rules = case
    grid = Grid(closes, axes, rules)
    outcomes = Outcomes.for_variants(grid.planes.variants)
    rank_range(grid.planes, 0, grid.prices, grid.terms, outcomes)
    for got, wanted in zip(grid.rank(), outcomes, strict=True):
        assert got.tobytes() == wanted.tobytes()
    trades, conflicts = trades_of(grid.only(0), grid.prices, grid.terms)
    again, seen = grid.trades(0, (None, None))
    assert (again.tobytes(), seen) == (trades.tobytes(), conflicts)


def drawn_grid(seed: int) -> Grid:
    """The case of a seed: two base variants, up to two levels a kind."""
    draw = random.Random(seed)
    n = draw.choice([2, 3, 5, 10, 63, 64, 65, 128, 129, 250])
    levels = [0.1, 0.5, 1.0, 2.5, 5.0, 10.0, 50.0, 100.0, 250.0]
    axes = [[drawn_signal(draw, n) for _ in range(2)], [drawn_signal(draw, n)]][: draw.randint(1, 2)]
    chosen = (sorted(draw.sample(levels, draw.randint(0, 2))) for _ in range(2))
    return Grid(drawn_closes(draw, n), axes, drawn_rules(draw), *chosen)


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_seeded_cases_equal_the_oracle(oracle_cases: int):
    for seed in range(oracle_cases):
        try:
            drawn_grid(seed).check()
        except AssertionError as exc:
            raise AssertionError(f"the case of seed {seed} is not what the oracle says") from exc
