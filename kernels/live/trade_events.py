"""The record of what a bar does to an account: a position opens, closes, or is found never to have opened."""

from __future__ import annotations

import math

import numpy as np
from numba import from_dtype, types

from kernels.jit import inline
from kernels.simulation.trades import TRADE

OPENED, CLOSED, ANNULLED = range(3)
"""Kinds of events. An entry is annulled where the next bar shows that a gap follows the bar of the entry: no
position opens there, which nobody could know on that bar."""
EVENT_KINDS = ("opened", "closed", "annulled")
"""The name of each `kind`."""

TRADE_EVENT = np.dtype(
    [
        ("account", np.int64),
        ("kind", np.int64),
        ("bar", np.int64),
        *((name, TRADE[name]) for name in TRADE.names or ()),
    ],
    align=True,
)
"""One event: the account's place, the bar it is on, and the trade, whose bars have the caller's numbers.

Of an open trade the exit's fields are -1 and NaN, `fees_quote` is the entry's fee, `equity_quote` the account's
before it. After a gap an event is on the bar before the gap, and `equity_quote` is the equity at its close."""

TRADE_EVENTS_OUT = types.Array(from_dtype(TRADE_EVENT), 1, "C")

MOST_A_BAR = 2
"""Events of one account on one bar, at most: a position closes and another one opens."""


@inline
def write_open_trade(event, entry_bar, position, equity):
    """Write a trade that has not closed."""
    event.entry_bar = entry_bar
    event.exit_bar = -1
    event.side = int(position.side)
    event.entry_fill = position.fill
    event.exit_fill = math.nan
    event.quantity = position.quantity
    event.entry_notional_quote = position.notional
    event.entry_fee_quote = position.fee
    event.fees_quote = position.fee
    event.pnl_quote = math.nan
    event.return_pct = math.nan
    event.equity_quote = equity
    event.exit_reason = -1
    event.exit_time = -1
