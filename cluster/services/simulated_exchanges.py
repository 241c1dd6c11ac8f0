"""Simulated exchanges as a part of an instance: `candleray simulator` as a process that ends with it."""

from __future__ import annotations

import signal
import sys
import time
from contextlib import suppress
from datetime import UTC, datetime

import httpx
import psutil
from pydantic import BaseModel, ConfigDict, ValidationError

from candleray.errors import InstanceError
from candleray.markets import MARKET_NAMES
from candleray.network.clients import probe
from candleray.private_files import write_private
from candleray.settings import FAST_CLOCK_BEHIND_MS, ROOT, Settings, SimulatorSettings
from cluster.machine.data_folder import DataFolder
from cluster.machine.polls import polls
from cluster.machine.ports import first_free
from cluster.machine.processes import process_of, start_ticks
from cluster.services.embedded_service import EmbeddedService

FIRST_PORT = 9900
HOST = "127.0.0.1"
_FOLLOWED = ("BTCUSDT", "ETHUSDT")
"""Symbols that are followed live where the settings name none."""
_LETS_GO_WITHIN_S = 2.0
_ANY_YEAR_S = 1e10
"""Their clock may be as far from ours as it likes."""


class Running(BaseModel):
    """The process that simulates, and its clock: venue time was `start_ms` when ours was `since_s`."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    pid: int
    start_ticks: int
    port: int
    start_ms: int
    since_s: float
    speed: float

    def venue_ms(self, now_s: float) -> int:
        return self.start_ms + round((now_s - self.since_s) * 1000 * self.speed)


def require_own_candles(settings: Settings) -> None:
    """
    Raises:
        InstanceError: simulated candles would go to a store that others read.
    """
    if settings.simulator.enabled and settings.services.clickhouse_url is not None:
        raise InstanceError(
            "simulated candles would go to the store at services.clickhouse_url, which others may read: take "
            "CANDLERAY_SERVICES__CLICKHOUSE_URL away, or start without --simulator"
        )


def asking(url: str, settings: Settings) -> Settings:
    """The settings with these exchanges in place of all others, and some instruments followed live."""
    streams, simulator = url.replace("http://", "ws://", 1), settings.simulator
    symbols = tuple(filter(None, map(str.strip, simulator.symbols.split(",")))) or _FOLLOWED
    live = {
        "stream_urls": dict.fromkeys(MARKET_NAMES, streams),
        "clock_speed": simulator.speed,
        "max_clock_difference_s": _ANY_YEAR_S,
        "subscriptions": settings.live.subscriptions or dict.fromkeys(MARKET_NAMES, symbols),
    }
    asked = {"base_urls": dict.fromkeys(MARKET_NAMES, url), "clock_speed": simulator.speed}
    history = settings.history.model_copy(update=asked)
    return settings.model_copy(update={"history": history, "live": settings.live.model_copy(update=live)})


def _free_port(former: Running | None) -> int:
    """The former port, by which clients know the exchanges, unless somebody else has it.

    The last thread of a killed process lets go of it a moment after the process counts as ended.
    """
    if former is None:
        return first_free(HOST, FIRST_PORT)
    for _ in polls(_LETS_GO_WITHIN_S, every_s=0.02):
        if first_free(HOST, former.port) == former.port:
            break
    return first_free(HOST, former.port)


class SimulatedExchanges(EmbeddedService):
    """The venues of an instance without a network. Started again, their clock goes on and their port stays."""

    name = "simulator"
    stop_signal = signal.SIGTERM
    question = b""

    def __init__(self, folder: DataFolder, config: SimulatorSettings | None = None) -> None:
        super().__init__(folder)
        self.config = config or SimulatorSettings()
        self.socket = self.data / "running.json"

    @property
    def url(self) -> str:
        running = self._running()
        return f"http://{HOST}:{running.port}" if running else ""

    def _running(self) -> Running | None:
        with suppress(OSError, ValidationError):
            return Running.model_validate_json(self.socket.read_text())
        return None

    def find(self) -> psutil.Process | None:
        running = self._running()
        if running and start_ticks(running.pid) == running.start_ticks:
            return process_of(running.pid)
        return None

    def start(self) -> str:
        """Start it anew: one that a killed instance left may speak of other faults."""
        self.stop()
        return super().start()

    def stop(self) -> None:
        """End them, and let their clock stand until they are started again."""
        super().stop()
        running, now_s = self._running(), time.time()
        if running:
            stood = {"start_ms": running.venue_ms(now_s), "since_s": now_s, "speed": 0.0}
            with suppress(OSError):  # it is not worth a stop that fails: the clock goes on, as after a kill
                write_private(self.socket, running.model_copy(update=stood).model_dump_json())

    def launch(self) -> psutil.Process:
        self.data.mkdir(mode=0o700, exist_ok=True)
        former, now_s = self._running(), time.time()
        port = _free_port(former)
        start_ms = self._start_ms(former, now_s)
        process = self.spawn(self._command(port, start_ms), variables={"PYTHONPATH": str(ROOT)})
        running = Running(
            pid=process.pid,
            start_ticks=start_ticks(process.pid) or 0,
            port=port,
            start_ms=start_ms,
            since_s=now_s,
            speed=self.config.speed,
        )
        write_private(self.socket, running.model_dump_json())
        return process

    def _start_ms(self, former: Running | None, now_s: float) -> int:
        """Venue time to begin at, whole seconds, and no earlier than it ever was."""
        now_ms, is_fast = int(now_s) * 1000, self.config.speed > 1
        if former is None:
            return now_ms - FAST_CLOCK_BEHIND_MS if is_fast else now_ms
        former_ms = -(-former.venue_ms(now_s) // 1000) * 1000
        return former_ms if is_fast else max(now_ms, former_ms)

    def _command(self, port: int, start_ms: int) -> list[str]:
        start = datetime.fromtimestamp(start_ms / 1000, UTC)
        options = {
            "--host": HOST,
            "--port": str(port),
            "--speed": str(self.config.speed),
            "--start": f"{start:%Y-%m-%dT%H:%M:%S}",
            "--symbols": self.config.symbols,
            "--faults": self.config.faults,
        }
        return [
            sys.executable,
            "-m",
            "candleray",
            "simulator",
            *(word for pair in options.items() for word in pair),
        ]

    def ask(self, deadline_s: float = 2.5) -> None:
        """
        Raises:
            TimeoutError: they do not answer.
            httpx.HTTPError: nobody is there.
        """
        try:
            probe(f"{self.url}/simulator", deadline_s)
        except httpx.TimeoutException as error:
            raise TimeoutError from error

    def answers(self) -> bool:
        try:
            return bool(self.url) and probe(f"{self.url}/simulator", timeout_s=5).is_success
        except httpx.HTTPError:
            return False
