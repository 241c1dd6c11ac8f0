"""Sessions of runs in a book, whose minutes come in drawn pieces."""

from __future__ import annotations

import random
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from candleray.candles import Candles
from candleray.live.event_store import NewEvent
from candleray.live.run import Run, RunMetadata, RunState
from candleray.live.runners.run_book import RunBook
from candleray.live.session_sources import sources_of
from candleray.live.sessions import LiveRun, Session
from candleray.markets import Instrument
from candleray.settings import BacktestSettings
from candleray.strategies.strategy import StrategySpec
from candleray.timeframes import MINUTE_MS, from_ms, to_ms
from tests.support.live.replayed_sessions import ReplayedSession

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

    def replayed(self, end_ms: int | None = None) -> ReplayedSession:
        return ReplayedSession(self.live, self.spec, self.minutes, end_ms or self.end_ms, self.backtest)


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


def told(events: list[NewEvent]) -> list[tuple[Any, ...]]:
    """Events as `(bar, kind, body)`, in one order, without entries that are annulled."""
    plain = []
    for event in events:
        body = event.body.model_dump(mode="json")
        plain.append((to_ms(event.ts_open), body.pop("kind"), body))
    annulled = {at for at, kind, _ in plain if kind == "annulled"}
    return sorted(
        (one for one in plain if one[1] != "annulled" and not (one[1] == "entry" and one[0] in annulled)),
        key=lambda one: one[:2],
    )


def check(session: PlayedSession, book: RunBook, events: list[NewEvent]) -> None:
    """Signals, trades, gaps and equity are the batch's, less what the end of the bars brings."""
    replayed = session.replayed()
    [standing] = book.standings([session.run_id])
    last_ms = int(replayed.bars.ts_open_ms[-1])
    own = [event for event in events if event.run_id == session.run_id]
    said = [one for one in told(own) if one[:2] != (last_ms, "entry")]
    entered_last = len(said) < len(told(own))
    assert said == replayed.events(standing.side is not None and not entered_last)
    if standing.side is None:
        assert standing.equity_quote == replayed.equity[-1]
