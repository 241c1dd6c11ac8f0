"""Every attack is refused, in the one payload that every failure has.

The attacks are in `tests/api/attacks`. The time that refusals take: `python -m tests.bench.attacks`.
"""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from candleray.databases.postgres import Postgres
from candleray.market_data.candle_store import CandleStore
from tests.api.attacks import bodies, logins
from tests.api.attacks.every import ATTACKS
from tests.api.attacks.target import Attack, Target
from tests.support.api.accounts import KEY
from tests.support.api.in_process_api import backend, serving_strangers, stored_walk


@pytest.fixture
async def target(embedded_store: CandleStore, postgres: Postgres) -> AsyncIterator[Target]:
    stored_walk(embedded_store, "BTCUSDT")
    async with serving_strangers(backend(embedded_store)) as client:
        yield Target(client, postgres)


@pytest.mark.parametrize("attack", ATTACKS, ids=lambda attack: attack.name)
async def test_an_attack_is_refused(target: Target, attack: Attack):
    await attack.run(target)
    assert attack.failures(target) == []


def test_no_two_attacks_have_one_name():
    assert len({attack.name for attack in ATTACKS}) == len(ATTACKS)


async def test_whatever_is_wrong_with_a_login_the_words_are_the_same(target: Target):
    for path, make, statuses in logins.WRONG.values():
        if statuses == logins.NOT_BELIEVED:
            await target.attack("POST", path, json=make())
    assert {one.answer.content for one in target.refusals} == {
        b'{"error":{"code":"unauthenticated","message":"the login is not valid: log in again","problems":[]}}'
    }


async def test_text_of_people_s_own_that_looks_like_a_path_is_kept_as_text(target: Target):
    await bodies.be_somebody(target)
    path = "../../../etc/passwd"
    token = (await target.api.post("/tokens", json={"name": path})).json()
    key = (await target.api.post("/exchange-keys", json={**KEY, "label": path})).json()
    assert (token["info"]["name"], key["label"]) == (path, path)
    for text in bodies.FRAGMENTS:
        found = await target.api.get("/market-data/instruments", params={"q": text})
        assert (found.status_code, found.json()["instruments"]) == (200, [])
