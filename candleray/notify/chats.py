"""A user's Telegram chat as it goes over the wire: the link that confirms it, and how it stands."""

from __future__ import annotations

from pydantic import Field

from candleray.notify.policies import NotificationPolicy
from candleray.timeframes import Moment
from candleray.validation import Model


class TelegramLink(Model):
    """A link that the account's own person opens in Telegram, once."""

    url: str
    expires_at: Moment


class TelegramChat(Model):
    """The private chat that a user gets messages in, if one is linked."""

    linked: bool
    bot: str | None = None
    """The name of this instance's bot; `null` where it has none that works."""
    linked_at: Moment | None = None
    off_since: Moment | None = None
    """The moment at which the bot was found blocked: nothing is sent until a new link is opened."""
    waiting: int = 0
    """Messages that are not sent yet."""
    trouble: str | None = None
    """The reason that the bot sends nothing at the moment, if there is one."""
    policy: NotificationPolicy = Field(default_factory=NotificationPolicy)
