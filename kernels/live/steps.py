"""Steps of many paper accounts at once, each over the new bars of its tape: one, or all of them in a restart."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numba import types
from numpy.typing import NDArray

from kernels.jit import FLOAT_ROWS, FLOAT_ROWS_OUT, INT_ROWS, INTS, inline, jit, record_of
from kernels.live.paper_accounts import (
    PAPER_ACCOUNTS_OUT,
    STAYS,
    TERMS_ROWS,
    close_position,
    end_bar,
    end_before_gap,
    open_position,
    reason_to_close,
    rules_of,
    side_to_open,
)
from kernels.live.trade_events import MOST_A_BAR, TRADE_EVENT, TRADE_EVENTS_OUT

OCTET_ROWS = types.Array(types.uint8, 2, "C", readonly=True)


class Tapes(NamedTuple):
    """The new bars of some tapes, a row each."""

    bars: NDArray[np.int64]
    """Their numbers, ascending: the times they open, or places in a range."""
    close: NDArray[np.float64]
    after_gap: NDArray[np.uint8]
    """1 for a bar that a gap lies before over which no position is held, 0 for others."""


TAPES = record_of(Tapes, INT_ROWS, FLOAT_ROWS, OCTET_ROWS)
"""The compiled type of `Tapes`."""


def step_accounts(
    accounts: NDArray[np.void],
    terms: NDArray[np.void],
    places: NDArray[np.int64],
    tape_of: NDArray[np.int64],
    tapes: Tapes,
    signals: NDArray[np.uint8],
) -> tuple[NDArray[np.void], NDArray[np.float64]]:
    """Take some accounts through the new bars of their tapes; they are changed in place.

    It takes room for two events an account and bar: many accounts go over long tapes in pieces.

    Args:
        places: the accounts among `accounts`, each at most once.
        tape_of: the row of each one's tape.
        signals: `(accounts, bars)`, as `bar_signals` makes them: a row for each of the `places`.

    Returns:
        the events (`TRADE_EVENT`), account by account, and the equity at each close, `(accounts, bars)`.

    Raises:
        ValueError: for arrays that do not go together, or a bar that an account has seen.
    """
    if accounts.size != terms.size or places.size != tape_of.size:
        raise ValueError(
            f"{accounts.size} accounts, {terms.size} terms; {places.size} places, {tape_of.size} rows"
        )
    if signals.shape != (places.size, tapes.bars.shape[1]) or len({part.shape for part in tapes}) > 1:
        shapes = [part.shape for part in tapes]
        raise ValueError(f"signals {signals.shape} of {places.size} accounts over tapes {shapes}")
    _refuse_places(accounts.size, places, tapes.bars.shape[0], tape_of)
    _refuse_known_bars(accounts["bar"][places], tapes.bars, tape_of)
    events = np.empty(MOST_A_BAR * signals.size, TRADE_EVENT)
    equity = np.empty(signals.shape)
    count = _step(accounts, terms, places, tape_of, tapes, signals, events, equity)
    return events[:count].copy(), equity


def _refuse_places(n_accounts: int, places: NDArray[np.int64], n_tapes: int, tape_of: NDArray[np.int64]) -> None:
    for named, count, what in ((places, n_accounts, "accounts"), (tape_of, n_tapes, "tapes")):
        if named.size and not 0 <= named.min() <= named.max() < count:
            raise ValueError(f"places {named.min()} to {named.max()} of {count} {what}")
    if np.unique(places).size < places.size:
        raise ValueError("an account takes a step once")


def _refuse_known_bars(last: NDArray[np.int64], bars: NDArray[np.int64], tape_of: NDArray[np.int64]) -> None:
    if bars.size and (np.diff(bars, axis=1) <= 0).any():
        raise ValueError("the bars of a tape ascend")
    if bars.size and (known := last >= bars[tape_of, 0]).any():
        at = int(np.flatnonzero(known)[0])
        raise ValueError(f"an account that has seen bar {last[at]} gets bar {bars[tape_of[at], 0]} again")


@inline
def _step_bar(account, terms, bar, close, after_gap, signals, events):
    """Take one account through one bar; write its events and return their number."""
    rules = rules_of(terms)
    count = 0
    if after_gap and account.side != 0.0:
        end_before_gap(account, rules, events[count])
        count += 1
    if account.side != 0.0:
        reason = reason_to_close(account, terms, close, signals)
        if reason != STAYS:
            close_position(account, rules, bar, close, reason, events[count])
            count += 1
    if account.side == 0.0 and account.available > 0.0:
        side = side_to_open(account, terms, signals)
        if side != 0.0:
            open_position(account, rules, bar, close, side, events[count])
            count += 1
    return count


@jit(PAPER_ACCOUNTS_OUT, TERMS_ROWS, INTS, INTS, TAPES, OCTET_ROWS, TRADE_EVENTS_OUT, FLOAT_ROWS_OUT)
def _step(accounts, terms, places, tape_of, tapes, signals, events, equity):
    """Write the events, account by account, and return their number."""
    count = 0
    for row in range(places.size):
        place, tape = places[row], tape_of[row]
        account, own = accounts[place], terms[place]
        for at in range(signals.shape[1]):
            bar, close = tapes.bars[tape, at], tapes.close[tape, at]
            after_gap, said = tapes.after_gap[tape, at], signals[row, at]
            written = _step_bar(account, own, bar, close, after_gap, said, events[count:])
            for event in range(count, count + written):
                events[event].account = place
            count += written
            equity[row, at] = end_bar(account, own, bar, close, said)
    return count
