"""Processes that are killed while they trade at a simulator, again and again; `--order-kills 100` kills more."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from random import Random
from uuid import uuid4

import httpx
import pytest

from candleray.databases.postgres import Postgres
from candleray.errors import CandlerayError
from candleray.execution.reconciler import Reconciler
from candleray.execution.signing import Credentials
from candleray.execution.simulated_gateway import SimulatedGateway
from candleray.execution.store import OrderStore, Place
from candleray.markets import Instrument, find_market
from candleray.settings import ROOT
from candleray.simulator.generated_candles import GeneratedCandles
from candleray.simulator.market_clock import MarketClock
from serve_apps.simulator import Faults, build_simulator
from serve_apps.simulator.sockets import VenueSocket
from tests.support import canaries
from tests.support.api.served import served
from tests.support.embedded import new_database
from tests.support.execution.history import verify_books
from tests.support.execution.order_process import Course
from tests.support.execution.rows import new_run
from tests.support.execution.venue_account import EXCHANGES, SYMBOL
from tests.support.simulated import NOW_MS
from tests.support.users import new_user_id

_SPEED = 10
"""Seconds of the venue a second of ours: what is in doubt is settled within one of ours."""


@contextmanager
def order_desks() -> Iterator[subprocess.Popen[str]]:
    """The process that forks desks."""
    command = [sys.executable, "-m", "tests.support.execution.order_process"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=ROOT) as desks:
        yield desks


def begun(desks: subprocess.Popen[str], course: Course) -> int:
    """Have a desk begin; return the id of its process."""
    assert desks.stdin
    assert desks.stdout
    print(json.dumps(asdict(course)), file=desks.stdin, flush=True)
    return int(desks.stdout.readline())


def put(url: str, content: dict[str, str]) -> None:
    httpx.put(url, json=content).raise_for_status()


async def settle(reconciler: Reconciler, store: OrderStore, place: Place) -> None:
    """Look until nothing is in flight."""
    for _ in range(60):
        try:
            result = await reconciler.reconcile()
        except CandlerayError:
            continue
        assert result.unexplained is None
        if result.is_settled:
            return
        await asyncio.sleep(0.2)
    raise AssertionError(f"it never settles: {await store.in_flight(place)}")


@pytest.mark.parametrize("exchange", EXCHANGES)
async def test_whenever_a_process_is_killed_the_next_finishes_its_work(
    exchange: str, postgres_url: str, order_kills: int
):
    random, url = Random(order_kills), await new_database(postgres_url)
    postgres, market = await Postgres.open(url, 2), find_market(f"{exchange}-futures")
    user_id, instrument = await new_user_id(postgres), Instrument(market_id=market.market_id, symbol=SYMBOL)
    run_id = await new_run(postgres, user_id, instrument)
    credentials = Credentials("a-key-of-an-account", f"secret-{uuid4().hex}")
    canaries.plant("exchange secret", credentials.secret)
    app = build_simulator(
        GeneratedCandles(symbols=[SYMBOL]),
        Faults(rate_limited=19, truncated=13),
        with_limits=False,
        clock=MarketClock(NOW_MS, _SPEED),
    )
    with served(app, ws=VenueSocket) as simulator, order_desks() as desks:
        put(f"{simulator}/simulator/keys", {"exchange": exchange, **asdict(credentials)})
        for seed in range(order_kills):
            place_of_rows = (simulator, url, str(user_id), str(run_id))
            pid = begun(desks, Course(exchange, SYMBOL, *place_of_rows, **asdict(credentials), seed=seed))
            await asyncio.sleep(random.uniform(0.1, 1.2))
            os.kill(pid, signal.SIGKILL)
        put(f"{simulator}/simulator/faults", {})
        store, place = OrderStore(postgres), Place(user_id, instrument)
        async with SimulatedGateway(market, simulator, credentials) as gateway:
            await settle(Reconciler(store, gateway, place), store, place)
        book = app.state.simulator.accounts.book(exchange, credentials.api_key)
        orders = await verify_books(book, postgres, run_id, lambda what: f"{exchange}: {what}")
        print(f"{exchange}: {order_kills} kills, {orders} orders, {len(book.fills)} fills")
    await postgres.close()
