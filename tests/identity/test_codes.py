"""Codes of the second factor: each is taken once, wrong ones lock, and what a code opens is done with it."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from itertools import product
from typing import Any
from uuid import uuid4

import pyotp
import pytest

from candleray.databases.postgres import Postgres
from candleray.errors import Conflict, Forbidden, TooManyRequests
from candleray.identity.second_factor_store import SecondFactors
from candleray.identity.token_store import AccessTokens
from candleray.identity.tokens import Caller
from candleray.identity.vault import KeyRing
from candleray.settings import IdentitySettings
from tests.support.failures import failing
from tests.support.locks import held, waiting

RULES = IdentitySettings(max_code_failures=3, lockout_minutes=15)
RINGS = [KeyRing.parse(f"{number}:" + base64.b64encode(bytes([number] * 32)).decode()) for number in (1, 2)]
WRONG = "000000"
NO_RECOVERY_CODE = "AAAA-AAAA-AAAA-AAAA"


@dataclass
class Person:
    """A caller with an authenticator, at a time of the test's own."""

    postgres: Postgres
    caller: Caller
    now_s: float = 1_800_000_000.0
    totp: pyotp.TOTP = field(default_factory=lambda: pyotp.TOTP(pyotp.random_base32()))
    ring: KeyRing = RINGS[0]

    @property
    def factors(self) -> SecondFactors:
        return SecondFactors(self.postgres, RULES, lambda: self.ring, lambda: self.now_s)

    def code(self, steps: int = 0) -> str:
        return self.totp.at(int(self.now_s) + 30 * steps)

    def next_code(self) -> str:
        self.now_s += 30
        return self.code()

    async def begin(self, code: str | None = None) -> None:
        self.totp = pyotp.TOTP((await self.factors.begin(self.caller.user, code)).secret)

    async def set_up(self) -> tuple[str, ...]:
        await self.begin()
        return (await self.factors.confirm(self.caller, self.code())).recovery_codes

    async def row(self) -> dict[str, Any]:
        return await self.postgres.fetch_one("second_factor", self.caller.user.user_id) or {}

    async def fresh(self) -> bool:
        """Return True where the caller's token came with a code."""
        async with self.postgres.connection() as connection:
            at = await connection.fetchval(
                "SELECT code_verified_at FROM access_tokens WHERE token_id = $1", self.caller.token_id
            )
        return at is not None


Show = Callable[[Person, str], Awaitable[Any]]


async def confirm(person: Person, code: str) -> Any:
    return await person.factors.confirm(person.caller, code)


async def verify(person: Person, code: str) -> Any:
    return await person.factors.verify(person.caller, code)


async def replace_recovery_codes(person: Person, code: str) -> Any:
    return await person.factors.replace_recovery_codes(person.caller.user, code)


async def disable(person: Person, code: str) -> Any:
    return await person.factors.disable(person.caller.user, code)


async def begin_anew(person: Person, code: str) -> Any:
    return await person.factors.begin(person.caller.user, code)


OF_THE_PRESENT_ONE = [verify, replace_recovery_codes, disable, begin_anew]
EVERY_WAY = [confirm, *OF_THE_PRESENT_ONE]
"""Everything that takes a code; `tests/api/attacks/codes.py` has them from the API's document."""


@pytest.fixture
async def person(postgres: Postgres) -> Person:
    return await somebody(postgres)


async def somebody(postgres: Postgres, telegram_user_id: int | None = None) -> Person:
    tokens = AccessTokens(postgres, RULES)
    session = await tokens.log_in(telegram_user_id or uuid4().int >> 80, "here")
    caller = await tokens.caller_of(session.token)
    assert caller is not None
    return Person(postgres, caller)


async def ready_for(person: Person, show: Show) -> None:
    """So far that the next code may be shown there."""
    if show is confirm:
        await person.begin()
    else:
        await person.set_up()


async def refused(person: Person, show: Show, code: str = WRONG) -> None:
    with pytest.raises(Forbidden):
        await show(person, code)


async def locked(person: Person, show: Show) -> None:
    for code in (person.next_code(), WRONG, NO_RECOVERY_CODE):
        with pytest.raises(TooManyRequests) as told:
            await show(person, code)
        assert 14 * 60 < told.value.retry_after_s <= 15 * 60 + 1


# Locks ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("show", EVERY_WAY)
async def test_wrong_codes_lock_wherever_they_are_shown(person: Person, show: Show):
    await ready_for(person, show)
    await refused(person, show)
    await refused(person, show, WRONG if show is confirm else NO_RECOVERY_CODE)
    assert (await person.factors.state(person.caller.user)).locked_until is None
    await refused(person, show)
    assert (await person.factors.state(person.caller.user)).locked_until is not None
    await locked(person, show)


