"""Ingestion with the simulator and the real services, each a process that may be killed."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from typing import Any

import httpx
import psutil

from candleray.errors import ServiceUnavailable
from candleray.markets import MARKETS, Instrument
from candleray.settings import ROOT
from cluster.machine.data_folder import DataFolder
from cluster.services.embedded_postgres import EmbeddedPostgres
from cluster.services.embedded_service import EmbeddedService
from cluster.services.embedded_valkey import EmbeddedValkey
from tests.support.embedded import service_folder
from tests.support.feeds.store_process import RawRow, ask_store
from tests.support.instances.processes import started
from tests.support.waiting import wait_until

SPEED = 60.0
"""A minute takes a second."""
VENUES = ("binance", "bybit")
SYMBOLS = ("BTCUSDT", "ETHUSDT")
PATIENT: Mapping[str, float] = {
    "max_clock_difference_s": 1e10,  # the simulated time may be any
    "flush_s": 12.0,  # 0.2 s of ours
    "late_s": 120.0,
    "poll_s": 12.0,
    "stale_s": 1800.0,
    "retry_s": 12.0,
    "longest_retry_s": 60.0,
    "verdict_s": 3600.0,
    "stream_wait_s": 36_000.0,
    "look_back_s": 21_600.0,
    "recheck_s": 36_000.0,
}
"""Waits of the live settings that are long enough, at that speed, for a busy machine."""


@dataclass(frozen=True)
class RigPlan:
    """`speed` is that of the venues' clock, `waits` what the live settings have besides the defaults."""

    speed: float = SPEED
    symbols: tuple[str, ...] = SYMBOLS
    waits: Mapping[str, float] = field(default_factory=lambda: PATIENT)
    seed: int = 7


