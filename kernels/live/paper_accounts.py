"""The paper account of a live run, and its step of one bar.

A bar takes the account through the same functions, in the same order, as the walks over all bars do: stop-loss or
take-profit, exit by signal, entry. So its trades are those of a backtest, bit for bit, but for two things that
only the end of the bars brings: nothing is closed because they end, and an entry on the last of them stands.

A gap shows on the bar behind it. Then the last bar before it is seen again: its position closes there, at its
close, unless it was entered on that very bar; that entry is annulled.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numba import from_dtype, types
from numba.np.numpy_support import as_dtype
from numpy.typing import NDArray

from kernels.jit import inline
from kernels.live.trade_events import ANNULLED, CLOSED, OPENED, write_open_trade
from kernels.simulation.accounts import (
    LONG,
    LONG_ONLY,
    RULES,
    SHORT,
    SHORT_ONLY,
    Position,
    Rules,
    enter,
    leave,
    ruin_price,
    settle,
)
from kernels.simulation.equity_curve import marked
from kernels.simulation.exits import EXIT_GAP, EXIT_RUIN, EXIT_SIGNAL, EXIT_STOP_LOSS, EXIT_TAKE_PROFIT
from kernels.simulation.final_signals import LONG_EXITS, LONGS, SHORT_EXITS, SHORTS
from kernels.simulation.levels.first_passages import STOP_LOSS, TAKE_PROFIT, reaches
from kernels.simulation.trades import booked_profit, write_trade

LONG_BIT, SHORT_BIT = np.uint8(1 << LONGS), np.uint8(1 << SHORTS)
LONG_EXIT_BIT, SHORT_EXIT_BIT = np.uint8(1 << LONG_EXITS), np.uint8(1 << SHORT_EXITS)
"""The bits of a bar's signals: the final signal, and the sides whose position it closes."""

STAYS = -1
"""The reason of an exit, where there is none."""

NO_BAR = np.iinfo(np.int64).min
"""The bar of an account that has seen none."""


class Terms(NamedTuple):
    """The terms of one run: its rules, and its levels of stop-loss and take-profit, None for none."""

    rules: Rules
    stop_loss_pct: float | None = None
    take_profit_pct: float | None = None

    @property
    def record(self) -> tuple[float, ...]:
        """
        Raises:
            ValueError: for a level that is not above 0.
        """
        levels = [math.nan if level is None else float(level) for level in self[1:]]
        if any(level <= 0.0 for level in levels):
            raise ValueError(f"levels of stops are above 0 %, got {self.stop_loss_pct} and {self.take_profit_pct}")
        return (*self.rules, *levels)


TERMS = np.dtype(
    [
        *((name, as_dtype(kind)) for name, kind in zip(Rules._fields, RULES, strict=True)),
        ("stop_loss_pct", np.float64),
        ("take_profit_pct", np.float64),
    ],
    align=True,
)
"""The fields of `Rules`, then the levels; NaN for none."""

PAPER_ACCOUNT = np.dtype(
    [
        ("bar", np.int64),
        ("close", np.float64),
        ("signal", np.int64),
        ("available", np.float64),
        ("reserve", np.float64),
        ("side", np.float64),
        ("fill", np.float64),
        ("quantity", np.float64),
        ("notional", np.float64),
        ("fee", np.float64),
        ("cash", np.float64),
        ("entry_bar", np.int64),
        ("trades", np.int64),
        ("equity", np.float64),
    ],
    align=True,
)
"""All that a run has to know of its past: the last bar's number and close, its final signal (1, -1, 0), the money,
the open position (its fields are those of `Position`; a side of 0 is none), the number of trades that have closed,
and the equity at the last close."""

TERMS_ROWS = types.Array(from_dtype(TERMS), 1, "C", readonly=True)
PAPER_ACCOUNTS_OUT = types.Array(from_dtype(PAPER_ACCOUNT), 1, "C")


