"""Roles: a user has what is their own; an operator also writes what all users share.

No table holds them. The setting `identity.operators` names the operators by their Telegram ids. Where it names
nobody, the first user is the operator, except in production, where nobody is.
"""

from __future__ import annotations

from candleray.errors import Forbidden
from candleray.identity.models import Role
from candleray.identity.tokens import Caller
from candleray.settings import Settings


def role_of(caller: Caller, settings: Settings) -> Role:
    named = settings.identity.operators
    if named:
        return "operator" if caller.user.telegram_user_id in named else "user"
    return "operator" if caller.is_first_user and settings.environment != "prod" else "user"


def require_operator(caller: Caller, settings: Settings) -> None:
    """
    Raises:
        Forbidden: the caller is none, with the way to become one.
    """
    if role_of(caller, settings) != "operator":
        own_id = caller.user.telegram_user_id
        raise Forbidden(
            "only an operator writes what all users share, such as candles and instruments: the setting "
            f"identity.operators of the instance names operators by their Telegram ids (yours is {own_id})"
            f"{_default_rule(settings)}"
        )


def without_operators(settings: Settings) -> str | None:
    """Return what an instance without any operator lacks, and the remedy; None where there is one."""
    if settings.identity.operators or settings.environment != "prod":
        return None
    return (
        "nobody is an operator, so nobody can import candles or instruments (backfills from exchanges work): name "
        "operators by their Telegram ids, such as CANDLERAY_IDENTITY__OPERATORS='[123456]', and start again"
    )


def _default_rule(settings: Settings) -> str:
    if settings.identity.operators:
        return ""
    if settings.environment == "prod":
        return "; it names nobody"
    return "; it names nobody, so the first user of the instance is the operator"
