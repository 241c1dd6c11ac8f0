"""Exchange keys at rest: sealed for one place, opened by the key ring alone, wrapped anew at work."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import json
import logging
import pickle
import re
import secrets
from pathlib import Path
from uuid import UUID, uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st

from candleray.databases.postgres import Postgres
from candleray.errors import InstanceError, NotFound
from candleray.identity.audit_store import verify_audit
from candleray.identity.exchange_key_store import ExchangeKeys
from candleray.identity.exchange_keys import NewExchangeKey
from candleray.identity.key_rotation import rotate_keys
from candleray.identity.local_secrets import (
    KEY_FILE,
    add_key,
    key_ring,
    new_key_encryption_key,
    with_local_secrets,
)
from candleray.identity.vault import CannotOpen, KeyRing, Sealed, Secret
from candleray.settings import Settings
from tests.support.canaries import dump_postgres
from tests.support.waiting import let_work_until

RING = KeyRing.parse(new_key_encryption_key("1"))


def new_key(number: int = 0) -> NewExchangeKey:
    secret = f"secret-{number:08}"
    return NewExchangeKey(
        exchange="binance", label="main", api_key=Secret(f"key-{number:08}"), api_secret=Secret(secret)
    )


def test_a_secret_is_shown_by_nothing_but_reveal(caplog: pytest.LogCaptureFixture):
    key = new_key()
    logging.getLogger("x").warning("%s %r", key.api_secret, key)
    shown = [
        str(key),
        repr(key),
        f"{key.api_secret}",
        key.model_dump_json(),
        json.dumps(key.model_dump()),
        caplog.text,
    ]
    assert not any("secret-0" in text or "key-0" in text for text in shown)
    assert key.api_secret.reveal() == "secret-00000000"
    with pytest.raises(TypeError, match="pickled"):
        pickle.dumps(key.api_secret)
    with pytest.raises(TypeError):
        json.dumps(key.api_secret)


@given(st.text(max_size=200))
def test_what_was_sealed_opens_in_its_place(text):
    assert RING.open(RING.seal(Secret(text), "a", "b"), "a", "b").reveal() == text


def test_it_opens_in_no_other_place_and_not_changed():
    sealed = RING.seal(Secret("text"), "user", "record")
    flipped = bytearray(base64.b64decode(sealed.content))
    flipped[-1] ^= 1
    changed = sealed.model_copy(update={"content": base64.b64encode(flipped).decode()})
    other_ring = KeyRing.parse(new_key_encryption_key("1"))
    for ring, what, place in (
        (RING, sealed, ("another", "record")),
        (RING, sealed, ("userr", "ecord")),
        (RING, changed, ("user", "record")),
        (RING, sealed.model_copy(update={"content": "AAAA"}), ("user", "record")),
        (RING, sealed.model_copy(update={"key_version": "2"}), ("user", "record")),
        (other_ring, sealed, ("user", "record")),
    ):
        with pytest.raises(CannotOpen):
            ring.open(what, *place)


@pytest.mark.parametrize("text", ["", "1:", "1:AAAA", "AAAA", "1:not base64", f"1:{'A' * 43}=,1:{'A' * 43}="])
def test_what_is_no_key_ring_is_refused_without_a_quote(text):
    with pytest.raises(InstanceError) as caught:
        KeyRing.parse(text)
    assert "AAAA" not in str(caught.value)
    assert "KeyRing" in repr(RING)
    assert base64.b64encode(RING.keys["1"]).decode() not in repr(RING)


async def test_a_record_moved_to_another_user_or_row_does_not_open(postgres: Postgres, user_id: UUID):
    keys = ExchangeKeys(postgres, lambda: RING)
    mine = await keys.add(user_id, new_key(1))
    async with postgres.connection() as connection:
        stranger = await connection.fetchval(
            "INSERT INTO users (telegram_user_id) VALUES ($1) RETURNING user_id", uuid4().int >> 80
        )
        theirs = await keys.add(stranger, new_key(2))
        copy = (
            "UPDATE exchange_keys SET sealed = (SELECT sealed FROM exchange_keys WHERE key_id = $1) "
            "WHERE key_id = $2"
        )
        await connection.execute(copy, mine.key_id, theirs.key_id)
        with pytest.raises(CannotOpen):
            await keys.credentials(stranger, theirs.key_id)
        await connection.execute("UPDATE exchange_keys SET user_id = $1 WHERE key_id = $2", stranger, mine.key_id)
        with pytest.raises(CannotOpen):
            await keys.credentials(stranger, mine.key_id)
        await connection.execute("DELETE FROM exchange_keys")


async def test_a_dump_of_the_database_holds_nothing_to_open_it_with(postgres: Postgres, user_id: UUID):
    keys = ExchangeKeys(postgres, lambda: RING)
    added = await keys.add(user_id, new_key(3))
    async with postgres.connection() as connection:
        row = str(await connection.fetchrow("SELECT * FROM exchange_keys WHERE key_id = $1", added.key_id))
        await connection.execute("DELETE FROM exchange_keys")
    assert "secret-" not in row
    assert "key-0000" not in row
    assert base64.b64encode(RING.keys["1"]).decode() not in row


async def test_nothing_that_stands_in_a_dump_opens_a_record_of_it(
    postgres: Postgres, postgres_url: str, user_id: UUID
):
    keys = ExchangeKeys(postgres, lambda: RING)
    added = await keys.add(user_id, new_key(4))
    lines: list[str] = []
    await dump_postgres(postgres_url, lines.append)
    tried = {key for line in lines for key in key_shaped(line)}
    assert len(tried) > 2
    row = await postgres.fetch_one("sealed_exchange_key", user_id, added.key_id)
    assert row is not None
    sealed, bound_to = Sealed(**row["sealed"]), (user_id, added.key_id, row["exchange"])
    assert RING.open(sealed, *bound_to)
    for key in tried:
        with pytest.raises(CannotOpen):
            KeyRing({"1": key}, "1").open(sealed, *bound_to)
    async with postgres.connection() as connection:
        await connection.execute("DELETE FROM exchange_keys WHERE key_id = $1", added.key_id)


def key_shaped(text: str) -> set[bytes]:
    """All that could be a key of 32 bytes: hexadecimal, base64, both ends of longer ones, two UUIDs, a hash."""
    words = re.findall(r"[A-Za-z0-9+/]{32,}", text)
    raw = [bytes.fromhex(word) for word in words if re.fullmatch(r"([0-9a-f]{2})+", word)]
    raw += [base64.b64decode(word[: len(word) // 4 * 4]) for word in words]
    ends = {piece for one in raw for piece in (one[:32], one[-32:]) if len(one) >= 32}
    return ends | {hashlib.sha256(word.encode()).digest() for word in words}


async def only_keys(postgres: Postgres, user_id: UUID, count: int) -> list[UUID]:
    """So many keys, in place of what other tests have sealed by other rings."""
    ids = [uuid4() for _ in range(count)]
    sealed = [
        RING.seal(new_key(at).sealed_text(), user_id, key_id, "binance").model_dump()
        for at, key_id in enumerate(ids)
    ]
    async with postgres.connection() as connection:
        await connection.execute(
            "DELETE FROM exchange_keys; DELETE FROM recovery_codes; DELETE FROM second_factors"
        )
        await connection.executemany(
            "INSERT INTO exchange_keys (key_id, user_id, exchange, label, last_four, sealed) "
            "VALUES ($1, $2, 'binance', 'x', '0000', $3)",
            [(key_id, user_id, one) for key_id, one in zip(ids, sealed, strict=True)],
        )
    return ids


@pytest.mark.slow
async def test_ten_thousand_records_are_wrapped_anew_while_others_read_and_write(
    postgres: Postgres, user_id: UUID
):
    rings = [RING, KeyRing.parse(f"{new_key_encryption_key('2')},1:{base64.b64encode(RING.keys['1']).decode()}")]
    current = [rings[0]]
    keys = ExchangeKeys(postgres, lambda: current[0], max_per_user=20_000)
    ids = await only_keys(postgres, user_id, 10_000)
    stopped, read, written = asyncio.Event(), 0, []

    async def read_on() -> None:
        nonlocal read
        while not stopped.is_set():
            at = secrets.randbelow(len(ids))
            assert (await keys.credentials(user_id, ids[at])).api_secret.reveal() == f"secret-{at:08}"
            read += 1

    async def write_on() -> None:
        while not stopped.is_set():
            written.append((await keys.add(user_id, new_key(7))).key_id)

    async def others_go_on() -> None:
        before = read, len(written)
        await let_work_until(
            lambda: (read > before[0] + 5 and len(written) > before[1]) or any(task.done() for task in others)
        )
        assert not any(task.done() for task in others)

    others = [asyncio.create_task(read_on()), asyncio.create_task(write_on())]
    await others_go_on()
    current[0] = rings[1]
    rotation = await rotate_keys(postgres, rings[1])
    await others_go_on()
    stopped.set()
    await asyncio.gather(*others)
    assert rotation.rewrapped >= 10_000
    assert rotation.unopened == 0
    new_only = KeyRing({"2": rings[1].keys["2"]}, "2")
    current[0] = new_only
    async with postgres.connection() as connection:
        assert await connection.fetchval("SELECT count(*) FROM exchange_keys WHERE key_version <> '2'") == 0
        opened = [await keys.credentials(user_id, key_id) for key_id in (ids[0], ids[-1], written[0], written[-1])]
        assert [one.api_secret.reveal() for one in opened] == [
            "secret-00000000",
            "secret-00009999",
            *["secret-00000007"] * 2,
        ]
        await connection.execute("DELETE FROM exchange_keys")
    assert await verify_audit(postgres) > 0


async def test_a_record_that_does_not_open_is_named_and_stops_no_other(postgres: Postgres, user_id: UUID):
    keys = ExchangeKeys(postgres, lambda: RING)
    added = [await keys.add(user_id, new_key(at)) for at in range(3)]
    async with postgres.connection() as connection:
        # What other tests have sealed is of other rings.
        await connection.execute("DELETE FROM recovery_codes; DELETE FROM second_factors")
        await connection.execute("DELETE FROM exchange_keys WHERE user_id <> $1", user_id)
        await connection.execute("UPDATE exchange_keys SET exchange = 'bybit' WHERE key_id = $1", added[1].key_id)
    new = KeyRing.parse(f"{new_key_encryption_key('2')},1:{base64.b64encode(RING.keys['1']).decode()}")
    rotation = await rotate_keys(postgres, new)
    assert (rotation.rewrapped, rotation.unopened_keys, rotation.unopened_factors) == (2, [added[1].key_id], [])
    keys = ExchangeKeys(postgres, lambda: new)
    for at in (0, 2):
        assert (await keys.credentials(user_id, added[at].key_id)).api_secret.reveal() == f"secret-{at:08}"
    async with postgres.connection() as connection:
        await connection.execute("DELETE FROM exchange_keys")


async def test_an_unknown_key_is_not_found(postgres: Postgres, user_id: UUID):
    with pytest.raises(NotFound):
        await ExchangeKeys(postgres, lambda: RING).credentials(user_id, uuid4())


def test_outside_production_the_secrets_are_made_once_in_private_files(tmp_path: Path):
    settings = Settings(environment="test", data_dir=tmp_path)
    first, again = with_local_secrets(settings), with_local_secrets(settings)
    assert first == again
    assert first.identity.bot_token
    assert [path.stat().st_mode & 0o777 for path in tmp_path.iterdir()] == [0o600, 0o600]
    ring = key_ring(settings)
    grown = add_key(settings)
    assert (ring.current, grown.current, set(grown.keys)) == ("1", "2", {"1", "2"})
    assert grown.keys["1"] == ring.keys["1"]
    (tmp_path / KEY_FILE).chmod(0o644)
    with pytest.raises(InstanceError, match="chmod 600"):
        key_ring(settings)


def test_an_empty_file_of_secrets_is_refused_and_not_made_anew(tmp_path: Path):
    (tmp_path / KEY_FILE).touch(mode=0o600)
    with pytest.raises(InstanceError, match=f"{KEY_FILE} is empty"):
        key_ring(Settings(environment="test", data_dir=tmp_path))
    assert [path.name for path in tmp_path.iterdir()] == [KEY_FILE]


def test_in_production_they_come_from_the_environment_or_nothing_starts(tmp_path: Path):
    settings = Settings(environment="prod", data_dir=tmp_path)
    with pytest.raises(InstanceError, match="CANDLERAY_IDENTITY__BOT_TOKEN"):
        with_local_secrets(settings)
    with pytest.raises(InstanceError, match="CANDLERAY_IDENTITY__KEY_ENCRYPTION_KEYS"):
        key_ring(settings)
    assert list(tmp_path.iterdir()) == []
