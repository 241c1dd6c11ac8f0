"""The notifier: what the actor of messages does, in one loop, for as long as it holds the lease of the bot.

lease     one process of all sends and polls: Telegram lets one poll, and a message is to come once
reader    events behind each user's position -> outbox
courier   outbox -> chats
poller    what people write -> answers
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import NamedTuple

from candleray.databases.lease import Lease, lease
from candleray.databases.postgres import Postgres
from candleray.errors import CandlerayError, in_words
from candleray.logs import get_logger
from candleray.notify.bot_api import BotApi, BotName, BotTrouble, TroubleKind
from candleray.notify.bot_commands import BotCommands, StandingsOf
from candleray.notify.bot_store import BotStates
from candleray.notify.chat_store import TelegramChats
from candleray.notify.courier import FIRST_RETRY_S, Courier, TokenRefused
from candleray.notify.event_reader import read_events
from candleray.notify.outbox import Outbox, OutboxFigures
from candleray.notify.pacing import Growing, Pace
from candleray.notify.poller import Poller
from candleray.settings import TelegramSettings

log = get_logger("telegram")

LEASE = 83534726
"""The number of the lease: "telegram" on a telephone's keys."""
_TELL_S = 1.0
_TOLD_AGAIN_S = 30.0
_LEASE_S = 5.0
UNKNOWN_TOKEN = "Telegram does not know the bot's token: set CANDLERAY_IDENTITY__BOT_TOKEN"  # noqa: S105


class NotifierState(NamedTuple):
    """Figures for metrics: counts of this process, and what waits now."""

    sent: int
    sent_again: int
    dropped: int
    conflicts: int
    troubles: dict[str, int]
    outbox: OutboxFigures
    is_well: bool


Observe = Callable[[NotifierState], None]


class Notifier:
    def __init__(
        self,
        settings: TelegramSettings,
        postgres: Postgres,
        open_bot: Callable[[], BotApi],
        standings: StandingsOf,
        observe: Observe = lambda state: None,
    ) -> None:
        self._settings = settings
        self._postgres = postgres
        self._open_bot = open_bot
        self._standings = standings
        self._observe = observe
        self._states = BotStates(postgres)
        self._told: tuple[str | None, float] = (None, 0.0)
        """The trouble that was told last, and when."""

    async def run(self) -> None:
        """Serve until cancelled, whatever fails meanwhile."""
        pauses = Growing(FIRST_RETRY_S, self._settings.longest_retry_s)
        while True:
            try:
                async with lease(self._postgres, LEASE) as held:
                    if held is not None:
                        await self._serve(held, pauses)
                pauses.reset()  # another process has it; this one is to take over soon
            except TokenRefused as refused:
                log.error("telegram_token_refused", reason=UNKNOWN_TOKEN, said=str(refused))
                await self._tell_quietly("", UNKNOWN_TOKEN)
            except CandlerayError as error:
                log.warning("telegram_waits", step="notifier", reason=in_words(error))
            await asyncio.sleep(pauses.next_s())

    async def _serve(self, held: Lease, pauses: Growing) -> None:
        try:
            bot = self._open_bot()
        except BotTrouble as trouble:
            raise TokenRefused(trouble.text) from None
        try:
            name = await self._introduced(bot)
            pauses.reset()
            log.info("telegram_begins", bot=name.username)
            await self._work(held, bot, name)
        except BaseExceptionGroup as group:
            raise _first(group) from None
        finally:
            await bot.close()

    async def _introduced(self, bot: BotApi) -> BotName:
        """Learn the bot's name, and take back a webhook, which would keep updates from us."""
        pauses = Growing(FIRST_RETRY_S, self._settings.longest_retry_s)
        while True:
            try:
                name = await bot.name()
                await bot.forget_webhook()
                return name
            except BotTrouble as trouble:
                if trouble.kind is TroubleKind.UNKNOWN_TOKEN:
                    raise TokenRefused(trouble.text) from None
                log.warning("telegram_waits", step="introduction", reason=trouble.text)
                await self._tell_quietly("", f"Telegram is not reached: {trouble.text}")
                await asyncio.sleep(max(trouble.retry_after_s, pauses.next_s()))

    async def _work(self, held: Lease, bot: BotApi, name: BotName) -> None:
        settings = self._settings
        pace = Pace(settings.max_messages_per_s, settings.chat_pause_s)
        outbox, chats = Outbox(self._postgres), TelegramChats(self._postgres)
        courier = Courier(bot, outbox, chats, pace, settings)
        poller = Poller(bot, BotCommands(self._postgres, self._standings), courier, pace, settings)
        await courier.begin()
        await self._states.tell(name.username, None)
        try:
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(poller.run(), name="poller")
                tasks.create_task(_every(settings.look_s, lambda: self._deliver(courier)), name="courier")
                tasks.create_task(_every(_LEASE_S, held.require), name="lease")
                tasks.create_task(_every(_TELL_S, lambda: self._tell(name, outbox, courier, poller)), name="tell")
        finally:
            await courier.close()

    async def _deliver(self, courier: Courier) -> None:
        try:
            await read_events(self._postgres, self._settings)
            await courier.look()
        except CandlerayError as error:
            log.warning("telegram_waits", step="events", reason=in_words(error))

    async def _tell(self, name: BotName, outbox: Outbox, courier: Courier, poller: Poller) -> None:
        trouble, now_s = poller.trouble, time.monotonic()
        if trouble == self._told[0] and now_s - self._told[1] < _TOLD_AGAIN_S:
            return
        try:
            figures = await outbox.figures()
            await self._states.tell(name.username, trouble)
        except CandlerayError as error:
            log.warning("telegram_waits", step="state", reason=in_words(error))
            return
        self._told = (trouble, now_s)
        troubles = {str(kind): count for kind, count in courier.troubles.items()}
        counts = (courier.sent, courier.sent_again, courier.dropped, poller.conflicts)
        self._observe(NotifierState(*counts, troubles, figures, trouble is None))

    async def _tell_quietly(self, username: str, trouble: str) -> None:
        try:
            await self._states.tell(username, trouble)
        except CandlerayError as error:
            log.warning("telegram_waits", step="state", reason=in_words(error))


async def _every(pause_s: float, do: Callable[[], Awaitable[None]]) -> None:
    while True:
        await do()
        await asyncio.sleep(pause_s)


def _first(group: BaseExceptionGroup[BaseException]) -> BaseException:
    """The error of a group that says what to do; one of ours where there is one."""
    leaves = [one for one in group.exceptions if not isinstance(one, BaseExceptionGroup)]
    return next((one for one in leaves if isinstance(one, CandlerayError | TokenRefused)), leaves[0])
