"""1,000 events told through 10 % answers 429, 5 % 5xx and 2 % cuts after acceptance, the notifier killed 5 times.

And 10,000 guesses at a link to a chat. At Telegram's own pace: 25 messages a second, one a second of a chat.

python -m tests.bench.live.notifier
"""

from __future__ import annotations

import asyncio
import sys
import tempfile
import time
from pathlib import Path
from secrets import token_urlsafe

from candleray.databases.postgres import Postgres
from candleray.notify.chat_store import TelegramChats
from candleray.settings import TelegramSettings
from tests.support import embedded
from tests.support.telegram.faulty_course import FaultyCourse
from tests.support.telegram.people import link_token, somebody

EVENTS, PEOPLE, KILLS, GUESSES = 1000, 50, 5, 10_000


async def told(postgres: Postgres) -> bool:
    with tempfile.TemporaryDirectory() as folder:
        course = FaultyCourse(
            postgres, embedded.postgres_url(), Path(folder), EVENTS, PEOPLE, KILLS, TelegramSettings(look_s=0.2)
        )
        one = await course.run()
    faults = ", ".join(f"{count} × {fault.value}" for fault, count in one.faults.items())
    print(
        f"{one.events} events in {one.messages} messages, {one.kills} kills, {faults}: {one.lost} lost, "
        f"{one.twice} twice, {one.astray} in a wrong chat, {one.overwritten} overwritten, "
        f"{one.leaks} lines of the log with the token, {one.seconds:.0f} s"
    )
    return one.lost == one.astray == one.leaks == one.overwritten == 0 and one.twice <= 0.02 * one.events


async def guessed(postgres: Postgres) -> bool:
    chats, person = TelegramChats(postgres), await somebody(postgres)
    await link_token(postgres, person)
    began = time.monotonic()
    hits = 0
    for _ in range(GUESSES):
        hits += await chats.confirm(token_urlsafe(32), person.telegram_user_id, person.chat_id)
    print(f"{GUESSES} guesses at a link: {hits} taken, {time.monotonic() - began:.0f} s")
    return hits == 0 and not (await chats.state(person.user_id)).linked


async def main() -> bool:
    postgres = await Postgres.open(embedded.postgres_url())
    try:
        return all([await told(postgres), await guessed(postgres)])
    finally:
        await postgres.close()
        embedded.stop_services()


if __name__ == "__main__":
    sys.exit(not asyncio.run(main()))
