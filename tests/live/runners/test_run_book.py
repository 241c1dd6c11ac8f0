"""Runs whose candles come in pieces say what the batch says of all of them at once, to the bit."""

from __future__ import annotations

import pytest

from candleray.live.event_store import NewEvent
from candleray.live.runners.run_book import RunBook
from tests.support.live.drawn_sessions import DrawnSession, told


def check(session: DrawnSession, book: RunBook, events: list[NewEvent]) -> None:
    """Signals, trades, gaps and equity are the batch's, less what the end of the bars brings."""
    replayed = session.replayed()
    [standing] = book.standings([session.live.run.run_id])
    last_ms = int(replayed.bars.ts_open_ms[-1])
    said = [one for one in told(events) if not (one[1] == "entry" and one[0] == last_ms)]
    assert said == replayed.events(standing.side is not None)
    if standing.side is None:
        assert standing.equity_quote == replayed.equity[-1]


@pytest.mark.parametrize("seed", range(40))
def test_drawn_sessions_say_what_the_batch_says(seed: int):
    session = DrawnSession(seed)
    book = RunBook(session.backtest)
    decided_ms = session.first_decided_ms()
    events = session.attach(book, decided_ms, None)
    events += session.feed(book, decided_ms, session.end_ms)
    check(session, book, events)
