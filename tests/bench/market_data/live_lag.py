"""Lag of live candles, from sending to reading: `python -m tests.bench.market_data.live_lag`.

Simulated exchanges, the two ingestion actors, the candle store's actor, Postgres and Valkey, each a process of its
own. The clock starts where the exchange wrote the candle on the websocket and stops where a reader, who asks the
store with one query every few milliseconds, has it in canonical.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, TypeAlias

import httpx
import numpy as np
import psutil
import ray

from actors.candle_store import CandleStoreActor
from actors.market_feed import market_feed
from actors.options import CANDLE_STORE, FEEDS, ON_HEAD
from candleray.databases.postgres import Postgres
from candleray.markets import MARKET_NAMES, find_market
from candleray.settings import HistorySettings, LiveSettings, ServiceSettings, Settings
from candleray.timeframes import MINUTE_MS
from tests.support import embedded
from tests.support.instances.processes import started
from tests.support.instances.ray_workers import ray_workers
from tests.support.waiting import wait_until

INSTRUMENTS = (200, 1000)
POLL_S = 0.015
POLLED_MS = 10_000
"""Time after a close in which a reader asks for its minute again and again."""
WARM_UP_S = 600.0

Key: TypeAlias = tuple[int, str, int]
"""Market, symbol and minute."""


class ReadStore(CandleStoreActor):
    """The candle store's actor, with one query for what a minute has in canonical by now."""

    def found(self, ts_open_ms: int) -> list[tuple[int, str]]:
        query = (
            "SELECT DISTINCT market_id, toString(symbol) AS symbol FROM canonical_candles_1m "
            f"WHERE ts_open = fromUnixTimestamp64Milli({ts_open_ms}, 'UTC')"
        )
        rows = self._store()._session._client.query(query).result_rows
        return [(int(market_id), str(symbol)) for market_id, symbol in rows]


@dataclass
class Course:
    """Simulated exchanges and what follows them, and the processes of each by its name."""

    venues: httpx.Client
    store: Any
    instruments: int
    processes: dict[str, psutil.Process]
    speed: float
    polls_s: list[float] = field(default_factory=list)

    def venue_ms(self) -> int:
        return int(self.venues.get("/simulator").json()["clock"]["now_ms"])

    def found(self, ts_open_ms: int) -> set[tuple[int, str]]:
        began = time.perf_counter()
        found: list[tuple[int, str]] = ray.get(self.store.found.remote(ts_open_ms))
        self.polls_s.append(time.perf_counter() - began)
        return set(found)

    def whole_minute(self) -> int:
        """Wait for a minute that is there of every instrument soon after its close; its time."""

        def last_whole() -> int | None:
            closed_ms = self.venue_ms() // MINUTE_MS * MINUTE_MS - MINUTE_MS
            return closed_ms if len(self.found(closed_ms)) == self.instruments else None

        return (
            wait_until(
                last_whole, lambda found: found is not None, what="a whole minute", within_s=WARM_UP_S, every_s=1
            )
            or 0
        )


