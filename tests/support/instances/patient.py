"""An instance on whose parts the tests of faults lay hands."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

import httpx
import psutil

from candleray import CandlerayError, Client
from candleray.candles import CandleRows
from candleray.market_data.coverage import Coverage
from candleray.market_data.insert_report import InsertReport
from candleray.markets import find_market
from candleray.simulator.generated_candles import GeneratedCandles
from candleray.timeframes import MINUTE_MS
from tests.support.instances.real_instance import RealInstance, kill
from tests.support.waiting import wait_until

START_MS = 1_746_057_600_000
DAY_MINUTES = 1440


class Patient(RealInstance):
    def kill(self, words: str) -> list[psutil.Process]:
        killed = self.processes(words)
        assert killed, f"there is no {words}"
        kill(killed)
        return killed

    def first_of(self, words: str) -> psutil.Process:
        return wait_until(lambda: self.processes(words), what=words)[0]

    def wait_restarted(self, part: str, count: int) -> None:
        """Wait until the part was started again so often in all, and everything is ready."""
        wait_until(lambda: (self.restarts(part), self.is_whole()), lambda seen: seen[0] >= count and seen[1])

    def wait_whole(self) -> None:
        wait_until(self.is_whole, what="the instance is whole")

    def is_whole(self) -> bool:
        return self.file.state == "ready" and self.ready() == 200

    def ready(self, timeout_s: float = 60) -> int:
        """The status of `/ready`; 0 where nothing answers."""
        with suppress(httpx.HTTPError):
            return httpx.get(f"{self.url}/ready", trust_env=False, timeout=timeout_s).status_code
        return 0

    def client(self) -> Client:
        return Client(self.url, timeout_s=600)

    def put(self, start_minute: int, minutes: int = DAY_MINUTES) -> InsertReport:
        """Put candles, the same ones for the same minutes."""
        with self.client() as client:
            return client.put_candles("binance-spot", "BTCUSDT", candles_from(start_minute, minutes))

    def coverage(self) -> list[Coverage]:
        with self.client() as client:
            return client.coverage()


def candles_from(start_minute: int, minutes: int) -> CandleRows:
    start_ms = START_MS + start_minute * MINUTE_MS
    return GeneratedCandles(seed=7).candles(
        find_market("binance-spot"), "BTCUSDT", start_ms, start_ms + minutes * MINUTE_MS
    )


def acknowledged_of(put: Callable[[], InsertReport]) -> int:
    """The number of acknowledged rows: none where the answer was an error."""
    try:
        report = put()
    except CandlerayError:
        return 0
    return report.written + report.unchanged


def is_gone(process: psutil.Process) -> bool:
    with suppress(psutil.NoSuchProcess):
        return process.status() == psutil.STATUS_ZOMBIE or not process.is_running()
    return True


@contextmanager
def timed(what: str) -> Iterator[None]:
    began = time.monotonic()
    yield
    print(f"{what} after {time.monotonic() - began:.1f} s")
