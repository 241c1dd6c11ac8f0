"""Users, logins, tokens, second factors and exchange keys as they go over the wire.

The SDK reads these, so this module needs none of the libraries that guard them.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from datetime import datetime
from typing import Annotated, Any, Literal, get_args
from uuid import UUID

from pydantic import AfterValidator, BeforeValidator, Field
from pydantic_core import PydanticCustomError

from candleray.timeframes import Moment
from candleray.validation import Model, secret_text

MAX_TELEGRAM_USER_ID = 2**63
"""The first id that the column does not take."""


class User(Model):
    """A user, who exists only through a Telegram account."""

    user_id: UUID
    telegram_user_id: int


Role = Literal["user", "operator"]
"""A user has what is their own; an operator also writes what all users share: candles and instruments."""


def _no_boolean(value: Any) -> Any:
    if isinstance(value, bool):
        raise PydanticCustomError("int_type", "Input should be a valid integer")
    return value


SignedNumber = Annotated[int, BeforeValidator(_no_boolean)]
"""Text of digits is taken, as a page has it from its address; `true` is not the number 1."""


class WidgetLogin(Model):
    """The fields that Telegram's Login Widget hands to the page."""

    id: SignedNumber = Field(ge=1, lt=MAX_TELEGRAM_USER_ID)
    first_name: str | None = Field(None, max_length=256)
    last_name: str | None = Field(None, max_length=256)
    username: str | None = Field(None, max_length=64)
    photo_url: str | None = Field(None, max_length=2048)
    auth_date: SignedNumber = Field(ge=0, lt=2**40)
    hash: Annotated[
        str, Field(pattern=r"^[0-9a-f]{64}$"), secret_text(r"[0-9a-f]{64}", "is 64 hexadecimal digits")
    ]


class MiniAppLogin(Model):
    """The text that Telegram hands to a Mini App, untouched."""

    init_data: Annotated[
        str, Field(min_length=1, max_length=8192), secret_text(r"(?s:.{1,8192})", "is 1 to 8192 characters")
    ]


Scope = Literal["read", "trade", "account"]
"""`read`: see what is one's own, and compute. `trade`: change it: strategies, runs, jobs; an operator's: candles.
`account`: sessions, tokens, the second factor, exchange keys."""
SCOPES: tuple[Scope, ...] = get_args(Scope)

Kind = Literal["session", "api"]


class Me(User):
    """The user that a token stands for, and what it may do: its scopes, as far as the user's role goes."""

    role: Role
    scopes: tuple[Scope, ...]


class TokenInfo(Model):
    """A session or a personal API token, without what proves it."""

    token_id: UUID
    kind: Kind
    name: str
    scopes: tuple[Scope, ...]
    created_at: Moment
    last_used_at: Moment
    """Exact to the minute."""
    expires_at: Moment
    """A session's moves on with its use, up to `ends_at`."""
    ends_at: Moment
    current: bool = False
    """True of the one that this request came with."""


def _in_order(scopes: Sequence[Scope]) -> tuple[Scope, ...]:
    return tuple(scope for scope in SCOPES if scope in scopes)


class TokenRequest(Model):
    """A personal API token to be made."""

    name: str = Field(min_length=1, max_length=64, pattern=r"^[\w .:@/-]+$")
    """A name for people, to tell their tokens apart."""
    scopes: Annotated[
        tuple[Scope, ...], Field(min_length=1, max_length=len(SCOPES)), AfterValidator(_in_order)
    ] = ("read",)
    days: int = Field(90, ge=1, le=366)
    """Days for which it is good."""


class NewToken(Model):
    """A token as it is shown: once."""

    token: str
    info: TokenInfo


class BrowserSession(Model):
    """The user of a browser's cookie; everything is null where nobody is logged in."""

    user: Me | None = None
    second_factor: bool | None = None
    """True where the user has one."""


class LoginWays(Model):
    """The ways in that this instance knows."""

    bot_id: int | None
    """The bot whose login page at Telegram leads here; null where Telegram does not know it."""


class CookieLogin(Model):
    """The answer to a page whose token is in a cookie that it cannot read."""

    csrf_token: str
    """Goes into the header `X-CSRF-Token` of everything that changes something."""
    info: TokenInfo


def _plain_code(value: Any) -> Any:
    """The code without what keyboards and authenticators put into it: full-width digits, spaces, dashes."""
    if not isinstance(value, str) or len(value) > _MOST_TYPED:
        return value
    plain = unicodedata.normalize("NFKC", value)
    return "".join(one for one in plain if unicodedata.category(one) not in _BETWEEN).upper()


_MOST_TYPED = 64
_BETWEEN = frozenset({"Zs", "Zl", "Zp", "Pd", "Cc", "Cf"})
"""Unicode's categories of spaces, dashes, and characters that nobody sees."""

Code = Annotated[
    str,
    Field(min_length=6, max_length=32),
    secret_text(r"[0-9]{6}|[A-Z2-7]{16}", "is six digits, or a recovery code of 16 letters and digits"),
    BeforeValidator(_plain_code),
]
"""Other text is no attempt: it is answered before any is counted."""


class CodeBody(Model):
    code: Code
    """Six digits, or a recovery code."""


class OptionalCode(Model):
    code: Code | None = None
    """Needed where a second factor is being replaced."""


class SecondFactorState(Model):
    enabled: bool
    pending: bool
    """One has begun and awaits its first code."""
    recovery_codes_left: int
    locked_until: datetime | None = None


class SecondFactorSetup(Model):
    """The secret for an authenticator app, shown once."""

    secret: str
    otpauth_uri: str
    qr_svg: str
    """The URI as an SVG to scan."""


class RecoveryCodes(Model):
    """Codes in place of the app's, each good once; shown once."""

    recovery_codes: tuple[str, ...]


class CodeAccepted(Model):
    fresh_until: datetime
    """The end of the time in which this token may do what needs a fresh code."""


class ExchangeKey(Model):
    """A stored key, without what makes it one."""

    key_id: UUID
    exchange: str
    label: str
    last_four: str
    """The last characters of the API key, to know it again."""
    created_at: datetime
