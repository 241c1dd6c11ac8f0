"""Logins that are not Telegram's, not of now, not of this bot, or not for the first time."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from typing import Any
from urllib.parse import parse_qsl, urlencode
from uuid import uuid4

from candleray.identity.telegram import sign_mini_app, sign_widget
from tests.api.attacks.target import Attack, Statuses, Target
from tests.support.api.in_process_api import BOT_TOKEN, fresh_login

WIDGET, MINI_APP = "/login/telegram/widget", "/login/telegram/mini-app"
ANOTHER_BOT = "99:another-bot"

NOT_BELIEVED, NOT_READ = frozenset({401}), frozenset({422})
Login = Callable[[], dict[str, Any]]


def signed(age_s: float = 0, bot_token: str = BOT_TOKEN) -> dict[str, Any]:
    return sign_widget(7, bot_token, time.time() - age_s, first_name=uuid4().hex).model_dump(exclude_none=True)


def fields_swapped() -> dict[str, Any]:
    login = fresh_login(7)
    return {**login, "first_name": "mallory", "username": login["first_name"]}


def without(login: dict[str, Any], field: str) -> dict[str, Any]:
    return {name: value for name, value in login.items() if name != field}


def mini_app(age_s: float = 0, bot_token: str = BOT_TOKEN, **more: str) -> dict[str, str]:
    """Init data of user 7, signed; `more` fields, or others in place of them."""
    return sign_mini_app(7, bot_token, time.time() - age_s, query_id=uuid4().hex, **more).model_dump()


def changed_data(former: str, new: str) -> dict[str, str]:
    data = mini_app()["init_data"]
    assert former in data
    return {"init_data": data.replace(former, new)}


def with_user_twice() -> dict[str, str]:
    return {"init_data": f"{mini_app()['init_data']}&{urlencode({'user': json.dumps({'id': 8})})}"}


def with_user(user: str) -> dict[str, str]:
    """Init data that the bot's token has signed, of a user of these bytes."""
    return mini_app(user=user)


SIGNED_USERS = {
    "true": '{"id": true}',
    "false": '{"id": false}',
    "null": '{"id": null}',
    "text": '{"id": "7"}',
    "a fraction": '{"id": 7.0}',
    "a list": '{"id": [7]}',
    "none": "{}",
    "zero": '{"id": 0}',
    "below zero": '{"id": -7}',
    "beyond the column": json.dumps({"id": 2**63}),
    "without end": '{"id": ' + "7" * 5000 + "}",
    "twice": '{"id": 8, "id": 7}',
    "of no object": "7",
    "of a list": '[{"id": 7}]',
    "no JSON": "id=7",
}
"""Data that a bot's own token has signed, and is no user all the same."""


def signed_twice(name: str, other: str, at: str) -> dict[str, str]:
    """A field given twice, where the hash is right for one of the two."""
    data = mini_app()["init_data"]
    former = dict(parse_qsl(data))[name]
    assert former != other
    extra = urlencode({name: other})
    return {"init_data": f"{extra}&{data}" if at == "before" else f"{data}&{extra}"}


def signed_number(field: str, value: Any) -> dict[str, Any]:
    """The widget's login of user 1 at the time 1, signed, with one of the two written otherwise."""
    now_s = {"id": time.time(), "auth_date": 1.0}[field]
    return {**sign_widget(1, BOT_TOKEN, now_s, first_name=uuid4().hex).model_dump(exclude_none=True), field: value}


def widget_text(field: str, other: Any) -> str:
    """The widget's login as JSON, one of its fields given twice, the right one last."""
    login = signed()
    return "{" + json.dumps({field: other})[1:-1] + ", " + json.dumps(login)[1:]


