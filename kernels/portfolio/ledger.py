"""The books of a portfolio: its equity at every mark, its trades, what was refused, when it halted."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numba import from_dtype, types
from numpy.typing import NDArray

from kernels.jit import FLOAT_ROWS_OUT, FLOATS_OUT, INT, INTS_OUT, record_of

REASONS = (
    "no_cash",
    "daily_loss_limit",
    "max_drawdown",
    "max_positions",
    "max_per_instrument",
    "max_gross_exposure",
    "max_net_exposure",
)
"""Reasons that refuse or shrink an entry, in the order in which it is asked."""
NO_CASH, DAILY_LOSS, DRAWDOWN, POSITIONS, PER_INSTRUMENT, GROSS, NET = range(len(REASONS))
TAKEN = -1

HALTED = -1
"""The `reason` of an exit by the drawdown limit."""

DEAL = np.dtype(
    [
        ("member", np.int64),
        ("trade", np.int64),
        ("exit_ms", np.int64),
        ("exit_fill", np.float64),
        ("quantity", np.float64),
        ("notional_quote", np.float64),
        ("fees_quote", np.float64),
        ("pnl_quote", np.float64),
        ("reason", np.int64),
    ],
    align=True,
)
"""One closed trade of a portfolio: `trade` is its place in the plan."""

DEALS_OUT = types.Array(from_dtype(DEAL), 1, "C")
INT_ROWS_OUT = types.Array(INT, 2, "C")


class Ledger(NamedTuple):
    equity: NDArray[np.float64]
    """The equity at each mark, as are the three after it."""
    gross: NDArray[np.float64]
    net: NDArray[np.float64]
    positions: NDArray[np.int64]
    day_profits: NDArray[np.float64]
    """`(days, members)`: profits up to each day's end, those of open positions among them."""
    held_marks: NDArray[np.int64]
    """Marks of each member at which it held a position."""
    refused: NDArray[np.int64]
    """`(members, reasons)`"""
    shrunk: NDArray[np.int64]
    moved_quote: NDArray[np.float64]
    """Cash of each rebalance that changed its pocket."""
    rebalance_equity: NDArray[np.float64]
    halts: NDArray[np.int64]
    """`(marks that halted, which limit)`, as many as `counts` says."""
    deals: NDArray[np.void]
    counts: NDArray[np.int64]
    """Deals, halts."""

    @classmethod
    def empty(cls, marks: int, days: int, members: int, rebalances: int, trades: int) -> Ledger:
        return cls(
            np.empty(marks),
            np.empty(marks),
            np.empty(marks),
            np.empty(marks, np.int64),
            np.zeros((days, members)),
            np.zeros(members, np.int64),
            np.zeros((members, len(REASONS)), np.int64),
            np.zeros((members, len(REASONS)), np.int64),
            np.zeros(rebalances),
            np.zeros(rebalances),
            np.zeros((days + 1, 2), np.int64),
            np.empty(trades, DEAL),
            np.zeros(2, np.int64),
        )


LEDGER = record_of(
    Ledger,
    FLOATS_OUT,
    FLOATS_OUT,
    FLOATS_OUT,
    INTS_OUT,
    FLOAT_ROWS_OUT,
    INTS_OUT,
    INT_ROWS_OUT,
    INT_ROWS_OUT,
    FLOATS_OUT,
    FLOATS_OUT,
    INT_ROWS_OUT,
    DEALS_OUT,
    INTS_OUT,
)
"""The compiled type of `Ledger`."""
