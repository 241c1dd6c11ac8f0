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
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import psutil
import ray
from pydantic import SecretStr

from actors.candle_store import CandleStoreActor
from actors.market_feed import market_feed
from actors.options import CANDLE_STORE, FEEDS, ON_HEAD
from candleray.databases.postgres import Postgres
from candleray.markets import MARKET_NAMES, find_market
from candleray.settings import ServiceSettings, Settings, SimulatorSettings
from candleray.timeframes import MINUTE_MS
from cluster.services.simulated_exchanges import asking
from tests.support import embedded
from tests.support.instances.processes import started
from tests.support.instances.ray_workers import ray_workers
from tests.support.waiting import wait_until

INSTRUMENTS = (200, 1000)
POLL_S = 0.015
POLLED_MS = 10_000
"""Time after a close in which a reader asks for its minute again and again."""
WARM_UP_S = 600.0


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
    _since: int = 0

    def sent(self) -> list[dict[str, Any]]:
        """The next entries of the log of what was sent; none where there are no more now."""
        page = self.venues.get("/simulator/sent", params={"since": self._since, "limit": 20_000}).json()
        self._since = page["next"]
        entries: list[dict[str, Any]] = page["entries"]
        return entries

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
def course(instruments: int, speed: float, faults: str = "", **live: float) -> Iterator[Course]:
    """Everything that a minute passes through, on a fourth of the instruments on each market.

    Args:
        live: settings of live candles that differ from the product's.
    """
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
        settings = _settings(url, symbols, speed, f"chdb://{folder}", live)
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


def _settings(
    url: str, symbols: Sequence[str], speed: float, candles: str, paces: Mapping[str, float]
) -> Settings:
    settings = asking(url, Settings(simulator=SimulatorSettings(speed=speed, symbols=",".join(symbols))))
    services = ServiceSettings(
        clickhouse_url=SecretStr(candles),
        postgres_url=SecretStr(embedded.postgres_url()),
        redis_url=SecretStr(embedded.valkey_url()),
    )
    return settings.model_copy(update={"services": services, "live": settings.live.model_copy(update=dict(paces))})


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
    """Print a line a minute, and one of all."""
    with course(instruments, speed) as under:
        first_ms = under.whole_minute() + MINUTE_MS
        print(f"{instruments:,} instruments at speed {speed:g}, sent to readable:", flush=True)
        under.polls_s.clear()
        began = _core_times(under)
        lags: list[int] = []
        for ts_open_ms in range(first_ms, first_ms + minutes * MINUTE_MS, MINUTE_MS):
            before = _core_times(under)
            seen = _read_minute(under, ts_open_ms)
            lags += (of_minute := _lags(under, ts_open_ms, seen))
            print(f"  {_told(of_minute)}; {_shares(before, _core_times(under))}", flush=True)
        print(f"  {minutes} minutes: {_told(lags)}; {_shares(began, _core_times(under))}")
        print(f"  {len(under.polls_s):,} readings, median {np.median(under.polls_s) * 1000:.1f} ms", flush=True)


def _read_minute(under: Course, ts_open_ms: int) -> dict[tuple[int, str], int]:
    """Ask for a minute from its close on until all of it is there, or its time is over; when each was read."""
    while (left_ms := ts_open_ms + MINUTE_MS - under.venue_ms()) > 0:
        time.sleep(left_ms / 1000 / under.speed)
    seen: dict[tuple[int, str], int] = {}
    end_s = time.monotonic() + POLLED_MS / 1000
    while len(seen) < under.instruments and time.monotonic() < end_s:
        found = under.found(ts_open_ms)
        now_ms = time.time_ns() // 1_000_000
        seen.update(dict.fromkeys(found - seen.keys(), now_ms))
        time.sleep(POLL_S)
    return seen


def _lags(under: Course, ts_open_ms: int, seen: Mapping[tuple[int, str], int]) -> list[int]:
    """Time from the sending of each candle to its reading; one that was not read in time counts as that time."""
    sent: dict[tuple[int, str], int] = {}

    def sent_by_now() -> int:
        for entry in under.sent():
            if entry["event"] == "kline" and entry["ts_open_ms"] == ts_open_ms:
                sent.setdefault((find_market(entry["market"]).market_id, entry["symbol"]), entry["real_ms"])
        return len(sent)

    wait_until(sent_by_now, lambda found: found == under.instruments, what="every candle was sent")
    return [seen[key] - at_ms if key in seen else POLLED_MS for key, at_ms in sent.items()]


def _told(lags: Sequence[int]) -> str:
    p50, p99 = np.quantile(lags, (0.5, 0.99), method="higher")
    return f"p50 {p50:,} ms, p99 {p99:,} ms, worst {max(lags):,} ms of {len(lags):,}"


@dataclass(frozen=True)
class CoreTimes:
    """Seconds until now in which each process had a core, and in which its threads waited for one."""

    at_s: float
    ran: Mapping[str, float]
    waited: Mapping[str, float]


def _core_times(under: Course) -> CoreTimes:
    ran, waited = {}, {}
    for name, process in under.processes.items():
        threads = [path.read_text().split() for path in Path(f"/proc/{process.pid}/task").glob("*/schedstat")]
        ran[name] = sum(int(thread[0]) for thread in threads) / 1e9
        waited[name] = sum(int(thread[1]) for thread in threads) / 1e9
    return CoreTimes(time.monotonic(), ran, waited)


def _shares(before: CoreTimes, after: CoreTimes) -> str:
    passed_s = after.at_s - before.at_s
    told = ", ".join(
        f"{name} {(after.ran[name] - before.ran[name]) / passed_s:.0%}"
        f"+{(after.waited[name] - before.waited[name]) / passed_s:.0%}"
        for name in after.ran
    )
    return f"ran+waited for a core: {told}; load {os.getloadavg()[0]:.1f}"


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
