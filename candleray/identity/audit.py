"""The audit trail: events of identities and keys, and writes of what users share.

Each event is chained to the hash of the one before it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from datetime import datetime
from typing import Literal
from uuid import UUID

from candleray.errors import Conflict
from candleray.hashes import canonical_json
from candleray.validation import Model

Event = Literal[
    "user_created",
    "logged_in",
    "logged_out",
    "session_revoked",
    "other_sessions_revoked",
    "token_created",
    "token_revoked",
    "second_factor_begun",
    "second_factor_enabled",
    "second_factor_disabled",
    "code_accepted",
    "code_refused",
    "codes_locked",
    "recovery_code_used",
    "recovery_codes_replaced",
    "key_added",
    "key_deleted",
    "keys_rotated",
    "candles_written",
    "instruments_written",
    "instruments_refreshed",
    "subscriptions_added",
    "subscription_removed",
    "subscription_asked",
    "subscription_accepted",
    "subscription_refused",
    "telegram_linked",
    "telegram_unlinked",
    "run_halted",
    "order_refused",
    "key_refused",
]

GENESIS = bytes(32)
"""The hash that the first event is chained to."""


class AuditEvent(Model):
    number: int
    """Counts from 1 on, without a hole."""
    at: datetime
    user_id: UUID | None
    event: str
    details: dict[str, str | int]
    """Ids and counts, never a secret."""
    previous_hash: bytes
    hash: bytes

    @classmethod
    def after(
        cls, last: tuple[int, bytes] | None, at: datetime, user_id: UUID | None, event: Event, **details: str | int
    ) -> AuditEvent:
        number, previous = last or (0, GENESIS)
        unsealed = cls(
            number=number + 1,
            at=at,
            user_id=user_id,
            event=event,
            details=details,
            previous_hash=previous,
            hash=b"",
        )
        return unsealed.model_copy(update={"hash": unsealed.expected_hash()})

    def expected_hash(self) -> bytes:
        content = canonical_json(
            {
                "number": self.number,
                "at_us": round(self.at.timestamp() * 1_000_000),
                "user_id": str(self.user_id) if self.user_id else None,
                "event": self.event,
                "details": self.details,
            }
        )
        return hashlib.sha256(self.previous_hash + content).digest()


class ChainBroken(Conflict):
    """The trail is not what was written."""


def verify_chain(events: Iterable[AuditEvent], last: tuple[int, bytes] = (0, GENESIS)) -> tuple[int, bytes]:
    """The number and hash of the last event, when each follows from the one before.

    Raises:
        ChainBroken: naming the first that does not.
    """
    number, previous = last
    for event in events:
        number += 1
        if event.number != number:
            raise ChainBroken(f"audit event {number} is missing: the next one there is {event.number}")
        if event.previous_hash != previous:
            raise ChainBroken(f"audit event {number} does not follow from event {number - 1}")
        if event.expected_hash() != event.hash:
            raise ChainBroken(f"audit event {number} ({event.event}) was changed after it was written")
        previous = event.hash
    return number, previous
