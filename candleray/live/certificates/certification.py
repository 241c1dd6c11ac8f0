"""The making of a certificate from what was read: sessions through the batch, beside what they have said."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple
from uuid import UUID

from candleray.candles import Candles, IntArray
from candleray.hashes import candles_hash
from candleray.live.certificates.certificate import (
    Certificate,
    CertificateContent,
    CertifiedEngine,
    CertifiedSession,
    CertifiedTape,
    SaidEvent,
    verdict_of,
)
from candleray.live.certificates.comparison import (
    Events,
    Explanations,
    Place,
    compared,
    events_hash,
    events_of,
    in_order,
    nothing_explains,
)
from candleray.live.certificates.replay import Replay, SessionSpan, replayed
from candleray.live.certificates.tape_differences import SessionTapes, Tapes, differing_minutes
from candleray.live.events import Annulled, EventBody, Exit, Gap
from candleray.live.received.session_sources import sources_of
from candleray.live.run import Run
from candleray.live.sessions import LiveRun, Session
from candleray.search.variants import engine_params_hash
from candleray.settings import BacktestSettings
from candleray.strategies.strategy import StrategySpec, request_of
from candleray.timeframes import MINUTE_MS, TimeRange, from_ms, minutes_of
from kernels import ENGINE_VERSION
from kernels.indicators import INDICATORS
from kernels.simulation.exits import EXIT_GAP, EXIT_REASONS

MAX_MINUTES = 2_000
"""Differing minutes that a session lists."""

MAX_SAID = 1_000
"""Events that a session lists."""


class CertifiedRun(NamedTuple):
    """A run and its strategy, with the settings by which it is held against the batch."""

    user_id: UUID
    run: Run
    spec: StrategySpec
    defaults: BacktestSettings

    def live(self, session: Session) -> LiveRun:
        return LiveRun(self.user_id, self.run, session)


class SessionRecord(NamedTuple):
    """A session as it was read."""

    session: Session
    until_ms: int
    """The end of the minutes it has certainly taken."""
    tapes: SessionTapes
    said: Mapping[Place, EventBody]
    """Its events from the start of the range on."""


def certificate_of(run: CertifiedRun, records: Sequence[SessionRecord], start_ms: int, end_ms: int) -> Certificate:
    """Certify what sessions have said of the bars that open from the start on and close by the end."""
    sessions = tuple(_session(run, record, start_ms, end_ms) for record in records)
    content = CertificateContent(
        run_id=run.run.run_id,
        strategy_id=run.run.strategy_id,
        instrument_key=run.run.metadata.instrument_key,
        timeframe=run.run.metadata.timeframe,
        warmup_from=run.run.metadata.warmup_from,
        spec=run.spec,
        spec_hash=run.spec.hash,
        start=from_ms(start_ms),
        end=from_ms(end_ms),
        engine=engine_of(run.spec, run.defaults),
        sessions=sessions,
        verdict=verdict_of(sessions),
    )
    return Certificate.of(content)


def engine_of(spec: StrategySpec, defaults: BacktestSettings) -> CertifiedEngine:
    """The engine of this process, as far as it matters to a strategy."""
    # The hash is of the rules alone; a range belongs to every request.
    request = request_of(spec, TimeRange(start=from_ms(0), end=from_ms(MINUTE_MS)), {"allow_gaps": True})
    return CertifiedEngine(
        version=ENGINE_VERSION,
        params_hash=engine_params_hash(request, defaults),
        indicators={one.id: INDICATORS[one.id].version for one in spec.named_indicators},
        max_gap_hours=defaults.max_gap_hours,
    )


def _session(run: CertifiedRun, record: SessionRecord, start_ms: int, end_ms: int) -> CertifiedSession:
    live = run.live(record.session)
    until_ms = min(record.until_ms, end_ms)
    span = SessionSpan.of(live, run.spec, until_ms)
    tapes = cut(record.tapes, until_ms)

    def replay(minutes: Tapes, told_ms: IntArray | None = None, end_ms: int | None = None) -> Replay:
        return replayed(run.spec, span.until(end_ms), minutes, run.defaults, told_ms)

    received, canonical = replay(tapes.received), replay(tapes.canonical)
    minutes = differing_minutes(tapes)
    said = dict(_known(run, record.said, received, tapes.received[run.spec.instrument], until_ms))
    explain = Explanations(tapes, minutes, replay, received, canonical, said)
    said_hash = events_hash(said)
    in_range = [(from_ms(place.ts_open_ms), body) for place, body in in_order(said)]
    return CertifiedSession(
        session=record.session.session,
        live_from=record.session.live_from,
        started_at=record.session.started_at,
        until=from_ms(until_ms),
        bars=_bars_from(received, start_ms),
        canonical_bars=_bars_from(canonical, start_ms),
        tapes=tuple(_tapes(live, run.spec, tapes)),
        differing_minutes=len(minutes),
        minutes=tuple(minutes[:MAX_MINUTES]),
        minutes_cut=max(0, len(minutes) - MAX_MINUTES),
        events=len(said),
        events_hash=said_hash,
        said=tuple(SaidEvent(ts_open=ts_open, body=body) for ts_open, body in in_range[:MAX_SAID]),
        said_cut=max(0, len(said) - MAX_SAID),
        received=compared(said, said_hash, events_of(received, start_ms), nothing_explains),
        canonical=compared(said, said_hash, events_of(canonical, start_ms), explain),
    )


def cut(tapes: SessionTapes, until_ms: int) -> SessionTapes:
    """The tapes up to a moment."""
    received, canonical = (
        {one: candles.between(0, until_ms) for one, candles in each.items()}
        for each in (tapes.received, tapes.canonical)
    )
    return tapes._replace(received=received, canonical=canonical)


def _bars_from(replay: Replay, start_ms: int) -> int:
    return int((replay.bars.ts_open_ms >= start_ms).sum())


def _tapes(live: LiveRun, spec: StrategySpec, tapes: SessionTapes) -> Iterator[CertifiedTape]:
    for instrument, first_ms in sources_of(live, spec).items():
        received, canonical = tapes.received[instrument], tapes.canonical[instrument]
        yield CertifiedTape(
            instrument=instrument,
            start=from_ms(first_ms),
            received_minutes=len(received),
            received_hash=tape_hash(received),
            canonical_minutes=len(canonical),
            canonical_hash=tape_hash(canonical),
        )


def tape_hash(candles: Candles) -> str:
    return candles_hash(candles) if len(candles) else hashlib.sha256().hexdigest()


def _known(
    run: CertifiedRun, said: Events, received: Replay, minutes: Candles, until_ms: int
) -> Iterator[tuple[Place, EventBody]]:
    """Yield the events that are known by then: those of a gap are when the gap has ended."""
    bar_ms = minutes_of(run.spec.timeframe) * MINUTE_MS
    last_bar_ms = int(received.bars.ts_open_ms[-1]) if len(received.bars) else None
    last_minute_ms = int(minutes.ts_open_ms[-1]) if len(minutes) else None
    for place, body in said.items():
        if isinstance(body, Gap):
            is_known = last_minute_ms is not None and place.ts_open_ms <= last_minute_ms
        elif isinstance(body, Annulled) or (isinstance(body, Exit) and body.reason == EXIT_REASONS[EXIT_GAP]):
            is_known = place.ts_open_ms != last_bar_ms
        else:
            is_known = True
        length_ms = MINUTE_MS if isinstance(body, Gap) else bar_ms
        if is_known and place.ts_open_ms + length_ms <= until_ms:
            yield place, body
