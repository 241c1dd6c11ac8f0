"""The courier: takes what waits in the outbox to the chats, at Telegram's pace, and acts on what Telegram answers.

A message is `sending` in the outbox before the call. Where no answer came, it may have been sent: the courier
looks for it among the numbers that Telegram gave since, by an edit that would change nothing, and sends it again
where it is not found. So a message may come twice, and none is lost.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Iterator
from datetime import UTC, datetime
from uuid import UUID

from candleray.errors import CandlerayError, in_words
from candleray.logs import get_logger
from candleray.notify.bot_api import BotApi, BotTrouble, TroubleKind
from candleray.notify.chat_store import TelegramChats
from candleray.notify.outbox import Message, Outbox, Recipient
from candleray.notify.pacing import Growing, Pace
from candleray.settings import TelegramSettings

log = get_logger("telegram")

FIRST_RETRY_S = 1.0
_CHATS_AT_ONCE = 16
_OWN_BEYOND = 4
_FORMER_BEYOND = _CHATS_AT_ONCE
"""Numbers behind the newest known one among which a message is looked for: Telegram counts those of all private
chats of a bot together, so others that are under way, and what people write, are among them."""


class TokenRefused(Exception):
    """Telegram does not know the bot's token: nothing more can be sent."""


class Courier:
    def __init__(
        self, bot: BotApi, outbox: Outbox, chats: TelegramChats, pace: Pace, settings: TelegramSettings
    ) -> None:
        self._bot = bot
        self._outbox = outbox
        self._chats = chats
        self._pace = pace
        self._settings = settings
        self._newest_id = 0
        self._known_ids: deque[int] = deque(maxlen=1000)
        self._own: set[tuple[UUID, tuple[int, ...]]] = set()
        """Messages that this process has begun to send."""
        self._busy: dict[UUID, asyncio.Task[None]] = {}
        self._pauses: dict[int, Growing] = {}
        self._at_once = asyncio.Semaphore(_CHATS_AT_ONCE)
        self.sent = 0
        self.sent_again = 0
        self.dropped = 0
        self.troubles: dict[TroubleKind, int] = {}

    async def begin(self) -> None:
        """Learn what the former process left."""
        self._newest_id = await self._outbox.newest_message_id()

    def know(self, message_id: int) -> None:
        """Take note of a message that was sent by another way."""
        self._known_ids.append(message_id)
        self._newest_id = max(self._newest_id, message_id)

    async def look(self) -> None:
        """Begin to send to every chat for which something waits and nobody is at work.

        Raises:
            TokenRefused: Telegram does not know the bot.
        """
        for user_id, task in list(self._busy.items()):
            if task.done():
                del self._busy[user_id]
                task.result()
        for recipient in await self._outbox.recipients():
            if recipient.user_id in self._busy or not self._pace.is_free(recipient.chat_id):
                continue
            if recipient.policy.quiet_hours and recipient.policy.quiet_hours.until(datetime.now(UTC)):
                continue
            self._busy[recipient.user_id] = asyncio.create_task(self._serve(recipient))

    async def close(self) -> None:
        for task in self._busy.values():
            task.cancel()
        await asyncio.gather(*self._busy.values(), return_exceptions=True)

    async def _serve(self, to: Recipient) -> None:
        """Send what waits for a chat, one message after the other, until there is none or something is amiss."""
        try:
            while True:
                await asyncio.sleep(self._pace.wait_s(to.chat_id))
                async with self._at_once:
                    message = await self._outbox.next_of(to.user_id, self._settings.digest_over)
                    if message is None or not await self._take(to, message):
                        return
        except CandlerayError as error:  # Postgres is away: the next look tries again
            log.warning("telegram_waits", step="outbox", reason=in_words(error))

    async def _take(self, to: Recipient, message: Message) -> bool:
        """Send a message, unless it has been; False where this chat is to be left alone for a while."""
        try:
            if message.after_message_id is not None:
                if found := await self._found(to, message, message.after_message_id):
                    await self._arrived(to, message, found)
                    return True
                self.sent_again += len(message.numbers)
                message = message._replace(after_message_id=None)
                await self._outbox.wait_again(to.user_id, message)
            await self._pace.turn(to.chat_id)
            if not await self._outbox.begin(to.user_id, message, self._newest_id):
                return False
            self._own.add((to.user_id, message.numbers))
            await self._arrived(to, message, await self._bot.send(to.chat_id, message.text))
            return True
        except BotTrouble as trouble:
            return await self._act(to, message, trouble)

    async def _arrived(self, to: Recipient, message: Message, message_id: int) -> None:
        self.know(message_id)
        self.sent += len(message.numbers)
        self._pauses.pop(to.chat_id, None)
        await self._end(to, message, message_id)

    async def _end(self, to: Recipient, message: Message, message_id: int = 0) -> None:
        self._own.discard((to.user_id, message.numbers))
        await self._outbox.end(to.user_id, message, message_id)

    async def _found(self, to: Recipient, message: Message, after_message_id: int) -> int | None:
        """The number under which the chat shows a message that may have been sent."""
        beyond = _OWN_BEYOND if (to.user_id, message.numbers) in self._own else _FORMER_BEYOND
        for message_id in self._numbers(after_message_id, self._newest_id + beyond):
            await self._pace.turn_of_all()
            if await self._bot.is_shown(to.chat_id, message_id, message.text):
                return message_id
        return None

    def _numbers(self, after: int, last: int) -> Iterator[int]:
        known = set(self._known_ids)
        return (one for one in range(after + 1, last + 1) if one not in known)

    async def _act(self, to: Recipient, message: Message, trouble: BotTrouble) -> bool:
        self.troubles[trouble.kind] = self.troubles.get(trouble.kind, 0) + 1
        told: dict[str, object] = {
            "user_id": str(to.user_id),
            "events": list(message.numbers),
            "reason": trouble.text,
        }
        match trouble.kind:
            case TroubleKind.TOO_MANY:
                self._pace.hold(to.chat_id, max(trouble.retry_after_s, FIRST_RETRY_S))
                await self._not_sent(to, message)
            case TroubleKind.BLOCKED:
                log.warning("telegram_blocked", **told)
                self._own.discard((to.user_id, message.numbers))
                await self._chats.turn_off(to.user_id)
            case TroubleKind.REFUSED:
                return await self._send_plain(to, message, told)
            case TroubleKind.UNKNOWN_TOKEN:
                await self._not_sent(to, message)
                raise TokenRefused(trouble.text)
            case _:
                pauses = self._pauses.setdefault(
                    to.chat_id, Growing(FIRST_RETRY_S, self._settings.longest_retry_s)
                )
                pause_s = pauses.next_s()
                log.warning("telegram_unanswered", kind=trouble.kind, pause_s=pause_s, **told)
                self._pace.hold(to.chat_id, pause_s)
                if trouble.kind is TroubleKind.AWAY:
                    await self._not_sent(to, message)
        return False

    async def _not_sent(self, to: Recipient, message: Message) -> None:
        """Let a message wait again, unless it is one that may have been sent before."""
        if message.after_message_id is None:
            await self._outbox.wait_again(to.user_id, message)

    async def _send_plain(self, to: Recipient, message: Message, told: dict[str, object]) -> bool:
        """Send a message that was refused once more, without markup; drop it where it is refused again."""
        log.warning("telegram_refused", **told)
        try:
            await self._pace.turn(to.chat_id)
            await self._arrived(to, message, await self._bot.send(to.chat_id, message.text, is_plain=True))
        except BotTrouble as trouble:
            if trouble.kind is not TroubleKind.REFUSED:
                return await self._act(to, message, trouble)
            log.error("telegram_dropped", **{**told, "reason": trouble.text})
            self.dropped += len(message.numbers)
            await self._end(to, message)
        return True