WRONG: dict[str, tuple[str, Login, Statuses]] = {
    "forged: another user's id": (WIDGET, lambda: {**fresh_login(7), "id": 8}, NOT_BELIEVED),
    "forged: a hash of zeros": (WIDGET, lambda: {**fresh_login(7), "hash": "0" * 64}, NOT_BELIEVED),
    "stale": (WIDGET, lambda: signed(age_s=301), NOT_BELIEVED),
    "stale, its date made fresh": (WIDGET, lambda: {**signed(301), "auth_date": int(time.time())}, NOT_BELIEVED),
    "from the future": (WIDGET, lambda: signed(age_s=-600), NOT_BELIEVED),
    "another bot's": (WIDGET, lambda: signed(bot_token=ANOTHER_BOT), NOT_BELIEVED),
    "fields swapped": (WIDGET, fields_swapped, NOT_BELIEVED),
    "truncated: no name": (WIDGET, lambda: without(fresh_login(7), "first_name"), NOT_BELIEVED),
    "truncated: no id": (WIDGET, lambda: without(fresh_login(7), "id"), NOT_READ),
    "truncated: no date": (WIDGET, lambda: without(fresh_login(7), "auth_date"), NOT_READ),
    "truncated: no hash": (WIDGET, lambda: without(fresh_login(7), "hash"), NOT_READ),
    "truncated: half a hash": (WIDGET, lambda: {**fresh_login(7), "hash": fresh_login(7)["hash"][:32]}, NOT_READ),
    "an unknown field": (WIDGET, lambda: {**fresh_login(7), "is_admin": True}, NOT_READ),
    "mini app, forged": (MINI_APP, lambda: changed_data("%3A+7%7D", "%3A+8%7D"), NOT_BELIEVED),
    "mini app, stale": (MINI_APP, lambda: mini_app(age_s=301), NOT_BELIEVED),
    "mini app, from the future": (MINI_APP, lambda: mini_app(age_s=-600), NOT_BELIEVED),
    "mini app, another bot's": (MINI_APP, lambda: mini_app(bot_token=ANOTHER_BOT), NOT_BELIEVED),
    "mini app, fields swapped": (MINI_APP, lambda: changed_data("query_id=", "start_param="), NOT_BELIEVED),
    "mini app, without its hash": (MINI_APP, lambda: changed_data("&hash=", "&signature="), NOT_BELIEVED),
    "mini app, truncated": (MINI_APP, lambda: {"init_data": mini_app()["init_data"][:-20]}, NOT_BELIEVED),
    "mini app, empty": (MINI_APP, lambda: {"init_data": ""}, NOT_READ),
    "mini app, the user twice": (MINI_APP, with_user_twice, NOT_BELIEVED),
    "mini app, an unknown field": (MINI_APP, lambda: mini_app(is_admin="1"), NOT_BELIEVED),
    **{
        f"mini app, signed, the user's id {name}": (MINI_APP, lambda user=user: with_user(user), NOT_BELIEVED)
        for name, user in SIGNED_USERS.items()
    },
    **{
        f"mini app, signed, {field} twice, {at}": (
            MINI_APP,
            lambda field=field, other=other, at=at: signed_twice(field, other, at),
            NOT_BELIEVED,
        )
        for field, other in {
            "user": '{"id": 8}',
            "auth_date": str(int(time.time()) - 1),
            "query_id": "another",
            "hash": "0" * 64,
        }.items()
        for at in ("before", "after")
    },
    **{
        f"signed, {field} is {value!r}": (
            WIDGET,
            lambda field=field, value=value: signed_number(field, value),
            NOT_READ,
        )
        for field in ("id", "auth_date")
        for value in (True, None, 1.5, [1], "true")
    },
}
TWICE = {"id": 8, "auth_date": 1, "first_name": "another", "hash": "0" * 64}
"""Fields of the widget's login, and what else they say where they stand twice."""


def sending(path: str, make: Login) -> Callable[[Target], Any]:
    async def send(target: Target) -> None:
        await target.attack("POST", path, json=make())

    return send


def sending_text(make: Callable[[], str]) -> Callable[[Target], Any]:
    async def send(target: Target) -> None:
        headers = {"Content-Type": "application/json"}
        await target.attack("POST", WIDGET, content=make(), headers=headers)

    return send


def replaying(path: str, make: Login) -> Callable[[Target], Any]:
    async def replay(target: Target) -> None:
        login = make()
        (await target.api.post(path, json=login)).raise_for_status()
        await target.attack("POST", path, json=login)
        await target.attack("POST", f"{path}?session=cookie", json=login)

    return replay


async def replayed_in_another_spelling(target: Target) -> None:
    data = mini_app()["init_data"]
    (await target.api.post(MINI_APP, json={"init_data": data})).raise_for_status()
    for again in ("&".join(reversed(data.split("&"))), data.replace("%22", '"'), data.replace("%7B", "%7b")):
        assert again != data
        await target.attack("POST", MINI_APP, json={"init_data": again})


ATTACKS = [
    *(Attack(f"login, {name}", statuses, sending(path, make)) for name, (path, make, statuses) in WRONG.items()),
    *(
        Attack(
            f"login, signed, {field} twice",
            NOT_READ,
            sending_text(lambda field=field, other=other: widget_text(field, other)),
        )
        for field, other in TWICE.items()
    ),
    Attack("login, replayed", NOT_BELIEVED, replaying(WIDGET, lambda: fresh_login(7))),
    Attack("login, mini app, replayed", NOT_BELIEVED, replaying(MINI_APP, mini_app)),
    Attack("login, mini app, replayed in another spelling", NOT_BELIEVED, replayed_in_another_spelling),
]
