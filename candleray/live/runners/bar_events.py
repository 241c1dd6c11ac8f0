"""Events that new bars of runs lead to."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from candleray.candles import Candles, IntArray
from candleray.live.event_bodies import (
    ON_ONE_BAR,
    annulled_of,
    entry_of,
    exit_of,
    gap_of,
    moment_of,
    signal_change,
)
from candleray.live.events import Annulled, Entry, EventBody, Exit
from candleray.live.sessions import LiveRun
from candleray.live.stores.event_store import NewEvent
from candleray.timeframes import MINUTE_MS, to_ms
from kernels.live.paper_accounts import LONG_BIT, SHORT_BIT
from kernels.live.trade_events import CLOSED, OPENED


def in_order(events: Iterable[NewEvent]) -> list[NewEvent]:
    """Bar by bar; on one bar as they have followed from each other."""
    return sorted(events, key=lambda event: (event.ts_open, ON_ONE_BAR.index(event.body.kind)))


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
        change = signal_change(int(now[row, bar]), int(former[row, bar]), float(candles.values[3, bar]))
        yield event_of(runs[row], int(candles.ts_open_ms[bar]), change)


def trade_events(runs: Mapping[int, LiveRun], rows: NDArray[np.void]) -> Iterator[NewEvent]:
    """The events of records of `TRADE_EVENT`, of runs by their places."""
    names = rows.dtype.names or ()
    for row in rows.tolist():
        told = dict(zip(names, row, strict=True))
        yield event_of(runs[told["account"]], told["bar"], _trade_body(told))


def event_of(live: LiveRun, ts_open_ms: int, body: EventBody) -> NewEvent:
    return NewEvent(live.user_id, live.run.run_id, live.last.session, moment_of(ts_open_ms), body)


def _trade_body(told: Mapping[str, Any]) -> Entry | Exit | Annulled:
    """The body of a record of `TRADE_EVENT`."""
    if told["kind"] == CLOSED:
        return exit_of(told, told["entry_bar"])
    return (entry_of if told["kind"] == OPENED else annulled_of)(told, told["equity_quote"])


def gap_events(live: LiveRun, gaps: list[tuple[int, int]], told_until_ms: int) -> Iterator[NewEvent]:
    """The gaps of the session whose end, a minute, closes after that moment.

    A gap is told with the minute at its end: how long it is, is not known before, and is not to depend on how many
    of its minutes were declared absent at once.
    """
    live_from_ms = to_ms(live.last.live_from)
    for start_ms, end_ms in gaps:
        first_ms = max(start_ms, live_from_ms)
        if first_ms < end_ms and end_ms + MINUTE_MS > told_until_ms:
            yield event_of(live, first_ms, gap_of(first_ms, end_ms))
