"""Certificates that an instance makes by itself: of each running run its last day, once a day.

This module is imported by a process that stays small. What certifies is imported where the work is done.
"""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING, NamedTuple
from uuid import UUID

from candleray.databases.lazy_service import LazyService
from candleray.databases.postgres import Postgres
from candleray.errors import CandlerayError
from candleray.live.run import Parity
from candleray.logs import configure_logs, get_logger
from candleray.market_data.candle_store_client import CandleStoreClient
from candleray.settings import Settings
from candleray.timeframes import iso, to_ms

if TYPE_CHECKING:
    from candleray.live.certificates.certificate import Certificate
    from candleray.live.certificates.certifier import Certifier

log = get_logger("certificates")

BUDGET_S = 60.0
"""Work of one pass: what is left is done in the next one."""

AGAIN_S = 1800.0
"""After so long a run is tried again that could not be certified, or had taken no bar."""

LATE_TURNS = 1.5
"""A run whose last certificate is older than so many times their distance was left out: runs are too many."""

RUNS_AT_ONCE = 50
BEFORE_ALL = datetime(1970, 1, 1, tzinfo=UTC)
LAST_DAY = timedelta(days=1)


class Certified(NamedTuple):
    """The outcome of a pass."""

    said: str
    counts: dict[str, int]
    """Running runs by their parity."""


class DueRun(NamedTuple):
    user_id: UUID
    run_id: UUID
    until: datetime | None
    """The end of the last certificate."""


class RunParities:
    def __init__(self, postgres: Postgres) -> None:
        self._postgres = postgres

    async def due(self, every_s: float, again_s: float) -> list[DueRun]:
        """The running runs whose turn it is, some of them."""
        rows = await self._postgres.fetch("runs_to_certify", every_s, min(again_s, every_s), RUNS_AT_ONCE)
        return [DueRun(**row) for row in rows]

    async def keep(self, run_id: UUID, certificate: Certificate) -> Parity:
        """Keep the result of a certificate; one without a bar says nothing."""
        known = {parity.value: parity for parity in Parity}
        parity = known.get(certificate.verdict.value, Parity.NOT_YET)
        sessions = certificate.sessions
        await self._postgres.fetch(
            "keep_parity",
            run_id,
            parity,
            certificate.start,
            certificate.end,
            sum(session.bars for session in sessions),
            sum(session.events for session in sessions),
            sum(session.received.differing for session in sessions),
            sum(session.canonical.differing for session in sessions),
            certificate.hash,
        )
        return parity

    async def keep_failure(self, due: DueRun) -> None:
        """Note that a run could not be certified; the next certificate begins where the last one ended."""
        until = due.until or BEFORE_ALL
        await self._postgres.fetch("keep_parity", due.run_id, Parity.NOT_YET, until, until, 0, 0, 0, 0, "")

    async def left_out(self, every_s: float) -> str:
        """Tell how many running runs had no turn although it was theirs, and since when; nothing for none."""
        row = await self._postgres.fetch_one("count_uncertified", LATE_TURNS * every_s)
        if not row or not row["runs"]:
            return ""
        return f"{row['runs']:,} more are due since {iso(to_ms(row['since']))} at the earliest, and come next"

    async def counts(self) -> dict[str, int]:
        """Running runs by their parity."""
        return {row["parity"]: row["runs"] for row in await self._postgres.fetch("count_parities")}


def certify_due_runs(settings: Settings, candles: CandleStoreClient) -> Certified:
    """Certify running runs whose turn it is, for as long as a pass may take; in a process of its own."""
    configure_logs(settings.log_level)
    return asyncio.run(_certify_due_runs(settings, candles))


async def _certify_due_runs(settings: Settings, candles: CandleStoreClient) -> Certified:
    from candleray.live.certificates.certifier import Certifier

    lazy = LazyService(partial(Postgres.open, max_connections=2), settings.services.postgres_url, "postgres_url")
    postgres = await lazy.get()
    try:
        return await certify_due(postgres, Certifier(postgres, candles, settings), settings)
    finally:
        await postgres.close()


async def certify_due(
    postgres: Postgres, certifier: Certifier, settings: Settings, budget_s: float = BUDGET_S
) -> Certified:
    parities, found = RunParities(postgres), Counter[str]()
    every_s = settings.live.certify_every_s / settings.live.clock_speed
    again_s = AGAIN_S / settings.live.clock_speed
    ends_at = time.monotonic() + budget_s
    while time.monotonic() < ends_at and (due := await parities.due(every_s, again_s)):
        for run in due:
            found[await _certify(parities, certifier, run)] += 1
            if time.monotonic() >= ends_at:
                break
    told = ", ".join(f"{count:,} {parity}" for parity, count in sorted(found.items()))
    said = f"{found.total():,} runs certified" + (f": {told}" if told else "")
    if left_out := await parities.left_out(every_s):
        log.warning("runs_not_certified", reason=left_out, budget_s=budget_s)
        said += f"; {left_out}"
    return Certified(said, await parities.counts())


async def _certify(parities: RunParities, certifier: Certifier, due: DueRun) -> Parity:
    """Certify what a run has taken since its last certificate, a day at least."""
    try:
        first, last = await certifier.taken(due.user_id, due.run_id)
        start = max(first, min(due.until or first, last - LAST_DAY))
        certificate = await certifier.certify(due.user_id, due.run_id, start if start < last else None)
    except CandlerayError as error:
        log.warning("run_not_certified", run_id=str(due.run_id), reason=error.message)
        await parities.keep_failure(due)
        return Parity.NOT_YET
    parity = await parities.keep(due.run_id, certificate)
    if parity is Parity.BROKEN:
        differing = sum(session.received.differing for session in certificate.sessions)
        told = {"start": certificate.start.isoformat(), "end": certificate.end.isoformat()}
        log.error("run_differs", run_id=str(due.run_id), events=differing, certificate=certificate.hash, **told)
    return parity
