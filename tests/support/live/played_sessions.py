"""Sessions of runs in a book, whose minutes come in drawn pieces."""

from __future__ import annotations

import random
from collections.abc import Mapping
from datetime import UTC, datetime
from uuid import UUID

from candleray.candles import Candles
from candleray.live.certificates.replay import Replay, SessionSpan, replayed
from candleray.live.received.session_sources import sources_of
from candleray.live.run import Run, RunMetadata, RunState
from candleray.live.runners.bar_events import in_order
from candleray.live.runners.run_book import RunBook
from candleray.live.sessions import LiveRun, Session
from candleray.live.stores.event_store import NewEvent
from candleray.markets import Instrument
from candleray.settings import BacktestSettings
from candleray.strategies.strategy import StrategySpec
from candleray.timeframes import MINUTE_MS, from_ms, to_ms

LONG_AGO = datetime(2025, 1, 1, tzinfo=UTC)


def live_run(metadata: RunMetadata, live_from_ms: int, session: int, run_id: UUID) -> LiveRun:
    run = Run(
        run_id=run_id,
        strategy_id=UUID(int=1),
        state=RunState.STARTING,
        state_since=LONG_AGO,
        metadata=metadata,
        created_at=LONG_AGO,
    )
    return LiveRun(UUID(int=2), run, Session(session, from_ms(live_from_ms), LONG_AGO))


class PlayedSession:
    """One session with the minutes that it receives."""

    draw: random.Random
    backtest: BacktestSettings
    spec: StrategySpec
    live: LiveRun
    minutes: Mapping[Instrument, Candles]
    end_ms: int

    @property
    def run_id(self) -> UUID:
        return self.live.run.run_id

    def history(self, decided_ms: int) -> dict[Instrument, Candles]:
        firsts = sources_of(self.live, self.spec)
        return {one: self.minutes[one].between(first_ms, decided_ms) for one, first_ms in firsts.items()}

    def attach(self, book: RunBook, decided_ms: int, told_until_ms: int | None) -> list[NewEvent]:
        decided = dict.fromkeys(self.minutes, decided_ms)
        return book.attach(self.live, self.spec, self.history(decided_ms), decided, told_until_ms)

    def feed(self, book: RunBook, decided_ms: int, stop_ms: int) -> list[NewEvent]:
        return feed(book, self.minutes, decided_ms, stop_ms, self.draw)

    @property
    def span(self) -> SessionSpan:
        return SessionSpan.of(self.live, self.spec, self.end_ms)

    def replayed(self) -> Replay:
        return replayed(self.spec, self.span, self.minutes, self.backtest)


def feed(
    book: RunBook, minutes: Mapping[Instrument, Candles], decided_ms: int, stop_ms: int, draw: random.Random
) -> list[NewEvent]:
    """Hand the minutes in, of each instrument in pieces of its own, and take what comes of them."""
    decided, events = dict.fromkeys(minutes, decided_ms), []
    while min(decided.values()) < stop_ms:
        instrument = draw.choice([one for one, at in decided.items() if at < stop_ms])
        until_ms = min(stop_ms, decided[instrument] + draw.choice([1, 1, 2, 5, 61, 500]) * MINUTE_MS)
        book.take(instrument, minutes[instrument].between(decided[instrument], until_ms), until_ms)
        decided[instrument] = until_ms
        advanced = book.advance()
        assert not advanced.failed
        events += advanced.events
    return events


def check(session: PlayedSession, book: RunBook, events: list[NewEvent]) -> None:
    """Events and equity are the batch's, to the bit; each event is there once."""
    expected = session.replayed()
    own = in_order(event for event in events if event.run_id == session.run_id)
    said = [(to_ms(event.ts_open), event.body) for event in own]
    assert said == [(event.ts_open_ms, event.body) for event in expected.events]
    [standing] = book.standings([session.run_id])
    assert standing.equity_quote == (expected.equity[-1] if expected.equity.size else session.spec.init_cash_quote)
    assert standing.trades == expected.trades.size
