"""Reads what users' runs have said, each event once, and puts what their policies want into the outbox."""

from __future__ import annotations

from datetime import UTC, datetime
from uuid import UUID

from candleray.databases.postgres import Postgres
from candleray.live.stores.event_store import StrategyEvents
from candleray.notify.chat_store import TelegramChats
from candleray.notify.outbox import Outbox, tellable
from candleray.settings import TelegramSettings

PAGE_EVENTS = 500


async def read_events(postgres: Postgres, settings: TelegramSettings) -> int:
    """Read all events that nobody has read for their users' chats; return the number of those."""
    outbox, most = Outbox(postgres), settings.max_waiting_per_chat
    read = sum([await _read_of_user(postgres, outbox, *behind, most) for behind in await outbox.behind()])
    if read:
        await outbox.keep_within(settings.max_waiting)
    return read


async def _read_of_user(postgres: Postgres, outbox: Outbox, user_id: UUID, read_until: int, most: int) -> int:
    events = await StrategyEvents(postgres).after(user_id, read_until, PAGE_EVENTS)
    if not events:
        return 0
    policy, now = await TelegramChats(postgres).policy(user_id), datetime.now(UTC)
    wanted = [event for event in events if policy.wants(event, now)]
    facts = await outbox.facts(wanted) if wanted else {}
    told = [tellable(event, facts[event.run_id]) for event in wanted]
    await outbox.add(user_id, read_until, events[-1].number, told, most)
    return len(events)
