"""Plans of the members of a portfolio, and the market in which they would, as the walk takes them."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from kernels.jit import FLOAT, FLOAT_ROWS, FLOATS, INT, INTS, record_of

NO_LIMIT = 1 << 62
"""A number of positions that nobody opens."""

AT_CLOSE, AT_OPEN = 0, 1
"""The close of one bar comes before the open of the next, which a clock gives the same time."""

EXITS, REBALANCES, ENTRIES, MARKS = range(4)
"""Kinds of events, in their order on one instant."""

MEMBER_BITS = 9
MOST_MEMBERS = 500


class Plan(NamedTuple):
    """The trades of all members without their money, those of one after those of the other."""

    firsts: NDArray[np.int64]
    """The first trade of each member, and behind them the number of all."""
    sides: NDArray[np.float64]
    entry_fills: NDArray[np.float64]
    exit_fills: NDArray[np.float64]
    reasons: NDArray[np.int64]
    """Reasons of the exits, as `kernels.simulation.exits` names them."""
    shares: NDArray[np.float64]
    """The notionals as shares of what is available, of sizes by risk; infinite elsewhere."""


class Terms(NamedTuple):
    """The terms of one member's fills, as the formulas of accounts read them."""

    fee: float
    slippage: float
    fixed_quote: float
    locked_share: float


class Members(NamedTuple):
    """The terms of each member, and the place of its instrument."""

    fees: NDArray[np.float64]
    slippages: NDArray[np.float64]
    fixed_quotes: NDArray[np.float64]
    instruments: NDArray[np.int64]


class Market(NamedTuple):
    """The closes of each instrument, those of one after those of the other, and the times of the marks."""

    firsts: NDArray[np.int64]
    closed_ms: NDArray[np.int64]
    closes: NDArray[np.float64]
    marks_ms: NDArray[np.int64]
    day_ends: NDArray[np.int64]
    """The last mark of each UTC day that has any."""


class Limits(NamedTuple):
    """The limits of a portfolio, infinite where there is none."""

    max_gross: float
    max_net: float
    max_positions: int
    max_per_instrument: int
    daily_loss: float
    """Shares of the equity, as is the drawdown."""
    max_drawdown: float


class Funds(NamedTuple):
    """The initial cash, and the shares of the members at the start and at each rebalance."""

    init_cash_quote: float
    shares: NDArray[np.float64]


PLAN = record_of(Plan, INTS, FLOATS, FLOATS, FLOATS, INTS, FLOATS)
MEMBERS = record_of(Members, FLOATS, FLOATS, FLOATS, INTS)
MARKET = record_of(Market, INTS, INTS, FLOATS, INTS, INTS)
LIMITS = record_of(Limits, FLOAT, FLOAT, INT, INT, FLOAT, FLOAT)
FUNDS = record_of(Funds, FLOAT, FLOAT_ROWS)


def event_keys(
    times_ms: NDArray[np.int64], phase: NDArray[np.int64] | int, kind: int, member: int
) -> NDArray[np.int64]:
    """Number events so that their order is that of the numbers."""
    return (((times_ms * 2 + phase) * 4 + kind) << MEMBER_BITS) | member
