"""Trailing stops, time stops and levels in average true ranges, in hand-worked examples.

`test_fills.py` holds all of them against a clock of minutes, in any combination.
"""

from __future__ import annotations

import math

import numpy as np
import pytest

from kernels.simulation.exits import EXIT_REASONS, MAX_BARS, SL_ATR, SL_PCT, TP_ATR, TP_PCT, TRAIL_PCT
from tests.support.oracles import oracle
from tests.support.oracles.filled_grid import FilledGrid
from tests.support.oracles.naive_fills import Bar, Minute, Policy

CLOSES, INTRABAR = Policy(), Policy(stops="intrabar")


def at(close: float, *minutes: tuple[float, float, float]) -> Bar:
    """A bar of that close and of minutes, each an open, a high and a low."""
    inside = [Minute(*one) for one in minutes] or [Minute(close, close, close)]
    return Bar(inside[0].open, close, inside)


def closes(*prices: float) -> list[Bar]:
    return [at(price) for price in prices]


def ended(bars: list[Bar], signal: str, levels: dict[int, float], policy=CLOSES, atr=None, **rules):
    """Exit bar, reason and fill of each trade; the clock says the same."""
    most = max(len(bar.minutes) for bar in bars)
    bars = [
        Bar(b.open, b.close, [*b.minutes, *[Minute(b.close, b.close, b.close)] * (most - len(b.minutes))])
        for b in bars
    ]
    more = {kind: [level] for kind, level in levels.items()}
    ranges = None if atr is None else np.array(atr, float)
    grid = FilledGrid(bars, [[signal]], oracle.Rules(**rules), policy, gaps=(), more=more, atr=ranges)
    grid.check()
    trades, _ = grid.trades(0, grid.levels[0])
    return [
        (row["exit_bar"].item(), EXIT_REASONS[row["exit_reason"]], pytest.approx(row["exit_fill"].item()))
        for row in trades
    ]


def test_a_trailing_stop_rises_with_the_best_close_and_is_hit_below_it():
    bars = closes(100, 110, 120, 109, 108, 200)
    assert ended(bars, "LLLLLL", {TRAIL_PCT: 10}) == [(4, "trailing_stop", 108)]
    assert ended(closes(100, 95, 91, 90, 99), "LLLLL", {TRAIL_PCT: 10}) == [(3, "trailing_stop", 90)]


def test_that_of_a_short_falls_with_the_lowest_close():
    assert ended(closes(100, 80, 87, 88, 50), "SSSSS", {TRAIL_PCT: 10}) == [(3, "trailing_stop", 88)]


def test_inside_a_bar_it_lies_below_the_best_minute_before_and_fills_there():
    rises_and_falls = at(105, (100, 120, 100), (118, 118, 107), (107, 107, 105))
    assert ended([at(100), rises_and_falls, at(105)], "LLL", {TRAIL_PCT: 10}, INTRABAR) == [
        (1, "trailing_stop", 108)
    ]
    # The minute that makes a new best may fall as well: which came first is not known, so that it does not count.
    alone = at(100, (100, 120, 91))
    assert ended([at(100), alone, at(115)], "LLL", {TRAIL_PCT: 10}, INTRABAR) == [(2, "last_bar", 115)]


def test_a_leap_below_it_fills_at_the_minute_s_open_and_slippage_is_a_stop_loss_s():
    leaps = at(80, (110, 110, 110), (90, 90, 80))
    assert ended([at(100), leaps, at(80)], "LLL", {TRAIL_PCT: 10}, INTRABAR, slippage_pct=1) == [
        (1, "trailing_stop", 90 * 0.99)
    ]


def test_a_time_stop_ends_at_the_close_so_many_bars_after_the_signal():
    bars = closes(100, 101, 102, 103, 104, 105)
    assert ended(bars, "LLLLLL", {MAX_BARS: 2}) == [(2, "time", 102)]
    assert ended(bars, "LLLLLL", {MAX_BARS: 2}, Policy(entry="next_open")) == [(2, "time", 102)]
    assert ended(bars, "LLLLLL", {MAX_BARS: 5}) == [(5, "time", 105)]
    assert ended(bars, "LLLLLL", {MAX_BARS: 6}) == [(5, "last_bar", 105)]


def test_levels_in_ranges_lie_so_many_average_true_ranges_of_the_signal_s_bar_off_the_fill():
    bars, atr = closes(100, 97, 96, 108, 106), [2, 50, 50, 50, 50]
    assert ended(bars, "LLLLL", {SL_ATR: 2}, atr=atr) == [(2, "stop_loss", 96)]
    assert ended(bars, "LLLLL", {SL_ATR: 3, TP_ATR: 4}, atr=atr) == [(3, "take_profit", 108)]
    inside = [at(100), at(101, (101, 104, 101), (103, 103, 95))]
    assert ended(inside, "LL", {SL_ATR: 2}, INTRABAR, atr=[2, 2]) == [(1, "stop_loss", 96)]


def test_no_position_opens_before_the_average_true_range_is_known():
    bars = closes(100, 101, 102, 103, 104)
    assert ended(bars, "LL.LL", {SL_ATR: 1}, atr=[math.nan, 2, 2, 2, 2]) == [(4, "last_bar", 104)]


@pytest.mark.parametrize(
    ("levels", "policy", "reason", "fill"),
    [
        ({SL_PCT: 5, TRAIL_PCT: 5, TP_PCT: 5, MAX_BARS: 1}, INTRABAR, "stop_loss", 95),
        ({TRAIL_PCT: 5, TP_PCT: 5, MAX_BARS: 1}, INTRABAR, "trailing_stop", 95),
        ({SL_PCT: 5, TRAIL_PCT: 4, TP_PCT: 5}, Policy(stops="intrabar", tie="target_first"), "take_profit", 105),
        ({SL_PCT: 5, SL_ATR: 2, TP_PCT: 50}, INTRABAR, "stop_loss", 96),
        ({SL_PCT: 50, TP_PCT: 5, TP_ATR: 2}, INTRABAR, "take_profit", 104),
        ({SL_PCT: 50, MAX_BARS: 1}, INTRABAR, "time", 100),
    ],
)
def test_at_one_time_the_order_is_stop_loss_trailing_stop_take_profit_time(levels, policy, reason, fill):
    both = at(100, (100, 106, 94))
    assert ended([at(100), both, at(100)], "LSS", levels, policy, atr=[2, 2, 2], direction="long-only") == [
        (1, reason, fill)
    ]
