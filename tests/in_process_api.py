"""The API without Ray: its backend in this process, spoken to through ASGI."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any, get_args
from uuid import UUID

import httpx
import numpy as np
from fastapi import FastAPI

from candleray import engine
from candleray.backtests import BacktestRequest, BacktestResult
from candleray.calibration import measure_costs
from candleray.candles import CandleRows, Candles
from candleray.errors import ServiceUnavailable
from candleray.guards import check_guards, refuse_exceeded
from candleray.identity import User
from candleray.logs import configure_logs
from candleray.preflight import Preflight
from candleray.settings import Api, Guards, Settings
from candleray.stores.clickhouse import CandleStore
from candleray.stores.postgres import Postgres
from candleray.stores.users import Users
from candleray.timeframes import MINUTE_MS, minutes_of
from candleray.variants import VariantGrid, resolve
from candleray.weighing import describe, guards_for
from serve_apps.api import build_api
from serve_apps.backend import Backend, CandleStoreClient, in_process
from serve_apps.telemetry import Metrics
from serve_apps.users import InUser

configure_logs("WARNING")

SOMEBODY = User(user_id=UUID(int=1), telegram_user_id=1)
_USER_OF = get_args(InUser)[1].dependency

START_MS = 1_735_689_600_000
"""2025-01-01T00:00:00Z"""


def settings(**changes: Any) -> Settings:
    """Those of the test environment, with `changes` to the sections `api` and `guards`."""
    return Settings(
        environment="test",
        api=Api(max_body_bytes=1_000_000, **changes.get("api", {})),
        guards=Guards(max_candles_per_answer=5000, **changes.get("guards", {})),
    )


def backend(store: Any, postgres: Postgres | None = None, **changes: Any) -> Backend:
    chosen = settings(**changes)
    candles = CandleStoreClient(in_process(store))

    async def run(request: BacktestRequest) -> BacktestResult:
        request = resolve(request, chosen.backtests)
        grid, instrument, span = VariantGrid(request), request.instrument, request.time_range
        bar_ms = minutes_of(request.timeframe) * MINUTE_MS
        await candles.span(instrument.market_id, instrument.symbol)
        check_guards(grid, (span.end_ms - span.start_ms) // bar_ms, chosen.guards)
        warmup = chosen.backtests.warmup_bars
        from_ms = span.start_ms - engine.warmup_bars(grid, warmup) * bar_ms
        minutes = await candles.read(instrument.market_id, instrument.symbol, from_ms, span.end_ms)
        return await asyncio.to_thread(engine.run, request, minutes, warmup)

    async def sized(request: BacktestRequest) -> tuple[VariantGrid, int]:
        grid = VariantGrid(resolve(request, chosen.backtests))
        instrument = grid.request.instrument
        first_ms, end_ms = await candles.span(instrument.market_id, instrument.symbol)
        start_ms, stop_ms = max(request.time_range.start_ms, first_ms), min(request.time_range.end_ms, end_ms)
        return grid, max(0, stop_ms - start_ms) // (minutes_of(request.timeframe) * MINUTE_MS)

    async def preflight(request: BacktestRequest) -> Preflight:
        grid, bars = await sized(request)
        if any(guard.is_exceeded for guard in guards_for(grid, bars, chosen)[1]):
            return describe(grid, bars, chosen, None, 1, 0.0, 0.0)
        instrument, span = grid.request.instrument, grid.request.time_range
        minutes = await candles.read(instrument.market_id, instrument.symbol, span.start_ms, span.end_ms)
        costs = measure_costs(engine.bars_of(minutes, grid.request, 0), grid, chosen.backtests.warmup_bars)
        return describe(grid, bars, chosen, costs, 1, 0.0, 0.0)

    async def job_request(request: BacktestRequest) -> BacktestRequest:
        grid, bars = await sized(request)
        refuse_exceeded(guards_for(grid, bars, chosen)[1], "any job")
        return grid.request

    return Backend(
        settings=chosen,
        candles=candles,
        run_backtest=run,
        preflight=preflight,
        job_request=job_request,
        probes={"clickhouse": candles.ping},
        metrics=Metrics("here"),
        postgres=_given(postgres),
        valkey=_given(None),
    )


def _given(service: Any) -> Callable[[], Awaitable[Any]]:
    async def get() -> Any:
        if service is None:
            raise ServiceUnavailable("this test has no such service")
        return service

    return get


def api_of(behind: Backend, user: User | None = None) -> FastAPI:
    """An API over this backend, every request to which is from this user, or else from one and the same."""

    async def sender() -> User:
        if user is not None:
            return user
        try:
            postgres = await behind.postgres()
        except ServiceUnavailable:
            return SOMEBODY
        return await Users(postgres).known(SOMEBODY.telegram_user_id)

    api = build_api(behind)
    api.dependency_overrides[_USER_OF] = sender
    return api


@asynccontextmanager
async def serving(behind: Backend, user: User | None = None, **changes: Any) -> AsyncIterator[httpx.AsyncClient]:
    """A client of an API over this backend; `changes` replace parts of it, `user` is who all requests are from."""
    transport = httpx.ASGITransport(api_of(replace(behind, **changes), user))
    async with httpx.AsyncClient(transport=transport, base_url="http://api") as client:
        yield client


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