async def test_wrong_codes_are_counted_together_and_lock_everything(person: Person):
    recovery = await person.set_up()
    present = person.totp
    await person.begin(recovery[0])
    for show in (confirm, verify, disable):
        await refused(person, show)
    for totp in (person.totp, present):
        person.totp = totp
        for show in EVERY_WAY:
            await locked(person, show)


@pytest.mark.parametrize("show", EVERY_WAY)
async def test_a_lock_ends_after_its_minutes_and_the_count_begins_anew(person: Person, show: Show):
    await ready_for(person, show)
    for _ in range(3):
        await refused(person, show)
    async with person.postgres.connection() as connection:
        await connection.execute(
            "UPDATE second_factors SET locked_until = now() - interval '1 second' WHERE user_id = $1",
            person.caller.user.user_id,
        )
    assert (await person.factors.state(person.caller.user)).locked_until is None
    for _ in range(2):
        await refused(person, show)
    await show(person, person.next_code())


@pytest.mark.parametrize("show", OF_THE_PRESENT_ONE)
async def test_a_right_code_forgives_the_wrong_ones_before_it(person: Person, show: Show):
    recovery = await person.set_up()
    for right in (lambda: recovery[0], person.next_code):
        for _ in range(2):
            await refused(person, show)
        await verify(person, right())
    for _ in range(2):
        await refused(person, show)
    await show(person, person.next_code())


async def test_beginning_anew_forgives_nothing(person: Person):
    await person.begin()
    for _ in range(2):
        await refused(person, confirm)
    await person.begin()
    await refused(person, confirm)
    await person.begin()
    await locked(person, confirm)


async def test_turning_it_off_and_on_again_takes_no_code_twice(person: Person):
    recovery = await person.set_up()
    await verify(person, person.next_code())
    former = await person.row()
    await disable(person, recovery[0])
    assert (await person.row())["last_step"] == former["last_step"]
    with pytest.raises(Conflict):
        await verify(person, person.next_code())


# Once -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("again", OF_THE_PRESENT_ONE)
@pytest.mark.parametrize("first", [confirm, *OF_THE_PRESENT_ONE[:2]])
async def test_a_code_is_taken_once_whatever_it_was_shown_for(person: Person, first: Show, again: Show):
    await ready_for(person, first)
    code = person.code() if first is confirm else person.next_code()
    await first(person, code)
    await refused(person, again, code)
    await refused(person, again, person.code(-1))
    await again(person, person.next_code())


def full_width(code: str) -> str:
    return code.translate({ord(digit): 0xFEE0 + ord(digit) for digit in "0123456789"})


SPELLINGS: list[Callable[[str], str]] = [
    full_width,
    lambda code: f"{code[:3]} {code[3:]}",
    lambda code: f" {code}\n",
    lambda code: f"{code[:3]}-{code[3:]}",
]


@pytest.mark.parametrize(
    ("show", "spelled"), [*product([verify], SPELLINGS), *product([confirm, disable, begin_anew], SPELLINGS[:1])]
)
async def test_a_code_is_the_same_however_it_is_typed(person: Person, show: Show, spelled: Callable[[str], str]):
    await ready_for(person, show)
    await refused(person, show, spelled(WRONG))
    await show(person, spelled(person.next_code()))


@pytest.mark.parametrize("again", OF_THE_PRESENT_ONE)
async def test_a_recovery_code_is_taken_once_and_spends_no_other_code(person: Person, again: Show):
    recovery = await person.set_up()
    last_step = (await person.row())["last_step"]
    await verify(person, recovery[0])
    assert (await person.row())["last_step"] == last_step
    await refused(person, again, recovery[0])
    await again(person, recovery[1])


