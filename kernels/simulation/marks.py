"""Marks of a walk: the equity at the end of each block of bars, and the row of numbers that it leaves.

A walk that knows its positions stops at the marks between them; nothing is asked a bar. Equity is what the report
marks: an open position at the raw close, its entry fee paid; an exit on that bar settled.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from kernels.jit import FLOAT, FLOATS, SHORT_INTS_OUT, inline, jit, splice
from kernels.simulation.accounts import SHORT, enter
from kernels.simulation.equity_curve import marked
from kernels.simulation.exits import EXIT_SIGNAL
from kernels.simulation.trades import ruin_before
from kernels.trust.blocks import LIMIT, UNIT, clipped
from kernels.trust.winners import BLOCKS

NEVER = 1 << 62

_LEAST = 1e-52
"""Share of the initial cash that counts as ruin: its logs are below what all blocks together hold."""


def block_ends(bars: int) -> NDArray[np.int64]:
    """Return the last bar of each of the blocks, which are as equal as whole bars are."""
    return np.array([bars * (block + 1) // BLOCKS - 1 for block in range(BLOCKS)], np.int64)


def no_marks() -> NDArray[np.int64]:
    """Return no bars: a walk without marks."""
    return np.empty(0, np.int64)


@inline
def _log(value):
    """The natural logarithm, from operations alone that are the same bits on every machine; libm's are not.

    Within 1e-14 of the exact one: 2 · atanh((m − 1)/(m + 1)) of a mantissa within [√½, √2).
    """
    mantissa, exponent = math.frexp(value)
    if mantissa < 0.7071067811865476:
        mantissa, exponent = 2.0 * mantissa, exponent - 1
    ratio = (mantissa - 1.0) / (mantissa + 1.0)
    square = ratio * ratio
    series = 1.0 / 17.0
    for odd in range(15, 0, -2):
        series = series * square + 1.0 / odd
    return exponent * 0.6931471805599453 + 2.0 * ratio * series


@jit(FLOAT)
def measured_log(value):
    """Return the logarithm that rows are made of, for tests."""
    return _log(value)


@inline
def log_growth(before, equity, init_cash):
    """The number of a row: log of what the equity was multiplied by; the least once there is none."""
    least = _LEAST * init_cash
    if not before > least or not equity > least:
        return np.int32(-LIMIT)
    return clipped(_log(equity / before) / UNIT)


@jit(FLOATS, FLOAT, SHORT_INTS_OUT)
def _grow(equity, init_cash, out):
    before = init_cash
    for block in range(equity.size):
        out[block] = log_growth(before, equity[block], init_cash)
        before = equity[block]


def log_growths(equity: NDArray[np.float64], init_cash: float) -> NDArray[np.int32]:
    """Return the row of an account, from its equity at the end of each block."""
    row = np.empty(equity.size, np.int32)
    _grow(equity, init_cash, row)
    return row


class Marking(NamedTuple):
    """The marks of some accounts of Stage B, one place each; all are empty where nothing is marked."""

    bars: NDArray[np.int64]
    next_mark: NDArray[np.int64]
    due: NDArray[np.int64]
    """The bar of the next mark; `NEVER` where there is none."""
    before: NDArray[np.float64]
    """Equity at the last mark."""
    in_market: NDArray[np.int64]
    rows: NDArray[np.int32]


@inline
def new_marking(bars, rows, count, init_cash):
    """The marks of so many accounts before their first trade."""
    first = bars[0] if bars.size else NEVER
    return Marking(
        bars,
        np.zeros(count, np.int64),
        np.full(count, first),
        np.full(count, init_cash),
        np.zeros(count, np.int64),
        rows,
    )


@inline
def some_marking(marking, begin, stop):
    """The marks of the accounts `[begin, stop)`."""
    return Marking(
        marking.bars,
        marking.next_mark[begin:stop],
        marking.due[begin:stop],
        marking.before[begin:stop],
        marking.in_market[begin:stop],
        marking.rows[begin:stop],
    )


class Walked(NamedTuple):
    """The trades of a walk without stops, as it leaves them."""

    bars: NDArray[np.uint32]
    """A row of `Positions`: entry, exit, entry, exit and so on."""
    sides: NDArray[np.float64]
    """Empty where `only_side` is the side of all."""
    closes: NDArray[np.float64]
    """The closes of `bars`."""
    history: NDArray[np.float64]
    """The available and the reserve after each trade, one after the other."""
    only_side: float


@splice
def _first_exit_after(bars, begin, count, bar):
    """The place, from `begin` on, of the first position that exits after the bar."""
    place, step = begin, np.int64(1)
    while place + step <= count and np.int64(bars[2 * (place + step) - 1]) <= bar:
        place += step
        step *= 2
    while step > 1:
        step //= 2
        if place + step <= count and np.int64(bars[2 * (place + step) - 1]) <= bar:
            place += step
    return place


@splice
def _position_at(walked, place, rules):
    """The position of a trade, and what was in reserve before it."""
    available, reserve = rules.budget_quote, rules.init_cash_quote - rules.budget_quote
    if place > 0:
        available, reserve = walked.history[2 * place - 2], walked.history[2 * place - 1]
    side = walked.sides[place] if walked.only_side == 0.0 else walked.only_side
    return enter(side, walked.closes[2 * place], available, rules), available, reserve


@splice
def _end_in_ruin(walked, trades, prices, rules):
    """Put the bar of ruin in place of the exit of the last trade, where it was ruined before."""
    if trades > 0 and prices.exposed > 0 and not walked.history[2 * trades - 2] > 0.0:
        position, _, _ = _position_at(walked, trades - 1, rules)
        entry_bar, exit_bar = np.int64(walked.bars[2 * trades - 2]), np.int64(walked.bars[2 * trades - 1])
        if position.side == SHORT:
            ruined, _ = ruin_before(position, entry_bar, exit_bar, EXIT_SIGNAL, prices)
            walked.bars[2 * trades - 1] = ruined


@inline
def mark_walk(walked, trades, prices, rules, outcomes, variant):
    """Write the row of a variant that made so many of its trades, and the bars it was in the market."""
    _end_in_ruin(walked, trades, prices, rules)
    held = np.int64(0)
    for trade in range(trades):
        held += np.int64(walked.bars[2 * trade + 1]) - np.int64(walked.bars[2 * trade])
    outcomes.in_market[variant] = held
    before, place = rules.init_cash_quote, np.int64(0)
    for mark in range(BLOCKS):
        bar = outcomes.marks[mark]
        place = _first_exit_after(walked.bars, place, trades, bar)
        equity = rules.init_cash_quote
        if place > 0:
            equity = walked.history[2 * place - 2] + walked.history[2 * place - 1]
        if place < trades and np.int64(walked.bars[2 * place]) <= bar:
            position, available, reserve = _position_at(walked, place, rules)
            signed = position.side * position.quantity
            equity = marked(available + reserve, position.fee, signed, position.fill, prices.close[bar])
        outcomes.rows[variant, mark] = log_growth(before, equity, rules.init_cash_quote)
        before = equity


@splice
def mark_until(exit_bar, entry_bar, position, settled, marking, account, prices, init_cash):
    """Mark an account at each block that ends before the exit of its next trade.

    Args:
        settled: equity before that trade.
    """
    while marking.due[account] < exit_bar:
        mark, bar = marking.next_mark[account], marking.due[account]
        equity = settled
        if entry_bar <= bar:
            signed = position.side * position.quantity
            equity = marked(settled, position.fee, signed, position.fill, prices.close[bar])
        marking.rows[account, mark] = log_growth(marking.before[account], equity, init_cash)
        marking.before[account] = equity
        marking.next_mark[account] = mark + 1
        marking.due[account] = marking.bars[mark + 1] if mark + 1 < marking.bars.size else NEVER


@splice
def mark_rest(marking, account, equity, init_cash):
    """Mark an account that trades no more at all blocks that are left."""
    for mark in range(marking.next_mark[account], marking.bars.size):
        marking.rows[account, mark] = log_growth(marking.before[account], equity, init_cash)
        marking.before[account] = equity
