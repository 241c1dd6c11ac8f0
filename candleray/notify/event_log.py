"""Messages of an instance without a bot: what would be told stands in the log."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from uuid import UUID

from candleray.databases.postgres import Postgres
from candleray.errors import CandlerayError, in_words
from candleray.live.stores.event_store import StrategyEvents
from candleray.logs import get_logger
from candleray.notify.bot_store import BotStates
from candleray.notify.chat_store import TelegramChats
from candleray.notify.outbox import Outbox, tellable

log = get_logger("telegram")

LOOK_S = 2.0
_PAGE_EVENTS = 200
OFF = "no bot: CANDLERAY_IDENTITY__BOT_TOKEN is not set, or telegram.enabled is false"


class EventLog:
    """Reads what all runs say from its beginning on."""

    def __init__(self, postgres: Postgres) -> None:
        self._postgres = postgres
        self._read_until: dict[UUID, int] = {}

    async def run(self) -> None:
        """Log until cancelled."""
        while True:
            await asyncio.sleep(LOOK_S)
            try:
                await self.look()
            except CandlerayError as error:
                log.warning("telegram_waits", step="events", reason=in_words(error))

    async def begin(self) -> None:
        """Begin behind what has been said, and make no links to the bot that there was."""
        await BotStates(self._postgres).forget()
        self._read_until = await self._last_numbers()
        log.info("telegram_is_off", reason=OFF)

    async def look(self) -> None:
        """Log what was said since the last look."""
        for user_id, last in (await self._last_numbers()).items():
            before = self._read_until.get(user_id, 0)
            if last > before:
                self._read_until[user_id] = await self._log(user_id, before)

    async def _last_numbers(self) -> dict[UUID, int]:
        return {row["user_id"]: row["last"] for row in await self._postgres.fetch("last_event_numbers", None)}

    async def _log(self, user_id: UUID, before: int) -> int:
        """Log some of a user's events; the number of the last."""
        events = await StrategyEvents(self._postgres).after(user_id, before, _PAGE_EVENTS)
        policy, now = await TelegramChats(self._postgres).policy(user_id), datetime.now(UTC)
        wanted = [event for event in events if policy.wants(event, now)]
        facts = await Outbox(self._postgres).facts(wanted) if wanted else {}
        for event in wanted:
            text = tellable(event, facts[event.run_id]).line
            log.info("run_said", user_id=str(user_id), run_id=str(event.run_id), text=text)
        return events[-1].number if events else before
