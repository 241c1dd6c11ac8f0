"""Tokens in Postgres: whose they are, how long they are good, how many there may be."""

from __future__ import annotations

import asyncio
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest

from candleray.databases.postgres import Postgres
from candleray.errors import Conflict, NotFound
from candleray.identity.models import Kind, NewToken, TokenRequest
from candleray.identity.token_store import AccessTokens
from candleray.identity.tokens import Caller, token_hash
from candleray.settings import IdentitySettings

RULES = IdentitySettings(session_idle_hours=72, session_days=30)
NOTEBOOK = TokenRequest(name="a notebook")


@pytest.fixture
def tokens(postgres: Postgres) -> AccessTokens:
    return AccessTokens(postgres, RULES)


def somebody() -> int:
    return uuid4().int >> 80


async def log_in(tokens: AccessTokens, telegram_user_id: int | None = None) -> tuple[NewToken, Caller]:
    session = await tokens.log_in(telegram_user_id or somebody(), "here")
    caller = await tokens.caller_of(session.token)
    assert caller is not None
    return session, caller


async def row_of(postgres: Postgres, token: str) -> dict[str, Any]:
    async with postgres.connection() as connection:
        row = await connection.fetchrow("SELECT * FROM access_tokens WHERE token_hash = $1", token_hash(token))
    assert row is not None
    return dict(row)


async def change(postgres: Postgres, token: str, columns: str) -> None:
    async with postgres.connection() as connection:
        await connection.execute(f"UPDATE access_tokens SET {columns} WHERE token_hash = $1", token_hash(token))


async def events_of(postgres: Postgres, user_id: UUID) -> list[str]:
    rows = await postgres.fetch("audit_events_from", 0, 1_000_000)
    return [row["event"] for row in rows if row["user_id"] == user_id]


# How long -------------------------------------------------------------------------------------------------------


async def test_a_session_is_good_for_its_idle_time_and_an_api_token_for_its_days(tokens):
    session, caller = await log_in(tokens)
    made = await tokens.create(caller.user, TokenRequest(name="short", days=7))
    assert lasts(session) == pytest.approx((72 / 24, 30), abs=0.001)
    assert lasts(made) == pytest.approx((7, 7), abs=0.001)
    assert lasts(await tokens.create(caller.user, NOTEBOOK)) == pytest.approx((90, 90), abs=0.001)


def lasts(made: NewToken) -> tuple[float, float]:
    """Days to its end if it is never used, and days to its last."""
    day = timedelta(days=1)
    return (made.info.expires_at - made.info.created_at) / day, (made.info.ends_at - made.info.created_at) / day


@pytest.mark.parametrize(("days_to_the_last", "hours_after_use"), [(20, 72), (2, 48)])
async def test_use_moves_the_end_of_a_session_up_to_its_last_day(
    tokens, postgres, days_to_the_last, hours_after_use
):
    session, _ = await log_in(tokens)
    await change(
        postgres,
        session.token,
        "last_used_at = now() - interval '61 seconds', expires_at = now() + interval '1 hour', "
        f"ends_at = now() + interval '{days_to_the_last} days'",
    )
    used = await used_again(tokens, postgres, session.token)
    assert (used["expires_at"] - used["last_used_at"]) / timedelta(hours=1) == pytest.approx(
        hours_after_use, abs=0.1
    )


async def test_use_moves_the_end_of_no_api_token(tokens, postgres):
    _, caller = await log_in(tokens)
    for days in (1, 90, 366):
        made = await tokens.create(caller.user, TokenRequest(name="a notebook", days=days))
        await change(postgres, made.token, "last_used_at = now() - interval '61 seconds'")
        used = await used_again(tokens, postgres, made.token)
        assert used["expires_at"] == made.info.expires_at
        assert used["ends_at"] == made.info.ends_at


async def used_again(tokens: AccessTokens, postgres: Postgres, token: str) -> dict[str, Any]:
    """Its row after a use that is written down."""
    former: datetime = (await row_of(postgres, token))["last_used_at"]
    assert await tokens.caller_of(token) is not None
    row = await row_of(postgres, token)
    assert row["last_used_at"] - former > timedelta(minutes=1)
    return row


async def test_use_within_a_minute_is_not_written(tokens, postgres):
    session, _ = await log_in(tokens)
    await change(postgres, session.token, "last_used_at = now() - interval '30 seconds'")
    former = await row_of(postgres, session.token)
    assert await tokens.caller_of(session.token) is not None
    assert await row_of(postgres, session.token) == former


async def test_use_of_one_token_is_none_of_another(tokens, postgres):
    telegram_user_id = somebody()
    (one, _), (other, _) = await log_in(tokens, telegram_user_id), await log_in(tokens, telegram_user_id)
    for session in (one, other):
        await change(postgres, session.token, "last_used_at = now() - interval '61 seconds'")
    former = await row_of(postgres, other.token)
    await used_again(tokens, postgres, one.token)
    assert await row_of(postgres, other.token) == former