class Events:
    """Lines that a process tells, counted; others wait for the next one of a kind."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self.counts: dict[str, int] = {}
        self._changed = threading.Condition()
        threading.Thread(target=self._read, args=(process,), daemon=True).start()

    def wait_next(self, event: str, within_s: float) -> bool:
        with self._changed:
            count = self.counts.get(event, 0)
            return self._changed.wait_for(lambda: self.counts.get(event, 0) > count, within_s)

    def add(self, event: str) -> None:
        with self._changed:
            self.counts[event] = self.counts.get(event, 0) + 1
            self._changed.notify_all()

    def _read(self, process: subprocess.Popen[str]) -> None:
        assert process.stdout
        for line in process.stdout:
            self.add(line.strip())


class IngestionRig:
    def __init__(self, folder: DataFolder, stack: ExitStack, plan: RigPlan) -> None:
        self._stack = stack
        self.folder = folder
        self.plan = plan
        self.instruments = [
            Instrument(market_id=market_id, symbol=symbol) for market_id in MARKETS for symbol in plan.symbols
        ]
        self.postgres = self._service(EmbeddedPostgres)
        self.valkey = self._service(EmbeddedValkey)
        self.venue_url = self._simulator()
        self.venue = stack.enter_context(httpx.Client(base_url=self.venue_url, timeout=60))
        self.store_path = str(folder.run_dir / "store")
        folder.clickhouse.mkdir(exist_ok=True)
        self.logs = stack.enter_context((folder.path / "ingestion.log").open("w"))
        self.begin_store()
        self._zygote = stack.enter_context(
            started(
                sys.executable,
                *("-m", "tests.support.feeds.ingestion_process"),
                **{"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True, "cwd": ROOT},
                stderr=self.logs,
            )
        )
        self.running: dict[str, psutil.Process] = {}

    def begin_store(self) -> None:
        """Start the candle store, which repairs itself, and wait until it answers."""
        command = (sys.executable, "-m", "tests.support.feeds.store_process")
        self.store = self._stack.enter_context(
            started(
                *(*command, str(self.folder.clickhouse), self.store_path),
                **{"stdout": subprocess.PIPE, "text": True, "cwd": ROOT},
            )
        )
        self.events = Events(self.store)
        wait_until(lambda: self.events.counts.get("ready"), what="the candle store")

    def kill_store(self) -> None:
        self.store.kill()
        self.store.wait()

    def begin(self, venue: str) -> psutil.Process:
        """A new process of a venue's ingestion."""
        assert self._zygote.stdin
        assert self._zygote.stdout
        question = {"venue": venue, "store": self.store_path, "settings": self.settings()}
        self._zygote.stdin.write(json.dumps(question) + "\n")
        self._zygote.stdin.flush()
        self.running[venue] = psutil.Process(int(self._zygote.stdout.readline()))
        return self.running[venue]

    def begin_all(self) -> None:
        """Have the ingestion of every venue run."""
        for venue in VENUES:
            if venue not in self.running:
                self.begin(venue)

    def kill(self, venue: str) -> None:
        """End it; one that has ended by itself is found by who expects it to run."""
        with suppress(ProcessLookupError):
            os.kill(self.running.pop(venue).pid, signal.SIGKILL)

    def kill_all(self) -> None:
        for venue in list(self.running):
            self.kill(venue)

    def said(self, event: str) -> list[dict[str, Any]]:
        """Lines of that kind in the log of ingestion."""
        lines = (self.folder.path / "ingestion.log").read_text().splitlines()
        return [json.loads(line) for line in lines if f'"event": "{event}"' in line and line.endswith("}")]

    def now_ms(self) -> int:
        """The venues' time."""
        return int(self.venue.get("/simulator").json()["clock"]["now_ms"])

    def raw(self, one: Instrument, first_ms: int, last_ms: int) -> list[RawRow]:
        """Rows of the raw table, waiting for a store that is just away."""
        window = one.market.exchange, one.market_id, one.symbol, first_ms, last_ms
        rows: list[RawRow] = wait_until(
            lambda: [ask_store(self.store_path, "raw", *window)],
            what="raw rows",
            every_s=0.002,
            passing=(ServiceUnavailable,),
        )[0]
        return rows

    def truth(self, one: Instrument, start_ms: int, end_ms: int) -> dict[int, tuple[float, ...]]:
        """The candles that the exchange has."""
        window = {"market": one.market.name, "symbol": one.symbol, "start": start_ms, "end": end_ms}
        told: dict[str, Any] = self.venue.get("/simulator/truth", params=window).json()
        return {row[0]: tuple(map(float, row[1:6])) for row in told["candles"]}

    def settings(self) -> dict[str, Any]:
        """The settings that differ from the defaults, of every process that has to do with it."""
        markets = [market.name for market in MARKETS.values()]
        return {
            "services": {"postgres_url": self.postgres.url, "redis_url": self.valkey.url},
            "history": {"base_urls": dict.fromkeys(markets, self.venue_url)},
            "live": {
                "subscriptions": dict.fromkeys(markets, self.plan.symbols),
                "stream_urls": dict.fromkeys(markets, self.venue_url.replace("http", "ws", 1)),
                "clock_speed": self.plan.speed,
                **self.plan.waits,
            },
        }

    def _service(self, service_class: type[EmbeddedService]) -> EmbeddedService:
        service = service_class(self.folder)
        self._stack.callback(service.stop)
        service.start()
        return service

    def _simulator(self) -> str:
        plan = self.plan
        options = ("--port", "0", "--json", "--speed", f"{plan.speed:g}", "--symbols", ",".join(plan.symbols))
        process = self._stack.enter_context(
            started(
                *(sys.executable, "-m", "candleray", "simulator", *options, "--seed", str(plan.seed)),
                **{"stdout": subprocess.PIPE, "text": True, "cwd": ROOT},
            )
        )
        assert process.stdout
        return str(json.loads(process.stdout.readline())["url"])


@contextmanager
def ingestion_rig(plan: RigPlan | None = None) -> Iterator[IngestionRig]:
    """Everything but ingestion itself runs; all ends with the block."""
    with ExitStack() as stack:
        yield IngestionRig(stack.enter_context(service_folder()), stack, plan or RigPlan())
