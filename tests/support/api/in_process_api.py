"""The API without Ray: its backend in this process, spoken to through ASGI."""

from __future__ import annotations

import asyncio
import base64
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime
from itertools import count
from typing import Any, Generic, TypeVar

import httpx
import numpy as np

from candleray.backtests.explanation import Explanation
from candleray.backtests.preflight import Pace, Preflight, SizedRequest
from candleray.backtests.request import BacktestRequest
from candleray.backtests.result import BacktestResult
from candleray.candles import CandleRows, Candles
from candleray.databases.postgres import Postgres
from candleray.databases.valkey import Valkey
from candleray.errors import ServiceUnavailable
from candleray.identity.models import User
from candleray.identity.telegram import sign_widget
from candleray.live.run import RunMetadata
from candleray.live.starting.start_checks import CheckedStart, Starter
from candleray.live.starting.warm_up import run_metadata
from candleray.market_data.candle_store import CandleStore
from candleray.market_data.candle_store_client import CandleStoreClient, StoreCall
from candleray.search.bars import Bars
from candleray.search.estimate import require_job_guards, weigh
from candleray.search.explaining import explained
from candleray.search.in_process import InProcess, measured_costs
from candleray.search.phases import backtest
from candleray.search.variants import VariantGrid
from candleray.settings import (
    ApiSettings,
    GuardSettings,
    IdentitySettings,
    JobSettings,
    LiveSettings,
    Settings,
    StrategySettings,
)
from candleray.strategies.strategy import StrategySpec
from candleray.timeframes import MINUTE_MS
from candleray.work_elsewhere import on_a_thread
from serve_apps.api import build_api
from serve_apps.backend import Backend
from serve_apps.backfills import Backfills
from serve_apps.metrics import Metrics
from tests.support import canaries, embedded
from tests.support.simulated import Clock, history_of

BOT_TOKEN = "1234567890:test-bot-token-that-telegram-does-not-know"
KEY_ENCRYPTION_KEY = "1:" + base64.b64encode(bytes(range(32))).decode()

canaries.watch_logs()
canaries.plant("bot token", BOT_TOKEN)
canaries.plant("key-encryption key", KEY_ENCRYPTION_KEY.partition(":")[2])

ServiceT = TypeVar("ServiceT", Postgres, Valkey)

OPERATORS = (1, *range(2**50, 2**50 + 2000))
"""Telegram ids of operators; those that tests draw for users are smaller."""

START_MS = 1_735_689_600_000
"""2025-01-01T00:00:00Z"""


def settings(**changes: Any) -> Settings:
    """Return the settings of the test environment, with `changes` to some of its sections."""
    often = {
        "operators": OPERATORS,
        "logins_per_minute": 10_000,
        "logins_per_user": 10_000,
        "codes_per_user": 10_000,
    }
    return Settings(
        environment="test",
        api=ApiSettings(max_body_bytes=1_000_000, **changes.get("api", {})),
        strategies=StrategySettings(**changes.get("strategies", {})),
        jobs=JobSettings(**changes.get("jobs", {})),
        live=LiveSettings(**changes.get("live", {})),
        guards=GuardSettings(max_candles_per_answer=5000, **changes.get("guards", {})),
        identity=IdentitySettings(
            bot_token=BOT_TOKEN, key_encryption_keys=KEY_ENCRYPTION_KEY, **often | changes.get("identity", {})
        ),
    )


def in_process(store: Any) -> StoreCall:
    """Calls of a store in this process."""

    async def call(method: str, *arguments: Any) -> Any:
        return await asyncio.to_thread(getattr(store, method), *arguments)

    return call


def backend(store: Any, postgres: Postgres | None = None, **changes: Any) -> Backend:
    """A backend over this store, and over the process's own services unless another Postgres is given."""
    chosen = settings(**changes)
    candles = CandleStoreClient(in_process(store))

    async def run(request: BacktestRequest) -> BacktestResult:
        return await backtest(request, candles, chosen, workers)

    def workers(grid: VariantGrid, bars: Bars) -> InProcess:
        return InProcess(grid, bars, chosen.backtests.warmup_bars)

    async def explain(request: BacktestRequest, variant_index: int) -> Explanation:
        return await explained(request, variant_index, candles, chosen)

    async def preflight(request: BacktestRequest) -> Preflight:
        return await weigh(request, candles, chosen, Pace(), 1, measured_costs)

    async def job_request(request: BacktestRequest) -> SizedRequest:
        return await require_job_guards(request, candles, chosen)

    backfills = Backfills(lambda: history_of(clock=Clock()))
    own_postgres = Opened(lambda: Postgres.open(embedded.postgres_url(), max_connections=4))
    valkey = Opened(lambda: Valkey.open(embedded.valkey_url()))

    async def given_or_own() -> Postgres:
        return postgres or await own_postgres.get()

    async def close() -> None:
        await backfills.close()
        await own_postgres.close()
        await valkey.close()

    return Backend(
        settings=chosen,
        candles=candles,
        run_backtest=run,
        explain=explain,
        compute=on_a_thread,
        backfills=backfills,
        preflight=preflight,
        job_request=job_request,
        last_beats=nobody_beats,
        probes={"clickhouse": candles.ping},
        metrics=Metrics("here"),
        postgres=given_or_own,
        valkey=valkey.get,
        starts=UncheckedStarts(),
        close=close,
    )


