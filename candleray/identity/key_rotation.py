"""Every sealed record wrapped by the current key, while others read and write."""

from __future__ import annotations

from dataclasses import dataclass, field
from uuid import UUID

from candleray.databases.postgres import Postgres
from candleray.identity.audit_store import record
from candleray.identity.vault import CannotOpen, KeyRing, Sealed
from candleray.logs import get_logger

BATCH_RECORDS = 500

log = get_logger("vault")


@dataclass
class Rotation:
    """The progress of a rotation."""

    rewrapped: int = 0
    unopened_keys: list[UUID] = field(default_factory=list)
    """Exchange keys that do not open and stay as they are."""
    unopened_factors: list[UUID] = field(default_factory=list)
    """Users whose second factor does not open and stays as it is."""

    @property
    def unopened(self) -> int:
        return len(self.unopened_keys) + len(self.unopened_factors)


async def rotate_keys(postgres: Postgres, ring: KeyRing) -> Rotation:
    """Wrap every record's data key by the ring's current key; one that does not open stops none of the others.

    What is sealed meanwhile is sealed by the current key, once every process has it: this waits for those that
    were sealing when it began.
    """
    rotation = Rotation()
    async with postgres.transaction() as transaction:
        await transaction.fetch("await_key_rotation")
    while await _rewrap_factors(postgres, ring, rotation):
        pass
    while await _rewrap_keys(postgres, ring, rotation) or await _keys_left(postgres, ring, rotation):
        pass
    done, unopened = rotation.rewrapped, rotation.unopened
    async with postgres.transaction() as transaction:
        await record(transaction, None, "keys_rotated", key_version=ring.current, records=done, unopened=unopened)
    return rotation


async def _keys_left(postgres: Postgres, ring: KeyRing, rotation: Rotation) -> bool:
    """Return True where somebody held some keys while the others were wrapped."""
    left = await postgres.fetch_one("count_keys_of_other_versions", ring.current, rotation.unopened_keys)
    return bool(left and left["keys"])


async def _rewrap_keys(postgres: Postgres, ring: KeyRing, rotation: Rotation) -> int:
    """The next batch; how many records it had."""
    async with postgres.transaction() as transaction:
        rows = await transaction.fetch(
            "keys_of_other_versions", ring.current, BATCH_RECORDS, rotation.unopened_keys
        )
        fresh = {}
        for row in rows:
            try:
                sealed = ring.rewrap(Sealed(**row["sealed"]), row["user_id"], row["key_id"], row["exchange"])
            except CannotOpen as error:
                log.error("record_does_not_open", key_id=str(row["key_id"]), reason=error.message)
                rotation.unopened_keys.append(row["key_id"])
            else:
                fresh[row["key_id"]] = sealed.model_dump()
        await transaction.fetch("store_rewrapped_keys", list(fresh), list(fresh.values()))
    rotation.rewrapped += len(fresh)
    return len(rows)


async def _rewrap_factors(postgres: Postgres, ring: KeyRing, rotation: Rotation) -> int:
    """The next batch; how many records it had."""
    async with postgres.transaction() as transaction:
        rows = await transaction.fetch(
            "lock_factors_to_rewrap", ring.current, BATCH_RECORDS, rotation.unopened_factors
        )
        for row in rows:
            places = (row["sealed"], row["factor_id"]), (row["pending"], row["pending_id"])
            try:
                fresh = [
                    sealed and ring.rewrap(Sealed(**sealed), "totp", row["user_id"], factor_id).model_dump()
                    for sealed, factor_id in places
                ]
            except CannotOpen as error:
                log.error("record_does_not_open", factor_of=str(row["user_id"]), reason=error.message)
                rotation.unopened_factors.append(row["user_id"])
                continue
            await transaction.fetch("store_rewrapped_factor", row["user_id"], *fresh)
            rotation.rewrapped += 1
    return len(rows)
