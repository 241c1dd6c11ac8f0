"""Certificates computed again: the tapes from the candles here, the events from the tapes, and what differs.

The received tape is that of today with the minutes put back that the certificate lists as different. So any
instance that has the same candles makes it, whatever its own feeds have received.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from uuid import UUID

from candleray.candles import Candles
from candleray.errors import GuardExceeded, NotFound, Problem, invalid
from candleray.live.certificates.certificate import Certificate, CertifiedSession
from candleray.live.certificates.certification import engine_of, tape_hash
from candleray.live.certificates.comparison import Events, Place, differing_places, events_hash, events_of
from candleray.live.certificates.replay import Replay, SessionSpan, replayed
from candleray.live.certificates.tape_differences import Tapes, changed
from candleray.live.certificates.verification import (
    Finding,
    Verification,
    VerifiedSession,
    VerifiedTape,
    verification_of,
)
from candleray.live.received.session_sources import sources_of
from candleray.live.run import Run, RunMetadata, RunState
from candleray.live.sessions import LiveRun, Session
from candleray.market_data.candle_store_client import CandleStoreClient
from candleray.markets import Instrument
from candleray.settings import BacktestSettings, Settings
from candleray.timeframes import MINUTE_MS, iso, to_ms
from candleray.work_elsewhere import Compute, on_a_thread

MAX_NAMED = 5
"""Events that differ and are named."""


class Verifier:
    def __init__(self, candles: CandleStoreClient, settings: Settings, compute: Compute = on_a_thread) -> None:
        self._candles = candles
        self._settings = settings
        self._compute = compute

    async def verify(self, certificate: Certificate) -> Verification:
        """Compute a certificate again from the candles here; its strategy is one that the engine here knows.

        Raises:
            InvalidInput: it is of another instrument than its strategy.
            GuardExceeded: more candles are read for it than one certificate may read.
        """
        if certificate.spec.instrument.key != certificate.instrument_key:
            message = f"instrument_key: the strategy is of {certificate.spec.instrument.key}"
            raise invalid("instrument_key", "other_instrument", message)
        self._require_few_minutes(certificate)
        tapes = [await self._tapes(certificate, session) for session in certificate.sessions]
        found: Verification = await self._compute(verified, certificate, tapes, self._settings.backtests)
        return found

    def _require_few_minutes(self, certificate: Certificate) -> None:
        most = self._settings.live.max_certified_minutes
        minutes = sum(
            max(0, to_ms(session.until) - first_ms) // MINUTE_MS
            for session in certificate.sessions
            for first_ms in sources_of(live_of(certificate, session), certificate.spec).values()
        )
        if minutes > most:
            message = (
                f"the certificate is of {minutes:,} candles; the limit is {most:,} (live.max_certified_minutes)"
            )
            raise GuardExceeded(message, [Problem("sessions", "too_many_candles", message)])

    async def _tapes(self, certificate: Certificate, session: CertifiedSession) -> dict[Instrument, Candles]:
        firsts = sources_of(live_of(certificate, session), certificate.spec)
        return {one: await self._read(one, first_ms, to_ms(session.until)) for one, first_ms in firsts.items()}

    async def _read(self, instrument: Instrument, start_ms: int, end_ms: int) -> Candles:
        try:
            return await self._candles.read(instrument.market_id, instrument.symbol, start_ms, end_ms)
        except NotFound:
            return Candles.empty()


def live_of(certificate: Certificate, session: CertifiedSession) -> LiveRun:
    """The session as its certificate tells of it."""
    metadata = RunMetadata(
        instrument_key=certificate.instrument_key,
        timeframe=certificate.timeframe,
        warmup_bars=0,
        lookback_bars=0,
        warmup_from=certificate.warmup_from,
    )
    run = Run(
        run_id=certificate.run_id,
        strategy_id=certificate.strategy_id,
        state=RunState.STOPPED,
        state_since=session.started_at,
        metadata=metadata,
        created_at=session.started_at,
    )
    return LiveRun(UUID(int=0), run, Session(session.session, session.live_from, session.started_at))


def verified(certificate: Certificate, tapes: Sequence[Tapes], defaults: BacktestSettings) -> Verification:
    """Hold a certificate against the candles of each of its sessions."""
    defaults = defaults.model_copy(update={"max_gap_hours": certificate.engine.max_gap_hours})
    engine = engine_of(certificate.spec, defaults)
    is_same = (engine.version, engine.indicators) == (certificate.engine.version, certificate.engine.indicators)
    sessions = tuple(
        _session(certificate, session, here, defaults)
        for session, here in zip(certificate.sessions, tapes, strict=True)
    )
    return verification_of(certificate, is_same, sessions)


def _session(
    certificate: Certificate, session: CertifiedSession, here: Tapes, defaults: BacktestSettings
) -> VerifiedSession:
    live = live_of(certificate, session)
    span = SessionSpan.of(live, certificate.spec, to_ms(session.until))
    received = changed(here, session.minutes, to_received=True)
    tapes = tuple(_tape(session, instrument, received, here) for instrument in here)
    said: list[str] = list(_words_on_tapes(session, tapes))

    def events(minutes: Tapes) -> Events:
        replay: Replay = replayed(certificate.spec, span, minutes, defaults)
        return events_of(replay, to_ms(certificate.start))

    findings = {Finding.CONFIRMED}
    if all(tape.is_received for tape in tapes):
        wrong = list(_differences(session, events(received)))
        findings |= {Finding.DIFFERENT} if wrong else set()
        said += wrong
    else:
        findings.add(Finding.NOT_COMPARABLE)
    if all(tape.is_canonical for tape in tapes) and events_hash(events(here)) != session.canonical.events_hash:
        findings.add(Finding.DIFFERENT)
        said.append("the backtest over today's candles says other events than the certificate states")
    worst = next(
        each for each in (Finding.DIFFERENT, Finding.NOT_COMPARABLE, Finding.CONFIRMED) if each in findings
    )
    return VerifiedSession(session=session.session, tapes=tapes, finding=worst, said=tuple(said))


def _tape(
    session: CertifiedSession, instrument: Instrument, received: Mapping[Instrument, Candles], here: Tapes
) -> VerifiedTape:
    hashes = {tape.instrument: (tape.received_hash, tape.canonical_hash) for tape in session.tapes}
    stated = hashes.get(instrument, ("", ""))
    return VerifiedTape(
        instrument=instrument,
        is_received=tape_hash(received[instrument]) == stated[0],
        is_canonical=tape_hash(here[instrument]) == stated[1],
    )


def _words_on_tapes(session: CertifiedSession, tapes: Sequence[VerifiedTape]) -> Iterator[str]:
    cut = f": it lists {len(session.minutes):,} of {session.differing_minutes:,} differing minutes"
    for tape in tapes:
        if not tape.is_received:
            why = cut if session.minutes_cut else ""
            yield f"{tape.instrument.key}: the candles here are not those that the run received{why}"
        elif not tape.is_canonical:
            yield f"{tape.instrument.key}: the candles here are others than the certificate's of today"


def _differences(session: CertifiedSession, here: Events) -> Iterator[str]:
    """Yield the events that the run states otherwise than the backtest over what it received."""
    stated = session.events_hash, session.received.events_hash
    if stated == (events_hash(here),) * 2:
        return
    said = {Place(to_ms(event.ts_open), event.body.kind): event.body for event in session.said}
    last_ms = max((place.ts_open_ms for place in said), default=0) if session.said_cut else None
    differing = [place for place in differing_places(said, here) if last_ms is None or place.ts_open_ms <= last_ms]
    for place in differing[:MAX_NAMED]:
        what = "is missing" if place not in said else "is not the backtest's" if place not in here else "differs"
        yield f"{place.kind} of {iso(place.ts_open_ms)} {what}"
    if len(differing) > MAX_NAMED:
        yield f"{len(differing) - MAX_NAMED:,} more events differ"
    if not differing:
        yield "the certificate's events have another hash than the backtest's"
