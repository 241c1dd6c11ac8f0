"""The walks of Stage B: combinations of stop levels over the entries of one base variant.

An entry ends at the earlier of two ends, that at the combination's stop-loss and that at its take-profit, neither
of them later than its signal's. All combinations go through a window of entries before any goes on to the next
one, so that the window's ends at all levels stay in the core's own cache. A combination that walked to its end
alone would fetch them anew from a cache that all cores share, on a rented machine with strangers: on two cores
that took a half longer (measured 10.7 against 6.6 us a combination of a year of minutes).
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from kernels.jit import inline, splice
from kernels.simulation.accounts import SHORT, enter_at, enter_share, entry_fill, exit_fill, leave_at, settle
from kernels.simulation.entries import between, gather, packed_reason, place_of, reason_of, time_of
from kernels.simulation.exits import EXIT_RUIN, LOSING_KINDS, MAX_BARS, TRAIL_PCT
from kernels.simulation.fills import (
    bar_at,
    closing_time,
    exits_early,
    filled_bar,
    price_at_level,
    price_of_exit,
)
from kernels.simulation.levels.joined_ends import is_joint, join_ends
from kernels.simulation.levels.level_prices import level_factor, level_price
from kernels.simulation.levels.sizes import known_at_bars, measure_of, weight_of, weight_row, weight_rows
from kernels.simulation.levels.stops import end_rows, levels_of, losing_rows, part_of, profit_rows
from kernels.simulation.levels.trailing_stops import OWN_FILL
from kernels.simulation.marks import Marking, mark_until, new_marking, some_marking
from kernels.simulation.trades import TRADE, booked_profit, ruin_before, write_trade

LANES = 8
"""Combinations walked abreast."""

WINDOW_BYTES = 1 << 18
"""The ends of a window's entries at all levels, bars and prices: half of a core's own cache."""


class Accounts(NamedTuple):
    """The accounts of some combinations, one place each."""

    available: NDArray[np.float64]
    reserve: NDArray[np.float64]
    next_entry: NDArray[np.int64]
    """The place in the list of the first entry that can follow."""
    trades: NDArray[np.int64]
    """Trades that have closed."""
    marking: Marking


class Window(NamedTuple):
    """Some entries that follow each other, and all that a walk over them reads."""

    first: int
    """The place of the first one in the list of all."""
    bars: NDArray[np.int64]
    sides: NDArray[np.float64]
    fills: NDArray[np.float64]
    ends: NDArray[np.int64]
    """`(rows, entries)`, a row for each choice of levels that `stops.end_rows` tells of."""
    exits: NDArray[np.float64]
    """The fills of those ends."""
    weights: NDArray[np.float64]
    """`(rows, entries)`, a row for each choice of stop-losses, as `levels.sizes` says; none `OF_RULES`."""


class LevelEnds(NamedTuple):
    """Ends at single levels, of which those of choices are made: a row for the signal, then one for each level."""

    ends: NDArray[np.int64]
    bests: NDArray[np.int64]
    """The times of the best prices, of trailing stops inside bars; empty elsewhere."""
    exits: NDArray[np.float64]
    kinds: NDArray[np.int64]
    """The kind of each row after the first."""
    levels: NDArray[np.float64]


class Lanes(NamedTuple):
    """The rows of the window that each lane reads, for either kind of level, and the lane's size."""

    stop_rows: NDArray[np.int64]
    profit_rows: NDArray[np.int64]
    weight_rows: NDArray[np.int64]
    parts: NDArray[np.float64]


