"""What the routes call, and nothing of how it is reached: in a replica actors and Ray, in a test plain objects."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Protocol

from fastapi import Depends, Request

from candleray.backtests import BacktestRequest, BacktestResult
from candleray.candles import CandleRows, Candles
from candleray.coverage import Coverage, MissingRun, RowCounts
from candleray.ingest import InsertReport
from candleray.markets import InstrumentReference
from candleray.preflight import Preflight
from candleray.settings import Settings
from candleray.stores.jobs import Jobs
from candleray.stores.postgres import Postgres
from candleray.stores.valkey import Valkey
from serve_apps.telemetry import Metrics


class StoreCall(Protocol):
    """Calls a method of the candle store by its name, wherever the store is."""

    async def __call__(self, method: str, *arguments: Any) -> Any: ...


def in_process(store: Any) -> StoreCall:
    async def call(method: str, *arguments: Any) -> Any:
        return await asyncio.to_thread(getattr(store, method), *arguments)

    return call


class CandleStoreClient:
    """The candle store's methods, typed and awaited; their meaning and errors are the store's own."""

    def __init__(self, call: StoreCall) -> None:
        self._call = call

    async def ping(self) -> None:
        await self._call("ping")

    async def span(self, market_id: int, symbol: str) -> tuple[int, int]:
        return await self._call("span", market_id, symbol)

    async def read(self, market_id: int, symbol: str, start_ms: int, end_ms: int) -> Candles:
        return await self._call("read", market_id, symbol, start_ms, end_ms)

    async def coverage(self, market_id: int | None, symbol: str | None) -> list[Coverage]:
        return await self._call("coverage", market_id, symbol)

    async def counts(self) -> list[RowCounts]:
        return await self._call("counts")

    async def missing(self, market_id: int, symbol: str, start_ms: int, end_ms: int) -> tuple[MissingRun, ...]:
        return await self._call("missing", market_id, symbol, start_ms, end_ms)

    async def instruments(self, market_id: int | None, q: str, limit: int) -> list[InstrumentReference]:
        return await self._call("instruments", market_id, q, limit)

    async def put_instruments(self, instruments: Sequence[InstrumentReference]) -> int:
        return await self._call("put_instruments", instruments)

    async def insert(self, market_id: int, symbol: str, rows: CandleRows) -> InsertReport:
        return await self._call("insert", market_id, symbol, rows)


Probe = Callable[[], Awaitable[None]]
"""Returns when its service answers; raises a `CandlerayError` when it does not."""


@dataclass(frozen=True)
class Backend:
    settings: Settings
    candles: CandleStoreClient
    run_backtest: Callable[[BacktestRequest], Coroutine[Any, Any, BacktestResult]]
    preflight: Callable[[BacktestRequest], Coroutine[Any, Any, Preflight]]
    job_request: Callable[[BacktestRequest], Coroutine[Any, Any, BacktestRequest]]
    """The request as a job runs it; raises `GuardExceeded` where no job may ask for that."""
    probes: Mapping[str, Probe]
    """By the service's name."""
    metrics: Metrics
    postgres: Callable[[], Awaitable[Postgres]]
    """Opened by the first call that finds it; raises `ServiceUnavailable` until then."""
    valkey: Callable[[], Awaitable[Valkey]]
    close: Callable[[], Awaitable[None]] | None = None
    """Lets go of connections when the replica stops."""

    async def jobs(self) -> Jobs:
        return Jobs(await self.postgres(), self.settings.jobs)


async def _backend_of(request: Request) -> Backend:
    backend: Backend = request.app.state.backend
    return backend


InBackend = Annotated[Backend, Depends(_backend_of)]
