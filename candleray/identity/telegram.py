"""Login by Telegram, the only one there is: the Login Widget's payload and a Mini App's init data.

https://core.telegram.org/widgets/login#checking-authorization and
https://core.telegram.org/bots/webapps#validating-data-received-via-the-mini-app. Beyond what Telegram asks for, a
login is fresh, has no field it should not have, and is spent by its first use (`login_fingerprint`).
"""

from __future__ import annotations

import hashlib
import hmac
import json
from collections.abc import Mapping
from typing import Any
from urllib.parse import parse_qsl, urlencode

from candleray.errors import Unauthenticated
from candleray.identity.models import MAX_TELEGRAM_USER_ID, MiniAppLogin, WidgetLogin

MAX_AGE_S = 300
MAX_SKEW_S = 30
"""Seconds that a login may lie in the future: clocks differ."""

_MINI_APP_FIELDS = frozenset(
    {
        *("query_id", "user", "receiver", "chat", "chat_type", "chat_instance", "start_param", "can_send_after"),
        *("auth_date", "signature", "hash"),
    }
)


class LoginRefused(Unauthenticated):
    """The caller learns that it failed; the log learns why."""

    def __init__(self, reason: str = "") -> None:
        super().__init__("the login is not valid: log in again")
        self.reason = reason

    def __reduce__(self) -> tuple[object, ...]:
        return type(self), (self.reason,)


def telegram_user_of_widget(login: WidgetLogin, bot_token: str, now_s: float) -> int:
    """
    Raises:
        LoginRefused: it is forged, another bot's, stale, or from the future.
    """
    fields = {name: str(value) for name, value in login.model_dump(exclude={"hash"}, exclude_none=True).items()}
    _require_hash(_widget_hash(fields, bot_token), login.hash)
    _require_fresh(login.auth_date, now_s)
    return login.id


def telegram_user_of_mini_app(login: MiniAppLogin, bot_token: str, now_s: float) -> int:
    """
    Raises:
        LoginRefused: it is forged, another bot's, stale, from the future, or no init data at all.
    """
    fields = _init_fields(login.init_data)
    _require_hash(_mini_app_hash(fields, bot_token), fields.get("hash", ""))
    try:
        auth_date = int(fields["auth_date"])
        user_id = json.loads(fields["user"], object_pairs_hook=_each_once)["id"]
    except (KeyError, ValueError, TypeError, RecursionError):
        raise LoginRefused("malformed") from None
    _require_fresh(auth_date, now_s)
    if type(user_id) is not int or not 1 <= user_id < MAX_TELEGRAM_USER_ID:
        raise LoginRefused("malformed")
    return user_id


def login_fingerprint(login: WidgetLogin | MiniAppLogin) -> str:
    """The same for the same login, and for no other: what marks it as used."""
    signed = login.hash if isinstance(login, WidgetLogin) else _init_fields(login.init_data).get("hash", "")
    return hashlib.sha256(signed.encode()).hexdigest()


def sign_widget(telegram_user_id: int, bot_token: str, now_s: float, **names: str) -> WidgetLogin:
    """The payload that Telegram would make for this user and bot; whoever holds the bot's token can."""
    login = WidgetLogin(id=telegram_user_id, auth_date=int(now_s), hash="0" * 64, **names)
    fields = {name: str(value) for name, value in login.model_dump(exclude={"hash"}, exclude_none=True).items()}
    return login.model_copy(update={"hash": _widget_hash(fields, bot_token)})


def sign_mini_app(telegram_user_id: int, bot_token: str, now_s: float, **more: str) -> MiniAppLogin:
    """The init data that Telegram would hand to this bot's Mini App."""
    fields = {"auth_date": str(int(now_s)), "user": json.dumps({"id": telegram_user_id}), **more}
    return MiniAppLogin(init_data=urlencode({**fields, "hash": _mini_app_hash(fields, bot_token)}))


def _init_fields(init_data: str) -> dict[str, str]:
    try:
        pairs = parse_qsl(init_data, keep_blank_values=True, strict_parsing=True, max_num_fields=20)
    except ValueError:
        raise LoginRefused("malformed") from None
    fields = dict(pairs)
    if len(fields) != len(pairs) or not fields.keys() <= _MINI_APP_FIELDS:
        raise LoginRefused("unknown_field")
    return fields


def _each_once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    fields = dict(pairs)
    if len(fields) != len(pairs):
        raise LoginRefused("malformed")
    return fields


def _widget_hash(fields: Mapping[str, str], bot_token: str) -> str:
    return _check_hash(fields, hashlib.sha256(bot_token.encode()).digest())


def _mini_app_hash(fields: Mapping[str, str], bot_token: str) -> str:
    return _check_hash(fields, hmac.digest(b"WebAppData", bot_token.encode(), "sha256"))


def _check_hash(fields: Mapping[str, str], key: bytes) -> str:
    lines = sorted(f"{name}={value}" for name, value in fields.items() if name != "hash")
    return hmac.digest(key, "\n".join(lines).encode("utf-8", "surrogatepass"), "sha256").hex()


def _require_hash(expected: str, given: str) -> None:
    if not hmac.compare_digest(expected.encode(), given.encode("utf-8", "replace")):
        raise LoginRefused("forged")


def _require_fresh(auth_date: int, now_s: float) -> None:
    if auth_date > now_s + MAX_SKEW_S:
        raise LoginRefused("from_the_future")
    if auth_date < now_s - MAX_AGE_S:
        raise LoginRefused("stale")
