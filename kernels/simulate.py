"""The event-jumping simulator: from signal planes to trades and returns (R4.3-R4.5).

A bar costs one bit of four words; only where a word holds an event that matters does anything happen. Final
signals are ANDs of the indicators' planes, entries their rising edges, exits the opposite signal or the end of the
own one. `rank_range` and `trades_of` run the same compiled walk, so that their totals are equal to the bit.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from kernels.accounts import LONG, NEUTRAL, RULES, SHORT, Rules, enter, leave, settle, total_return_pct
from kernels.finals import (
    ENTRIES,
    EVERY,
    LONGS,
    NONE,
    SHORTS,
    check_planes,
    decide,
    empty_final,
    is_long,
    next_bar,
    partial_ands,
)
from kernels.jit import FLOATS, FLOATS_OUT, INT, INTS, INTS_OUT, WORDS, inline, jit
from kernels.pruning import KEPT, LIMITS, Pruning, last_reason, start, trade_reason
from kernels.stops import block_highs, block_lows, exposed_bars
from kernels.trades import EXIT_LAST_BAR, EXIT_SIGNAL, TRADE, TRADES_OUT, booked_profit, ruin_before, write_trade


def rank_range(
    addresses: NDArray[np.uint64],
    offsets: NDArray[np.int64],
    sizes: NDArray[np.int64],
    first: int,
    last: int,
    close: NDArray[np.float64],
    rules: Rules,
    out_return_pct: NDArray[np.float64],
    out_trades: NDArray[np.int64],
    out_conflicts: NDArray[np.int64],
    pruning: Pruning | None = None,
    out_pruned: NDArray[np.int64] | None = None,
) -> None:
    """Simulate the variants `[first, last)`; write total return, number of trades and conflicting signals of each.

    A variant's index is a mixed-radix number with a digit an indicator, the last varying fastest; the plane of
    indicator `i`, digit `d` lies at `addresses[offsets[i] + d]` and holds exactly the bars of `close`.

    With limits to prune by, `out_pruned` says what became of each; a pruned one's return and trades are those up
    to where it ended.

    Raises:
        ValueError: for indices, tables or outputs that do not go together.
    """
    check_planes(addresses, offsets, sizes)
    n_variants = int(np.prod(sizes, dtype=object))
    if not 0 <= first <= last <= n_variants:
        raise ValueError(f"variants [{first}, {last}) of {n_variants}")
    if any(out.size != last - first for out in (out_return_pct, out_trades, out_conflicts)):
        raise ValueError(f"the outputs must hold {last - first} variants each")
    if close.size == 0:
        raise ValueError("no bars to simulate")
    highs, exposed = block_highs(close), exposed_bars(close, rules.slippage)
    outs = out_return_pct, out_trades, out_conflicts
    if pruning is None:
        _rank(addresses, offsets, sizes, first, close, highs, exposed, rules, *outs)
        return
    assert out_pruned is not None
    pruning.check(close.size, last - first, out_pruned)
    lows, limits = block_lows(close), (pruning.deadlines, pruning.limits)
    _rank_pruned(addresses, offsets, sizes, first, close, highs, lows, exposed, rules, *limits, *outs, out_pruned)


def trades_of(
    addresses: NDArray[np.uint64], close: NDArray[np.float64], rules: Rules
) -> tuple[NDArray[np.void], int]:
    """Every trade of one variant (an array of `TRADE`) and its conflicting signals; one plane an indicator."""
    one_each = np.arange(addresses.size), np.ones(addresses.size, np.int64)
    check_planes(addresses, *one_each)
    if close.size == 0:
        raise ValueError("no bars to simulate")
    highs, exposed = block_highs(close), exposed_bars(close, rules.slippage)
    trades = np.empty(1024, TRADE)
    while True:
        n_trades, conflicts = _trace(addresses, *one_each, close, highs, exposed, rules, trades)
        if n_trades <= trades.size:
            return trades[:n_trades].copy(), conflicts
        trades = np.empty(n_trades, TRADE)


@inline
def _walk(final, close, highs, exposed, rules, trades):
    """Total return and number of trades; writes as many trades as there is room for.

    A position ends where its own signal has ended, so the next signal that may open one is always a fresh one.
    """
    last = close.size - 1
    flip = EVERY if rules.exit_on == NEUTRAL else NONE
    available, reserve = rules.budget_quote, rules.init_cash_quote - rules.budget_quote
    n_trades = 0
    exit_bar = 0
    while available > 0.0:
        bar = next_bar(final[ENTRIES], NONE, exit_bar)
        if bar >= last:
            break
        side, own, opposite = (LONG, LONGS, SHORTS) if is_long(final, bar) else (SHORT, SHORTS, LONGS)
        ending = final[own if rules.exit_on == NEUTRAL else opposite]
        exit_bar, reason = next_bar(ending, flip, bar + 1), EXIT_SIGNAL
        if exit_bar > last:
            exit_bar, reason = last, EXIT_LAST_BAR
        position = enter(side, close[bar], available, rules)
        if bar < exposed and side == SHORT:
            exit_bar, reason = ruin_before(position, bar, exit_bar, reason, close, highs)
        done = leave(position, close[exit_bar], rules)
        profit, reason = booked_profit(available, done.profit, reason)
        available, reserve = settle(available, reserve, profit, rules)
        if n_trades < trades.size:
            write_trade(trades[n_trades], bar, exit_bar, position, done, profit, available + reserve, reason)
        n_trades += 1
    return total_return_pct(available + reserve, rules.init_cash_quote), n_trades


@jit(WORDS, INTS, INTS, INT, FLOATS, FLOATS, INT, RULES, FLOATS_OUT, INTS_OUT, INTS_OUT)
def _rank(
    addresses, offsets, sizes, first, close, highs, exposed, rules, out_return_pct, out_trades, out_conflicts
):
    final = empty_final(close.size)
    partial, digits = partial_ands(sizes.size, final)
    unrecorded = np.empty(0, TRADE)
    for at in range(out_return_pct.size):
        out_conflicts[at] = decide(first + at, addresses, offsets, sizes, partial, digits, rules.direction, final)
        out_return_pct[at], out_trades[at] = _walk(final, close, highs, exposed, rules, unrecorded)


@inline
def _pruned_walk(final, close, highs, lows, exposed, rules, deadlines, limits):
    """As `_walk`, with what became of the variant; ends where a limit is broken."""
    last = close.size - 1
    flip = EVERY if rules.exit_on == NEUTRAL else NONE
    available, reserve = rules.budget_quote, rules.init_cash_quote - rules.budget_quote
    standing = start(available + reserve, deadlines)
    n_trades = 0
    exit_bar = 0
    while available > 0.0:
        bar = next_bar(final[ENTRIES], NONE, exit_bar)
        if bar >= last:
            break
        side, own, opposite = (LONG, LONGS, SHORTS) if is_long(final, bar) else (SHORT, SHORTS, LONGS)
        ending = final[own if rules.exit_on == NEUTRAL else opposite]
        before, exit_bar, reason = exit_bar, next_bar(ending, flip, bar + 1), EXIT_SIGNAL
        if exit_bar > last:
            exit_bar, reason = last, EXIT_LAST_BAR
        position = enter(side, close[bar], available, rules)
        if bar < exposed and side == SHORT:
            exit_bar, reason = ruin_before(position, bar, exit_bar, reason, close, highs)
        bars = before, bar, exit_bar
        pruned, standing = trade_reason(
            standing, position, available + reserve, bars, n_trades, close, lows, highs, deadlines, limits
        )
        if pruned != KEPT:
            return total_return_pct(available + reserve, rules.init_cash_quote), n_trades, pruned
        done = leave(position, close[exit_bar], rules)
        profit, reason = booked_profit(available, done.profit, reason)
        available, reserve = settle(available, reserve, profit, rules)
        n_trades += 1
    equity = available + reserve
    pruned = last_reason(standing, equity, exit_bar, close.size, n_trades, deadlines, limits)
    return total_return_pct(equity, rules.init_cash_quote), n_trades, pruned


@jit(
    *(WORDS, INTS, INTS, INT, FLOATS, FLOATS, FLOATS, INT, RULES, INTS, LIMITS),
    *(FLOATS_OUT, INTS_OUT, INTS_OUT, INTS_OUT),
)
def _rank_pruned(
    addresses,
    offsets,
    sizes,
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
    """A kernel of its own: what is not asked for must cost a search nothing."""
    final = empty_final(close.size)
    partial, digits = partial_ands(sizes.size, final)
    for at in range(out_return_pct.size):
        out_conflicts[at] = decide(first + at, addresses, offsets, sizes, partial, digits, rules.direction, final)
        out_return_pct[at], out_trades[at], out_pruned[at] = _pruned_walk(
            final, close, highs, lows, exposed, rules, deadlines, limits
        )


@jit(WORDS, INTS, INTS, FLOATS, FLOATS, INT, RULES, TRADES_OUT)
def _trace(addresses, offsets, sizes, close, highs, exposed, rules, trades):
    """Write one variant's trades, as many as there is room for; return how many there are, and the conflicts."""
    final = empty_final(close.size)
    partial, digits = partial_ands(sizes.size, final)
    conflicts = decide(0, addresses, offsets, sizes, partial, digits, rules.direction, final)
    _, n_trades = _walk(final, close, highs, exposed, rules, trades)
    return n_trades, conflicts