@pytest.mark.parametrize("show", OF_THE_PRESENT_ONE)
async def test_a_code_that_another_request_is_just_taking_is_refused(person: Person, show: Show):
    await person.set_up()
    code = person.next_code()
    taking = "UPDATE second_factors SET last_step = $2 WHERE user_id = $1"
    async with held(person.postgres, taking, person.caller.user.user_id, int(person.now_s) // 30):
        begun = await waiting(person.postgres, show(person, code))
    with pytest.raises(Forbidden):
        await begun


async def test_of_one_recovery_code_shown_many_times_at_once_one_is_taken(person: Person):
    recovery = await person.set_up()
    answers = await asyncio.gather(*(verify(person, recovery[0]) for _ in range(6)), return_exceptions=True)
    assert sum(not isinstance(answer, Exception) for answer in answers) == 1


async def test_new_recovery_codes_void_the_old_ones_and_nobody_elses(person: Person, postgres: Postgres):
    stranger = await somebody(postgres)
    theirs, old = await stranger.set_up(), await person.set_up()
    new = (await replace_recovery_codes(person, old[0])).recovery_codes
    assert (await person.factors.state(person.caller.user)).recovery_codes_left == len(new) == 10
    for foreign_or_old in (old[1], theirs[1]):
        await refused(person, verify, foreign_or_old)
    await verify(person, new[0])
    await verify(stranger, theirs[0])
    assert (await person.factors.state(person.caller.user)).recovery_codes_left == 9


# What a code opens ----------------------------------------------------------------------------------------------


async def test_a_code_opens_doors_for_the_token_it_came_with_alone(person: Person, postgres: Postgres):
    elsewhere = await somebody(postgres, person.caller.user.telegram_user_id)
    await person.set_up()
    assert (await person.fresh(), await elsewhere.fresh()) == (True, False)
    elsewhere.totp, elsewhere.now_s = person.totp, person.now_s
    await verify(elsewhere, elsewhere.next_code())
    assert await elsewhere.fresh()


@pytest.mark.parametrize("change", [disable, confirm])
async def test_without_the_second_factor_that_gave_it_no_code_opens_anything(
    person: Person, postgres: Postgres, change: Show
):
    elsewhere, stranger = await somebody(postgres, person.caller.user.telegram_user_id), await somebody(postgres)
    await stranger.set_up()
    await person.set_up()
    elsewhere.totp = person.totp
    elsewhere.now_s = person.now_s + 30
    await verify(elsewhere, elsewhere.code())
    person.now_s += 60
    if change is confirm:
        await person.begin(person.code())
    await change(person, person.code())
    assert (await person.fresh(), await elsewhere.fresh()) == (change is confirm, False)
    assert await stranger.fresh()


async def test_what_has_begun_counts_only_when_confirmed(person: Person):
    recovery = await person.set_up()
    present = person.totp
    await person.begin(recovery[0])
    await refused(person, verify, person.next_code())
    person.totp = present
    await verify(person, person.next_code())
    await disable(person, person.next_code())
    with pytest.raises(Conflict):
        await confirm(person, person.next_code())
    assert (await person.factors.state(person.caller.user)).recovery_codes_left == 0


# Two writes, two connections ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("show", "last"),
    [
        (confirm, "add_recovery_codes"),
        (confirm, "mark_code_verified"),
        (verify, "mark_code_verified"),
        (disable, "forget_codes"),
        (replace_recovery_codes, "add_recovery_codes"),
        (begin_anew, "begin_second_factor"),
        (begin_anew, "add_audit_event"),
        (verify, "add_audit_event"),
        (disable, "add_audit_event"),
    ],
)
async def test_where_a_step_fails_half_way_nothing_of_it_stands(person: Person, show: Show, last: str):
    await ready_for(person, show)
    code = person.next_code()
    former = await person.row(), await person.factors.state(person.caller.user), await person.fresh()
    with failing(person.postgres, last):
        await show(person, code)
    assert (await person.row(), await person.factors.state(person.caller.user), await person.fresh()) == former
    await show(person, code)


async def test_one_that_is_confirmed_meanwhile_is_not_begun_anew_without_its_code(person: Person):
    await person.begin()
    enabling = (
        "UPDATE second_factors SET factor_id = pending_id, sealed = pending, pending_id = NULL, pending = NULL "
        "WHERE user_id = $1"
    )
    async with held(person.postgres, enabling, person.caller.user.user_id):
        begun = await waiting(person.postgres, person.factors.begin(person.caller.user, None))
    with pytest.raises(Forbidden):
        await begun
    assert (await person.row())["pending"] is None


async def test_of_one_user_second_factors_begin_one_after_the_other(person: Person):
    async with held(
        person.postgres, "SELECT FROM users WHERE user_id = $1 FOR UPDATE", person.caller.user.user_id
    ):
        begun = await waiting(person.postgres, person.factors.begin(person.caller.user, None))
    await begun


async def test_what_begins_during_a_rotation_is_sealed_by_the_new_key(person: Person):
    async with held(person.postgres, "SELECT pg_advisory_xact_lock(5397)"):
        begun = await waiting(person.postgres, person.factors.begin(person.caller.user, None))
        person.ring = RINGS[1]
    await begun
    assert (await person.row())["pending"]["key_version"] == "2"
