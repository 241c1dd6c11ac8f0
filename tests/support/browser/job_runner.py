"""The jobs of a served API, run by the product's own search in this process: a driver without a cluster."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from candleray.backtests.phase import Phase
from candleray.backtests.result import BacktestResult
from candleray.databases.postgres import Postgres
from candleray.errors import CandlerayError
from candleray.jobs.attempts import Attempts
from candleray.jobs.job import JobState
from candleray.market_data.candle_store import CandleStore
from candleray.market_data.candle_store_client import CandleStoreClient
from candleray.search.bars import read_bars
from candleray.search.in_process import InProcess
from candleray.search.phases import Stopwatch, search
from candleray.search.variants import VariantGrid
from candleray.settings import JobSettings, Settings
from tests.support.api.in_process_api import in_process
from tests.support.waiting import PATIENCE_S

LOOK_S = 0.05


@contextmanager
def running_jobs(store: CandleStore, postgres_url: str) -> Iterator[None]:
    """Take up whatever is submitted, one after the other, until the block ends."""
    over = threading.Event()
    thread = threading.Thread(target=lambda: asyncio.run(_run_all(store, postgres_url, over)), daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join(PATIENCE_S)


async def _run_all(store: CandleStore, postgres_url: str, over: threading.Event) -> None:
    postgres = await Postgres.open(postgres_url, max_connections=1)
    attempts = Attempts(postgres, JobSettings())
    while not over.is_set():
        taken = await attempts.take_next()
        if taken is None:
            await asyncio.sleep(LOOK_S)
            continue
        job_id, attempt = taken
        try:
            request, _ = await attempts.job_to_run(job_id, attempt)
            result = await _searched(store, VariantGrid(request))
        except CandlerayError as error:
            await attempts.move(job_id, JobState.FAILED, "it could not go on", attempt, str(error))
        else:
            await attempts.finish(job_id, attempt, result)
    await postgres.close()


async def _searched(store: CandleStore, grid: VariantGrid) -> BacktestResult:
    settings = Settings(environment="test").backtests
    bars = await read_bars(CandleStoreClient(in_process(store)), grid, settings)
    workers = InProcess(grid, bars, settings.warmup_bars)
    return await search(grid, bars, workers, Stopwatch(Phase.CANDLES), settings)
