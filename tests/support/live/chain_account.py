"""Account of a chain of live signals that was killed: events, streams, checkpoints, certificates and messages."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from candleray.candles import Candles
from candleray.feeds.hole_store import HoleStore
from candleray.live.certificates.certificate import Verdict
from candleray.live.certificates.certifier import Certifier
from candleray.live.events import StrategyEvent
from candleray.live.received.received_tape import ReceivedTapes
from candleray.live.received.session_sources import sources_of
from candleray.live.runners.run_book import RunBook
from candleray.live.stores.event_store import StrategyEvents
from candleray.live.stores.shard_store import ShardStore
from candleray.live.stores.user_streams import events_stream
from candleray.market_data.candle_store_client import CandleStoreClient
from candleray.markets import Instrument
from candleray.notify.policies import NotificationPolicy
from candleray.settings import BacktestSettings, Settings
from candleray.timeframes import MINUTE_MS, iso
from tests.support.feeds.store_process import StoreAt
from tests.support.live.live_chain import LiveChain, Owner
from tests.support.live.played_market import in_order, said, told_of
from tests.support.live.saved_runs import SavedRun
from tests.support.telegram.people import numbers_in
from tests.support.waiting import eventually

OWN_RUN = re.compile(r"run ([0-9a-f]{8})$", re.MULTILINE)


@dataclass
class ChainAccount:
    """The state at the end; each list names what should not be."""

    minutes: int = 0
    events: int = 0
    lost: list[str] = field(default_factory=list)
    extra: list[str] = field(default_factory=list)
    entries: int = 0
    not_streamed: list[str] = field(default_factory=list)
    attempts_back: int = 0
    broken: list[str] = field(default_factory=list)
    received_otherwise: list[str] = field(default_factory=list)
    """Minutes that a run received otherwise than the exchange has them: by a verdict, or before it began."""
    wanted: int = 0
    not_told: list[str] = field(default_factory=list)
    twice: int = 0
    astray: list[str] = field(default_factory=list)

    def faults(self) -> dict[str, list[str]]:
        named = {
            "lost": self.lost,
            "extra": self.extra,
            "not in the user's stream": self.not_streamed,
            "checkpoints that were to move back": [f"{self.attempts_back} times"] if self.attempts_back else [],
            "certificates that are broken": self.broken,
            "without a message": self.not_told,
            "in a foreign chat": self.astray,
        }
        return {name: found for name, found in named.items() if found}

    def line(self) -> str:
        return (
            f"{self.minutes:,} minutes; {self.events:,} events: {len(self.lost)} lost, {len(self.extra)} extra or "
            f"changed; {self.entries:,} stream entries: {len(self.not_streamed)} users with a gap; "
            f"{self.attempts_back} checkpoints were to move back; {len(self.broken)} certificates broken, "
            f"{len(self.received_otherwise)} minutes received otherwise than the exchange has them; "
            f"{self.wanted:,} events to be told: {len(self.not_told)} untold, {self.twice} twice, "
            f"{len(self.astray)} astray"
        )


async def account_of(chain: LiveChain) -> ChainAccount:
    """Have the shard come up and end there; hold what was said and told against the tapes that were received."""
    await chain.come_up()
    account = ChainAccount()
    for owner in chain.owners:
        await _add_stream(account, chain, owner)
    chain.runners.kill_all()
    taken = await chain.checkpoints()
    for owner in chain.owners:
        for run in owner.runs:
            await _add_run(account, chain, run, taken[run.spec.instrument])
        await _add_messages(account, chain, owner)
    account.attempts_back = chain.refused_moves()
    return account


async def _add_run(account: ChainAccount, chain: LiveChain, run: SavedRun, taken_ms: int) -> None:
    [live] = [one for one in await ShardStore(chain.postgres, 0).runs() if one.run.run_id == run.run_id]
    end_ms = taken_ms + MINUTE_MS
    store = CandleStoreClient(StoreAt(chain.ingestion.store_path))
    tapes, history = ReceivedTapes(store, HoleStore(chain.postgres)), {}
    for one, start_ms in sources_of(live, run.spec).items():
        history[one] = (await tapes.of_session(one, live.last, start_ms, end_ms)).candles
        account.received_otherwise += _otherwise(chain, one, start_ms, end_ms, history[one])
    decided_ms = dict.fromkeys(history, end_ms)
    undisturbed = RunBook(BacktestSettings()).attach(live, run.spec, history, decided_ms, None)
    expected = [told_of(event.ts_open, event.body) for event in undisturbed]
    found = in_order(await said(chain.postgres, run))
    account.minutes += sum(map(len, history.values()))
    account.events += len(expected)
    account.lost += _named(run, [one for one in expected if one not in found])
    account.extra += _named(run, [one for one in found if one not in expected])
    account.extra += _named(run, [one for one, count in Counter(map(str, found)).items() if count > 1])
    certificate = await Certifier(chain.postgres, store, Settings()).certify(run.user_id, run.run_id)
    if certificate.verdict is Verdict.BROKEN:
        account.broken.append(str(run.run_id))


def _otherwise(chain: LiveChain, one: Instrument, start_ms: int, end_ms: int, received: Candles) -> list[str]:
    """The minutes that differ from the exchange's own, which no part of the chain has touched."""
    truth = chain.ingestion.truth(one, start_ms, end_ms)
    ours = dict(zip(received.ts_open_ms.tolist(), map(tuple, received.values.T.tolist()), strict=True))
    return [
        f"{one.key} {iso(ts_ms)}" for ts_ms in truth.keys() | ours.keys() if truth.get(ts_ms) != ours.get(ts_ms)
    ]