@inline
def entries_a_window(n_rows):
    """The number of entries that fit in a window, or of those that are worth a walk abreast if that is more."""
    return max(16, WINDOW_BYTES // (16 * n_rows))


@inline
def new_accounts(count, rules, marks, rows):
    """The accounts of so many combinations before their first trade, and their rows to write at some marks."""
    available = np.full(count, rules.budget_quote)
    reserve = np.full(count, rules.init_cash_quote - rules.budget_quote)
    marking = new_marking(marks, rows, count, rules.init_cash_quote)
    return Accounts(available, reserve, np.zeros(count, np.int64), np.zeros(count, np.int64), marking)


@inline
def room_for_levels(kinds, levels, n_entries, prices):
    """Room for the ends of so many entries at levels of these kinds."""
    rows = 1 + kinds.size
    is_paired = prices.fills.opens.size > 0 and (kinds == TRAIL_PCT).any()
    return LevelEnds(
        np.empty((rows, n_entries), np.int64),
        np.empty((rows, n_entries) if is_paired else (0, 0), np.int64),
        np.empty((rows, n_entries)),
        kinds,
        levels,
    )


@inline
def window_over(first, entries, counts, at_levels, measure):
    """The window of some entries, with room for the ends of all choices of levels.

    Args:
        counts: the levels of each kind; where no choice is of several kinds, the ends are those at the levels.
        measure: the number of that of sizes.
    """
    ends, exits = at_levels.ends, at_levels.exits
    if is_joint(counts):
        rows = 1 + losing_rows(counts) + profit_rows(counts)
        ends, exits = np.empty((rows, ends.shape[1]), np.int64), np.empty((rows, ends.shape[1]))
    weights = np.empty((weight_rows(measure, counts), ends.shape[1]))
    return Window(first, entries.bars, entries.sides, np.empty(ends.shape[1]), ends, exits, weights)


@inline
def fetch_fills(window, at_levels, counts, prices, slippage):
    """Write the fills of entries and of their ends: reads from afar, which many walks share."""
    fills, ends, exits = prices.fills, at_levels.ends, at_levels.exits
    for place in range(window.bars.size):
        window.fills[place] = entry_fill(window.sides[place], fills.prices[window.bars[place]], slippage)
    if exits_early(fills):
        _fetch_exits(window, at_levels, prices, slippage)
    else:
        for row in range(ends.shape[0]):
            for place in range(window.bars.size):
                price = prices.close[time_of(ends[row, place])]
                exits[row, place] = exit_fill(window.sides[place], price, slippage)
    if is_joint(counts):
        some = window.bars.size
        join_ends(ends[:, :some], exits[:, :some], window.sides, counts, window.ends, window.exits)


@splice
def _fetch_exits(window, at_levels, prices, slippage):
    """Write the fills of ends some of which are not at closes; where no level ends an entry, its signal's."""
    fills, ends, exits, atr = prices.fills, at_levels.ends, at_levels.exits, prices.atr
    for place in range(window.bars.size):
        end = ends[0, place]
        price = price_of_exit(prices, bar_at(fills, time_of(end)), reason_of(end, fills))
        exits[0, place] = exit_fill(window.sides[place], price, slippage)
    for row in range(1, ends.shape[0]):
        kind, level = at_levels.kinds[row - 1], at_levels.levels[row - 1]
        for place in range(window.bars.size):
            end, side = ends[row, place], window.sides[place]
            exits[row, place] = exits[0, place]
            if end == ends[0, place]:
                continue
            time, is_profit = time_of(end), kind >= LOSING_KINDS
            if fills.opens.size == 0 or kind == MAX_BARS:
                exits[row, place] = exit_fill(side, prices.close[bar_at(fills, time)], slippage)
                continue
            towards = side if is_profit else -side
            fill = window.fills[place]
            if kind == TRAIL_PCT:
                since = at_levels.bests[row, place]
                best = fill
                if since != OWN_FILL:
                    best = fills.highs[since] if side > 0.0 else fills.lows[since]
                reached = best * level_factor(towards, level)
            else:
                reached = level_price(
                    kind, fill, towards, level, atr[window.bars[place]] if atr.size > 0 else math.nan
                )
            price = price_at_level(fills.opens[time], reached, towards)
            # A take-profit is a limit order: it fills at its price or better.
            exits[row, place] = price if is_profit else exit_fill(side, price, slippage)


@inline
def room_for_lanes(count):
    """Room for the rows and sizes of so many lanes."""
    rows = np.empty((3, count), np.int64)
    return Lanes(rows[0], rows[1], rows[2], np.empty(count))


@inline
def choose(lanes, lane, stops, combination):
    """Write the rows and the size of a lane's combination."""
    choice = levels_of(stops, combination)
    lanes.stop_rows[lane], lanes.profit_rows[lane] = end_rows(stops.counts, choice)
    lanes.weight_rows[lane] = weight_row(stops.sizes.measure, stops.counts, choice)
    lanes.parts[lane] = part_of(stops, combination)


@splice
def weigh(window, number, counts, levels, prices, rules):
    """Write the weights of the entries of a window, once for all combinations.

    Args:
        number: of the measure.
        levels: those of the kinds that `counts` counts.
    """
    at_bars, weights = known_at_bars(number, prices), window.weights
    bars, sides, fills = window.bars, window.sides, window.fills
    for row in range(len(weights)):
        measure = measure_of(number, counts, levels, row)
        for place in range(bars.size):
            known = at_bars[bars[place]] if at_bars.size > 0 else math.nan
            weights[row, place] = weight_of(measure, sides[place], fills[place], known, rules)


@inline
def walk(window, lanes, leverage, prices, rules, accounts, trades):
    """Walk some combinations abreast over the entries of a window.

    The money of a trade waits for that of the trade before it, through two divisions: 26 ns, mostly idle. Abreast
    the lanes fill each other's waits. Writes as many trades as there is room for, which is meant for one lane.
    """
    first, bars, sides, fills = window.first, window.bars, window.sides, window.fills
    ends, exits = window.ends, window.exits
    stop_rows, profit_rows = lanes.stop_rows, lanes.profit_rows
    weights, chosen_weights, parts, is_sized = (
        window.weights,
        lanes.weight_rows,
        lanes.parts,
        len(window.weights) > 0,
    )
    available, reserve, next_entry, n_trades = (
        accounts.available,
        accounts.reserve,
        accounts.next_entry,
        accounts.trades,
    )
    marking = accounts.marking
    due, in_market = marking.due, marking.in_market
    is_early = exits_early(prices.fills) == 1
    walking = available.size
    while walking:
        walking = 0
        for lane in range(available.size):
            place, cash = next_entry[lane] - first, available[lane]
            if place >= bars.size or cash <= 0.0:
                continue
            walking += 1
            side = sides[place]
            end, fill = ends[stop_rows[lane], place], exits[stop_rows[lane], place]
            if ends[profit_rows[lane], place] < end:
                end, fill = ends[profit_rows[lane], place], exits[profit_rows[lane], place]
            time = time_of(end)
            bar, exit_bar, reason = bars[place], time, packed_reason(end)
            if is_early:
                reason = reason_of(end, prices.fills)
                bar += prices.fills.delay
                exit_bar = filled_bar(prices.fills, bar_at(prices.fills, time), reason)
            if is_sized:
                share = parts[lane] * weights[chosen_weights[lane], place]
                position = enter_share(side, fills[place], cash, share, leverage, rules)
            else:
                position = enter_at(side, fills[place], cash, rules)
            if prices.exposed > 0 and side == SHORT and bar < prices.exposed:
                exit_bar, reason = ruin_before(position, bar, exit_bar, reason, prices)
                if reason == EXIT_RUIN:
                    fill = exit_fill(side, prices.close[exit_bar], rules.slippage)
                    time = closing_time(prices.fills, exit_bar)
            if due[lane] < exit_bar:
                settled = cash + reserve[lane]
                mark_until(exit_bar, bar, position, settled, marking, lane, prices, rules.init_cash_quote)
            in_market[lane] += exit_bar - bar
            closed = leave_at(position, fill, rules)
            profit, reason = booked_profit(cash, closed.profit, reason)
            available[lane], reserve[lane] = settle(cash, reserve[lane], profit, rules)
            if n_trades[lane] < trades.size:
                equity = available[lane] + reserve[lane]
                ended = exit_bar, reason, time
                write_trade(trades[n_trades[lane]], bar, position, closed, profit, equity, ended)
            next_entry[lane] = place_of(end)
            n_trades[lane] += 1


@inline
def walk_all(entries, stops, combination, prices, rules, accounts):
    """Walk the combinations from this one on, one an account, over all entries."""
    count = entries.bars.size
    losses, profits = losing_rows(stops.counts), profit_rows(stops.counts)
    rows = 1 + stops.levels.size + (1 + losses + profits if is_joint(stops.counts) else 0)
    width = min(count, entries_a_window(rows))
    at_levels = room_for_levels(stops.kinds, stops.levels, width, prices)
    room = window_over(0, entries, stops.counts, at_levels, stops.sizes.measure)
    lanes = room_for_lanes(LANES)
    unrecorded = np.empty(0, TRADE)
    for first in range(0, count, max(1, width)):
        some = between(entries, first, first + width)
        gather(some, stops, prices, rules, at_levels.ends, at_levels.bests)
        window = Window(first, some.bars, some.sides, room.fills, room.ends, room.exits, room.weights)
        fetch_fills(window, at_levels, stops.counts, prices, rules.slippage)
        weigh(window, stops.sizes.measure, stops.counts, stops.levels, prices, rules)
        for begin in range(0, accounts.available.size, LANES):
            stop = min(begin + LANES, accounts.available.size)
            for lane in range(stop - begin):
                choose(lanes, lane, stops, combination + begin + lane)
            abreast = Accounts(
                accounts.available[begin:stop],
                accounts.reserve[begin:stop],
                accounts.next_entry[begin:stop],
                accounts.trades[begin:stop],
                some_marking(accounts.marking, begin, stop),
            )
            walk(window, lanes, stops.sizes.leverage, prices, rules, abreast, unrecorded)
