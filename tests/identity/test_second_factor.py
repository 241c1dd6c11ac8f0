"""The second factor: codes taken once, locks after guesses, recovery, and the doors it opens."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator
from ipaddress import IPv6Address
from typing import Any
from uuid import uuid4

import httpx
import pyotp
import pytest

from candleray.databases.postgres import Postgres
from candleray.identity.totp import matching_step, recovery_hash
from candleray.identity.vault import Secret
from tests.api.attacks.codes import TAKES_A_CODE
from tests.support.api.accounts import KEY, log_in, set_up
from tests.support.api.accounts import post_code as post
from tests.support.api.in_process_api import backend, serving_strangers


@pytest.fixture
async def api() -> AsyncIterator[httpx.AsyncClient]:
    """Somebody new."""
    async with serving_strangers(backend(object())) as client:
        await log_in(client, uuid4().int >> 80)
        yield client


async def wait_for_room(seconds: float = 8) -> None:
    """A time that is not at a step's end: a code computed here must still be one of its neighbours there."""
    left = 30 - time.time() % 30
    if left < seconds:
        await asyncio.sleep(left + 0.1)


# RFC 6238, appendix B, cut to the six digits that authenticators show.
@pytest.mark.parametrize(
    ("at_s", "code"),
    [(1111111111, "050471"), (1111111109, "081804"), (1234567890, "005924"), (20000000000, "353130")],
)
def test_codes_are_those_of_rfc_6238(at_s, code):
    secret = Secret("GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ")
    taken = [matching_step(secret, code, at_s + drift) for drift in (-60, -30, 0, 30, 60)]
    assert taken == [None, at_s // 30, at_s // 30, at_s // 30, None]
    assert matching_step(secret, f"{code[:-1]}x", at_s) is None


def test_a_recovery_code_is_one_however_it_is_spelled():
    user_id = uuid4()
    assert recovery_hash(user_id, "abcd-efgh-2345-6723") == recovery_hash(user_id, "ABCDEFGH23456723")
    assert recovery_hash(uuid4(), "ABCDEFGH23456723") != recovery_hash(user_id, "ABCDEFGH23456723")
    assert recovery_hash(user_id, "123456") is None


async def test_the_setup_is_a_uri_and_a_picture_of_it(api):
    setup = (await post(api, "")).json()
    parsed = pyotp.parse_uri(setup["otpauth_uri"])
    assert (parsed.secret, parsed.issuer) == (setup["secret"], "Candleray")
    assert setup["qr_svg"].startswith("<svg")


async def test_it_counts_from_its_first_code_on(api):
    await post(api, "")
    state = (await api.get("/second-factor")).json()
    assert (state["enabled"], state["pending"]) == (False, True)
    assert (await post(api, "/verify", "123456")).status_code == 409
    await set_up(api)
    state = (await api.get("/second-factor")).json()
    assert (state["enabled"], state["pending"], state["recovery_codes_left"]) == (True, False, 10)


async def test_a_code_is_taken_once_even_of_many_at_a_time(api):
    await wait_for_room()
    totp, _ = await set_up(api)
    code = totp.now()
    answers = await asyncio.gather(*(post(api, "/verify", code) for _ in range(4)))
    assert sorted(answer.status_code for answer in answers) == [200, 403, 403, 403]
    assert (await post(api, "/verify", totp.at(int(time.time()) - 30))).status_code == 403


async def test_guesses_lock_it_and_the_right_code_does_not_open_the_lock(api):
    await wait_for_room()
    totp, recovery = await set_up(api)
    good = totp.now()
    wrong = f"{(int(good) + 1) % 1_000_000:06}"
    while wrong in {totp.at(int(time.time()) + drift) for drift in (-60, -30, 0, 30, 60)}:
        wrong = f"{(int(wrong) + 1) % 1_000_000:06}"
    guessed = [await post(api, "/verify", wrong) for _ in range(5)]
    assert {answer.content for answer in guessed} == {guessed[0].content}
    for path in ("/verify", "/disable", "/recovery-codes", ""):
        for code in (good, recovery[0]):
            answer = await post(api, path, code)
            assert answer.status_code == 429
            assert 0 < int(answer.headers["Retry-After"]) <= 15 * 60 + 1
    assert (await api.get("/second-factor")).json()["locked_until"]


async def test_a_recovery_code_opens_once(api):
    _, recovery = await set_up(api)
    assert (await post(api, "/verify", recovery[3].lower())).status_code == 200
    assert (await post(api, "/verify", recovery[3])).status_code == 403
    assert (await api.get("/second-factor")).json()["recovery_codes_left"] == 9


async def test_new_recovery_codes_need_a_code_and_void_the_old_ones(api):
    _, old = await set_up(api)
    new = (await post(api, "/recovery-codes", old[0])).json()["recovery_codes"]
    assert len(set(new) - set(old)) == 10
    assert (await post(api, "/verify", old[1])).status_code == 403
    assert (await post(api, "/verify", new[0])).status_code == 200


async def test_replacing_or_disabling_it_needs_a_code(api):
    _, recovery = await set_up(api)
    assert (await post(api, "")).status_code == 403
    assert (await post(api, "", "000000")).status_code == 403
    assert (await post(api, "/disable", "000000")).status_code == 403
    replaced = pyotp.TOTP((await post(api, "", recovery[0])).json()["secret"])
    await wait_for_room()
    recovery = (await post(api, "/confirm", replaced.now())).json()["recovery_codes"]
    assert (await post(api, "/disable", recovery[0])).json()["enabled"] is False
    assert (await api.post("/exchange-keys", json=KEY)).status_code == 403


async def test_a_fresh_code_opens_the_exchange_keys_for_this_token_and_for_minutes(api, postgres: Postgres):
    assert (await api.post("/exchange-keys", json=KEY)).status_code == 403
    await set_up(api)
    added = await api.post("/exchange-keys", json=KEY)
    assert added.status_code == 200
    assert added.json()["last_four"] == "1234"
    async with postgres.connection() as connection:
        await connection.execute(
            "UPDATE access_tokens SET code_verified_at = code_verified_at - interval '11 minutes' "
            "WHERE user_id = (SELECT user_id FROM exchange_keys WHERE key_id = $1::text::uuid)",
            added.json()["key_id"],
        )
    assert (await api.post("/exchange-keys", json=KEY)).status_code == 403
    assert (await api.delete(f"/exchange-keys/{added.json()['key_id']}")).status_code == 403
    telegram_user_id = (await api.get("/me")).json()["telegram_user_id"]
    await log_in(api, telegram_user_id)
    assert (await api.post("/exchange-keys", json=KEY)).status_code == 403


async def test_a_second_factor_moved_to_another_user_does_not_open(api, postgres: Postgres):
    totp, _ = await set_up(api)
    mine = (await api.get("/me")).json()["user_id"]
    await log_in(api)
    await set_up(api)
    theirs = (await api.get("/me")).json()["user_id"]
    async with postgres.connection() as connection:
        await connection.execute(
            "UPDATE second_factors SET (factor_id, sealed, last_step) = (SELECT factor_id, sealed, 0 "
            "FROM second_factors WHERE user_id = $1::text::uuid) WHERE user_id = $2::text::uuid",
            mine,
            theirs,
        )
    answer = await post(api, "/verify", totp.now())
    assert (answer.status_code, answer.json()["error"]["code"]) == (500, "internal")
    async with postgres.connection() as connection:
        await connection.execute("DELETE FROM second_factors WHERE user_id = $1::text::uuid", theirs)


def test_what_takes_a_code_is_found_in_the_document():
    assert set(TAKES_A_CODE) == {"", "/confirm", "/verify", "/recovery-codes", "/disable"}


@pytest.mark.parametrize("path", TAKES_A_CODE)
async def test_codes_are_limited_by_user_before_any_is_looked_at(path):
    rules: dict[str, Any] = {"codes_per_user": 2, "address_header": "X-Real-IP"}
    ours = {"proxies": ["127.0.0.1"]}
    async with serving_strangers(backend(object(), identity=rules, api=ours)) as api:
        api.headers["X-Real-IP"] = str(IPv6Address(uuid4().int))
        await log_in(api)
        tried = [await post(api, path, "000000") for _ in range(3)]
        assert tried[0].status_code == tried[1].status_code != 429
        assert tried[2].status_code == 429
        assert 1 <= int(tried[2].headers["Retry-After"]) <= 600
        others = [await post(api, other, "000000") for other in TAKES_A_CODE]
        assert {answer.status_code for answer in others} == {429}
        await log_in(api)
        assert (await post(api, path, "000000")).status_code == tried[0].status_code


async def test_codes_are_limited_by_address_whoever_shows_them():
    rules: dict[str, Any] = {"codes_per_user": 1, "address_header": "X-Real-IP"}
    ours = {"proxies": ["127.0.0.1"]}
    async with serving_strangers(backend(object(), identity=rules, api=ours)) as api:
        api.headers["X-Real-IP"] = str(IPv6Address(uuid4().int))
        tried = []
        for _ in range(11):
            await log_in(api)
            tried.append((await post(api, "/verify", "000000")).status_code)
        assert tried[-1] == 429
        assert 429 not in tried[:-1]
        api.headers["X-Real-IP"] = str(IPv6Address(uuid4().int))
        await log_in(api)
        assert (await post(api, "/verify", "000000")).status_code == tried[0]


NO_CODES = [
    "12345",
    "1234567",
    "abcdef",
    "12 34 5",
    "１２３４５",
    "١٢٣٤٥٦",
    "币安人生币安",
    "\ud800" * 6,
    "\x00" * 6,
]
NO_CODES += ["0" * 33, " " * 6, "ABCD-EFGH-2345", "ABCD-EFGH-2345-6718"]


@pytest.mark.parametrize("path", TAKES_A_CODE)
async def test_what_is_no_code_is_answered_as_that_and_costs_no_try(api, path):
    totp, _ = await set_up(api)
    if path == "/confirm":
        totp = pyotp.TOTP((await post(api, "", totp.at(int(time.time()) + 30))).json()["secret"])
    for code in NO_CODES:
        content = json.dumps({"code": code})  # escaped: half a surrogate pair is no text that httpx could encode
        answer = await api.post(
            f"/second-factor{path}", content=content, headers={"Content-Type": "application/json"}
        )
        assert answer.status_code == 422, code
        assert answer.json()["error"]["problems"][0]["field"] == "code"
    await wait_for_room()
    right = totp.now() if path == "/confirm" else totp.at(int(time.time()) + 30)
    assert (await post(api, path, right)).status_code == 200


SPELLED = [
    lambda code: f" {code[:3]} {code[3:]}\n",
    lambda code: f"{code[:3]}–{code[3:]}",
    lambda code: f"{code}\u200b",
]
SPELLED += [lambda code: code.translate({ord(digit): 0xFEE0 + ord(digit) for digit in "0123456789"})]


@pytest.mark.parametrize("spelled", SPELLED)
async def test_a_right_code_is_taken_however_keyboards_spell_it(api, spelled):
    await wait_for_room()
    totp, _ = await set_up(api)
    assert (await post(api, "/verify", spelled(totp.at(int(time.time()) + 30)))).status_code == 200
