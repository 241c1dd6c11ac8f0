"""The whole story without any network: searched, saved, run live, told by Telegram, stopped and certified."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from queue import SimpleQueue

import pytest

from candleray.live.certificates.certificate import Verdict
from candleray.live.run import RunState
from tests.support.instances.real_instance import RealInstance, real_instance
from tests.support.telegram.bots import TOKEN
from tests.support.telegram.fake_bot_api import FakeBotApi, fake_bot_api
from tests.support.waiting import wait_until

PERSON = 7
WINDOWS = {"fast": {"start": 3, "stop": 5, "step": 1}, "slow": {"values": [8, 13]}}
REQUEST = {
    "instrument": {"market_id": 1, "symbol": "BTCUSDT"},
    "timeframe": "1m",
    "time_range": {"start": "2025-12-25T00:00:00Z", "end": "2025-12-27T00:00:00Z"},
    "let": {name: {"id": "ema", "params": {"window": axis}} for name, axis in WINDOWS.items()},
    "signals": {"long_entry": {"cross_above": ["fast", "slow"]}, "long_exit": {"cross_below": ["fast", "slow"]}},
    "top_k": 3,
}


@contextmanager
def telegram() -> Iterator[FakeBotApi]:
    """A Bot API on a loop of its own, for an instance to talk to."""
    found: SimpleQueue[FakeBotApi] = SimpleQueue()
    loop, over = asyncio.new_event_loop(), asyncio.Event()

    async def serve() -> None:
        async with fake_bot_api(TOKEN) as api:
            found.put(api)
            await over.wait()

    thread = threading.Thread(target=lambda: loop.run_until_complete(serve()), daemon=True)
    thread.start()
    api = found.get(timeout=30)
    try:
        yield api
    finally:
        loop.call_soon_threadsafe(over.set)
        thread.join(30)
        loop.close()


@pytest.fixture(scope="module")
def api() -> Iterator[FakeBotApi]:
    pytest.importorskip("aiogram", reason="the extra 'notify' (aiogram) is not installed")
    with telegram() as api:
        yield api


@pytest.fixture(scope="module")
def instance(api: FakeBotApi) -> Iterator[RealInstance]:
    settings = {
        "CANDLERAY_SIMULATOR__ENABLED": "true",
        "CANDLERAY_SIMULATOR__SPEED": "60",
        "CANDLERAY_SIMULATOR__SYMBOLS": "BTCUSDT",
        "CANDLERAY_IDENTITY__BOT_TOKEN": TOKEN,
        "CANDLERAY_TELEGRAM__API_URL": api.url,
    }
    with real_instance("story", **settings) as instance:
        yield instance


def test_a_strategy_is_found_saved_run_told_stopped_and_certified(instance: RealInstance, api: FakeBotApi) -> None:
    backfill = ("backfill", "--market", "binance-spot", "--symbol", "BTCUSDT")
    span = ("--start", "2025-12-24", "--end", "2025-12-27", "--data", str(instance.folder))
    done = instance.candleray(*backfill, *span)
    assert done.returncode == 0, done.stdout + done.stderr
    with instance.client_of(PERSON) as client:
        link = client.link_telegram().url
        api.say(f"/start {link.partition('start=')[2]}", PERSON)
        wait_until(lambda: client.telegram().linked, what="the chat")

        best = client.backtest(REQUEST).top[0]
        strategy = client.save_strategy(best.strategy)
        run = client.start_run(strategy.strategy_id)
        exits = wait_until(lambda: list(client.run_events(run.run_id, kind="exit")), what="a trade")
        wait_until(lambda: api.texts(PERSON), lambda texts: "exit" in "\n".join(texts).lower(), what="its message")
        assert client.run_trades(run.run_id)[0].exited == exits[0].ts_open

        client.stop_run(run.run_id)
        wait_until(lambda: client.run(run.run_id).state, lambda state: state is RunState.STOPPED, what="the stop")
        certificate = client.certificate(run.run_id)
        assert certificate.verdict is Verdict.EQUAL, certificate
        assert client.verify_certificate(certificate).is_intact
