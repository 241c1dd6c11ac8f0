"""The walks of Stage B: combinations of stop levels over the entries of one base variant.

An entry ends at the earlier of two ends, that at the combination's stop-loss and that at its take-profit, neither
of them later than its signal's. All combinations go through a window of entries before any goes on to the next
one, so that the window's ends at all levels stay in the core's own cache. A combination that walked to its end
alone would fetch them anew from a cache that all cores share, on a rented machine with strangers: on two cores
that took a half longer (measured 10.7 against 6.6 us a combination of a year of minutes).
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from kernels.jit import inline
from kernels.simulation.accounts import SHORT, enter_at, entry_fill, leave, settle
from kernels.simulation.entries import bar_of, between, gather, place_of, reason_of
from kernels.simulation.marks import Marking, mark_until, new_marking, some_marking
from kernels.simulation.stops import end_rows
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
    """`(rows, entries)`, as `entries.gather` writes them."""
    exits: NDArray[np.float64]
    """The closes of those ends."""


class Levels(NamedTuple):
    """The row of the window's ends that each lane reads, for either kind of level."""

    stop_rows: NDArray[np.int64]
    profit_rows: NDArray[np.int64]


@inline
def entries_a_window(n_levels):
    """The number of entries that fit in a window, or of those that are worth a walk abreast if that is more."""
    return max(16, WINDOW_BYTES // (16 * (1 + n_levels)))


@inline
def new_accounts(count, rules, marks, rows):
    """The accounts of so many combinations before their first trade, and their rows to write at some marks."""
    available = np.full(count, rules.budget_quote)
    reserve = np.full(count, rules.init_cash_quote - rules.budget_quote)
    marking = new_marking(marks, rows, count, rules.init_cash_quote)
    return Accounts(available, reserve, np.zeros(count, np.int64), np.zeros(count, np.int64), marking)


@inline
def fetch_prices(window, close, slippage):
    """Write the fills of entries and the closes of their ends: reads from afar, which many walks share."""
    for place in range(window.bars.size):
        window.fills[place] = entry_fill(window.sides[place], close[window.bars[place]], slippage)
    for row in range(window.ends.shape[0]):
        for place in range(window.bars.size):
            window.exits[row, place] = close[bar_of(window.ends[row, place])]


@inline
def walk(window, levels, prices, rules, accounts, trades):
    """Walk some combinations abreast over the entries of a window.

    The money of a trade waits for that of the trade before it, through two divisions: 26 ns, mostly idle. Abreast
    the lanes fill each other's waits. Writes as many trades as there is room for, which is meant for one lane.
    """
    first, bars, sides, fills = window.first, window.bars, window.sides, window.fills
    ends, exits = window.ends, window.exits
    stop_rows, profit_rows = levels.stop_rows, levels.profit_rows
    available, reserve, next_entry, n_trades = (
        accounts.available,
        accounts.reserve,
        accounts.next_entry,
        accounts.trades,
    )
    marking = accounts.marking
    due, in_market = marking.due, marking.in_market
    walking = available.size
    while walking:
        walking = 0
        for lane in range(available.size):
            place, cash = next_entry[lane] - first, available[lane]
            if place >= bars.size or cash <= 0.0:
                continue
            walking += 1
            side = sides[place]
            end, price = ends[stop_rows[lane], place], exits[stop_rows[lane], place]
            if ends[profit_rows[lane], place] < end:
                end, price = ends[profit_rows[lane], place], exits[profit_rows[lane], place]
            exit_bar, reason = bar_of(end), reason_of(end)
            position = enter_at(side, fills[place], cash, rules)
            if prices.exposed > 0 and side == SHORT and bars[place] < prices.exposed:
                exit_bar, reason = ruin_before(position, bars[place], exit_bar, reason, prices)
                price = prices.close[exit_bar]
            if due[lane] < exit_bar:
                settled = cash + reserve[lane]
                mark_until(exit_bar, bars[place], position, settled, marking, lane, prices, rules.init_cash_quote)
            in_market[lane] += exit_bar - bars[place]
            closed = leave(position, price, rules)
            profit, reason = booked_profit(cash, closed.profit, reason)
            available[lane], reserve[lane] = settle(cash, reserve[lane], profit, rules)
            if n_trades[lane] < trades.size:
                equity = available[lane] + reserve[lane]
                write_trade(
                    trades[n_trades[lane]], bars[place], exit_bar, position, closed, profit, equity, reason
                )
            next_entry[lane] = place_of(end)
            n_trades[lane] += 1


@inline
def walk_all(entries, stops, combination, prices, rules, accounts):
    """Walk the combinations from this one on, one an account, over all entries."""
    n_levels = stops.stop_losses + stops.take_profits
    count = entries.bars.size
    width = min(count, entries_a_window(n_levels))
    ends, exits = np.empty((1 + n_levels, width), np.int64), np.empty((1 + n_levels, width))
    fills = np.empty(width)
    levels = Levels(np.empty(LANES, np.int64), np.empty(LANES, np.int64))
    unrecorded = np.empty(0, TRADE)
    for first in range(0, count, max(1, width)):
        some = between(entries, first, first + width)
        gather(some, stops, prices.close.size - 1, rules, ends)
        window = Window(first, some.bars, some.sides, fills, ends, exits)
        fetch_prices(window, prices.close, rules.slippage)
        for begin in range(0, accounts.available.size, LANES):
            stop = min(begin + LANES, accounts.available.size)
            for lane in range(stop - begin):
                rows = end_rows(stops, combination + begin + lane)
                levels.stop_rows[lane], levels.profit_rows[lane] = rows
            abreast = Accounts(
                accounts.available[begin:stop],
                accounts.reserve[begin:stop],
                accounts.next_entry[begin:stop],
                accounts.trades[begin:stop],
                some_marking(accounts.marking, begin, stop),
            )
            walk(window, levels, prices, rules, abreast, unrecorded)
