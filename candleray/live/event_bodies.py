"""The bodies of events of bars, as a runner and a replay by the batch word what they have found, each by itself.

They are made unchecked, of numbers of our own: to validate them would take longer than all a bar besides, and a
month of minutes may have 17,000. Their kinds are named, because to take a default costs more than all else.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import Any

from candleray.live.events import Annulled, Entry, EventKind, Exit, Gap, Side, Signal, SignalChange
from candleray.timeframes import MINUTE_MS, from_ms
from kernels.simulation.exits import EXIT_REASONS

ON_ONE_BAR = (EventKind.GAP, EventKind.SIGNAL, EventKind.EXIT, EventKind.ENTRY, EventKind.ANNULLED)
"""The kinds of events that bars lead to, as they follow from each other on one bar."""

moment_of = lru_cache(maxsize=4096)(from_ms)
"""The moment of milliseconds: thousands of events are of one minute."""

SIGNALS: tuple[Signal, ...] = ("none", "long", "short")
"""The name of each final signal, by its number: 1, -1 for the last one, 0."""

# Trades are records of `kernels.simulation.trades.TRADE`, or of `TRADE_EVENT`, as mappings of plain numbers.


def side_of(number: float) -> Side:
    return "long" if number > 0 else "short"


def signal_change(now: int, before: int, close: float) -> SignalChange:
    return SignalChange.of_fields(
        {"kind": EventKind.SIGNAL, "signal": SIGNALS[now], "before": SIGNALS[before], "close": close}
    )


def gap_of(start_ms: int, end_ms: int) -> Gap:
    """The gap of the minutes `[start_ms, end_ms)`."""
    return Gap.of_fields({"kind": EventKind.GAP, "minutes": (end_ms - start_ms) // MINUTE_MS})


def entry_of(trade: Mapping[str, Any], equity_quote: float) -> Entry:
    """
    Args:
        equity_quote: the account's before the entry.
    """
    return Entry.of_fields(
        {
            "kind": EventKind.ENTRY,
            "side": side_of(trade["side"]),
            "price": trade["entry_fill"],
            "quantity": trade["quantity"],
            "notional_quote": trade["entry_notional_quote"],
            "fee_quote": trade["entry_fee_quote"],
            "equity_quote": equity_quote,
        }
    )


def exit_of(trade: Mapping[str, Any], entered_ms: int) -> Exit:
    """
    Args:
        entered_ms: the opening time of the bar of the entry.
    """
    return Exit.of_fields(
        {
            "kind": EventKind.EXIT,
            "reason": EXIT_REASONS[trade["exit_reason"]],
            "side": side_of(trade["side"]),
            "entered": moment_of(entered_ms),
            "entry_price": trade["entry_fill"],
            "price": trade["exit_fill"],
            "quantity": trade["quantity"],
            "fees_quote": trade["fees_quote"],
            "pnl_quote": trade["pnl_quote"],
            "return_pct": trade["return_pct"],
            "equity_quote": trade["equity_quote"],
        }
    )


def annulled_of(trade: Mapping[str, Any], equity_quote: float) -> Annulled:
    return Annulled.of_fields(
        {
            "kind": EventKind.ANNULLED,
            "side": side_of(trade["side"]),
            "price": trade["entry_fill"],
            "quantity": trade["quantity"],
            "equity_quote": equity_quote,
        }
    )
