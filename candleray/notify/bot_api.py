"""The part of Telegram's Bot API that is used here, in words of ours: `candleray.notify.bot` speaks it."""

from __future__ import annotations

import html
from enum import StrEnum
from typing import NamedTuple, Protocol

MOST_CHARACTERS = 4096
"""Longest text of a message, in units of UTF-16."""


class TroubleKind(StrEnum):
    TOO_MANY = "too_many"
    """Telegram asks to wait."""
    BLOCKED = "blocked"
    """The person has blocked the bot, deleted the chat, or is no more."""
    REFUSED = "refused"
    """The message itself is not taken."""
    UNKNOWN_TOKEN = "unknown_token"  # noqa: S105 - no token
    OTHER_POLLER = "other_poller"
    """Another program asks for the updates of the same bot."""
    AWAY = "away"
    """Telegram was not reached."""
    UNCERTAIN = "uncertain"
    """No answer came, or none that could be read: it may have been done or not."""


class BotTrouble(Exception):
    """A call of the Bot API did not succeed; the text never holds the bot's token."""

    def __init__(self, kind: TroubleKind, text: str, retry_after_s: float = 0.0) -> None:
        super().__init__(text)
        self.kind = kind
        self.text = text
        self.retry_after_s = retry_after_s

    def __reduce__(self) -> tuple[object, ...]:
        return type(self), (self.kind, self.text, self.retry_after_s)


class BotName(NamedTuple):
    bot_id: int
    username: str


class IncomingMessage(NamedTuple):
    chat_id: int
    is_private: bool
    user_id: int
    text: str


class Update(NamedTuple):
    update_id: int
    message: IncomingMessage | None
    """Whatever a person wrote; None where nobody did."""


class BotApi(Protocol):
    """Each call raises `BotTrouble`."""

    async def name(self) -> BotName: ...

    async def forget_webhook(self) -> None:
        """Take back the webhook: while one is set, updates are refused to whoever polls."""
        ...

    async def updates(self, offset: int, timeout_s: int) -> list[Update]:
        """Wait for updates from this number on; those before it are confirmed."""
        ...

    async def send(self, chat_id: int, text: str, is_plain: bool = False) -> int:
        """Send a message, its first line in bold; its number.

        Args:
            is_plain: without any markup.
        """
        ...

    async def is_shown(self, chat_id: int, message_id: int, text: str) -> bool:
        """Tell whether the chat's message of that number is ours and has this text."""
        ...

    async def close(self) -> None: ...


def as_html(text: str) -> str:
    """The text as Telegram's HTML, its first line in bold."""
    head, line_break, rest = html.escape(text, quote=False).partition("\n")
    return f"<b>{head}</b>{line_break}{rest}"


def length_of(text: str) -> int:
    """The length of a text as Telegram counts it."""
    return len(text.encode("utf-16-le")) // 2
