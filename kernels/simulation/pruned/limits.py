"""The limits that prune a variant, each declared once: for requests, for answers, and for the compiled walks.

A limit says at which moments of a walk it is judged, and what breaks it then, as plain Python: `pruning` compiles
it into the walk, so that this file needs no numba and the SDK may read it. A new limit on what an `AccountState`
knows is one entry of `LIMITS`.

Where several limits are broken on one bar, the reason is the first of these: a trade that is too long, one trade
too many, what is judged at the close; of those judged at one moment, the first in `LIMITS`.

What is judged at bar closes must be monotone: an account that breaks the limit would break it with less equity, or
on a later bar, as well. So a block of bars none of which can matter is told by its worst close alone.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple, TypeAlias

NEVER = 1 << 62


class AccountState(NamedTuple):
    """The past of an account at one moment of its walk."""

    equity: float
    """An open position at the raw close."""
    peak: float
    """The highest equity so far."""
    bar: int
    held_bars: int
    """Since the entry of the open trade; 0 without one."""
    deadline: int
    """The bar by which the next equity high must have come."""
    trades: int
    """Trades that have closed."""
    trades_at_high: int
    """Trades that had closed at the last equity high."""
    wins: int
    """Closed trades whose net profit was above zero."""
    losses_in_a_row: int
    """Closed trades since the last whose net profit was above zero."""


Predicate: TypeAlias = Callable[[AccountState, Any], bool]
"""A test that a state breaks a limit; the second argument has each limit's value under its name."""


class Limit(NamedTuple):
    name: str
    """Name of the request's field, and of the reason in an answer."""
    meaning: str
    unset: float | int
    """A value that nothing breaks; its type is that of the limit."""
    is_window: bool = False
    """Its value is trades, days or both: the days are the account's `deadline`."""
    lowest: float | int = 1
    highest: float | int = 1_000_000_000
    at_close: Predicate | None = None
    """Judged at the close of every bar that is no new equity high; not by `held_bars`."""
    at_entry: Predicate | None = None
    """Judged before a trade opens."""
    while_held: Predicate | None = None
    """Judged on every bar after the entry, up to the exit; by the number of bars alone."""
    at_exit: Predicate | None = None
    """Judged when a trade has closed."""
    at_end: Predicate | None = None
    """Judged after the last bar."""


def _too_deep(account: AccountState, limits: Any) -> bool:
    return (account.peak - account.equity) / account.peak * 100.0 > limits.max_drawdown_pct


def _no_new_high(account: AccountState, limits: Any) -> bool:
    return account.bar >= account.deadline or account.trades - account.trades_at_high >= limits.loss_window


LIMITS = (
    Limit(
        "max_drawdown_pct",
        "Largest fall of the equity from its peak, at bar closes: the report's Max. Drawdown [%] is no larger.",
        unset=float("inf"),
        lowest=0.001,
        highest=100,
        at_close=_too_deep,
    ),
    Limit(
        "loss_window",
        "No new equity high within so many trades or days.",
        unset=NEVER,
        is_window=True,
        at_close=_no_new_high,
    ),
    Limit(
        "min_trades",
        "Fewest trades; known at the end alone.",
        unset=0,
        at_end=lambda account, limits: account.trades < limits.min_trades,
    ),
    Limit(
        "max_trades",
        "Most trades; one more entry prunes.",
        unset=NEVER,
        at_entry=lambda account, limits: account.trades >= limits.max_trades,
    ),
    Limit(
        "max_trade_duration_bars",
        "Longest trade in bars, from its entry to its exit.",
        unset=NEVER,
        while_held=lambda account, limits: account.held_bars > limits.max_trade_duration_bars,
    ),
)
"""Limits in the order of the request's fields, and of the counts in an answer."""

REASONS = tuple(limit.name for limit in LIMITS)
"""The reasons a variant is pruned for: the fate of one is its place here, counted from 1."""

KEPT = 0
"""The fate of a variant that is not pruned."""