class UncheckedStarts:
    """Lets every run start: most tests have no candles that go on until now."""

    async def checked(
        self, _starter: Starter, spec: StrategySpec, fixed: RunMetadata | None = None
    ) -> CheckedStart:
        now = datetime.now(UTC)
        return CheckedStart(fixed or run_metadata(spec, now), now, ())


class Opened(Generic[ServiceT]):
    """A service that the first call opens, in the loop it is called from."""

    def __init__(self, open_it: Callable[[], Awaitable[ServiceT]]) -> None:
        self._open = open_it
        self._service: ServiceT | None = None
        self._opening = asyncio.Lock()

    async def get(self) -> ServiceT:
        async with self._opening:
            self._service = self._service or await self._open()
        return self._service

    async def close(self) -> None:
        if self._service:
            await self._service.close()
        self._service = None


@asynccontextmanager
async def serving(behind: Backend, user: User | None = None, **changes: Any) -> AsyncIterator[httpx.AsyncClient]:
    """A client of an API over this backend; `changes` replace parts of the backend.

    Args:
        user: who is logged in, by default an operator.
    """
    async with serving_strangers(behind) as client:
        token = await token_of(client, user.telegram_user_id if user else 1)
    async with serving_strangers(behind, **changes) as client:
        client.headers["Authorization"] = f"Bearer {token}"
        yield client


@asynccontextmanager
async def serving_strangers(behind: Backend, **changes: Any) -> AsyncIterator[httpx.AsyncClient]:
    """A client whom the API does not know."""
    transport = httpx.ASGITransport(canaries.watched(build_api(replace(behind, **changes))))
    try:
        async with httpx.AsyncClient(transport=transport, base_url="http://api") as client:
            yield client
    finally:
        if behind.close:
            await behind.close()


async def nobody_beats() -> dict[str, float]:
    return {}


async def unreachable() -> Any:
    raise ServiceUnavailable("this test has no such service")


async def token_of(client: httpx.AsyncClient, telegram_user_id: int) -> str:
    """A session of that user, from the process's one database; logged in once, as everybody is."""
    if telegram_user_id not in _tokens:
        answer = await client.post("/login/telegram/widget", json=fresh_login(telegram_user_id))
        _tokens[telegram_user_id] = answer.raise_for_status().json()["token"]
    return _tokens[telegram_user_id]


_tokens: dict[int, str] = {}
_names = count()


def fresh_login(telegram_user_id: int, bot_token: str = BOT_TOKEN) -> dict[str, Any]:
    """Return a login like one that Telegram's widget hands over now; no two are the same."""
    login = sign_widget(telegram_user_id, bot_token, time.time(), first_name=f"Ada {next(_names)}")
    return login.model_dump(exclude_none=True)


def random_walk(minutes: int, seed: int = 7, start_ms: int = START_MS) -> Candles:
    """Plausible candles, the same for the same seed."""
    random = np.random.default_rng(seed)
    close = 100 * np.exp(np.cumsum(random.normal(0, 0.002, minutes)))
    open_ = np.concatenate(([100.0], close[:-1]))
    high, low = np.maximum(open_, close) * 1.001, np.minimum(open_, close) * 0.999
    values = np.stack([open_, high, low, close, random.uniform(1, 9, minutes)])
    return Candles(start_ms + np.arange(minutes) * MINUTE_MS, np.ascontiguousarray(values))


def stored_walk(store: CandleStore, symbol: str, minutes: int = 3000, seed: int = 7) -> Candles:
    """A random walk that the store holds under this symbol of binance-spot."""
    candles = random_walk(minutes, seed)
    store.insert(1, symbol, CandleRows.of(candles.ts_open_ms, candles.values))
    return candles
