"""Events that new bars of runs lead to."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from candleray.candles import Candles, IntArray
from candleray.live.event_store import NewEvent
from candleray.live.events import Annulled, Entry, EventBody, EventKind, Exit, Gap, Side, SignalChange
from candleray.live.sessions import LiveRun
from candleray.timeframes import MINUTE_MS, from_ms, to_ms
from kernels.live.paper_accounts import LONG_BIT, SHORT_BIT
from kernels.live.trade_events import CLOSED, OPENED
from kernels.simulation.trades import EXIT_REASONS

Signal = Literal["long", "short", "none"]
SIGNALS: tuple[Signal, ...] = ("none", "long", "short")
"""The name of each final signal, by its number: 1, -1 for the last one, 0."""

_ORDER = {
    kind: at
    for at, kind in enumerate(
        (EventKind.GAP, EventKind.SIGNAL, EventKind.EXIT, EventKind.ENTRY, EventKind.ANNULLED)
    )
}


def in_order(events: Iterable[NewEvent]) -> list[NewEvent]:
    """Bar by bar; on one bar as they have followed from each other."""
    return sorted(events, key=lambda event: (event.ts_open, _ORDER[event.body.kind]))


def signal_events(
    runs: Sequence[LiveRun], bars: Sequence[Candles], before: IntArray, said: NDArray[np.uint8]
) -> Iterator[NewEvent]:
    """The changes of the final signals of some runs.

    Args:
        bars: the new bars of each run, as many of all.
        before: the signal of each before these bars: 1, -1 or 0.
        said: the bits of `kernels.live.paper_accounts`, `(runs, bars)`.
    """
    now = (said & LONG_BIT != 0).astype(np.int64) - (said & SHORT_BIT != 0)
    former = np.column_stack([before, now[:, :-1]])
    for row, bar in np.argwhere(now != former).tolist():
        candles = bars[row]
        change = SignalChange.model_construct(
            signal=SIGNALS[now[row, bar]], before=SIGNALS[former[row, bar]], close=float(candles.values[3, bar])
        )
        yield event_of(runs[row], int(candles.ts_open_ms[bar]), change)


def trade_events(runs: Mapping[int, LiveRun], rows: NDArray[np.void]) -> Iterator[NewEvent]:
    """The events of records of `TRADE_EVENT`, of runs by their places."""
    names = rows.dtype.names or ()
    for row in rows.tolist():
        told = dict(zip(names, row, strict=True))
        yield event_of(runs[told["account"]], told["bar"], _trade_body(told))


def event_of(live: LiveRun, ts_open_ms: int, body: EventBody) -> NewEvent:
    return NewEvent(live.user_id, live.run.run_id, live.last.session, from_ms(ts_open_ms), body)


def side_of(number: float) -> Side:
    return "long" if number > 0 else "short"


# Bodies are made of numbers of our own: to validate them would take longer than all the bar besides.


def _trade_body(told: Mapping[str, Any]) -> Entry | Exit | Annulled:
    """The body of a record of `TRADE_EVENT`."""
    side, equity = side_of(told["side"]), told["equity_quote"]
    if told["kind"] == CLOSED:
        return Exit.model_construct(
            reason=EXIT_REASONS[told["exit_reason"]],
            side=side,
            entered=from_ms(told["entry_bar"]),
            entry_price=told["entry_fill"],
            price=told["exit_fill"],
            quantity=told["quantity"],
            fees_quote=told["fees_quote"],
            pnl_quote=told["pnl_quote"],
            return_pct=told["return_pct"],
            equity_quote=equity,
        )
    if told["kind"] != OPENED:
        return Annulled.model_construct(
            side=side, price=told["entry_fill"], quantity=told["quantity"], equity_quote=equity
        )
    return Entry.model_construct(
        side=side,
        price=told["entry_fill"],
        quantity=told["quantity"],
        notional_quote=told["entry_notional_quote"],
        fee_quote=told["entry_fee_quote"],
        equity_quote=equity,
    )


def gap_events(live: LiveRun, gaps: list[tuple[int, int]], told_until_ms: int) -> Iterator[NewEvent]:
    """The gaps of the session whose end, a minute, closes after that moment.

    A gap is told with the minute at its end: how long it is, is not known before, and is not to depend on how many
    of its minutes were declared absent at once.
    """
    live_from_ms = to_ms(live.last.live_from)
    for start_ms, end_ms in gaps:
        first_ms = max(start_ms, live_from_ms)
        if first_ms < end_ms and end_ms + MINUTE_MS > told_until_ms:
            yield event_of(live, first_ms, Gap(minutes=(end_ms - first_ms) // MINUTE_MS))
