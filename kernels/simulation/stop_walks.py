"""The walks of Stage B: combinations of stop levels over the entries of one base variant (R4.6).

An entry ends at the earlier of two ends, that at the combination's stop-loss and that at its take-profit, neither
of them later than by its signal. All combinations go through a window of entries before any goes on to the next
one: what a window ends by at all levels stays in the core's own cache. Each walking to its end alone would fetch
it anew, out of a cache that all cores share, on a rented machine with strangers: on two cores that took a half
longer (measured 10.7 against 6.6 us a combination of a year of minutes).
"""

from __future__ import annotations

import numpy as np

from kernels.jit import inline
from kernels.simulation.accounts import SHORT, enter_at, entry_fill, leave, settle
from kernels.simulation.entries import bar_of, gather, place_of, reason_of
from kernels.simulation.trades import TRADE, booked_profit, ruin_before, write_trade

LANES = 8
"""Combinations walked abreast."""

WINDOW_BYTES = 1 << 18
"""What a window's entries end by at all levels, bars and prices: half of a core's own cache."""


@inline
def entries_a_window(n_levels):
    """As many as fit; at least as many as make it worth to walk some combinations abreast."""
    return max(16, WINDOW_BYTES // (16 * (1 + n_levels)))


@inline
def new_accounts(count, rules):
    """Of so many combinations: available, reserve, the place of the next entry, the number of trades."""
    available = np.full(count, rules.budget_quote)
    reserve = np.full(count, rules.init_cash_quote - rules.budget_quote)
    return available, reserve, np.zeros(count, np.int64), np.zeros(count, np.int64)


@inline
def rows_of(combination, stop_losses, take_profits):
    """The rows of `ends` of a combination's stop-loss and take-profit; row 0 where there is no such level."""
    stop_loss, take_profit = divmod(combination, max(1, take_profits))
    return 1 + stop_loss if stop_losses else 0, 1 + stop_losses + take_profit if take_profits else 0


@inline
def fetch_prices(bars, sides, ends, close, slippage, fills, prices):
    """Write the fills of entries and the closes of their exits: reads from afar, which many walks share."""
    for place in range(bars.size):
        fills[place] = entry_fill(sides[place], close[bars[place]], slippage)
    for row in range(ends.shape[0]):
        for place in range(bars.size):
            prices[row, place] = close[bar_of(ends[row, place])]


@inline
def walk(first, bars, sides, fills, ends, prices, rows, close, highs, exposed, rules, accounts, trades):
    """Walk some combinations abreast over the entries of a window, the first of which has that place in the list.

    The money of a trade waits for that of the trade before it, through two divisions: 26 ns, mostly idle. Abreast
    the lanes fill each other's waits. Writes as many trades as there is room for, which is meant for one lane.
    """
    stop_rows, profit_rows = rows
    available, reserve, places, n_trades = accounts
    walking = available.size
    while walking:
        walking = 0
        for lane in range(available.size):
            place, cash = places[lane] - first, available[lane]
            if place >= bars.size or cash <= 0.0:
                continue
            walking += 1
            side = sides[place]
            end, price = ends[stop_rows[lane], place], prices[stop_rows[lane], place]
            if ends[profit_rows[lane], place] < end:
                end, price = ends[profit_rows[lane], place], prices[profit_rows[lane], place]
            exit_bar, reason = bar_of(end), reason_of(end)
            position = enter_at(side, fills[place], cash, rules)
            if exposed > 0 and side == SHORT and bars[place] < exposed:
                bar = bars[place]
                exit_bar, reason = ruin_before(position, bar, exit_bar, reason, close, highs)
                price = close[exit_bar]
            done = leave(position, price, rules)
            profit, reason = booked_profit(cash, done.profit, reason)
            available[lane], reserve[lane] = settle(cash, reserve[lane], profit, rules)
            if n_trades[lane] < trades.size:
                equity = available[lane] + reserve[lane]
                write_trade(trades[n_trades[lane]], bars[place], exit_bar, position, done, profit, equity, reason)
            places[lane] = place_of(end)
            n_trades[lane] += 1


@inline
def walk_all(entries, stops, combination, close, highs, exposed, rules, accounts):
    """Walk the combinations from this one on, one an account, over all entries."""
    _, stop_losses, take_profits, _, _ = stops
    available, reserve, places, n_trades = accounts
    n_rows = 1 + stop_losses + take_profits
    width = min(entries.bars.size, entries_a_window(stop_losses + take_profits))
    ends, prices, fills = np.empty((n_rows, width), np.int64), np.empty((n_rows, width)), np.empty(width)
    stop_rows, profit_rows = np.empty(LANES, np.int64), np.empty(LANES, np.int64)
    unrecorded = np.empty(0, TRADE)
    for first in range(0, entries.bars.size, max(1, width)):
        bars, sides = entries.bars[first : first + width], entries.sides[first : first + width]
        gather(entries, first, bars.size, stops, close.size - 1, rules, ends)
        fetch_prices(bars, sides, ends, close, rules.slippage, fills, prices)
        for begin in range(0, available.size, LANES):
            stop = min(begin + LANES, available.size)
            for lane in range(stop - begin):
                stop_rows[lane], profit_rows[lane] = rows_of(combination + begin + lane, stop_losses, take_profits)
            abreast = available[begin:stop], reserve[begin:stop], places[begin:stop], n_trades[begin:stop]
            window = first, bars, sides, fills, ends, prices
            walk(*window, (stop_rows, profit_rows), close, highs, exposed, rules, abreast, unrecorded)
