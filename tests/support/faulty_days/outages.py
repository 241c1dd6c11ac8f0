"""Faults of our own side: processes killed, services away, closes that come all at once, sockets dead for long."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

import redis

from tests.support.feeds.ingestion_rig import IngestionRig

AWAY_S = 1.0
STEP_MINUTES = 84
"""Minutes that close in an instant; with twelve instruments a thousand candles."""
_DEAD_S = 3600
"""Longer than two waits for a socket that is silent, after which REST is relied on."""


@dataclass(frozen=True)
class Outage:
    """One kind; `number` is its place in the table of faults."""

    number: int
    name: str
    befall: Callable[[IngestionRig], None]


def _kill_ingestion(venue: str) -> Callable[[IngestionRig], None]:
    def kill(rig: IngestionRig) -> None:
        rig.kill(venue)
        rig.begin(venue)

    return kill


def _kill_store(rig: IngestionRig) -> None:
    """Kill it in an insert, where one comes soon."""
    rig.events.wait_next("begins", AWAY_S)
    rig.kill_store()
    rig.begin_store()


def _take_valkey_away(rig: IngestionRig) -> None:
    rig.valkey.stop()
    time.sleep(AWAY_S)
    rig.valkey.start()


def _empty_valkey(rig: IngestionRig) -> None:
    with redis.Redis.from_url(rig.valkey.url) as client:
        client.flushall()


def _fill_valkey(rig: IngestionRig) -> None:
    with redis.Redis.from_url(rig.valkey.url) as client:
        client.config_set("maxmemory-policy", "noeviction")
        client.config_set("maxmemory", 1)
        time.sleep(AWAY_S)
        client.config_set("maxmemory", 0)


def _take_postgres_away(rig: IngestionRig) -> None:
    rig.postgres.stop()
    time.sleep(AWAY_S)
    rig.postgres.start()


def _close_at_once(rig: IngestionRig) -> None:
    rig.venue.put("/simulator/clock", json={"step_s": STEP_MINUTES * 60}).raise_for_status()


def _dead_for_long(kind: str, market: str) -> Callable[[IngestionRig], None]:
    def begin(rig: IngestionRig) -> None:
        where = {"market": market, "lasts_s": _DEAD_S}
        rig.venue.post(f"/simulator/faults/{kind}", json=where).raise_for_status()

    return begin


OUTAGES = (
    Outage(27, "ingestion_killed", _kill_ingestion("binance")),
    Outage(29, "valkey_emptied", _empty_valkey),
    Outage(3, "deaf_for_an_hour", _dead_for_long("deaf", "binance-futures")),
    Outage(28, "store_killed", _kill_store),
    Outage(30, "postgres_away", _take_postgres_away),
    Outage(36, "closes_at_once", _close_at_once),
    Outage(29, "valkey_away", _take_valkey_away),
    Outage(4, "stalled_for_an_hour", _dead_for_long("stall", "bybit-spot")),
    Outage(27, "ingestion_killed", _kill_ingestion("bybit")),
    Outage(29, "valkey_full", _fill_valkey),
)
