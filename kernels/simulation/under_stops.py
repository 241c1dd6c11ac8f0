"""Stage B: base variants under every combination of a stop-loss and a take-profit level (R4.6, R4.9).

The fresh entries of a base variant are gathered once, and for each of them where its signal ends and where each
level would stop it. A combination is then a short walk over that list: an entry ends at the earliest of three.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from kernels.jit import COUNTS, FLOATS, FLOATS_OUT, INT, INTS, INTS_OUT, PLANES, WORDS, inline, jit
from kernels.simulation.accounts import (
    LONG_SHORT,
    RULES,
    SHORT,
    Rules,
    enter,
    leave,
    settle,
    total_return_pct,
)
from kernels.simulation.entries import bar_of, gather, gather_under, list_entries, place_of, reason_of
from kernels.simulation.entry_bars import EntryBars
from kernels.simulation.final_signals import check_planes, decide, empty_final, partial_ands
from kernels.simulation.first_passages import BLOCK_LEVELS, Ruin, block_lows
from kernels.simulation.prune_reasons import KEPT
from kernels.simulation.pruning import LIMITS, Pruning, last_reason, start, trade_reason
from kernels.simulation.stop_walks import fetch_prices, new_accounts, rows_of, walk, walk_all
from kernels.simulation.trades import TRADE, TRADES_OUT, booked_profit, ruin_before


class Stops(NamedTuple):
    """The tables of `first_passages.passages` for some levels: of all stop-losses, then of all take-profits.

    Each kind's levels are cut into blocks of `BLOCK_LEVELS`, and a block has one table a side that the direction
    allows, long before short. `addresses` names the tables in this order, and their rows are those of `entries`.
    """

    addresses: NDArray[np.uint64]
    stop_losses: int
    take_profits: int
    entries: EntryBars

    @property
    def combinations(self) -> int:
        return max(1, self.stop_losses) * max(1, self.take_profits)

    @property
    def given(self) -> tuple[Any, ...]:
        """As the kernels take them."""
        return self.addresses, self.stop_losses, self.take_profits, *self.entries

    def check(self, direction: int) -> None:
        """Raises ValueError where there are not as many tables as there must be."""
        blocks = -(-self.stop_losses // BLOCK_LEVELS) - (-self.take_profits // BLOCK_LEVELS)
        wanted = blocks * (2 if direction == LONG_SHORT else 1)
        if self.addresses.size != wanted:
            raise ValueError(f"{self.addresses.size} tables of first passages, {wanted} needed")


def rank_combinations(
    addresses: NDArray[np.uint64],
    offsets: NDArray[np.int64],
    sizes: NDArray[np.int64],
    bases: NDArray[np.int64],
    stops: Stops,
    first: int,
    last: int,
    close: NDArray[np.float64],
    rules: Rules,
    out_return_pct: NDArray[np.float64],
    out_trades: NDArray[np.int64],
    out_conflicts: NDArray[np.int64],
    pruning: Pruning | None = None,
    out_pruned: NDArray[np.int64] | None = None,
    ruin: Ruin | None = None,
) -> None:
    """As `rank_range` of `without_stops`, for the combinations `[first, last)` of these base variants.

    The combinations of a base are numbered one after the other, the take-profit fastest; those of `bases[1]`
    follow those of `bases[0]`.

    Raises:
        ValueError: for indices, tables or outputs that do not go together.
    """
    check_planes(addresses, offsets, sizes)
    stops.check(rules.direction)
    n_variants = int(np.prod(sizes, dtype=object))
    if bases.size and not 0 <= int(bases.min()) <= int(bases.max()) < n_variants:
        raise ValueError(f"base variants {bases.min()} to {bases.max()} of {n_variants}")
    if not 0 <= first <= last <= bases.size * stops.combinations:
        raise ValueError(f"combinations [{first}, {last}) of {bases.size * stops.combinations}")
    if any(out.size != last - first for out in (out_return_pct, out_trades, out_conflicts)):
        raise ValueError(f"the outputs must hold {last - first} combinations each")
    highs, exposed = ruin or Ruin.over(close, rules.slippage)
    given = addresses, offsets, sizes, bases, *stops.given, first, close, highs
    outs = out_return_pct, out_trades, out_conflicts
    if pruning is None:
        _rank(*given, exposed, rules, *outs)
        return
    assert out_pruned is not None
    pruning.check(close.size, last - first, out_pruned)
    limits = pruning.deadlines, pruning.limits
    _rank_pruned(*given, block_lows(close), exposed, rules, *limits, *outs, out_pruned)


def trades_under(
    addresses: NDArray[np.uint64],
    stops: Stops,
    combination: int,
    close: NDArray[np.float64],
    rules: Rules,
    ruin: Ruin | None = None,
) -> tuple[NDArray[np.void], int]:
    """As `kernels.simulation.without_stops.trades_of`, under one combination of the levels."""
    one_each = np.arange(addresses.size), np.ones(addresses.size, np.int64)
    check_planes(addresses, *one_each)
    stops.check(rules.direction)
    if not 0 <= combination < stops.combinations:
        raise ValueError(f"combination {combination} of {stops.combinations}")
    highs, exposed = ruin or Ruin.over(close, rules.slippage)
    trades = np.empty(1024, TRADE)
    while True:
        n_trades, conflicts = _trace(
            addresses, *one_each, *stops.given, combination, close, highs, exposed, rules, trades
        )
        if n_trades <= trades.size:
            return trades[:n_trades].copy(), conflicts
        trades = np.empty(n_trades, TRADE)


@jit(
    *(WORDS, INTS, INTS, INTS, WORDS, INT, INT, PLANES, COUNTS, INT, FLOATS, FLOATS, INT, RULES),
    *(FLOATS_OUT, INTS_OUT, INTS_OUT),
)
def _rank(
    addresses,
    offsets,
    sizes,
    bases,
    tables,
    stop_losses,
    take_profits,
    marks,
    rows_before,
    first,
    close,
    highs,
    exposed,
    rules,
    out_return_pct,
    out_trades,
    out_conflicts,
):
    final = empty_final(close.size)
    partial, digits = partial_ands(sizes.size, final)
    stops = tables, stop_losses, take_profits, marks, rows_before
    n_combinations = max(1, stop_losses) * max(1, take_profits)
    at = 0
    while at < out_return_pct.size:
        base, combination = divmod(first + at, n_combinations)
        until = min(out_return_pct.size, at + n_combinations - combination)
        out_conflicts[at:until] = decide(bases[base], addresses, offsets, sizes, partial, digits, final)
        entries = list_entries(final, marks, rows_before, close.size - 1, rules)
        accounts = new_accounts(until - at, rules)
        walk_all(entries, stops, combination, close, highs, exposed, rules, accounts)
        available, reserve, _, n_trades = accounts
        for place in range(until - at):
            out_return_pct[at + place] = total_return_pct(available[place] + reserve[place], rules.init_cash_quote)
            out_trades[at + place] = n_trades[place]
        at = until


@inline
def _pruned_walk(bars, sides, ends, rows, close, highs, lows, exposed, rules, deadlines, limits):
    """One combination as in `walk`, with what became of it; ends where a limit is broken."""
    available, reserve = rules.budget_quote, rules.init_cash_quote - rules.budget_quote
    standing = start(available + reserve, deadlines)
    place = n_trades = exit_bar = 0
    while place < bars.size and available > 0.0:
        bar, side = bars[place], sides[place]
        end = min(ends[rows[0], place], ends[rows[1], place])
        before, exit_bar, reason = exit_bar, bar_of(end), reason_of(end)
        position = enter(side, close[bar], available, rules)
        if bar < exposed and side == SHORT:
            exit_bar, reason = ruin_before(position, bar, exit_bar, reason, close, highs)
        trade = before, bar, exit_bar
        pruned, standing = trade_reason(
            standing, position, available + reserve, trade, n_trades, close, lows, highs, deadlines, limits
        )
        if pruned != KEPT:
            return total_return_pct(available + reserve, rules.init_cash_quote), n_trades, pruned
        done = leave(position, close[exit_bar], rules)
        profit, reason = booked_profit(available, done.profit, reason)
        available, reserve = settle(available, reserve, profit, rules)
        place = place_of(end)
        n_trades += 1
    equity = available + reserve
    pruned = last_reason(standing, equity, exit_bar, close.size, n_trades, deadlines, limits)
    return total_return_pct(equity, rules.init_cash_quote), n_trades, pruned


@jit(
    *(WORDS, INTS, INTS, INTS, WORDS, INT, INT, PLANES, COUNTS, INT, FLOATS, FLOATS, FLOATS, INT, RULES),
    *(INTS, LIMITS),
    *(FLOATS_OUT, INTS_OUT, INTS_OUT, INTS_OUT),
)
def _rank_pruned(
    addresses,
    offsets,
    sizes,
    bases,
    tables,
    stop_losses,
    take_profits,
    marks,
    rows_before,
    first,
    close,
    highs,
    lows,
    exposed,
    rules,
    deadlines,
    limits,
    out_return_pct,
    out_trades,
    out_conflicts,
    out_pruned,
):
    """One combination after the other: where most end early, lanes would wait for the few that go on."""
    final = empty_final(close.size)
    partial, digits = partial_ands(sizes.size, final)
    stops = tables, stop_losses, take_profits, marks, rows_before
    n_combinations = max(1, stop_losses) * max(1, take_profits)
    at = 0
    while at < out_return_pct.size:
        base, combination = divmod(first + at, n_combinations)
        conflicts = decide(bases[base], addresses, offsets, sizes, partial, digits, final)
        entries = list_entries(final, marks, rows_before, close.size - 1, rules)
        ends = np.empty((1 + stop_losses + take_profits, entries.bars.size), np.int64)
        gather(entries, 0, entries.bars.size, stops, close.size - 1, rules, ends)
        until = min(out_return_pct.size, at + n_combinations - combination)
        while at < until:
            rows = rows_of(combination, stop_losses, take_profits)
            out_return_pct[at], out_trades[at], out_pruned[at] = _pruned_walk(
                entries.bars, entries.sides, ends, rows, close, highs, lows, exposed, rules, deadlines, limits
            )
            out_conflicts[at] = conflicts
            at += 1
            combination += 1


@jit(WORDS, INTS, INTS, WORDS, INT, INT, PLANES, COUNTS, INT, FLOATS, FLOATS, INT, RULES, TRADES_OUT)
def _trace(
    addresses,
    offsets,
    sizes,
    tables,
    stop_losses,
    take_profits,
    marks,
    rows_before,
    combination,
    close,
    highs,
    exposed,
    rules,
    trades,
):
    """Write one combination's trades, as many as there is room for; return their number, and the conflicts."""
    final = empty_final(close.size)
    partial, digits = partial_ands(sizes.size, final)
    stops = tables, stop_losses, take_profits, marks, rows_before
    conflicts = decide(0, addresses, offsets, sizes, partial, digits, final)
    entries = list_entries(final, marks, rows_before, close.size - 1, rules)
    count = entries.bars.size
    ends, prices, fills = np.empty((3, count), np.int64), np.empty((3, count)), np.empty(count)
    gather_under(entries, stops, combination, close.size - 1, rules, ends)
    fetch_prices(entries.bars, entries.sides, ends, close, rules.slippage, fills, prices)
    accounts = new_accounts(1, rules)
    window = 0, entries.bars, entries.sides, fills, ends, prices
    walk(*window, (np.full(1, 1), np.full(1, 2)), close, highs, exposed, rules, accounts, trades)
    return accounts[3][0], conflicts
