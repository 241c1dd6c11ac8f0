"""The client's methods about messages by Telegram: the chat they go to, and which events are told."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from candleray.notify.chats import TelegramChat, TelegramLink
from candleray.notify.policies import NotificationPolicy
from candleray.sdk.connection import Sender, encoded, read


class MessageMethods(Sender):
    """Messages of what your runs do."""

    def link_telegram(self) -> TelegramLink:
        """Make a link to the instance's bot: opened in the Telegram of your account, once, it links your chat.

        Raises:
            Conflict: the instance has no bot.

        >>> link = client.link_telegram()
        >>> link.url.startswith("https://t.me/")
        True
        """
        return read(TelegramLink, self.send("POST", "/me/telegram/link", repeatable=False))

    def telegram(self) -> TelegramChat:
        """Tell how your Telegram chat stands: linked or not, what waits to be sent, which events are told.

        >>> client.telegram().linked
        False
        """
        return read(TelegramChat, self.send("GET", "/me/telegram"))

    def unlink_telegram(self) -> TelegramChat:
        """Unlink your chat: nothing more is sent there, what waits included.

        >>> client.unlink_telegram().linked
        False
        """
        return read(TelegramChat, self.send("DELETE", "/me/telegram"))

    def set_telegram_policy(self, policy: NotificationPolicy | Mapping[str, Any] | bytes) -> TelegramChat:
        """Choose which events are told, and when; the whole policy replaces the one there was.

        >>> chat = client.set_telegram_policy({"kinds": ["entry", "exit"]})
        >>> [kind.value for kind in chat.policy.kinds]
        ['entry', 'exit']
        """
        return read(TelegramChat, self.send("PUT", "/me/telegram/policy", content=encoded(policy)))
