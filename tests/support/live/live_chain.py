"""The whole chain of a live signal: exchanges, ingestion, a shard, the notifier; each process may be killed.

The exchanges are simulated, the Bot API is played in this process, the services and everything between are real.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, ExitStack, asynccontextmanager, suppress
from typing import NamedTuple
from uuid import UUID

from candleray.databases.postgres import Postgres
from candleray.databases.valkey import Valkey
from candleray.errors import ServiceUnavailable
from candleray.live.run import RunState
from candleray.live.stores.shard_store import ShardStore
from candleray.markets import Instrument
from candleray.settings import TelegramSettings
from candleray.timeframes import MINUTE_MS, Timeframe, from_ms
from tests.support.feeds.ingestion_rig import IngestionRig, RigPlan, ingestion_rig
from tests.support.feeds.kills import grow
from tests.support.live.played_market import TRADES
from tests.support.live.runner_processes import LIMITS, RunnerProcesses
from tests.support.live.saved_runs import SavedRun, saved_run, spec_with
from tests.support.telegram.bots import TOKEN
from tests.support.telegram.fake_bot_api import FakeBotApi, fake_bot_api
from tests.support.telegram.faults import Faults
from tests.support.telegram.faulty_course import FAULTS
from tests.support.telegram.notifier_process import notifier_process
from tests.support.telegram.people import Person, link
from tests.support.users import new_user
from tests.support.waiting import eventually, let_work_until

TIMEFRAMES: tuple[Timeframe, ...] = ("1m", "1m", "5m", "1m")
LINKED, UNLINKED = 3, 1
"""People with a chat that is linked, and some whose chat the bot must not write to."""


class Owner(NamedTuple):
    """Somebody with runs."""

    person: Person
    runs: list[SavedRun]
    is_linked: bool


class LiveChain:
    def __init__(
        self,
        stack: ExitStack,
        ingestion: IngestionRig,
        postgres: Postgres,
        valkey: Valkey,
        limits: Mapping[str, float],
    ) -> None:
        self.ingestion = ingestion
        self.postgres, self.valkey = postgres, valkey
        settings = {**ingestion.settings(), "live_runs": dict(limits)}
        self.runners = RunnerProcesses(stack, ingestion.store_path, settings, ingestion.logs)
        self.owners: list[Owner] = []
        self.api: FakeBotApi

    async def begin(self, stack: AsyncExitStack) -> None:
        """Have the chain at work: some people's runs say something every few minutes, of all markets."""
        self.ingestion.begin_all()
        await asyncio.to_thread(grow, self.ingestion, 1)
        self.api = await stack.enter_async_context(fake_bot_api(TOKEN, faults=Faults(FAULTS)))
        for number in range(LINKED + UNLINKED):
            self.owners.append(await self._owner(number, is_linked=number < LINKED))
        self.runners.begin()
        address = self.ingestion.postgres.url, self.api.url, TelegramSettings(look_s=0.2)
        log = self.ingestion.folder.path / "notifier.log"
        self.notifier = stack.enter_context(notifier_process(*address, log))
        runs = sum(len(owner.runs) for owner in self.owners)
        store = ShardStore(self.postgres, 0)
        await eventually(
            lambda: store.runs([RunState.RUNNING]), lambda found: len(found) == runs, what="all runs are live"
        )

    async def _owner(self, number: int, is_linked: bool) -> Owner:
        user = await new_user(self.postgres)
        instruments = self.ingestion.instruments
        ours = [instruments[(number + step) % len(instruments)] for step in (0, 3)]
        runs = [await self._run(each, number + at, user.user_id) for at, each in enumerate(ours)]
        person = Person(user.user_id, user.telegram_user_id, runs[0])
        self.api.open_chat(person.chat_id)  # the bot could write to everybody
        if is_linked:
            await link(self.postgres, self.api, person)
        return Owner(person, runs, is_linked)

    async def _run(self, instrument: Instrument, number: int, user_id: UUID) -> SavedRun:
        spec = spec_with(
            instrument=instrument.model_dump(include={"market_id", "symbol"}),
            timeframe=TIMEFRAMES[number % len(TIMEFRAMES)],
            indicators=[TRADES[number % len(TRADES)]],
        )
        return await saved_run(self.postgres, spec, from_ms(self.ingestion.now_ms()), user_id)

    async def checkpoints(self) -> dict[Instrument, int]:
        """The last minute that was taken of each instrument that has runs."""
        read = {run.spec.instrument for owner in self.owners for run in owner.runs}
        return await ShardStore(self.postgres, 0).checkpoints(list(read))

    def refused_moves(self) -> int:
        """Count the checkpoints that were to move back: the database refuses it, and its log keeps that."""
        return self.ingestion.postgres.log.read_text(errors="replace").count("does not move back")

    async def come_up(self, minutes: int = 3) -> None:
        """Wait until every run has taken the minutes up to some from now."""
        until_ms = (self.ingestion.now_ms() // MINUTE_MS + minutes) * MINUTE_MS

        async def is_up() -> bool:
            with suppress(ServiceUnavailable):
                return min((await self.checkpoints()).values()) >= until_ms
            return False

        await let_work_until(is_up, what=f"the minutes before {from_ms(until_ms)}")


@asynccontextmanager
async def live_chain(
    plan: RigPlan | None = None, limits: Mapping[str, float] = LIMITS
) -> AsyncIterator[LiveChain]:
    """All runs are live when the block begins; everything ends with it."""
    with ingestion_rig(plan) as ingestion, ExitStack() as stack:
        async with AsyncExitStack() as opened:
            postgres = await Postgres.open(ingestion.postgres.url)
            opened.push_async_callback(postgres.close)
            valkey = await Valkey.open(ingestion.valkey.url)
            opened.push_async_callback(valkey.close)
            chain = LiveChain(stack, ingestion, postgres, valkey, limits)
            await chain.begin(opened)
            yield chain
            chain.runners.kill_all()
            ingestion.kill_all()
