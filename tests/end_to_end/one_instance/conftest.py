"""The one instance of this room.

Its files run on one process of pytest-xdist, and first: see `tests/order.py`.
"""

from __future__ import annotations

import json
from collections.abc import Generator, Iterator
from contextlib import ExitStack

import pytest

from candleray import Client
from tests.support import forty_days
from tests.support.api.in_process_api import BOT_TOKEN, OPERATORS
from tests.support.instances.real_instance import RealInstance, real_instance

SETTINGS = {
    "CANDLERAY_COMPUTE__DASHBOARD": "true",  # jobs start through it
    "CANDLERAY_IDENTITY__BOT_TOKEN": BOT_TOKEN,
    "CANDLERAY_TELEGRAM__ENABLED": "false",  # nobody of this room is to be asked
    "CANDLERAY_IDENTITY__OPERATORS": json.dumps(OPERATORS),
    "CANDLERAY_IDENTITY__LOGINS_PER_USER": "10000",
    "CANDLERAY_IDENTITY__CODES_PER_USER": "10000",
}


class Shared:
    """Starts the instance for the first test that asks, and stops it after the last one of this room."""

    def __init__(self) -> None:
        self._running = ExitStack()
        self._instance: RealInstance | None = None

    def instance(self) -> RealInstance:
        if self._instance is None:
            instance = self._running.enter_context(real_instance("e2e", **SETTINGS))
            candles = forty_days.candle_rows()
            with Client(instance.url) as client:
                written = client.put_candles("binance-spot", "BTCUSDT", candles).written
            assert written == len(candles.ts_open_ms)
            self._instance = instance
        return self._instance

    def stop(self) -> None:
        self._instance = None
        self._running.close()


shared = Shared()


@pytest.fixture(scope="session")
def instance() -> Iterator[RealInstance]:
    """An instance with forty days of candles, logged in at; it ends before tests that have no use for it run."""
    yield shared.instance()
    shared.stop()  # where these tests are the last ones: what the session set up is still there


@pytest.hookimpl(wrapper=True)
def pytest_runtest_teardown(item: pytest.Item, nextitem: pytest.Item | None) -> Generator[None]:
    try:
        yield
    finally:
        if nextitem is None or nextitem.path.parent != item.path.parent:
            shared.stop()
