"""Codes replayed and guessed, recovery codes shown twice, and what is behind a code without one."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import pyotp

from tests.api.attacks.target import Attack, Target
from tests.support.api.accounts import KEY, key_id, log_in, post_code, set_up
from tests.support.api.api_document import operations

TOP = "/second-factor"
CONFIRM = "/confirm"
"""Takes a code of the second factor that has begun."""

TAKES_A_CODE = [
    one.path.removeprefix(TOP)
    for one in operations()
    if one.path.startswith(TOP) and any("code" in body for body in one.bodies)
]
"""Whatever the API's document says takes a code, below /second-factor."""

CODED = [path for path in TAKES_A_CODE if path != CONFIRM]
"""Routes that take a code of the second factor there is."""


async def show(target: Target, code: str, path: str = "/verify") -> None:
    await target.attack("POST", f"{TOP}{path}", json={"code": code})


def wrong_code(totp: pyotp.TOTP) -> str:
    """Six digits that no step around now has."""
    now = int(time.time())
    near = {totp.at(now + 30 * step) for step in range(-3, 4)}
    return next(code for code in (f"{number:06}" for number in range(10)) if code not in near)


async def replayed(target: Target) -> None:
    await log_in(target.api)
    totp, _ = await set_up(target.api)
    code = totp.at(int(time.time()) + 30)
    (await target.api.post("/second-factor/verify", json={"code": code})).raise_for_status()
    for path in CODED:
        await show(target, code, path)


async def of_a_former_step(target: Target) -> None:
    await log_in(target.api)
    totp, _ = await set_up(target.api)
    for step in (-90, -60, -30):
        await show(target, totp.at(int(time.time()) + step))


async def guessed(target: Target) -> None:
    await log_in(target.api)
    totp, _ = await set_up(target.api)
    for _ in range(5):
        await show(target, wrong_code(totp))


def right_after_guesses(path: str) -> Callable[[Target], Any]:
    """Five guesses at one place; then the right code, there and everywhere else."""

    async def ask(target: Target) -> None:
        await log_in(target.api)
        if path == CONFIRM:
            totp = pyotp.TOTP((await post_code(target.api, "")).json()["secret"])
        else:
            totp, _ = await set_up(target.api)
        for _ in range(5):
            guess = await post_code(target.api, path, wrong_code(totp))
            assert (guess.status_code, guess.json()["error"]["message"]) == (403, "the code is not valid")
        for other in [path] if path == CONFIRM else CODED:
            await show(target, totp.at(int(time.time()) + 30), other)

    return ask


async def right_in_a_lock(target: Target) -> None:
    await log_in(target.api)
    totp, recovery = await set_up(target.api)
    for _ in range(5):
        await target.api.post("/second-factor/verify", json={"code": wrong_code(totp)})
    for path in CODED:
        await show(target, totp.now(), path)
        await show(target, recovery[0], path)


async def recovery_twice(target: Target) -> None:
    await log_in(target.api)
    _, recovery = await set_up(target.api)
    (await target.api.post("/second-factor/verify", json={"code": recovery[0]})).raise_for_status()
    for spelled in (recovery[0], recovery[0].lower(), recovery[0].replace("-", "")):
        await show(target, spelled)


async def foreign_recovery(target: Target) -> None:
    await log_in(target.api)
    _, foreign = await set_up(target.api)
    await log_in(target.api)
    await set_up(target.api)
    await show(target, foreign[0])


async def keys_without_a_code(target: Target) -> None:
    await log_in(target.api)
    await target.attack("POST", "/exchange-keys", json=KEY)


async def keys_after_a_code(target: Target) -> None:
    token = await log_in(target.api)
    await set_up(target.api)
    kept = await key_id(target.api)
    made = await target.api.post("/tokens", json={"name": "mine", "scopes": ["account"]})
    for bearer in (made.json()["token"], token):
        headers = {"Authorization": f"Bearer {bearer}"}
        if bearer == token:
            late = "UPDATE access_tokens SET code_verified_at = code_verified_at - interval '11 minutes'"
            await target.change(
                f"{late} WHERE user_id = (SELECT user_id FROM exchange_keys WHERE key_id = $1)", kept
            )
        await target.attack("POST", "/exchange-keys", json=KEY, headers=headers)
        await target.attack("DELETE", f"/exchange-keys/{kept}", headers=headers)


FORBIDDEN = frozenset({403})
ATTACKS = [
    Attack("code, replayed", FORBIDDEN, replayed),
    Attack("code, of a former step", FORBIDDEN, of_a_former_step),
    Attack("code, guessed to the lock-out", FORBIDDEN, guessed),
    *(
        Attack(f"code, the right one after guesses at {TOP}{path}", frozenset({429}), right_after_guesses(path))
        for path in TAKES_A_CODE
    ),
    Attack("code, the right one in a lock-out", frozenset({429}), right_in_a_lock),
    Attack("recovery code, twice", FORBIDDEN, recovery_twice),
    Attack("recovery code, another user's", FORBIDDEN, foreign_recovery),
    Attack("exchange keys, without a code", FORBIDDEN, keys_without_a_code),
    Attack("exchange keys, by another token, or too late", FORBIDDEN, keys_after_a_code),
]
