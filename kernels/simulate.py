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
    FLAT,
    LONG,
    LONG_ONLY,
    NEUTRAL,
    NO_POSITION,
    RULES,
    SHORT,
    SHORT_ONLY,
    Rules,
    enter,
    exit_fill,
    net_profit,
    ruin_price,
    settle,
    total_return_pct,
)
from kernels.bits import WORD_BITS, plane_at, popcount, trailing_zeros
from kernels.jit import FLOATS, FLOATS_OUT, INT, INTS, INTS_OUT, WORDS, inline, jit

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
_TOP = np.uint64(63)


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
    _rank(
        addresses, offsets, sizes, first, close, _ceilings(close), rules, out_return_pct, out_trades, out_conflicts
    )


def trades_of(
    addresses: NDArray[np.uint64], close: NDArray[np.float64], rules: Rules
) -> tuple[NDArray[np.void], int]:
    """Every trade of one variant (an array of `TRADE`) and its conflicting signals; one plane an indicator."""
    _check_tables(addresses, np.arange(addresses.size), np.ones(addresses.size, np.int64))
    if close.size == 0:
        raise ValueError("no bars to simulate")
    ceilings = _ceilings(close)
    trades = np.empty(1024, TRADE)
    while True:
        _, n_trades, conflicts = _trace(addresses, close, ceilings, rules, trades)
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


def _ceilings(close: NDArray[np.float64]) -> NDArray[np.float64]:
    """The highest close from each word of 64 bars to the end: most shorts are cleared of ruin by one look."""
    highs = np.maximum.reduceat(close, np.arange(0, close.size, WORD_BITS))
    return np.maximum.accumulate(highs[::-1])[::-1].copy()


