"""Telegram chats of users in Postgres: linked by their own person alone, by a token whose hash alone is kept."""

from __future__ import annotations

import re
import secrets
from datetime import timedelta
from uuid import UUID

from candleray.databases.postgres import Postgres
from candleray.errors import Conflict, NotFound
from candleray.identity.audit_store import record
from candleray.identity.tokens import token_hash
from candleray.notify.bot_store import trouble_of
from candleray.notify.chats import TelegramChat, TelegramLink
from candleray.notify.policies import NotificationPolicy, policy_of

LINK_TOKEN = re.compile(r"[A-Za-z0-9_-]{43}")

NO_BOT = (
    "this instance sends no messages by Telegram: give it a bot's token in CANDLERAY_IDENTITY__BOT_TOKEN, and "
    "start it again"
)


def new_link_token() -> str:
    return secrets.token_urlsafe(32)


class TelegramChats:
    def __init__(self, postgres: Postgres) -> None:
        self._postgres = postgres

    async def new_link(self, user_id: UUID, minutes: int) -> TelegramLink:
        """Make a link for this user; the one before is void.

        Raises:
            Conflict: there is no bot, or Telegram does not know it.
        """
        bot = await self._postgres.fetch_one("telegram_bot")
        if bot is None:
            raise Conflict(NO_BOT)
        if not bot["username"]:
            raise Conflict(f"the instance's bot is not at work: {bot['trouble']}")
        token = new_link_token()
        row = await self._postgres.fetch_one(
            "open_telegram_link", user_id, token_hash(token), timedelta(minutes=minutes)
        )
        assert row is not None
        return TelegramLink(url=f"https://t.me/{bot['username']}?start={token}", expires_at=row["expires_at"])

    async def confirm(self, token: str, telegram_user_id: int, chat_id: int) -> bool:
        """Link the private chat of the account's own person; tell whether it is linked by this token now.

        Whatever is wrong, the answer is the same. It may be called again: the same person finds it linked.
        """
        if not LINK_TOKEN.fullmatch(token):
            return False
        async with self._postgres.transaction() as transaction:
            link = await transaction.fetch_one("lock_telegram_link", token_hash(token), telegram_user_id)
            if link is None:
                return False
            if link["is_used"]:
                return await transaction.fetch_one("telegram_chat", link["user_id"]) is not None
            if not link["is_fresh"]:
                return False
            await transaction.fetch("use_telegram_link", link["user_id"])
            await transaction.fetch("link_telegram_chat", link["user_id"], chat_id)
            await record(transaction, link["user_id"], "telegram_linked")
        return True

    async def state(self, user_id: UUID) -> TelegramChat:
        row = await self._postgres.fetch_one("telegram_state", user_id)
        assert row is not None
        policy, bot = policy_of(row.pop("policy")), await self._postgres.fetch_one("telegram_bot")
        linked, username = row["linked_at"] is not None, (bot and bot["username"]) or None
        return TelegramChat(linked=linked, bot=username, trouble=trouble_of(bot), policy=policy, **row)

    async def unlink(self, user_id: UUID) -> TelegramChat:
        """Send nothing more, what waits included; links that were made are void."""
        async with self._postgres.transaction() as transaction:
            await transaction.fetch("forget_telegram_link", user_id)
            was_linked = await transaction.fetch("unlink_telegram_chat", user_id)
            await transaction.fetch("clear_outbox", user_id)
            if was_linked:
                await record(transaction, user_id, "telegram_unlinked")
        return await self.state(user_id)

    async def turn_off(self, user_id: UUID) -> None:
        """Send nothing more until a new link is opened: the person has blocked the bot."""
        async with self._postgres.transaction() as transaction:
            await transaction.fetch("turn_telegram_off", user_id)
            await transaction.fetch("clear_outbox", user_id)

    async def user_of(self, chat_id: int, telegram_user_id: int) -> UUID | None:
        """The user whose linked chat this is."""
        row = await self._postgres.fetch_one("user_of_telegram_chat", chat_id, telegram_user_id)
        return row["user_id"] if row else None

    async def policy(self, user_id: UUID) -> NotificationPolicy:
        row = await self._postgres.fetch_one("notification_policy", user_id)
        return policy_of(row and row["policy"])

    async def keep_policy(self, user_id: UUID, policy: NotificationPolicy) -> None:
        """
        Raises:
            NotFound: it names a run that this user has not.
        """
        foreign = await self._postgres.fetch("runs_of_others", user_id, list(policy.runs))
        if foreign:
            raise NotFound(f"there is no run {foreign[0]['run_id']}")
        await self._postgres.fetch("keep_notification_policy", user_id, policy.model_dump(mode="json"))