def new_accounts(terms: NDArray[np.void]) -> NDArray[np.void]:
    """Accounts before their first bar, one for each row of `TERMS`."""
    accounts = np.zeros(terms.size, PAPER_ACCOUNT)
    accounts["bar"] = NO_BAR
    accounts["available"] = terms["budget_quote"]
    accounts["reserve"] = terms["init_cash_quote"] - terms["budget_quote"]
    accounts["equity"] = terms["init_cash_quote"]
    return accounts


@inline
def rules_of(terms):
    return Rules(
        terms.direction,
        terms.exit_on,
        terms.fee,
        terms.slippage,
        terms.init_cash_quote,
        terms.budget_quote,
        terms.fixed_quote,
        terms.locked_share,
    )


@inline
def position_of(account):
    return Position(account.side, account.fill, account.quantity, account.notional, account.fee, account.cash)


@inline
def settled_equity(account, terms):
    """The equity after the last trade; the cash of the beginning before the first, which no sum has rounded."""
    return account.available + account.reserve if account.trades > 0 else terms.init_cash_quote


@inline
def reason_to_close(account, terms, close, signals):
    """The reason to close the open position at this close, or `STAYS`."""
    side, fill = account.side, account.fill
    if side == SHORT and close >= ruin_price(position_of(account)):
        return EXIT_RUIN
    if reaches(close, fill, side * STOP_LOSS, terms.stop_loss_pct):
        return EXIT_STOP_LOSS
    if reaches(close, fill, side * TAKE_PROFIT, terms.take_profit_pct):
        return EXIT_TAKE_PROFIT
    return EXIT_SIGNAL if signals & (LONG_EXIT_BIT if side == LONG else SHORT_EXIT_BIT) else STAYS


@inline
def side_to_open(account, terms, signals):
    """The side of a fresh entry; 0 for none."""
    if signals & LONG_BIT and account.signal != 1 and terms.direction != SHORT_ONLY:
        return 0.0 if signals & LONG_EXIT_BIT else LONG
    if signals & SHORT_BIT and account.signal != -1 and terms.direction != LONG_ONLY:
        return 0.0 if signals & SHORT_EXIT_BIT else SHORT
    return 0.0


@inline
def close_position(account, rules, bar, close, reason, event):
    """Close the open position; write the event."""
    position = position_of(account)
    closed = leave(position, close, rules)
    profit, reason = booked_profit(account.available, closed.profit, reason)
    account.available, account.reserve = settle(account.available, account.reserve, profit, rules)
    account.side = 0.0
    account.trades += 1
    event.kind, event.bar = CLOSED, bar
    equity = account.available + account.reserve
    write_trade(event, account.entry_bar, position, closed, profit, equity, (bar, reason, bar))


@inline
def open_position(account, rules, bar, close, side, event):
    """Open a position; write the event."""
    position = enter(side, close, account.available, rules)
    account.side, account.fill, account.quantity = position.side, position.fill, position.quantity
    account.notional, account.fee, account.cash = position.notional, position.fee, position.cash
    account.entry_bar = bar
    event.kind, event.bar = OPENED, bar
    write_open_trade(event, bar, position, settled_equity(account, rules))


@inline
def end_before_gap(account, rules, event):
    """Close the open position on the last bar, or annul its entry there; write the event."""
    if account.entry_bar < account.bar:
        close_position(account, rules, account.bar, account.close, EXIT_GAP, event)
        return
    event.kind, event.bar = ANNULLED, account.bar
    write_open_trade(event, account.entry_bar, position_of(account), settled_equity(account, rules))
    account.side = 0.0


@inline
def end_bar(account, terms, bar, close, signals):
    """Keep what the next bar has to know; return the equity at this close."""
    account.bar, account.close = bar, close
    account.signal = int(signals & LONG_BIT != 0) - int(signals & SHORT_BIT != 0)
    equity = settled_equity(account, terms)
    if account.side != 0.0:
        equity = marked(equity, account.fee, account.side * account.quantity, account.fill, close)
    account.equity = equity
    return equity
