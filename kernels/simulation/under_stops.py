"""Stage B: base variants under every combination of levels and sizes.

The fresh entries of a base variant are gathered once, each with its end by the signal and its end at each level. A
combination is then a short walk over that list: an entry ends at the earliest of three.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from kernels.jit import INT, INTS, inline, jit
from kernels.simulation.accounts import RULES, Rules, total_return_pct
from kernels.simulation.entries import gather, gather_under, list_entries, place_of, reason_of, time_of
from kernels.simulation.fills import bar_at, filled_bar
from kernels.simulation.final_signals import decide, empty_final, partial_ands
from kernels.simulation.levels.sizes import weight_row
from kernels.simulation.levels.stops import (
    STOPS,
    Stops,
    combinations_of,
    end_rows,
    levels_of,
    one_of_each,
    part_of,
)
from kernels.simulation.marks import mark_rest
from kernels.simulation.outcomes import OUTCOMES, Outcomes
from kernels.simulation.plane_grid import PLANE_GRID, PlaneGrid
from kernels.simulation.prices import PRICES, Prices
from kernels.simulation.pruned.pruned_accounts import Deal, close_account, may_trade, open_account, trade
from kernels.simulation.pruned.pruning import PRUNING, Pruning
from kernels.simulation.stop_walks import (
    fetch_fills,
    new_accounts,
    room_for_lanes,
    room_for_levels,
    walk,
    walk_all,
    weigh,
    window_over,
)
from kernels.simulation.trades import TRADE, TRADES_OUT
from kernels.trust.winners import BLOCKS


def rank_combinations(
    planes: PlaneGrid,
    bases: NDArray[np.int64],
    stops: Stops,
    first: int,
    prices: Prices,
    rules: Rules,
    outcomes: Outcomes,
    pruning: Pruning | None = None,
) -> None:
    """Simulate combinations of these base variants from `first` on, as many as there are outcomes.

    The combinations of a base are numbered one after the other, the size fastest, then the take-profit; those of
    `bases[1]` follow those of `bases[0]`. Otherwise the same as `without_stops.rank_range`.

    Raises:
        ValueError: for indices, tables or outcomes that do not go together.
    """
    _check(planes, bases, stops, first, outcomes.variants, rules)
    if pruning is None:
        _rank(planes, bases, stops, first, prices, rules, outcomes)
        return
    pruning.check(prices.close.size)
    _rank_pruned(planes, bases, stops, first, prices, rules, pruning, outcomes)


def trades_under(
    planes: PlaneGrid, stops: Stops, combination: int, prices: Prices, rules: Rules
) -> tuple[NDArray[np.void], int]:
    """Every trade of a grid's first variant under one combination of the levels, and its conflicting signals.

    Raises:
        ValueError: for a combination or tables that do not go together.
    """
    planes.check()
    stops.check(rules.direction)
    if not 0 <= combination < stops.combinations:
        raise ValueError(f"combination {combination} of {stops.combinations}")
    trades = np.empty(1024, TRADE)
    while True:
        n_trades, conflicts = _trace(planes, stops, combination, prices, rules, trades)
        if n_trades <= trades.size:
            return trades[:n_trades].copy(), conflicts
        trades = np.empty(n_trades, TRADE)


def trades_of_combinations(
    planes: PlaneGrid,
    bases: NDArray[np.int64],
    stops: Stops,
    first: int,
    counts: NDArray[np.int64],
    prices: Prices,
    rules: Rules,
) -> NDArray[np.void]:
    """Every trade of combinations numbered as in `rank_combinations`; as `without_stops.trades_of_range`.

    Raises:
        ValueError: for base variants, combinations or tables that do not go together.
    """
    _check(planes, bases, stops, first, counts.size, rules)
    trades = np.empty(int(counts.sum()), TRADE)
    _trace_combinations(planes, bases, stops, first, counts, prices, rules, trades)
    return trades


def _check(
    planes: PlaneGrid, bases: NDArray[np.int64], stops: Stops, first: int, count: int, rules: Rules
) -> None:
    planes.check()
    stops.check(rules.direction)
    if bases.size and not 0 <= int(bases.min()) <= int(bases.max()) < planes.variants:
        raise ValueError(f"base variants {bases.min()} to {bases.max()} of {planes.variants}")
    last = first + count
    if not 0 <= first <= last <= bases.size * stops.combinations:
        raise ValueError(f"combinations [{first}, {last}) of {bases.size * stops.combinations}")


@jit(PLANE_GRID, INTS, STOPS, INT, PRICES, RULES, OUTCOMES)
def _rank(planes, bases, stops, first, prices, rules, outcomes):
    n_variants, marks = outcomes.trades.size, outcomes.marks
    final = empty_final(planes, prices.close.size)
    partial = partial_ands(planes, final)
    n_combinations = combinations_of(stops)
    at = 0
    while at < n_variants:
        base, combination = divmod(first + at, n_combinations)
        until = min(n_variants, at + n_combinations - combination)
        outcomes.conflicts[at:until] = decide(bases[base], planes, partial, final, rules)
        entries = list_entries(final, stops.entry_bars, prices, rules)
        accounts = new_accounts(until - at, rules, marks, outcomes.rows[at:until])
        walk_all(entries, stops, combination, prices, rules, accounts)
        for place in range(until - at):
            equity = accounts.available[place] + accounts.reserve[place]
            outcomes.total_return_pct[at + place] = total_return_pct(equity, rules.init_cash_quote)
            outcomes.trades[at + place] = accounts.trades[place]
            if marks.size:
                mark_rest(accounts.marking, place, equity, rules.init_cash_quote)
                outcomes.in_market[at + place] = accounts.marking.in_market[place]
        at = until


@inline
def _pruned_combination(window, stops, combination, prices, rules, pruning):
    """The account of one combination at its end, or where it breaks a limit."""
    account = open_account(rules, pruning)
    choice, is_sized = levels_of(stops, combination), len(window.weights) > 0
    share, leverage = math.inf, stops.sizes.leverage if is_sized else 0.0
    stop_row, profit_row = end_rows(stops.counts, choice)
    row, part = weight_row(stops.sizes.measure, stops.counts, choice), part_of(stops, combination)
    place = 0
    while place < window.bars.size and may_trade(account):
        end, fill = window.ends[stop_row, place], window.exits[stop_row, place]
        if window.ends[profit_row, place] < end:
            end, fill = window.ends[profit_row, place], window.exits[profit_row, place]
        exit_bar = filled_bar(prices.fills, bar_at(prices.fills, time_of(end)), reason_of(end, prices.fills))
        bar = window.bars[place] + prices.fills.delay
        side, entry = window.sides[place], window.fills[place]
        if is_sized:
            share = part * window.weights[row, place]
        deal = Deal(side, bar, exit_bar, entry, fill, share, leverage)
        account = trade(account, deal, prices, rules, pruning)
        place = place_of(end)
    return account


@jit(PLANE_GRID, INTS, STOPS, INT, PRICES, RULES, PRUNING, OUTCOMES)
def _rank_pruned(planes, bases, stops, first, prices, rules, pruning, outcomes):
    """One combination after the other: where most end early, lanes would wait for the few that go on."""
    n_variants, n_bars = outcomes.trades.size, prices.close.size
    final = empty_final(planes, n_bars)
    partial = partial_ands(planes, final)
    n_combinations = combinations_of(stops)
    at = 0
    while at < n_variants:
        base, combination = divmod(first + at, n_combinations)
        conflicts = decide(bases[base], planes, partial, final, rules)
        entries = list_entries(final, stops.entry_bars, prices, rules)
        at_levels = room_for_levels(stops.kinds, stops.levels, entries.bars.size, prices)
        gather(entries, stops, prices, rules, at_levels.ends, at_levels.bests)
        window = window_over(0, entries, stops.counts, at_levels, stops.sizes.measure)
        fetch_fills(window, at_levels, stops.counts, prices, rules.slippage)
        weigh(window, stops.sizes.measure, stops.counts, stops.levels, prices, rules)
        until = min(n_variants, at + n_combinations - combination)
        while at < until:
            account = _pruned_combination(window, stops, combination, prices, rules, pruning)
            close_account(account, n_bars, rules, pruning, outcomes, at)
            outcomes.conflicts[at] = conflicts
            at += 1
            combination += 1


@inline
def _trace_entries(entries, stops, combination, prices, rules, trades):
    """Write one combination's trades, as many as there is room for; return their number."""
    some, chosen = one_of_each(stops, levels_of(stops, combination))
    at_levels = room_for_levels(some.kinds, some.levels, entries.bars.size, prices)
    gather_under(entries, stops, chosen, prices, rules, at_levels.ends, at_levels.bests)
    window = window_over(0, entries, some.counts, at_levels, stops.sizes.measure)
    fetch_fills(window, at_levels, some.counts, prices, rules.slippage)
    weigh(window, stops.sizes.measure, some.counts, some.levels, prices, rules)
    accounts = new_accounts(1, rules, np.empty(0, np.int64), np.empty((0, BLOCKS), np.int32))
    lanes = room_for_lanes(1)
    lanes.stop_rows[0], lanes.profit_rows[0] = end_rows(some.counts, 0)
    lanes.weight_rows[0], lanes.parts[0] = 0, part_of(stops, combination)
    walk(window, lanes, stops.sizes.leverage, prices, rules, accounts, trades)
    return accounts.trades[0]