def _named(run: SavedRun, events: Iterable[Any]) -> list[str]:
    return [f"{run.run_id} {one}" for one in events]


async def _add_stream(account: ChainAccount, chain: LiveChain, owner: Owner) -> None:
    stream, user_id = events_stream(owner.person.user_id), owner.person.user_id
    last = (await StrategyEvents(chain.postgres).after(user_id, 0, 100_000))[-1].number
    await eventually(
        lambda: chain.valkey.last_ids([stream]),
        lambda ids: ids[0] is not None and int(ids[0].partition("-")[0]) >= last,
        what="the user's stream",
    )
    ids = [int(each.partition(b"-")[0]) for each, _ in await chain.valkey.client.xrange(stream)]
    account.entries += len(ids)
    if ids != list(range(ids[0], ids[-1] + 1)):
        account.not_streamed.append(f"{user_id}: {ids}")


async def _add_messages(account: ChainAccount, chain: LiveChain, owner: Owner) -> None:
    """Add what was told: each event at least once, in its owner's chat and in no other."""
    person, ours = owner.person, {str(run.run_id)[:8] for run in owner.runs}
    wanted = set(_wanted(await StrategyEvents(chain.postgres).after(person.user_id, 0, 100_000)))
    if owner.is_linked:
        account.wanted += len(wanted)
        told = await eventually(
            lambda: Counter(numbers_in(chain.api.texts(person.chat_id))),
            lambda told: told.keys() >= wanted,
            what="messages",
        )
        account.not_told += [f"{person.user_id} #{number}" for number in wanted - told.keys()]
        account.twice += sum(count - 1 for count in told.values())
        account.astray += [f"{person.user_id} #{number}" for number in told.keys() - wanted]
    for text in chain.api.texts(person.chat_id):
        if not owner.is_linked or not set(OWN_RUN.findall(text)) <= ours:
            account.astray.append(f"{person.user_id}: {text}")


def _wanted(events: Sequence[StrategyEvent]) -> list[int]:
    policy, now = NotificationPolicy(), datetime.now(UTC)
    return [event.number for event in events if policy.wants(event, now)]
