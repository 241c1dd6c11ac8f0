"""Connections to the database: those of one user who waits for a lock are not everybody's."""

from __future__ import annotations

import asyncio
from uuid import UUID

from candleray.databases.postgres import Postgres
from tests.support.api.accounts import log_in
from tests.support.api.in_process_api import backend, serving_strangers
from tests.support.locks import held

ASKED = 12
"""Thrice the connections that the API of these tests has."""
WAITING = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"


async def seen_to_wait(postgres: Postgres, count: int) -> None:
    """Return once so many connections wait for a lock."""
    async with asyncio.timeout(60), postgres.connection() as connection:
        while await connection.fetchval(WAITING) < count:
            await connection.execute("SELECT pg_sleep(0.01)")


async def test_requests_of_one_user_that_wait_for_a_lock_keep_no_connection_from_another(
    postgres: Postgres,
) -> None:
    async with serving_strangers(backend(object())) as api:
        other = {"Authorization": f"Bearer {await log_in(api)}"}
        await log_in(api)
        user_id = UUID((await api.get("/me")).json()["user_id"])
        async with held(postgres, "SELECT 1 FROM users WHERE user_id = $1 FOR UPDATE", user_id):
            asked = [asyncio.ensure_future(api.post("/tokens", json={"name": f"t{n}"})) for n in range(ASKED)]
            await seen_to_wait(postgres, 2)
            for _ in range(5):
                assert (await api.get("/me", headers=other)).status_code == 200
            assert not any(one.done() for one in asked)
        answers = await asyncio.gather(*asked)
    assert {answer.status_code for answer in answers} == {200}, [answer.text for answer in answers]
