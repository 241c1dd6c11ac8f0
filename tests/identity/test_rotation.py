"""A rotation of keys beside those who seal and hold records: two connections, each lock held in turn."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import Callable
from typing import Any
from uuid import UUID, uuid4

import pytest

from candleray.databases.postgres import Postgres
from candleray.errors import Conflict, NotFound
from candleray.identity import key_rotation
from candleray.identity.exchange_key_store import ExchangeKeys
from candleray.identity.exchange_keys import NewExchangeKey
from candleray.identity.key_rotation import rotate_keys
from candleray.identity.models import ExchangeKey
from candleray.identity.vault import KeyRing, Secret
from tests.support.locks import held, waiting
from tests.support.users import new_user_id


def ring(*versions: int) -> KeyRing:
    """The keys of these versions, the first one current."""
    return KeyRing.parse(
        ",".join(f"{version}:{base64.b64encode(bytes([version] * 32)).decode()}" for version in versions)
    )


OLD, BOTH = ring(1), ring(2, 1)
NEW_KEY = NewExchangeKey(
    exchange="binance", label="main", api_key=Secret("key-00000001"), api_secret=Secret("secret-00000001")
)


@pytest.fixture
async def postgres(postgres_url: str) -> Any:
    """Secrets that other tests have sealed are of other rings."""
    store = await Postgres.open(postgres_url)
    async with store.connection() as connection:
        await connection.execute(
            "DELETE FROM exchange_keys; DELETE FROM recovery_codes; DELETE FROM second_factors"
        )
    yield store
    async with store.connection() as connection:
        await connection.execute("DELETE FROM exchange_keys; DELETE FROM second_factors")
    await store.close()


def keys_by(postgres: Postgres, current: Callable[[], KeyRing], most: int = 50) -> ExchangeKeys:
    return ExchangeKeys(postgres, current, most)


async def versions(postgres: Postgres) -> set[str]:
    async with postgres.connection() as connection:
        rows = await connection.fetch("SELECT DISTINCT key_version FROM exchange_keys")
    return {row["key_version"] for row in rows}


async def test_a_rotation_waits_for_who_is_sealing(postgres: Postgres):
    async with held(postgres, "SELECT pg_advisory_xact_lock_shared(5397)"):
        begun = await waiting(postgres, rotate_keys(postgres, BOTH))
    await begun


async def test_who_seals_during_a_rotation_waits_and_seals_by_the_new_key(postgres: Postgres, user_id: UUID):
    current = OLD
    async with held(postgres, "SELECT pg_advisory_xact_lock(5397)"):
        begun = await waiting(postgres, keys_by(postgres, lambda: current).add(user_id, NEW_KEY))
        current = BOTH
    await begun
    assert await versions(postgres) == {"2"}


async def test_a_key_that_somebody_holds_does_not_stay_on_the_old_one(postgres: Postgres, user_id: UUID):
    keys = keys_by(postgres, lambda: OLD)
    first, *_ = [await keys.add(user_id, NEW_KEY) for _ in range(3)]
    async with held(postgres, "SELECT FROM exchange_keys WHERE key_id = $1 FOR UPDATE", first.key_id):
        rotating = asyncio.ensure_future(rotate_keys(postgres, BOTH))
        for _ in range(2000):
            if rotating.done() or await versions(postgres) == {"1", "2"}:
                break
            await asyncio.sleep(0.01)
        await asyncio.sleep(0.1)  # it has wrapped the others, and comes back for this one
        assert not rotating.done()
    done = await rotating
    assert (done.rewrapped, done.unopened, await versions(postgres)) == (3, 0, {"2"})


async def test_a_second_factor_that_somebody_holds_is_waited_for(postgres: Postgres, user_id: UUID):
    for column in ("sealed", "pending"):
        factor_id = uuid4()
        sealed = OLD.seal(Secret("a secret of it"), "totp", user_id, factor_id).model_dump()
        id_column = "factor_id" if column == "sealed" else "pending_id"
        async with postgres.connection() as connection:
            await connection.execute(
                f"INSERT INTO second_factors (user_id, {id_column}, {column}) VALUES ($1, $2, $3) "
                f"ON CONFLICT (user_id) DO UPDATE SET {id_column} = $2, {column} = $3",
                user_id,
                factor_id,
                sealed,
            )
        row = "SELECT FROM second_factors WHERE user_id = $1 FOR UPDATE"
        async with held(postgres, row, user_id):
            begun = await waiting(postgres, rotate_keys(postgres, BOTH))
        assert (await begun).rewrapped == 1
        found = await postgres.fetch_one("second_factor", user_id)
        assert found is not None
        assert found[column]["key_version"] == "2"


async def test_a_second_factor_that_is_just_turned_off_stays_off(postgres: Postgres, user_id: UUID):
    factor_id = uuid4()
    sealed = OLD.seal(Secret("a secret of it"), "totp", user_id, factor_id).model_dump()
    async with postgres.connection() as connection:
        await connection.execute(
            "INSERT INTO second_factors (user_id, factor_id, sealed) VALUES ($1, $2, $3)",
            user_id,
            factor_id,
            sealed,
        )
    off = "UPDATE second_factors SET factor_id = NULL, sealed = NULL WHERE user_id = $1"
    async with held(postgres, off, user_id):
        begun = await waiting(postgres, rotate_keys(postgres, BOTH))
    await begun
    found = await postgres.fetch_one("second_factor", user_id)
    assert found is not None
    assert found["sealed"] is None


# Exchange keys: whose, and how many -----------------------------------------------------------------------------


async def test_a_user_has_so_many_exchange_keys_and_no_more_however_many_come_at_once(
    postgres: Postgres, user_id: UUID
):
    keys = keys_by(postgres, lambda: OLD, most=3)
    stranger = await new_user_id(postgres)
    await keys.add(stranger, NEW_KEY)
    tried = await asyncio.gather(*(keys.add(user_id, NEW_KEY) for _ in range(10)), return_exceptions=True)
    made = [one for one in tried if isinstance(one, ExchangeKey)]
    assert len(made) == len(await keys.of_user(user_id)) == 3
    assert sum(isinstance(one, Conflict) for one in tried) == 7
    await keys.delete(user_id, made[0].key_id)
    await keys.add(user_id, NEW_KEY)


async def test_only_its_owner_reads_lists_and_deletes_an_exchange_key(postgres: Postgres, user_id: UUID):
    keys = keys_by(postgres, lambda: OLD)
    made = [await keys.add(user_id, NEW_KEY) for _ in range(3)]
    stranger = await new_user_id(postgres)
    for call in (keys.credentials, keys.delete):
        for key_id in (made[0].key_id, uuid4()):
            with pytest.raises(NotFound, match=f"^there is no exchange key {key_id}$"):
                await call(stranger, key_id)
    assert await keys.of_user(stranger) == []
    assert await keys.of_user(user_id) == made[::-1]
    await keys.delete(user_id, made[1].key_id)
    assert await keys.of_user(user_id) == [made[2], made[0]]


class Killed(BaseException):
    """The end of a process, which no code of ours handles."""


async def test_a_rotation_that_was_killed_between_two_records_leaves_each_whole_and_is_run_again(
    postgres: Postgres, user_id: UUID, monkeypatch: pytest.MonkeyPatch
):
    for number in range(3):
        await keys_by(postgres, lambda: OLD).add(user_id, NEW_KEY.model_copy(update={"label": f"key {number}"}))
    monkeypatch.setattr(key_rotation, "BATCH_RECORDS", 1)
    rewrap, calls = KeyRing.rewrap, []

    def killed_at_the_second(*given: Any) -> Any:
        calls.append(given)
        if len(calls) == 2:
            raise Killed
        return rewrap(*given)

    monkeypatch.setattr(KeyRing, "rewrap", killed_at_the_second)
    with pytest.raises(Killed):
        await rotate_keys(postgres, BOTH)
    monkeypatch.setattr(KeyRing, "rewrap", rewrap)
    assert await versions(postgres) == {"1", "2"}
    done = await rotate_keys(postgres, BOTH)
    assert (done.rewrapped, done.unopened) == (2, 0)
    assert await versions(postgres) == {"2"}