@jit(PLANE_GRID, STOPS, INT, PRICES, RULES, TRADES_OUT)
def _trace(planes, stops, combination, prices, rules, trades):
    """Write one combination's trades, as many as there is room for; return their number, and the conflicts."""
    final = empty_final(planes, prices.close.size)
    conflicts = decide(0, planes, partial_ands(planes, final), final, rules)
    entries = list_entries(final, stops.entry_bars, prices, rules)
    return _trace_entries(entries, stops, combination, prices, rules, trades), conflicts


@jit(PLANE_GRID, INTS, STOPS, INT, INTS, PRICES, RULES, TRADES_OUT)
def _trace_combinations(planes, bases, stops, first, counts, prices, rules, trades):
    final = empty_final(planes, prices.close.size)
    partial = partial_ands(planes, final)
    n_combinations = combinations_of(stops)
    at = begin = 0
    while at < counts.size:
        base, combination = divmod(first + at, n_combinations)
        decide(bases[base], planes, partial, final, rules)
        entries = list_entries(final, stops.entry_bars, prices, rules)
        until = min(counts.size, at + n_combinations - combination)
        while at < until:
            stop = begin + counts[at]
            if stop > begin:
                _trace_entries(entries, stops, combination, prices, rules, trades[begin:stop])
            at, begin, combination = at + 1, stop, combination + 1