@contextmanager
def course(instruments: int, speed: float, faults: str = "", flush_s: float | None = None) -> Iterator[Course]:
    """Everything that a minute passes through, on a fourth of the instruments on each market."""
    symbols = [f"L{number:04}USDT" for number in range(instruments // len(MARKET_NAMES))]
    command = [
        sys.executable,
        "-m",
        "candleray",
        "simulator",
        "--port",
        "0",
        "--json",
        "--symbols",
        ",".join(symbols),
    ]
    command += ["--speed", str(speed), "--faults", faults, "--no-limits"]
    environment = {**os.environ, "PYTHONUNBUFFERED": "1"}
    with (
        started(*command, stdout=-1, text=True, env=environment) as simulator,
        ray_workers(1),
        tempfile.TemporaryDirectory(prefix="candleray-lag-", dir="/tmp") as folder,
    ):
        assert simulator.stdout
        url = json.loads(simulator.stdout.readline())["url"]
        settings = _settings(url, symbols, speed, f"chdb://{folder}", flush_s)
        asyncio.run(_migrate())
        assert settings.services.clickhouse_url
        actor = ray.remote(**CANDLE_STORE, **ON_HEAD)(ReadStore)
        store = actor.remote(settings.services.clickhouse_url, settings.log_level)
        ray.get(store.ping.remote())
        feeds = {name: market_feed(settings, venue) for name, venue in FEEDS.items()}
        ray.get([feed.ping.remote() for feed in feeds.values()])
        with httpx.Client(base_url=url, trust_env=False, timeout=60) as venues:
            processes = {"simulator": psutil.Process(simulator.pid), "this reader": psutil.Process(), **_actors()}
            try:
                yield Course(venues, store, len(symbols) * len(MARKET_NAMES), processes, speed)
            finally:
                for actor_handle in (*feeds.values(), store):
                    ray.kill(actor_handle)


def _settings(url: str, symbols: Sequence[str], speed: float, candles: str, flush_s: float | None) -> Settings:
    live = {
        "subscriptions": dict.fromkeys(MARKET_NAMES, tuple(symbols)),
        "stream_urls": dict.fromkeys(MARKET_NAMES, url.replace("http", "ws", 1)),
        "clock_speed": speed,
    }
    if flush_s is not None:
        live["flush_s"] = flush_s
    return Settings(
        services=ServiceSettings(
            clickhouse_url=candles, postgres_url=embedded.postgres_url(), redis_url=embedded.valkey_url()
        ),
        history=HistorySettings(base_urls=dict.fromkeys(MARKET_NAMES, url)),
        live=LiveSettings.model_validate(live),
    )


async def _migrate() -> None:
    postgres = await Postgres.open(embedded.postgres_url())
    await postgres.migrate()
    await postgres.close()


def _actors() -> dict[str, psutil.Process]:
    """Processes of the actors, by what stands in their titles."""
    found = {}
    for process in psutil.Process().children(recursive=True):
        title = " ".join(process.cmdline()).strip()
        if title.startswith(("ray::ReadStore", "ray::MarketFeedActor")):
            found[f"{'store' if 'Store' in title else 'feed'} {process.pid}"] = process
    return found


def _measure(instruments: int, speed: float, minutes: int) -> None:
    with course(instruments, speed) as under:
        after_ms = under.whole_minute()
        under.polls_s.clear()
        before, began = _cpu_s(under), time.monotonic()
        seen: dict[Key, int] = {}
        for number in range(minutes):
            _read_minute(under, after_ms + (number + 1) * MINUTE_MS, seen)
        shares = {
            name: (spent - before[name]) / (time.monotonic() - began) for name, spent in _cpu_s(under).items()
        }
        lags = _lags(under, seen, after_ms + MINUTE_MS, minutes)
        _print(under, minutes, lags, shares)


def _read_minute(under: Course, ts_open_ms: int, seen: dict[Key, int]) -> None:
    """Ask for a minute from its close on until all of it is there, or its time is over."""
    close_ms = ts_open_ms + MINUTE_MS
    while (left_ms := close_ms - under.venue_ms()) > 0:
        time.sleep(left_ms / 1000 / under.speed)
    known: set[tuple[int, str]] = set()
    end_s = time.monotonic() + POLLED_MS / 1000
    while len(known) < under.instruments and time.monotonic() < end_s:
        found = under.found(ts_open_ms)
        now_ms = time.time_ns() // 1_000_000
        seen.update({(*instrument, ts_open_ms): now_ms for instrument in found - known})
        known |= found
        time.sleep(POLL_S)


def _lags(under: Course, seen: dict[Key, int], first_ms: int, minutes: int) -> list[int]:
    """Time from the sending of each candle to its reading; one that was not read in time counts as that time."""
    sent: dict[Key, int] = {}
    since = 0
    while entries := (
        page := under.venues.get("/simulator/sent", params={"since": since, "limit": 50_000}).json()
    )["entries"]:
        since = page["next"]
        for entry in entries:
            if entry["event"] == "kline" and first_ms <= entry["ts_open_ms"] < first_ms + minutes * MINUTE_MS:
                key = find_market(entry["market"]).market_id, entry["symbol"], entry["ts_open_ms"]
                sent.setdefault(key, entry["real_ms"])
    assert len(sent) == under.instruments * minutes, f"{len(sent)} candles were sent"
    return [seen[key] - at_ms if key in seen else POLLED_MS for key, at_ms in sent.items()]


def _cpu_s(under: Course) -> dict[str, float]:
    return {name: sum(process.cpu_times()[:2]) for name, process in under.processes.items()}


def _print(under: Course, minutes: int, lags: Sequence[int], shares: dict[str, float]) -> None:
    p50, p99 = np.quantile(lags, (0.5, 0.99), method="higher")
    print(
        f"{under.instruments:,} instruments, {minutes} minutes at speed {under.speed:g}: sent to readable "
        f"p50 {p50:,.0f} ms, p99 {p99:,.0f} ms, worst {max(lags):,.0f} ms of {len(lags):,} candles"
    )
    told = ", ".join(f"{name} {share:.1%}" for name, share in shares.items())
    print(f"  share of a core: {told}; load {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores")
    print(
        f"  a reader's query: median {np.median(under.polls_s) * 1000:.1f} ms, {len(under.polls_s):,} of them",
        flush=True,
    )


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--instruments", type=int, action="append", help="a multiple of 4; repeatable")
    parser.add_argument("--minutes", type=int, default=5)
    parser.add_argument("--speed", type=float, default=1.0)
    options = parser.parse_args(arguments)
    try:
        for instruments in options.instruments or INSTRUMENTS:
            _measure(instruments, options.speed, options.minutes)
    finally:
        embedded.stop_services()
    return 0


if __name__ == "__main__":
    sys.exit(main())
