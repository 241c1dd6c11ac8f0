"""Certificates of stored runs: their sessions, events and candles are read, and held against the batch."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Any, NamedTuple
from uuid import UUID

from pydantic import TypeAdapter

from candleray.candles import Candles
from candleray.databases.postgres import Postgres
from candleray.errors import GuardExceeded, NotFound, Problem, invalid
from candleray.feeds.hole_store import HoleStore
from candleray.live.certificates.certificate import Certificate
from candleray.live.certificates.certification import (
    CertifiedRun,
    SessionRecord,
    certificate_of,
)
from candleray.live.certificates.comparison import Place
from candleray.live.certificates.tape_differences import SessionTapes
from candleray.live.event_bodies import ON_ONE_BAR
from candleray.live.events import EventBody
from candleray.live.received.received_tape import ReceivedTapes
from candleray.live.received.session_sources import sources_of
from candleray.live.sessions import Session
from candleray.live.stores.store import run_of
from candleray.market_data.candle_store_client import CandleStoreClient
from candleray.markets import Instrument
from candleray.settings import Settings
from candleray.strategies.strategy import StrategySpec
from candleray.timeframes import MINUTE_MS, from_ms, iso, minutes_of, to_ms
from candleray.work_elsewhere import Compute, on_a_thread

MAX_EVENTS = 200_000
"""Events of one session that a certificate reads."""

_BODY: TypeAdapter[EventBody] = TypeAdapter(EventBody)
_KINDS = [kind.value for kind in ON_ONE_BAR]


class _Taken(NamedTuple):
    """A session, and the end of the minutes it has taken."""

    session: Session
    until_ms: int

    @property
    def from_ms(self) -> int:
        return to_ms(self.session.live_from)


class ReceivedSession(NamedTuple):
    """A session of a run with the candles that it has received and taken."""

    run: CertifiedRun
    session: Session
    until_ms: int
    minutes: dict[Instrument, Candles]


class Certifier:
    def __init__(
        self,
        postgres: Postgres,
        candles: CandleStoreClient,
        settings: Settings,
        compute: Compute = on_a_thread,
    ) -> None:
        self._postgres = postgres
        self._candles = candles
        self._settings = settings
        self._compute = compute

    async def certify(
        self, user_id: UUID, run_id: UUID, start: datetime | None = None, end: datetime | None = None
    ) -> Certificate:
        """Certify a run from a moment to another; without them, all that it has taken.

        Raises:
            NotFound: this user has no such run.
            InvalidInput: the range is empty, or the run has taken no bar in it.
            GuardExceeded: more candles are read for it than one certificate may read.
        """
        run = await self._run(user_id, run_id)
        taken = await self._taken(run)
        start_ms, end_ms = _window(taken, start, end)
        chosen = [one for one in taken if one.from_ms < end_ms and one.until_ms > start_ms]
        self._require_few_minutes(run, chosen, end_ms)
        records = [await self._record(run, one, start_ms, end_ms) for one in chosen]
        certificate: Certificate = await self._compute(certificate_of, run, records, start_ms, end_ms)
        return certificate

    async def taken(self, user_id: UUID, run_id: UUID) -> tuple[datetime, datetime]:
        """The start of the first bar of a run and the end of the last minute that it has taken.

        Raises:
            NotFound: this user has no such run.
        """
        first_ms, last_ms = _ends(await self._taken(await self._run(user_id, run_id)))
        return from_ms(first_ms), from_ms(last_ms)

    async def received(self, user_id: UUID, run_id: UUID, number: int | None = None) -> ReceivedSession:
        """Read what a session has received; the last one where no number is given.

        Raises:
            NotFound: this user has no such run.
            InvalidInput: it has no such session.
            GuardExceeded: the session has more candles than a certificate may read.
        """
        run = await self._run(user_id, run_id)
        taken = {one.session.session: one for one in await self._taken(run)}
        chosen = taken.get(max(taken) if number is None else number)
        if chosen is None:
            known = ", ".join(map(str, taken))
            message = f"session: the run has no session {number}; it has {known}"
            raise invalid("session", "unknown_session", message)
        if chosen.until_ms <= chosen.from_ms:
            return ReceivedSession(run, chosen.session, chosen.until_ms, {})
        self._require_few_minutes(run, [chosen], chosen.until_ms)
        tapes = ReceivedTapes(self._candles, HoleStore(self._postgres))
        minutes = {
            instrument: (await tapes.of_session(instrument, chosen.session, first_ms, chosen.until_ms)).candles
            for instrument, first_ms in sources_of(run.live(chosen.session), run.spec).items()
        }
        return ReceivedSession(run, chosen.session, chosen.until_ms, minutes)

    async def _run(self, user_id: UUID, run_id: UUID) -> CertifiedRun:
        row = await self._postgres.fetch_one("run_to_certify", user_id, run_id)
        if row is None:
            raise NotFound(f"there is no run {run_id}")
        return _run(row, self._settings)

    async def _taken(self, run: CertifiedRun) -> list[_Taken]:
        rows = await self._postgres.fetch("sessions_taken", run.user_id, run.run.run_id)
        return [await self._session(run, **row) for row in rows]

    async def _session(
        self,
        run: CertifiedRun,
        session: int,
        live_from: datetime,
        started_at: datetime,
        taken_until: datetime | None,
    ) -> _Taken:
        until_ms = to_ms(taken_until or live_from)
        # A session that was stopped may have taken more bars until its runner knew. What it says of a bar, it says
        # with all it says of those before.
        [last] = await self._postgres.fetch("last_event_of_bars", run.run.run_id, session, _KINDS)
        if last["ts_open"] is not None:
            bar_ms = minutes_of(run.spec.timeframe) * MINUTE_MS
            until_ms = max(until_ms, to_ms(last["ts_open"]) + bar_ms)
        if last["gap_seen"] is not None:
            until_ms = max(until_ms, to_ms(last["gap_seen"]))
        return _Taken(Session(session, live_from, started_at), max(until_ms, to_ms(live_from)))

    def _require_few_minutes(self, run: CertifiedRun, taken: Sequence[_Taken], end_ms: int) -> None:
        most = self._settings.live.max_certified_minutes
        minutes = sum(
            max(0, min(one.until_ms, end_ms) - first_ms) // MINUTE_MS
            for one in taken
            for first_ms in sources_of(run.live(one.session), run.spec).values()
        )
        if minutes > most:
            message = (
                f"a certificate up to {iso(end_ms)} reads {minutes:,} candles, those of the warm-up among them; "
                f"the limit is {most:,} (live.max_certified_minutes): ask for an earlier end"
            )
            raise GuardExceeded(message, [Problem("to", "too_many_candles", message)])

    async def _record(self, run: CertifiedRun, taken: _Taken, start_ms: int, end_ms: int) -> SessionRecord:
        until_ms = min(taken.until_ms, end_ms)
        said = await self._said(run, taken.session, start_ms, until_ms)
        tapes = ReceivedTapes(self._candles, HoleStore(self._postgres))
        received: dict[Instrument, Candles] = {}
        canonical: dict[Instrument, Candles] = {}
        late_ms: dict[Instrument, set[int]] = {}
        for instrument, first_ms in sources_of(run.live(taken.session), run.spec).items():
            tape = await tapes.of_session(instrument, taken.session, first_ms, until_ms)
            received[instrument], late_ms[instrument] = tape.candles, set(tape.late_ms)
            canonical[instrument] = await self._canonical(instrument, first_ms, until_ms)
        return SessionRecord(taken.session, until_ms, SessionTapes(received, canonical, late_ms), said)

    async def _canonical(self, instrument: Instrument, start_ms: int, end_ms: int) -> Candles:
        try:
            return await self._candles.read(instrument.market_id, instrument.symbol, start_ms, end_ms)
        except NotFound:
            return Candles.empty()

    async def _said(
        self, run: CertifiedRun, session: Session, start_ms: int, until_ms: int
    ) -> dict[Place, EventBody]:
        window = from_ms(start_ms), from_ms(until_ms)
        rows = await self._postgres.fetch(
            "events_of_bars", run.run.run_id, session.session, *window, _KINDS, MAX_EVENTS + 1
        )
        if len(rows) > MAX_EVENTS:
            message = (
                f"session {session.session} has more than {MAX_EVENTS:,} events from {iso(start_ms)} to "
                f"{iso(until_ms)}, the limit of a certificate: ask for a shorter range"
            )
            raise GuardExceeded(message, [Problem("from", "too_many_events", message)])
        return dict(_events(rows))


def _events(rows: Sequence[dict[str, Any]]) -> Iterator[tuple[Place, EventBody]]:
    for row in rows:
        body = _BODY.validate_python(row["body"])
        yield Place(to_ms(row["ts_open"]), body.kind), body


def _run(row: dict[str, Any], settings: Settings) -> CertifiedRun:
    return CertifiedRun(
        row["user_id"], run_of(row), StrategySpec.model_validate_json(row["spec"]), settings.backtests
    )


def _ends(taken: Sequence[_Taken]) -> tuple[int, int]:
    return taken[0].from_ms, max(one.until_ms for one in taken)


def _window(taken: Sequence[_Taken], start: datetime | None, end: datetime | None) -> tuple[int, int]:
    """The range in ms: what is asked for, as far as there are bars.

    Raises:
        InvalidInput: it is empty, or has no bar that the run has taken.
    """
    first_ms, last_ms = _ends(taken)
    start_ms = first_ms if start is None else to_ms(start)
    end_ms = last_ms if end is None else to_ms(end)
    if start is not None and end is not None and start_ms >= end_ms:
        raise invalid("from", "empty_range", f"from {iso(start_ms)} must be before to {iso(end_ms)}")
    there = f"the run has taken the candles of {iso(first_ms)} to {iso(last_ms)}"
    if last_ms <= first_ms:
        there = f"the run has taken no candle yet; its first bar opens at {iso(first_ms)}"
    if start is not None and start_ms >= last_ms:
        raise invalid("from", "after_last_bar", f"from {iso(start_ms)} is not before the end: {there}")
    if end is not None and end_ms <= first_ms:
        raise invalid("to", "before_first_bar", f"to {iso(end_ms)} is not after the start: {there}")
    return max(start_ms, first_ms), min(end_ms, last_ms)
