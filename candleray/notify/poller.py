"""The poller: asks Telegram for what people write, and answers it.

An update is confirmed after it was answered: a killed poller's successor gets it again.
"""

from __future__ import annotations

import asyncio

from candleray.errors import CandlerayError, in_words
from candleray.logs import get_logger
from candleray.notify.bot_api import BotApi, BotTrouble, IncomingMessage, TroubleKind, Update
from candleray.notify.bot_commands import NOT_LINKED, NOT_VALID, BotCommands
from candleray.notify.courier import FIRST_RETRY_S, Courier, TokenRefused
from candleray.notify.pacing import Growing, Pace
from candleray.settings import TelegramSettings

log = get_logger("telegram")

OTHER_POLLER = "another program asks for this bot's updates: give each instance a bot of its own"
_LONGEST_CONFLICT_S = 10.0


class Poller:
    def __init__(
        self, bot: BotApi, commands: BotCommands, courier: Courier, pace: Pace, settings: TelegramSettings
    ) -> None:
        self._bot = bot
        self._commands = commands
        self._courier = courier
        self._pace = pace
        self._settings = settings
        self._offset = 0
        self.trouble: str | None = None
        """The reason that nothing is read, as long as there is one."""
        self.conflicts = 0
        """Times that another poller was in the way."""

    async def run(self) -> None:
        """Read and answer until cancelled.

        Raises:
            TokenRefused: Telegram does not know the bot.
        """
        pauses = Growing(FIRST_RETRY_S, self._settings.longest_retry_s)
        conflicts = Growing(FIRST_RETRY_S, min(_LONGEST_CONFLICT_S, self._settings.longest_retry_s))
        while True:
            try:
                for update in await self._bot.updates(self._offset, self._settings.poll_s):
                    await self._handle(update)
                    self._offset = update.update_id + 1
                self.trouble = None
                pauses.reset()
                conflicts.reset()
            except BotTrouble as trouble:
                await asyncio.sleep(self._pause_after(trouble, pauses, conflicts))
            except CandlerayError as error:  # Postgres is away: the update stays with Telegram
                log.warning("telegram_waits", step="updates", reason=in_words(error))
                await asyncio.sleep(pauses.next_s())

    def _pause_after(self, trouble: BotTrouble, pauses: Growing, conflicts: Growing) -> float:
        if trouble.kind is TroubleKind.UNKNOWN_TOKEN:
            raise TokenRefused(trouble.text)
        if trouble.kind is TroubleKind.OTHER_POLLER:
            self.conflicts += 1
            if self.trouble != OTHER_POLLER:
                log.error("telegram_other_poller", reason=OTHER_POLLER, said=trouble.text)
            self.trouble = OTHER_POLLER
            return conflicts.next_s()
        self.trouble = f"Telegram is not reached: {trouble.text}"
        log.warning("telegram_unread", kind=trouble.kind, reason=trouble.text)
        return max(trouble.retry_after_s, pauses.next_s())

    async def _handle(self, update: Update) -> None:
        if update.message is None:
            return
        try:
            reply = await self._commands.answer(update.message)
        except CandlerayError:
            raise
        except Exception:
            # A mistake of ours: the same update again would only meet it again.
            log.exception("telegram_update_failed", update_id=update.update_id)
            return
        if reply is not None:
            await self._reply(update.message, reply)

    async def _reply(self, message: IncomingMessage, reply: str) -> None:
        """Answer; a stranger who writes faster than a chat may be answered gets no answer to the rest."""
        if reply in (NOT_VALID, NOT_LINKED) and not self._pace.is_free(message.chat_id):
            return
        try:
            await self._pace.turn(message.chat_id)
            self._courier.know(await self._bot.send(message.chat_id, reply))
        except BotTrouble as trouble:
            if trouble.kind is TroubleKind.UNKNOWN_TOKEN:
                raise
            self._pace.hold(message.chat_id, trouble.retry_after_s)
            log.warning("telegram_unanswered", kind=trouble.kind, reason=trouble.text)
