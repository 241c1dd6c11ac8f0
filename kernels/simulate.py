"""The event-jumping simulator: from signal planes to trades and returns (R4.3-R4.5).

A bar costs one bit of four words; only where a word holds an event that matters does anything happen. Final
signals are ANDs of the indicators' planes, entries their rising edges, exits the opposite signal or the end of the
own one. `rank_range` and `trades_of` run the same compiled walk, so that their totals are equal to the bit.
"""

from __future__ import annotations

import numpy as np
from numba import from_dtype, types
from numpy.typing import NDArray

from kernels.accounts import (
    LONG,
    LONG_ONLY,
    NEUTRAL,
    RULES,
    SHORT,
    SHORT_ONLY,
    Rules,
    enter,
    leave,
    ruin_price,
    settle,
    total_return_pct,
)
from kernels.bits import WORD_BITS, plane_at, popcount, trailing_zeros
from kernels.jit import FLOAT, FLOATS, FLOATS_OUT, INT, INTS, INTS_OUT, WORDS, inline, jit
from kernels.stops import block_highs, first_at_or_above

EXIT_SIGNAL, EXIT_STOP_LOSS, EXIT_TAKE_PROFIT, EXIT_LAST_BAR, EXIT_RUIN = range(5)
EXIT_REASONS = ("signal", "stop_loss", "take_profit", "last_bar", "ruin")
"""The name of each `exit_reason`."""

TRADE = np.dtype(
    [
        ("entry_bar", np.int64),
        ("exit_bar", np.int64),
        ("side", np.int64),
        ("entry_fill", np.float64),
        ("exit_fill", np.float64),
        ("quantity", np.float64),
        ("entry_notional_quote", np.float64),
        ("entry_fee_quote", np.float64),
        ("fees_quote", np.float64),
        ("pnl_quote", np.float64),
        ("return_pct", np.float64),
        ("equity_quote", np.float64),
        ("exit_reason", np.int64),
    ],
    align=True,
)
"""One closed trade. Bars count from the first of the range, `side` is +1 or -1, `pnl_quote` is net of `fees_quote`
(both fees), `return_pct` is it against the entry notional, `equity_quote` is the whole account after the trade. A
ruined account loses what it had: there `pnl_quote` is less than fills and fees say."""

_TRADES_OUT = types.Array(from_dtype(TRADE), 1, "C")
_EVERY = np.uint64(0xFFFF_FFFF_FFFF_FFFF)
_NONE = np.uint64(0)
_ONE = np.uint64(1)
_LONG, _SHORT, _ENTRY = range(3)
"""The rows of a variant's final signals."""


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
) -> None:
    """Simulate the variants `[first, last)`; write total return, number of trades and conflicting signals of each.

    A variant's index is a mixed-radix number with a digit an indicator, the last varying fastest; the plane of
    indicator `i`, digit `d` lies at `addresses[offsets[i] + d]` and holds exactly the bars of `close`.

    Raises:
        ValueError: for indices, tables or outputs that do not go together.
    """
    _check_tables(addresses, offsets, sizes)
    n_variants = int(np.prod(sizes, dtype=object))
    if not 0 <= first <= last <= n_variants:
        raise ValueError(f"variants [{first}, {last}) of {n_variants}")
    if any(out.size != last - first for out in (out_return_pct, out_trades, out_conflicts)):
        raise ValueError(f"the outputs must hold {last - first} variants each")
    if close.size == 0:
        raise ValueError("no bars to simulate")
    exposed = _exposed_bars(close, rules.slippage)
    outs = out_return_pct, out_trades, out_conflicts
    _rank(addresses, offsets, sizes, first, close, block_highs(close), exposed, rules, *outs)


