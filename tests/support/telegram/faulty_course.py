"""Events of many people told through a faulty Bot API by a notifier that is killed again and again."""

from __future__ import annotations

import asyncio
import re
import time
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from random import Random

from candleray.databases.postgres import Postgres
from candleray.notify.chat_store import TelegramChats
from candleray.settings import TelegramSettings
from tests.support.telegram.bots import TOKEN
from tests.support.telegram.fake_bot_api import FakeBotApi, fake_bot_api
from tests.support.telegram.faults import Fault, Faults
from tests.support.telegram.notifier_process import NotifierProcess, notifier_process
from tests.support.telegram.people import Person, forget_chats, linked, numbers_in, say, somebody
from tests.support.waiting import let_work_until

FAULTS: Mapping[Fault, float] = {Fault.TOO_MANY: 0.10, Fault.SERVER_ERROR: 0.05, Fault.CUT: 0.02}


@dataclass
class Outcome:
    events: int
    messages: int
    kills: int
    lost: int
    twice: int
    astray: int
    """Messages in a chat that is not linked, or of somebody else's run."""
    overwritten: int
    """Messages that were changed after they had been sent."""
    leaks: int
    """Lines of the log that hold the bot's token."""
    seconds: float
    faults: dict[Fault, int] = field(default_factory=dict)


@dataclass
class FaultyCourse:
    postgres: Postgres
    postgres_url: str
    folder: Path
    events: int
    people: int
    kills: int
    settings: TelegramSettings
    seed: int = 7

    async def run(self) -> Outcome:
        await forget_chats(self.postgres)
        log = self.folder / "notifier.log"
        began = time.monotonic()
        async with fake_bot_api(TOKEN, faults=Faults(FAULTS, seed=self.seed)) as api:
            people = [await linked(self.postgres, api) for _ in range(self.people)]
            strangers = [await somebody(self.postgres), await linked(self.postgres, api)]
            await TelegramChats(self.postgres).unlink(strangers[1].user_id)
            for stranger in strangers:  # the bot could write to them, and must not
                api.open_chat(stranger.chat_id)
                await say(self.postgres, stranger, range(3))
            said: dict[Person, list[int]] = {person: [] for person in people}
            with notifier_process(self.postgres_url, api.url, self.settings, log) as process:
                killing = asyncio.create_task(self._kill(api, process))
                await self._say(said)
                await let_work_until(lambda: all(_told(api, one) >= set(numbers) for one, numbers in said.items()))
                await killing
                # Until the last kill's successor has found what was under way.
                await let_work_until(self._is_done)
        return self._outcome(api, said, log, time.monotonic() - began)

    async def _say(self, said: dict[Person, list[int]]) -> None:
        """Have people's runs say something, sometimes much at once."""
        random, people, minute = Random(self.seed), list(said), 0
        left = self.events
        while left:
            person, count = random.choice(people), min(left, random.choice((1, 1, 2, 3, 9)))
            said[person] += await say(self.postgres, person, range(minute, minute + count))
            minute, left = minute + count, left - count
            await asyncio.sleep(0.02)

    async def _kill(self, api: FakeBotApi, process: NotifierProcess) -> None:
        """Kill the notifier each time that another part of the events is told, in the midst of sending."""
        for kill in range(1, self.kills + 1):
            aim = self.events * kill // (self.kills + 1)
            await let_work_until(lambda aim=aim: len(numbers_in([one.text for one in api.delivered])) >= aim)
            await asyncio.to_thread(process.kill_and_replace)

    async def _is_done(self) -> bool:
        async with self.postgres.connection() as connection:
            return bool(await connection.fetchval("SELECT count(*) = 0 FROM notification_outbox"))

    def _outcome(self, api: FakeBotApi, said: dict[Person, list[int]], log: Path, seconds: float) -> Outcome:
        lost = twice = 0
        for person, numbers in said.items():
            told = Counter(numbers_in(api.texts(person.chat_id)))
            lost += len(set(numbers) - told.keys())
            twice += sum(count - 1 for count in told.values())
        runs = {person.chat_id: str(person.run.run_id)[:8] for person in said}
        return Outcome(
            events=self.events,
            messages=len(api.delivered),
            kills=self.kills,
            lost=lost,
            twice=twice,
            astray=sum(_is_astray(one.text, runs.get(one.chat_id)) for one in api.delivered),
            overwritten=api.overwritten,
            leaks=sum(TOKEN.partition(":")[2] in line for line in log.read_text().splitlines()),
            seconds=seconds,
            faults=dict(api.faults.drawn),
        )


def _told(api: FakeBotApi, person: Person) -> set[int]:
    return set(numbers_in(api.texts(person.chat_id)))


def _is_astray(text: str, own_run: str | None) -> bool:
    run = re.search(r"run ([0-9a-f]{8})$", text, re.MULTILINE)
    return own_run is None or (run is not None and run[1] != own_run)