@inline
def _ruin_bar(position, until, close, ceilings):
    """The first bar after a short's entry, up to `until`, whose close ruins the account; -1 for none."""
    price = ruin_price(position)
    if ceilings[position.bar // WORD_BITS] >= price:
        for bar in range(position.bar + 1, until + 1):
            if close[bar] >= price:
                return bar
    return -1


@inline
def _write(trades, index, position, bar, fill, exit_fee, profit, equity, reason):
    if index >= trades.size:
        return
    trade = trades[index]
    trade.entry_bar = position.bar
    trade.exit_bar = bar
    trade.side = int(position.side)
    trade.entry_fill = position.fill
    trade.exit_fill = fill
    trade.quantity = position.quantity
    trade.entry_notional_quote = position.notional
    trade.entry_fee_quote = position.fee
    trade.fees_quote = position.fee + exit_fee
    trade.pnl_quote = profit
    trade.return_pct = profit / position.notional * 100.0
    trade.equity_quote = equity
    trade.exit_reason = reason


@inline
def _close(position, bar, reason, account, close, ceilings, rules, trades):
    """The account (available, reserve, trades so far) after the position's end at `bar`, or at its ruin before."""
    available, reserve, n_trades = account
    ruined = _ruin_bar(position, bar, close, ceilings) if position.side == SHORT else -1
    if ruined >= 0:
        bar, reason = ruined, EXIT_RUIN
    fill = exit_fill(position, close[bar], rules)
    exit_fee = rules.fee * position.quantity * fill
    profit = net_profit(position, fill, exit_fee)
    if ruined >= 0 or available + profit <= 0.0:
        profit, reason = -available, EXIT_RUIN
    available, reserve = settle(available, reserve, profit, rules)
    _write(trades, n_trades, position, bar, fill, exit_fee, profit, available + reserve, reason)
    return available, reserve, n_trades + 1


@inline
def _exits(side, long, short, exit_on):
    """The bits of a word that end a position of this side."""
    if exit_on == NEUTRAL:
        return ~long if side == LONG else ~short
    return short if side == LONG else long


@inline
def _walk(planes_a, planes_b, close, ceilings, rules, trades):
    """Total return, trades and conflicts of the AND of two plane pairs; writes what trades there is room for."""
    last_bar = close.size - 1
    last_word = last_bar // WORD_BITS
    account = (rules.budget_quote, rules.init_cash_quote - rules.budget_quote, 0)
    position = NO_POSITION
    conflicts = np.uint64(0)
    long_carry = short_carry = np.uint64(0)
    may_long = _NONE if rules.direction == SHORT_ONLY else _EVERY
    may_short = _NONE if rules.direction == LONG_ONLY else _EVERY
    ahead_of_word = _EVERY
    for word in range(last_word + 1):
        long = planes_a[0, word] & planes_b[0, word]
        short = planes_a[1, word] & planes_b[1, word]
        both = long & short
        conflicts += popcount(both)
        long ^= both
        short ^= both
        fresh_long = long & ~(long << _ONE | long_carry) & may_long
        fresh_short = short & ~(short << _ONE | short_carry) & may_short
        long_carry, short_carry = long >> _TOP, short >> _TOP
        if word == last_word:
            # The last bar may end a position and opens none; past it there is nothing.
            last = _ONE << np.uint64(last_bar % WORD_BITS)
            ahead_of_word = last | (last - _ONE)
            fresh_long &= ~last
            fresh_short &= ~last
        ahead = ahead_of_word
        while True:
            if position.side == FLAT:
                events = (fresh_long | fresh_short) & ahead
            else:
                events = _exits(position.side, long, short, rules.exit_on) & ahead
            if events == _NONE:
                break
            lowest = trailing_zeros(events)
            bit = _ONE << lowest
            bar = word * WORD_BITS + np.int64(lowest)
            ahead &= ~(bit | (bit - _ONE))
            if position.side != FLAT:
                account = _close(position, bar, EXIT_SIGNAL, account, close, ceilings, rules, trades)
                position = NO_POSITION
                if account[0] <= 0.0:
                    may_long = may_short = fresh_long = fresh_short = _NONE
            if (fresh_long | fresh_short) & bit:
                side = LONG if fresh_long & bit else SHORT
                position = enter(side, bar, close[bar], account[0], rules)
    if position.side != FLAT:
        account = _close(position, last_bar, EXIT_LAST_BAR, account, close, ceilings, rules, trades)
    available, reserve, n_trades = account
    return total_return_pct(available + reserve, rules.init_cash_quote), n_trades, np.int64(conflicts)


@inline
def _and_into(planes_a, planes_b, out):
    for word in range(out.shape[1]):
        out[0, word] = planes_a[0, word] & planes_b[0, word]
        out[1, word] = planes_a[1, word] & planes_b[1, word]


@jit(WORDS, INTS, INTS, INT, FLOATS, FLOATS, RULES, FLOATS_OUT, INTS_OUT, INTS_OUT)
def _rank(addresses, offsets, sizes, first, close, ceilings, rules, out_return_pct, out_trades, out_conflicts):
    n_words = (close.size + WORD_BITS - 1) // WORD_BITS
    last_axis = sizes.size - 1
    # partial[i] is the AND of the first i indicators; it is made again from the first digit that changed.
    partial = np.full((last_axis + 1, 2, n_words), _EVERY)
    digits = np.full(sizes.size, -1)
    unrecorded = np.empty(0, TRADE)
    for variant in range(out_return_pct.size):
        rest = first + variant
        changed = last_axis
        for axis in range(last_axis, -1, -1):
            digit = rest % sizes[axis]
            rest //= sizes[axis]
            if digit != digits[axis]:
                changed = axis
                digits[axis] = digit
        for axis in range(changed, last_axis):
            planes = plane_at(addresses[offsets[axis] + digits[axis]], n_words)
            _and_into(partial[axis], planes, partial[axis + 1])
        planes = plane_at(addresses[offsets[last_axis] + digits[last_axis]], n_words)
        result = _walk(partial[last_axis], planes, close, ceilings, rules, unrecorded)
        out_return_pct[variant], out_trades[variant], out_conflicts[variant] = result


@jit(WORDS, FLOATS, FLOATS, RULES, _TRADES_OUT)
def _trace(addresses, close, ceilings, rules, trades):
    n_words = (close.size + WORD_BITS - 1) // WORD_BITS
    joined = np.full((2, n_words), _EVERY)
    for axis in range(addresses.size - 1):
        _and_into(joined, plane_at(addresses[axis], n_words), joined)
    planes = plane_at(addresses[addresses.size - 1], n_words)
    return _walk(joined, planes, close, ceilings, rules, trades)
