"""Stage A: from signal planes to trades and returns, without stops.

Final signals are ANDs of the indicators' planes. `positions` turns them into the bars on which a position opens
and closes, a word of 64 bars at a time; a walk over that list does the money. `rank_range` and `trades_of` take
both from the same functions, so that their totals are equal to the bit.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from kernels.jit import INT, INTS, inline, jit, splice
from kernels.simulation.accounts import (
    LONG,
    LONG_ONLY,
    LONG_SHORT,
    RULES,
    SHORT,
    Rules,
    enter,
    entry_fill,
    exit_fill,
    leave,
    settle,
    total_return_pct,
)
from kernels.simulation.exits import EXIT_LAST_BAR, EXIT_RUIN, EXIT_SIGNAL
from kernels.simulation.fills import closing_time, filled_bar, price_of_exit
from kernels.simulation.final_signals import decide, empty_final, partial_ands
from kernels.simulation.marks import Walked, mark_walk
from kernels.simulation.outcomes import OUTCOMES, Outcomes
from kernels.simulation.plane_grid import PLANE_GRID, PlaneGrid
from kernels.simulation.positions import ends_a_part, exit_reason, find_positions, room_for_positions
from kernels.simulation.prices import PRICES, Prices
from kernels.simulation.pruned.pruned_accounts import Deal, close_account, may_trade, open_account, trade
from kernels.simulation.pruned.pruning import PRUNING, Pruning
from kernels.simulation.trades import TRADE, TRADES_OUT, booked_profit, ruin_before, write_trade

LANES = 8
"""Variants walked abreast."""


def rank_range(
    planes: PlaneGrid,
    first: int,
    prices: Prices,
    rules: Rules,
    outcomes: Outcomes,
    pruning: Pruning | None = None,
) -> None:
    """Simulate variants of a grid from `first` on, as many as there are outcomes, and write those.

    Each plane holds exactly the bars of `prices`. Without limits to prune by, the fates are left as they are.

    Raises:
        ValueError: for indices, tables or outcomes that do not go together.
    """
    planes.check()
    last = first + outcomes.variants
    if not 0 <= first <= last <= planes.variants:
        raise ValueError(f"variants [{first}, {last}) of {planes.variants}")
    if pruning is None:
        _rank(planes, first, prices, rules, outcomes)
        return
    pruning.check(prices.close.size)
    _rank_pruned(planes, first, prices, rules, pruning, outcomes)


def trades_of(planes: PlaneGrid, prices: Prices, rules: Rules) -> tuple[NDArray[np.void], int]:
    """Every trade of the first variant of a grid (an array of `TRADE`), and its conflicting signals."""
    planes.check()
    trades = np.empty(1024, TRADE)
    while True:
        n_trades, conflicts = _trace(planes, prices, rules, trades)
        if n_trades <= trades.size:
            return trades[:n_trades].copy(), conflicts
        trades = np.empty(n_trades, TRADE)


def trades_of_range(
    planes: PlaneGrid, first: int, counts: NDArray[np.int64], prices: Prices, rules: Rules
) -> NDArray[np.void]:
    """Every trade of the variants from `first` on, those of one after those of the other.

    Args:
        counts: how many trades each has, as `rank_range` says; none is written of a variant with 0.

    Raises:
        ValueError: for variants that the grid does not have.
    """
    planes.check()
    if not 0 <= first <= first + counts.size <= planes.variants:
        raise ValueError(f"variants [{first}, {first + counts.size}) of {planes.variants}")
    trades = np.empty(int(counts.sum()), TRADE)
    _trace_range(planes, first, counts, prices, rules, trades)
    return trades


@inline
def _only_side(rules):
    """The side of every position; 0 where both are allowed."""
    return 0.0 if rules.direction == LONG_SHORT else LONG if rules.direction == LONG_ONLY else SHORT


@inline
def _walk(final, positions, count, prices, rules, trades):
    """The trades of one variant; writes as many as there is room for, and returns how many there are."""
    available, reserve = rules.budget_quote, rules.init_cash_quote - rules.budget_quote
    fills, only_side = prices.fills, _only_side(rules)
    n_trades = 0
    while n_trades < count and available > 0.0:
        side = positions.sides[0, n_trades] if only_side == 0.0 else only_side
        bar, exit_bar = np.int64(positions.bars[0, 2 * n_trades]), np.int64(positions.bars[0, 2 * n_trades + 1])
        reason = exit_reason(final, side, exit_bar, prices, rules.exit_on)
        position, price = enter(side, fills.prices[bar], available, rules), price_of_exit(prices, exit_bar, reason)
        time = closing_time(fills, exit_bar)
        bar, exit_bar = bar + fills.delay, filled_bar(fills, exit_bar, reason)
        if bar < prices.exposed and side == SHORT:
            exit_bar, reason = ruin_before(position, bar, exit_bar, reason, prices)
            if reason == EXIT_RUIN:
                price, time = prices.close[exit_bar], closing_time(fills, exit_bar)
        closed = leave(position, price, rules)
        profit, reason = booked_profit(available, closed.profit, reason)
        available, reserve = settle(available, reserve, profit, rules)
        if n_trades < trades.size:
            equity = available + reserve
            write_trade(trades[n_trades], bar, position, closed, profit, equity, (exit_bar, reason, time))
        n_trades += 1
    return n_trades


@inline
def _gather(prices, bars, count, out):
    """Fetch the prices that a walk will need together: each is a wait that the walk could not hide.

    Bars of signals become those of their fills.
    """
    if prices.fills.delay:
        _gather_delayed(prices, bars, count, out)
        return
    for place in range(2 * count):
        out[place] = prices.close[bars[place]]


@splice
def _gather_delayed(prices, bars, count, out):
    for place in range(count):
        entry, exit_ = np.int64(bars[2 * place]), np.int64(bars[2 * place + 1])
        reason = EXIT_LAST_BAR if ends_a_part(prices, exit_) else EXIT_SIGNAL
        out[2 * place], out[2 * place + 1] = prices.fills.prices[entry], price_of_exit(prices, exit_, reason)
        bars[2 * place] = entry + prices.fills.delay
        bars[2 * place + 1] = filled_bar(prices.fills, exit_, reason)


@jit(PLANE_GRID, INT, PRICES, RULES, OUTCOMES)
def _rank(planes, first, prices, rules, outcomes):
    """Make the trades of `_walk` for some variants abreast; a lane that is through takes the next variant.

    The money of a trade waits for that of the trade before it, through two divisions: 15 ns, mostly idle. Abreast
    the lanes fill each other's waits. A lane that took only the variants of its own group would wait for the one
    with the most trades.

    Where blocks are marked, a trade leaves its account in a list, and a lane that is through reads its marks from
    there: a question in each trade, or a stop at each mark, would slow every walk, marked or not.
    """
    n_variants, n_bars = outcomes.trades.size, prices.close.size
    final, positions = empty_final(planes, n_bars), room_for_positions(prices, LANES)
    partial = partial_ands(planes, final)
    available, reserve = np.zeros(LANES), np.zeros(LANES)
    variants, counts, places = np.full(LANES, -1), np.zeros(LANES, np.int64), np.zeros(LANES, np.int64)
    closes = np.empty((LANES, 2 * n_bars))
    only_side = _only_side(rules)
    marked = outcomes.marks.size > 0
    history = np.empty((LANES, 2 * n_bars if marked else 0))
    begun = finished = 0
    while finished < n_variants:
        for lane in range(LANES):
            at, cash = places[lane], available[lane]
            if at < counts[lane] and cash > 0.0:
                places[lane] = at + 1
                side = positions.sides[lane, at] if only_side == 0.0 else only_side
                position, reason = enter(side, closes[lane, 2 * at], cash, rules), EXIT_SIGNAL
                closed = leave(position, closes[lane, 2 * at + 1], rules)
                if prices.exposed > 0 and side == SHORT:
                    bar, until = np.int64(positions.bars[lane, 2 * at]), np.int64(positions.bars[lane, 2 * at + 1])
                    _, reason = ruin_before(position, bar, until, reason, prices)
                profit, _ = booked_profit(cash, closed.profit, reason)
                available[lane], reserve[lane] = settle(cash, reserve[lane], profit, rules)
                if marked:
                    history[lane, 2 * at], history[lane, 2 * at + 1] = available[lane], reserve[lane]
                continue
            if variants[lane] >= 0:
                equity = cash + reserve[lane]
                outcomes.total_return_pct[variants[lane]] = total_return_pct(equity, rules.init_cash_quote)
                outcomes.trades[variants[lane]] = at
                if marked:
                    sides = positions.sides[lane] if only_side == 0.0 else positions.sides[lane, :0]
                    walked = Walked(positions.bars[lane], sides, closes[lane], history[lane], only_side)
                    mark_walk(walked, at, prices, rules, outcomes, variants[lane])
                variants[lane] = -1
                finished += 1
            if begun < n_variants:
                outcomes.conflicts[begun] = decide(first + begun, planes, partial, final, rules)
                counts[lane] = find_positions(final, prices, rules, positions, lane)
                _gather(prices, positions.bars[lane], counts[lane], closes[lane])
                available[lane], reserve[lane] = rules.budget_quote, rules.init_cash_quote - rules.budget_quote
                variants[lane], places[lane] = begun, 0
                begun += 1


@inline
def _pruned_variant(positions, count, prices, rules, pruning, room):
    """The account of one variant at its end, or where it breaks a limit; the trades are those of `_walk`.

    Args:
        room: for a price a fill.
    """
    account = open_account(rules, pruning)
    _gather(prices, positions.bars[0], count, room)
    only_side = _only_side(rules)
    while account.tally.trades < count and may_trade(account):
        place = account.tally.trades
        side = positions.sides[0, place] if only_side == 0.0 else only_side
        bar, exit_bar = np.int64(positions.bars[0, 2 * place]), np.int64(positions.bars[0, 2 * place + 1])
        fill = entry_fill(side, room[2 * place], rules.slippage)
        left_at = exit_fill(side, room[2 * place + 1], rules.slippage)
        deal = Deal(side, bar, exit_bar, fill, left_at, math.inf, 0.0)
        account = trade(account, deal, prices, rules, pruning)
    return account


@jit(PLANE_GRID, INT, PRICES, RULES, PRUNING, OUTCOMES)
def _rank_pruned(planes, first, prices, rules, pruning, outcomes):
    """A kernel of its own: limits that are not set must cost a search nothing."""
    n_bars = prices.close.size
    final, positions = empty_final(planes, n_bars), room_for_positions(prices, 1)
    partial, room = partial_ands(planes, final), np.empty(2 * n_bars)
    for at in range(outcomes.trades.size):
        outcomes.conflicts[at] = decide(first + at, planes, partial, final, rules)
        count = find_positions(final, prices, rules, positions, 0)
        account = _pruned_variant(positions, count, prices, rules, pruning, room)
        close_account(account, n_bars, rules, pruning, outcomes, at)


@jit(PLANE_GRID, PRICES, RULES, TRADES_OUT)
def _trace(planes, prices, rules, trades):
    """Write one variant's trades, as many as there is room for; return how many there are, and the conflicts."""
    n_bars = prices.close.size
    final, positions = empty_final(planes, n_bars), room_for_positions(prices, 1)
    conflicts = decide(0, planes, partial_ands(planes, final), final, rules)
    count = find_positions(final, prices, rules, positions, 0)
    return _walk(final, positions, count, prices, rules, trades), conflicts


@jit(PLANE_GRID, INT, INTS, PRICES, RULES, TRADES_OUT)
def _trace_range(planes, first, counts, prices, rules, trades):
    """Neighbours share partial results and room: a variant traced alone takes new memory for both."""
    final, positions = empty_final(planes, prices.close.size), room_for_positions(prices, 1)
    partial = partial_ands(planes, final)
    begin = 0
    for at in range(counts.size):
        if counts[at] > 0:
            decide(first + at, planes, partial, final, rules)
            count = find_positions(final, prices, rules, positions, 0)
            _walk(final, positions, count, prices, rules, trades[begin : begin + counts[at]])
            begin += counts[at]
