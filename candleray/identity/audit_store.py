"""The audit trail in Postgres; a trigger there refuses every change of what is written."""

from __future__ import annotations

from uuid import UUID

from candleray.databases.postgres import Postgres, Transaction
from candleray.identity.audit import GENESIS, AuditEvent, Event, verify_chain
from candleray.identity.tokens import utc_now

_PAGE_EVENTS = 1000


async def record(transaction: Transaction, user_id: UUID | None, event: Event, **details: str | int) -> None:
    """Append an event, which stands if the transaction does.

    The last statement of a transaction where possible: events of all users wait for one another.
    """
    await transaction.fetch("lock_audit")
    row = await transaction.fetch_one("last_audit_event")
    last = (row["number"], row["hash"]) if row else None
    one = AuditEvent.after(last, utc_now(), user_id, event, **details)
    await transaction.fetch(
        "add_audit_event", one.number, one.at, one.user_id, one.event, one.details, one.previous_hash, one.hash
    )


async def verify_audit(postgres: Postgres) -> int:
    """The number of events, when the chain holds.

    Raises:
        ChainBroken: naming the first event that does not follow.
    """
    last = (0, GENESIS)
    while rows := await postgres.fetch("audit_events_from", last[0], _PAGE_EVENTS):
        last = verify_chain([AuditEvent(**row) for row in rows], last)
    return last[0]