def trades_of(
    addresses: NDArray[np.uint64], close: NDArray[np.float64], rules: Rules
) -> tuple[NDArray[np.void], int]:
    """Every trade of one variant (an array of `TRADE`) and its conflicting signals; one plane an indicator."""
    _check_tables(addresses, np.arange(addresses.size), np.ones(addresses.size, np.int64))
    if close.size == 0:
        raise ValueError("no bars to simulate")
    highs, exposed = block_highs(close), _exposed_bars(close, rules.slippage)
    trades = np.empty(1024, TRADE)
    while True:
        n_trades, conflicts = _trace(addresses, close, highs, exposed, rules, trades)
        if n_trades <= trades.size:
            return trades[:n_trades].copy(), conflicts
        trades = np.empty(n_trades, TRADE)


def _check_tables(addresses: NDArray[np.uint64], offsets: NDArray[np.int64], sizes: NDArray[np.int64]) -> None:
    if sizes.size == 0 or sizes.size != offsets.size or sizes.min() < 1:
        raise ValueError(f"offsets {offsets.tolist()} and sizes {sizes.tolist()} do not go together")
    if offsets.min() < 0 or (offsets + sizes).max() > addresses.size:
        raise ValueError(
            f"{addresses.size} planes do not hold offsets {offsets.tolist()} + sizes {sizes.tolist()}"
        )


@jit(FLOATS, FLOAT)
def _exposed_bars(close, slippage):
    """Shorts opened before this bar may meet twice their fill, and with it ruin; from it on none can."""
    highest = 0.0
    for bar in range(close.size - 1, -1, -1):
        if highest >= 2.0 * (close[bar] * (1.0 - slippage)):
            return bar + 1
        highest = max(highest, close[bar])
    return 0


@inline
def _join(planes_a, planes_b, direction, final):
    """Write the final signals: long and short without the bars that are both, and those that may open a position.

    Returns the number of bars that are both.
    """
    longs = _NONE if direction == SHORT_ONLY else _EVERY
    shorts = _NONE if direction == LONG_ONLY else _EVERY
    conflicts = np.uint64(0)
    for word in range(final.shape[1]):
        long = planes_a[0, word] & planes_b[0, word]
        short = planes_a[1, word] & planes_b[1, word]
        both = long & short
        conflicts += popcount(both)
        final[_LONG, word] = long ^ both
        final[_SHORT, word] = short ^ both
        final[_ENTRY, word] = (long & longs | short & shorts) & ~both
    return np.int64(conflicts)


@inline
def _next_bar(plane, flip, bar):
    """The first bar from `bar` on whose bit is set (clear, where `flip` is all ones); past the end for none."""
    word = bar // WORD_BITS
    events = (plane[word] ^ flip) & (_EVERY << np.uint64(bar % WORD_BITS))
    while events == _NONE:
        word += 1
        if word == plane.size:
            return word * WORD_BITS
        events = plane[word] ^ flip
    return word * WORD_BITS + np.int64(trailing_zeros(events))


@inline
def _write(trade, entry_bar, exit_bar, position, done, profit, equity, reason):
    trade.entry_bar = entry_bar
    trade.exit_bar = exit_bar
    trade.side = int(position.side)
    trade.entry_fill = position.fill
    trade.exit_fill = done.fill
    trade.quantity = position.quantity
    trade.entry_notional_quote = position.notional
    trade.entry_fee_quote = position.fee
    trade.fees_quote = position.fee + done.fee
    trade.pnl_quote = profit
    trade.return_pct = profit / position.notional * 100.0
    trade.equity_quote = equity
    trade.exit_reason = reason