GONE = ["revoked_at = now()", "expires_at = now()", "expires_at = now(), ends_at = now()"]


@pytest.mark.parametrize("gone", GONE)
@pytest.mark.parametrize("kind", ["session", "api"])
async def test_what_has_ended_stands_for_nobody_is_listed_nowhere_and_ends_no_more(tokens, postgres, kind, gone):
    session, caller = await log_in(tokens)
    made = session if kind == "session" else await tokens.create(caller.user, NOTEBOOK)
    assert made.info in await tokens.of_user(caller.user, kind)
    await change(postgres, made.token, f"last_used_at = now() - interval '61 seconds', {gone}")
    former = await row_of(postgres, made.token)
    assert await tokens.caller_of(made.token) is None
    assert await tokens.of_user(caller.user, kind) == []
    with pytest.raises(NotFound):
        await tokens.revoke(caller.user, made.info.token_id, kind)
    assert await row_of(postgres, made.token) == former


# Whose ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["session", "api"])
async def test_only_its_owner_lists_and_revokes_a_token_and_only_by_its_kind(tokens, kind: Kind):
    session, caller = await log_in(tokens)
    made = session if kind == "session" else await tokens.create(caller.user, NOTEBOOK)
    _, stranger = await log_in(tokens)
    other_kind: Kind = "api" if kind == "session" else "session"
    assert made.info not in await tokens.of_user(stranger.user, kind)
    assert made.info not in await tokens.of_user(caller.user, other_kind)
    for user, as_kind in ((stranger.user, kind), (stranger.user, other_kind), (caller.user, other_kind)):
        with pytest.raises(NotFound):
            await tokens.revoke(user, made.info.token_id, as_kind)
    assert await tokens.caller_of(made.token) is not None
    await tokens.revoke(caller.user, made.info.token_id, kind)
    assert await tokens.caller_of(made.token) is None


async def test_ending_the_other_sessions_ends_them_and_nothing_else(tokens, postgres):
    telegram_user_id = somebody()
    here, caller = await log_in(tokens, telegram_user_id)
    others = [(await log_in(tokens, telegram_user_id))[0] for _ in range(3)]
    await change(postgres, others[2].token, "expires_at = now()")
    notebook = await tokens.create(caller.user, NOTEBOOK)
    strangers, _ = await log_in(tokens)
    assert await tokens.revoke_other_sessions(caller) == 2  # the third had ended
    kept = [await tokens.caller_of(one.token) is not None for one in (here, notebook, strangers, *others)]
    assert kept == [True, True, True, False, False, False]


async def test_the_newest_is_listed_first(tokens):
    _, caller = await log_in(tokens)
    made = [(await tokens.create(caller.user, NOTEBOOK)).info for _ in range(4)]
    assert await tokens.of_user(caller.user, "api") == made[::-1]


async def test_of_many_first_logins_at_once_one_makes_the_user(tokens, postgres):
    telegram_user_id = somebody()
    sessions = await asyncio.gather(*(tokens.log_in(telegram_user_id, "here") for _ in range(8)))
    callers = [await tokens.caller_of(session.token) for session in sessions]
    users = {caller.user.user_id for caller in callers if caller}
    assert len(users) == 1
    assert sorted(await events_of(postgres, users.pop())) == [*["logged_in"] * 8, "user_created"]


# How many -------------------------------------------------------------------------------------------------------


async def test_a_user_has_so_many_api_tokens_and_no_more_however_many_come_at_once(postgres):
    tokens = AccessTokens(postgres, IdentitySettings(max_api_tokens=3))
    _, caller = await log_in(tokens)
    tried = await asyncio.gather(
        *(tokens.create(caller.user, NOTEBOOK) for _ in range(12)), return_exceptions=True
    )
    made = [one for one in tried if isinstance(one, NewToken)]
    refused = {str(one) for one in tried if isinstance(one, Conflict)}
    assert len(made) == len(await tokens.of_user(caller.user, "api")) == 3
    assert refused == {"there are 3 API tokens, the most one user may have: revoke one"}
    assert len(made) + 9 == len(tried)


@pytest.mark.parametrize("gone", GONE)
async def test_an_api_token_that_has_ended_makes_room_and_no_session_takes_any(postgres, gone):
    tokens = AccessTokens(postgres, IdentitySettings(max_api_tokens=1))
    telegram_user_id = somebody()
    _, caller = await log_in(tokens, telegram_user_id)
    await log_in(tokens, telegram_user_id)
    made = await tokens.create(caller.user, NOTEBOOK)
    _, stranger = await log_in(tokens)
    await tokens.create(stranger.user, NOTEBOOK)
    with pytest.raises(Conflict):
        await tokens.create(caller.user, NOTEBOOK)
    await change(postgres, made.token, gone)
    await tokens.create(caller.user, NOTEBOOK)
