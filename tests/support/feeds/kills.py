"""Kills of ingestion at random moments, and of what it needs."""

from __future__ import annotations

import random
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager

import redis

from candleray.timeframes import MINUTE_MS
from cluster.machine.processes import is_running
from tests.support.feeds.ingestion_account import IngestionAccount, account_of
from tests.support.feeds.ingestion_rig import VENUES, IngestionRig
from tests.support.feeds.store_process import ask_store
from tests.support.feeds.stream_witness import StreamWitness
from tests.support.instances.processes import suspend_all
from tests.support.waiting import wait_until

AIMS: Mapping[str, float] = {
    "anywhere": 1.5,
    "begins": 0.012,
    "stored": 0.004,
    "answered": 0.004,
    "published": 0.004,
}
"""Moments of kills, up to so many seconds after the process began, or after an event of an insert or the stream.
From `begins` to `stored` the rows are written and counted, from `answered` on they are published."""
_EVENT_WITHIN_S = 6.0


class Killer:
    """Lives of ingestion, each ended by `kill -9`."""

    def __init__(self, rig: IngestionRig, seed: int) -> None:
        self.rig = rig
        self.random = random.Random(seed)
        self.kills: Counter[str] = Counter()

    def live_once(self) -> None:
        """Begin a venue's ingestion, and kill it."""
        self.rig.kill_all()
        venue, aim = self.random.choice(VENUES), self.random.choice(list(AIMS))
        process = self.rig.begin(venue)
        if aim != "anywhere" and not self.rig.events.wait_next(aim, _EVENT_WITHIN_S):
            aim = "anywhere"
        time.sleep(self.random.uniform(0, AIMS[aim]))
        assert is_running(process), f"it ended by itself: {self.rig.folder.path}/ingestion.log"
        self.rig.kill(venue)
        self.kills[aim] += 1


@contextmanager
def store_killed(rig: IngestionRig) -> Iterator[None]:
    """The candle store is killed in three inserts, and is away for a while each time."""
    for _ in range(3):
        assert rig.events.wait_next("begins", 30)
        rig.kill_store()
        time.sleep(0.5)
        rig.begin_store()
    yield


@contextmanager
def valkey_gone(rig: IngestionRig) -> Iterator[None]:
    rig.valkey.kill()
    yield
    rig.valkey.start()


@contextmanager
def valkey_emptied(rig: IngestionRig) -> Iterator[None]:
    with redis.Redis.from_url(rig.valkey.url) as client:
        client.flushall()
    yield


@contextmanager
def valkey_full(rig: IngestionRig) -> Iterator[None]:
    with redis.Redis.from_url(rig.valkey.url) as client:
        client.config_set("maxmemory-policy", "noeviction")
        client.config_set("maxmemory", 1)
        yield
        client.config_set("maxmemory", 0)


@contextmanager
def postgres_gone(rig: IngestionRig) -> Iterator[None]:
    rig.postgres.kill()
    yield
    rig.postgres.start()


OUTAGES: Mapping[str, Callable[[IngestionRig], AbstractContextManager[None]]] = {
    "candle store killed in inserts": store_killed,
    "Valkey gone": valkey_gone,
    "Valkey emptied": valkey_emptied,
    "Valkey full": valkey_full,
    "Postgres gone": postgres_gone,
}


def endure(rig: IngestionRig, outage: str) -> None:
    """Ingestion goes on through an outage, and begins in one: minutes come meanwhile."""
    rig.begin_all()
    grow(rig, 1)
    with OUTAGES[outage](rig):
        grow(rig, 2)
        for venue in VENUES:
            rig.kill(venue)
            rig.begin(venue)
        grow(rig, 2)


def stand_still(rig: IngestionRig, seconds: float) -> None:
    """Suspend ingestion for a while: it goes on where it was, and says what happened."""
    rig.begin_all()
    grow(rig, 1)
    processes = list(rig.running.values())
    suspend_all(processes)
    time.sleep(seconds)
    for process in processes:
        process.resume()
    grow(rig, 2)
    assert all(map(is_running, processes))
    wait_until(lambda: rig.said("feed_stood_still"), lambda said: len(said) >= len(processes), what="it is said")


def grow(rig: IngestionRig, minutes: int) -> None:
    """Wait until raw has every minute of every instrument up to some minutes from now."""
    until_ms = rig.now_ms() // MINUTE_MS * MINUTE_MS + minutes * MINUTE_MS
    for one in rig.instruments:
        wait_until(
            lambda one=one: len(rig.raw(one, until_ms - MINUTE_MS, until_ms - MINUTE_MS)),
            what=f"{one.key} grows",
        )


def finish(rig: IngestionRig, witness: StreamWitness) -> IngestionAccount:
    """Let ingestion run undisturbed until raw, canonical and the streams have caught up; hold them to account."""
    rig.begin_all()
    end_ms = rig.now_ms() // MINUTE_MS * MINUTE_MS + 2 * MINUTE_MS
    grow(rig, 3)
    wait_until(lambda: witness.newest_ms() >= end_ms, what="the streams have come up")
    for one in rig.instruments:
        first_ms = rig.raw(one, 0, end_ms)[0][0]
        wait_until(
            lambda one=one, first_ms=first_ms: ask_store(
                rig.store_path, "missing_ranges", one.market_id, one.symbol, first_ms, end_ms
            ).tolist(),
            lambda missing: missing == [],
            what=f"{one.key} is whole",
        )
    rig.kill_all()
    witness.stop()
    return account_of(rig, witness, end_ms)
