"""The simulator: from signal planes to trades and returns (R4.3-R4.5).

Final signals are ANDs of the indicators' planes. `positions` makes of them the bars on which a position
opens and closes, a word of 64 bars at a time; a walk over that list does the money. `rank_range` and `trades_of`
take both from the same functions, so that their totals are equal to the bit.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from kernels.jit import FLOATS, FLOATS_OUT, INT, INTS, INTS_OUT, WORDS, inline, jit
from kernels.simulation.accounts import (
    LONG,
    LONG_ONLY,
    LONG_SHORT,
    RULES,
    SHORT,
    Rules,
    enter,
    leave,
    settle,
    total_return_pct,
)
from kernels.simulation.final_signals import check_planes, decide, empty_final, partial_ands
from kernels.simulation.first_passages import Ruin, block_lows
from kernels.simulation.positions import find_positions, room_for_positions
from kernels.simulation.prune_reasons import KEPT
from kernels.simulation.pruning import LIMITS, Pruning, last_reason, start, trade_reason
from kernels.simulation.trades import (
    EXIT_LAST_BAR,
    EXIT_SIGNAL,
    TRADE,
    TRADES_OUT,
    booked_profit,
    ruin_before,
    write_trade,
)

LANES = 8
"""Variants walked abreast."""


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
    ruin: Ruin | None = None,
) -> None:
    """Simulate the variants `[first, last)`; write total return, number of trades and conflicting signals of each.

    A variant's index is a mixed-radix number with a digit an indicator, the last varying fastest; the plane of
    indicator `i`, digit `d` lies at `addresses[offsets[i] + d]` and holds exactly the bars of `close`.

    With limits to prune by, `out_pruned` says what became of each; a pruned one's return and trades are those up
    to where it ended. To call it often, pass the `ruin` that is the same for all.

    Raises:
        ValueError: for indices, tables or outputs that do not go together.
    """
    check_planes(addresses, offsets, sizes)
    n_variants = int(np.prod(sizes, dtype=object))
    if not 0 <= first <= last <= n_variants:
        raise ValueError(f"variants [{first}, {last}) of {n_variants}")
    if any(out.size != last - first for out in (out_return_pct, out_trades, out_conflicts)):
        raise ValueError(f"the outputs must hold {last - first} variants each")
    highs, exposed = ruin or Ruin.over(close, rules.slippage)
    outs = out_return_pct, out_trades, out_conflicts
    if pruning is None:
        _rank(addresses, offsets, sizes, first, close, highs, exposed, rules, *outs)
        return
    assert out_pruned is not None
    pruning.check(close.size, last - first, out_pruned)
    lows, limits = block_lows(close), (pruning.deadlines, pruning.limits)
    _rank_pruned(addresses, offsets, sizes, first, close, highs, lows, exposed, rules, *limits, *outs, out_pruned)


def trades_of(
    addresses: NDArray[np.uint64], close: NDArray[np.float64], rules: Rules, ruin: Ruin | None = None
) -> tuple[NDArray[np.void], int]:
    """Every trade of one variant (an array of `TRADE`) and its conflicting signals; one plane an indicator.

    To ask for many, pass the `ruin` that is the same for all.
    """
    one_each = np.arange(addresses.size), np.ones(addresses.size, np.int64)
    check_planes(addresses, *one_each)
    highs, exposed = ruin or Ruin.over(close, rules.slippage)
    trades = np.empty(1024, TRADE)
    while True:
        n_trades, conflicts = _trace(addresses, *one_each, close, highs, exposed, rules, trades)
        if n_trades <= trades.size:
            return trades[:n_trades].copy(), conflicts
        trades = np.empty(n_trades, TRADE)


@inline
def _only_side(rules):
    """The side of every position; 0 where both are allowed."""
    return 0.0 if rules.direction == LONG_SHORT else LONG if rules.direction == LONG_ONLY else SHORT


@inline
def _walk(positions, count, ended, close, highs, exposed, rules, trades):
    """The trades of one variant; writes as many as there is room for, and returns how many there are."""
    available, reserve = rules.budget_quote, rules.init_cash_quote - rules.budget_quote
    only_side = _only_side(rules)
    n_trades = 0
    while n_trades < count and available > 0.0:
        side = positions.sides[0, n_trades] if only_side == 0.0 else only_side
        bar, exit_bar = np.int64(positions.bars[0, 2 * n_trades]), np.int64(positions.bars[0, 2 * n_trades + 1])
        reason = EXIT_LAST_BAR if ended and n_trades + 1 == count else EXIT_SIGNAL
        position = enter(side, close[bar], available, rules)
        if bar < exposed and side == SHORT:
            exit_bar, reason = ruin_before(position, bar, exit_bar, reason, close, highs)
        done = leave(position, close[exit_bar], rules)
        profit, reason = booked_profit(available, done.profit, reason)
        available, reserve = settle(available, reserve, profit, rules)
        if n_trades < trades.size:
            equity = available + reserve
            write_trade(trades[n_trades], bar, exit_bar, position, done, profit, equity, reason)
        n_trades += 1
    return n_trades


@inline
def _gather(close, bars, count, out):
    """The closes a walk will need: fetched together, because each is a wait that the walk could not hide."""
    for place in range(count):
        out[place] = close[bars[place]]


@jit(WORDS, INTS, INTS, INT, FLOATS, FLOATS, INT, RULES, FLOATS_OUT, INTS_OUT, INTS_OUT)
def _rank(
    addresses, offsets, sizes, first, close, highs, exposed, rules, out_return_pct, out_trades, out_conflicts
):
    """The trades of `_walk`, of some variants abreast: a lane that is through takes the next variant.

    The money of a trade waits for that of the trade before it, through two divisions: 15 ns, mostly idle. Abreast
    the lanes fill each other's waits. A lane that took only the variants of its own group would wait for the one
    with the most trades.
    """
    final, positions = empty_final(close.size), room_for_positions(close.size, LANES)
    partial, digits = partial_ands(sizes.size, final)
    available, reserve = np.zeros(LANES), np.zeros(LANES)
    variants, counts, places = np.full(LANES, -1), np.zeros(LANES, np.int64), np.zeros(LANES, np.int64)
    prices = np.empty((LANES, 2 * close.size))
    only_side = _only_side(rules)
    begun = finished = 0
    while finished < out_return_pct.size:
        for lane in range(LANES):
            at, cash = places[lane], available[lane]
            if at < counts[lane] and cash > 0.0:
                places[lane] = at + 1
                side = positions.sides[lane, at] if only_side == 0.0 else only_side
                position, reason = enter(side, prices[lane, 2 * at], cash, rules), EXIT_SIGNAL
                done = leave(position, prices[lane, 2 * at + 1], rules)
                if exposed > 0 and side == SHORT:
                    bar, until = np.int64(positions.bars[lane, 2 * at]), np.int64(positions.bars[lane, 2 * at + 1])
                    _, reason = ruin_before(position, bar, until, reason, close, highs)
                profit, _ = booked_profit(cash, done.profit, reason)
                available[lane], reserve[lane] = settle(cash, reserve[lane], profit, rules)
                continue
            if variants[lane] >= 0:
                equity = cash + reserve[lane]
                out_return_pct[variants[lane]] = total_return_pct(equity, rules.init_cash_quote)
                out_trades[variants[lane]] = at
                variants[lane] = -1
                finished += 1
            if begun < out_return_pct.size:
                out_conflicts[begun] = decide(first + begun, addresses, offsets, sizes, partial, digits, final)
                counts[lane], _ = find_positions(final, close.size, rules, positions, lane)
                _gather(close, positions.bars[lane], 2 * counts[lane], prices[lane])
                available[lane], reserve[lane] = rules.budget_quote, rules.init_cash_quote - rules.budget_quote
                variants[lane], places[lane] = begun, 0
                begun += 1


@inline
def _pruned_walk(positions, count, close, highs, lows, exposed, rules, deadlines, limits):
    """One variant as in `_walk`, with what became of it; ends where a limit is broken."""
    available, reserve = rules.budget_quote, rules.init_cash_quote - rules.budget_quote
    standing = start(available + reserve, deadlines)
    only_side = _only_side(rules)
    n_trades, before = 0, np.int64(0)
    while n_trades < count and available > 0.0:
        side = positions.sides[0, n_trades] if only_side == 0.0 else only_side
        bar, exit_bar = np.int64(positions.bars[0, 2 * n_trades]), np.int64(positions.bars[0, 2 * n_trades + 1])
        position, reason = enter(side, close[bar], available, rules), EXIT_SIGNAL
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
        before = exit_bar
        n_trades += 1
    equity = available + reserve
    pruned = last_reason(standing, equity, before, close.size, n_trades, deadlines, limits)
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
    final, positions = empty_final(close.size), room_for_positions(close.size, 1)
    partial, digits = partial_ands(sizes.size, final)
    for at in range(out_return_pct.size):
        out_conflicts[at] = decide(first + at, addresses, offsets, sizes, partial, digits, final)
        count, _ = find_positions(final, close.size, rules, positions, 0)
        out_return_pct[at], out_trades[at], out_pruned[at] = _pruned_walk(
            positions, count, close, highs, lows, exposed, rules, deadlines, limits
        )


@jit(WORDS, INTS, INTS, FLOATS, FLOATS, INT, RULES, TRADES_OUT)
def _trace(addresses, offsets, sizes, close, highs, exposed, rules, trades):
    """Write one variant's trades, as many as there is room for; return how many there are, and the conflicts."""
    final, positions = empty_final(close.size), room_for_positions(close.size, 1)
    partial, digits = partial_ands(sizes.size, final)
    conflicts = decide(0, addresses, offsets, sizes, partial, digits, final)
    count, ended = find_positions(final, close.size, rules, positions, 0)
    return _walk(positions, count, ended, close, highs, exposed, rules, trades), conflicts