@inline
def _walk(final, close, highs, exposed, rules, trades):
    """Total return and number of trades; writes as many trades as there is room for.

    A position ends where its own signal has ended, so the next signal that may open one is always a fresh one.
    """
    last = close.size - 1
    flip = _EVERY if rules.exit_on == NEUTRAL else _NONE
    available, reserve = rules.budget_quote, rules.init_cash_quote - rules.budget_quote
    n_trades = 0
    exit_bar = 0
    while available > 0.0:
        bar = _next_bar(final[_ENTRY], _NONE, exit_bar)
        if bar >= last:
            break
        is_long = final[_LONG, bar // WORD_BITS] >> np.uint64(bar % WORD_BITS) & _ONE
        side, own, opposite = (LONG, _LONG, _SHORT) if is_long else (SHORT, _SHORT, _LONG)
        position = enter(side, close[bar], available, rules)
        ending = final[own if rules.exit_on == NEUTRAL else opposite]
        exit_bar, reason = _next_bar(ending, flip, bar + 1), EXIT_SIGNAL
        if exit_bar > last:
            exit_bar, reason = last, EXIT_LAST_BAR
        if bar < exposed and side == SHORT:
            ruined = first_at_or_above(close, highs, ruin_price(position), bar + 1, exit_bar + 1)
            if ruined <= exit_bar:
                exit_bar, reason = ruined, EXIT_RUIN
        done = leave(position, close[exit_bar], rules)
        profit = done.profit
        if reason == EXIT_RUIN or available + profit <= 0.0:
            profit, reason = -available, EXIT_RUIN
        available, reserve = settle(available, reserve, profit, rules)
        if n_trades < trades.size:
            _write(trades[n_trades], bar, exit_bar, position, done, profit, available + reserve, reason)
        n_trades += 1
    return total_return_pct(available + reserve, rules.init_cash_quote), n_trades


@inline
def _and_into(planes_a, planes_b, out):
    for word in range(out.shape[1]):
        out[0, word] = planes_a[0, word] & planes_b[0, word]
        out[1, word] = planes_a[1, word] & planes_b[1, word]


@inline
def _set_digits(index, sizes, digits):
    """Write a variant's digits; return the first axis whose digit is another than before."""
    changed = sizes.size - 1
    for axis in range(sizes.size - 1, -1, -1):
        digit = index % sizes[axis]
        index //= sizes[axis]
        if digit != digits[axis]:
            changed = axis
            digits[axis] = digit
    return changed


@jit(WORDS, INTS, INTS, INT, FLOATS, FLOATS, INT, RULES, FLOATS_OUT, INTS_OUT, INTS_OUT)
def _rank(
    addresses, offsets, sizes, first, close, highs, exposed, rules, out_return_pct, out_trades, out_conflicts
):
    n_words = (close.size + WORD_BITS - 1) // WORD_BITS
    last_axis = sizes.size - 1
    # partial[i] is the AND of the first i indicators; it is made again from the first digit that changed.
    partial = np.full((last_axis + 1, 2, n_words), _EVERY)
    final = np.empty((3, n_words), np.uint64)
    digits = np.full(sizes.size, -1)
    unrecorded = np.empty(0, TRADE)
    for variant in range(out_return_pct.size):
        changed = _set_digits(first + variant, sizes, digits)
        for axis in range(changed, last_axis):
            planes = plane_at(addresses[offsets[axis] + digits[axis]], n_words)
            _and_into(partial[axis], planes, partial[axis + 1])
        planes = plane_at(addresses[offsets[last_axis] + digits[last_axis]], n_words)
        out_conflicts[variant] = _join(partial[last_axis], planes, rules.direction, final)
        out_return_pct[variant], out_trades[variant] = _walk(final, close, highs, exposed, rules, unrecorded)


@jit(WORDS, FLOATS, FLOATS, INT, RULES, _TRADES_OUT)
def _trace(addresses, close, highs, exposed, rules, trades):
    n_words = (close.size + WORD_BITS - 1) // WORD_BITS
    joined = np.full((2, n_words), _EVERY)
    for axis in range(addresses.size - 1):
        _and_into(joined, plane_at(addresses[axis], n_words), joined)
    final = np.empty((3, n_words), np.uint64)
    conflicts = _join(joined, plane_at(addresses[addresses.size - 1], n_words), rules.direction, final)
    _, n_trades = _walk(final, close, highs, exposed, rules, trades)
    return n_trades, conflicts
