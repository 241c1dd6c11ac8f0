"""The audit trail: append-only in the database itself, and any change of it found by its chain."""

from __future__ import annotations

import asyncio
from uuid import UUID

import asyncpg
import pytest

from candleray.databases.postgres import Postgres
from candleray.identity.audit import AuditEvent, ChainBroken, verify_chain
from candleray.identity.audit_store import record, verify_audit
from candleray.identity.tokens import utc_now


def chain(length: int) -> list[AuditEvent]:
    events: list[AuditEvent] = []
    for number in range(length):
        last = (events[-1].number, events[-1].hash) if events else None
        events.append(AuditEvent.after(last, utc_now(), UUID(int=7), "logged_in", attempt=number))
    return events


def test_a_chain_holds_as_it_was_written():
    events = chain(5)
    assert verify_chain(events) == (5, events[-1].hash)
    assert verify_chain(events[2:], (2, events[1].hash)) == (5, events[-1].hash)


@pytest.mark.parametrize(
    "change",
    [
        {"event": "logged_out"},
        {"user_id": UUID(int=8)},
        {"details": {"attempt": 9}},
        {"at": utc_now()},
        {"hash": b"x" * 32},
        {"previous_hash": b"x" * 32},
    ],
    ids=lambda change: next(iter(change)),
)
def test_a_changed_event_is_found(change):
    events = chain(5)
    events[2] = events[2].model_copy(update=change)
    with pytest.raises(ChainBroken, match=r"audit event [34]"):
        verify_chain(events)


def test_a_missing_or_forged_event_is_found():
    events = chain(5)
    with pytest.raises(ChainBroken, match="audit event 3 is missing"):
        verify_chain(events[:2] + events[3:])
    forged = events[2].model_copy(update={"event": "logged_out"})
    forged = forged.model_copy(update={"hash": forged.expected_hash()})
    with pytest.raises(ChainBroken, match="audit event 4 does not follow"):
        verify_chain([*events[:2], forged, *events[3:]])


async def test_events_of_many_at_once_are_one_chain(postgres: Postgres, user_id: UUID):
    async def one() -> None:
        async with postgres.transaction() as transaction:
            await record(transaction, user_id, "code_accepted")

    before = await verify_audit(postgres)
    await asyncio.gather(*(one() for _ in range(20)))
    assert await verify_audit(postgres) == before + 20


@pytest.mark.parametrize(
    "statement",
    ["UPDATE audit_events SET event = 'x'", "DELETE FROM audit_events", "TRUNCATE audit_events"],
)
async def test_the_database_refuses_every_change(postgres: Postgres, user_id: UUID, statement: str):
    async with postgres.transaction() as transaction:
        await record(transaction, user_id, "logged_in")
    with pytest.raises(asyncpg.RestrictViolationError, match="append-only"):
        async with postgres._pool.acquire() as connection:
            await connection.execute(statement)


async def test_an_event_stands_with_its_transaction(postgres: Postgres, user_id: UUID):
    before = await verify_audit(postgres)

    async def fail() -> None:
        async with postgres.transaction() as transaction:
            await record(transaction, user_id, "logged_in")
            raise RuntimeError

    with pytest.raises(RuntimeError):
        await fail()
    assert await verify_audit(postgres) == before
