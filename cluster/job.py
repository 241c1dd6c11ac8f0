"""The driver of one job: a process of its own, started as a Ray Job (`python -m cluster.job ID ATTEMPT ADDRESS`).

It runs the search of a synchronous backtest phase by phase, tells Postgres twice a second how far it is, and
leaves a checkpoint there every two seconds. Whatever kills it, the next attempt goes on from that checkpoint, and
because the ranking's order is total the answer is the same to the byte.
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import time
from collections.abc import Awaitable
from contextlib import suppress
from typing import Any, TypeVar
from uuid import UUID

import ray
from ray.exceptions import RayError, RayTaskError

from actors.answers import own_errors
from actors.candle_calls import ActorCall
from actors.options import NAMESPACE
from candleray import engine
from candleray.backtests import BacktestRequest, BacktestResult, Elapsed
from candleray.bars import CandleReader
from candleray.candle_store_client import CandleStoreClient
from candleray.checkpoints import Checkpoint, Sweep
from candleray.errors import CandlerayError, InstanceError
from candleray.guards import refuse_exceeded
from candleray.jobs import JobState
from candleray.logs import configure_logs, get_logger
from candleray.preflight import Guard
from candleray.rankings import Ranking
from candleray.settings import Settings, get_settings
from candleray.stops import shortlisted
from candleray.stores.jobs import Jobs, Progress, Superseded
from candleray.stores.postgres import Postgres
from candleray.variants import VariantGrid, engine_params_hash
from cluster import tasks
from cluster.grid import FanOut, measured_costs, read_bars, stage_a, stage_b
from cluster.runtime import own_error

log = get_logger("job")
T = TypeVar("T")


class Cancelled(Exception):  # not an error that a person meets
    """Somebody asked for the end of this job."""


class Search:
    """One attempt at one job: its phases, and what of them is to be told and kept."""

    def __init__(self, request: BacktestRequest, checkpoint: Checkpoint | None, settings: Settings) -> None:
        self.grid = VariantGrid(request)
        self.settings = settings
        self.phase = "candles"
        self.done, self.total = 0, 1
        self.sweeps: dict[str, Sweep] = {}
        """By phase: what this attempt ranks, and what former ones have ranked."""
        self.candles_hash: str | None = None
        self.expected_s: float | None = None
        self.elapsed_s: dict[str, float] = dict(checkpoint.elapsed_s) if checkpoint else {}
        self.entered = asyncio.Event()
        """A phase has begun since it was cleared."""
        self._engine = engine_params_hash(request, settings.backtests.warmup_bars)
        self._checkpoint = checkpoint
        self._phase_began = time.monotonic()
        self._ranked_since: tuple[float, int] | None = None

    async def run(self, candles: CandleReader) -> BacktestResult:
        grid, warmup = self.grid, self.settings.backtests.warmup_bars
        bars = await read_bars(candles, grid, warmup)
        self._take_up(bars.hash)
        bars_ref = ray.put(bars)
        costs = await measured_costs(bars_ref, grid, warmup)
        log.info("job_calibrated", core_seconds=round(costs.total_s(grid), 3))
        self.expected_s = costs.total_s(grid) / max(1, int(ray.cluster_resources().get("CPU", 1)))
        self._require_short(self.expected_s)
        fan_out = FanOut(grid, bars_ref, costs, self.settings.compute)
        self._enter("planes")
        await fan_out.build_planes(warmup, self._tell)
        ranking, shortlist = Ranking.empty(), None
        if grid.needs_stage_a:
            ranking = await self._ranked(stage_a(grid), lambda sweep: fan_out.rank(sweep, self._tell))
        if grid.has_stops:
            bases, shortlist = shortlisted(grid, ranking)
            self._enter("tables")
            await fan_out.finish_tables(self._tell)
            ranking = await self._ranked(
                stage_b(grid), lambda sweep: fan_out.rank_under_stops(sweep, bases, self._tell)
            )
        self._enter("reports")
        top = await fan_out.report(ranking, self._tell)
        self._enter("done")
        return engine.result_of(bars, grid, warmup, self._elapsed(), top, shortlist, ranking.pruned)

    def progress(self) -> Progress:
        sweep = self._sweep
        return Progress(
            phase=self.phase,
            done=sweep.done if sweep else self.done,
            total=sweep.total if sweep else self.total,
            variants_done=sum(one.done for one in self.sweeps.values()),
            variants_per_s=self._rate(),
            best_total_return_pct=self._best(),
            candles_hash=self.candles_hash,
            expected_s=self.expected_s,
            tasks_done=self.done,
            tasks_total=self.total,
        )

    def checkpoint(self) -> Checkpoint | None:
        """None before anything is ranked."""
        if self.candles_hash is None or not any(sweep.done for sweep in self.sweeps.values()):
            return None
        return Checkpoint(self.candles_hash, self._engine, tuple(self.sweeps.values()), self._elapsed_s())

    def _take_up(self, candles_hash: str) -> None:
        """What other attempts have ranked counts over the very same candles, by the very same engine, alone."""
        self.candles_hash = candles_hash
        saved = self._checkpoint
        if saved and (saved.candles_hash, saved.engine_params_hash) == (candles_hash, self._engine):
            # All of it at once: a checkpoint of this attempt must not forget a phase that it has yet to come to.
            self.sweeps = {sweep.phase: sweep for sweep in saved.sweeps}
        elif saved:
            log.warning("job_starts_over", reason="the candles or the engine have changed since its checkpoint")
            self.elapsed_s = {}

    def _require_short(self, seconds: float) -> None:
        """
        Raises:
            GuardExceeded: the search would take longer than any job may.
        """
        limit = self.settings.jobs.max_seconds
        refuse_exceeded([Guard(name="seconds", number=round(seconds, 1), limit=limit)], "any job")

    async def _ranked(self, sweep: Sweep, rank: Any) -> Ranking:
        sweep = self.sweeps.setdefault(sweep.phase, sweep)
        self._enter(sweep.phase)
        self._ranked_since = (time.monotonic(), sweep.done)
        if not sweep.is_complete:
            await rank(sweep)
        self._ranked_since = None
        return sweep.ranking

    @property
    def _sweep(self) -> Sweep | None:
        return self.sweeps.get(self.phase)

    def _best(self) -> float | None:
        """Of the newest sweep that has any: before Stage B the best without stops."""
        found = [sweep.ranking for sweep in self.sweeps.values() if len(sweep.ranking)]
        return float(found[-1].total_return_pct[0]) if found else None

    def _rate(self) -> float | None:
        if self._ranked_since is None or self._sweep is None:
            return None
        began, done = self._ranked_since
        seconds = time.monotonic() - began
        ranked = self._sweep.done - done
        return ranked / seconds if ranked and seconds > 0 else None

    def _tell(self, done: int, total: int) -> None:
        self.done, self.total = done, total

    def _enter(self, phase: str) -> None:
        self.elapsed_s = self._elapsed_s()
        self.phase, self.done, self.total = phase, 0, 1
        self._phase_began = time.monotonic()
        self.entered.set()

    def _elapsed_s(self) -> dict[str, float]:
        spent = time.monotonic() - self._phase_began
        return {**self.elapsed_s, self.phase: round(self.elapsed_s.get(self.phase, 0.0) + spent, 4)}

    def _elapsed(self) -> Elapsed:
        names = {"stage-a": "variants", "stage-b": "combinations", "done": None}
        spent = {names.get(phase, phase): seconds for phase, seconds in self.elapsed_s.items()}
        known = {name: seconds for name, seconds in spent.items() if name}
        return Elapsed(**known, total=round(sum(known.values()), 4))


class Heart:
    """Tells Postgres about a search while it runs, and hears from there that it shall end."""

    def __init__(self, jobs: Jobs, job_id: UUID, attempt: int, search: Search, settings: Settings) -> None:
        self._jobs = jobs
        self._job_id = job_id
        self._attempt = attempt
        self._search = search
        self._limits = settings.jobs
        self._saved_at = time.monotonic()

    async def beat_until_cancelled(self) -> None:
        """Returns when the job shall be cancelled. A database that is away for a while ends nothing.

        Raises:
            Superseded: another attempt has taken over.
        """
        while True:
            with suppress(CandlerayError):
                if await self.beat():
                    return
            # A phase that is shorter than a heartbeat is told as well.
            with suppress(TimeoutError):
                await asyncio.wait_for(self._search.entered.wait(), self._limits.heartbeat_s)
            self._search.entered.clear()

    async def beat(self, last: bool = False) -> bool:
        due = last or time.monotonic() - self._saved_at >= self._limits.checkpoint_s
        checkpoint = self._search.checkpoint() if due else None
        progress = self._search.progress()
        cancel = await self._jobs.tell(self._job_id, self._attempt, progress, checkpoint)
        if checkpoint:
            self._saved_at = time.monotonic()
        return cancel


async def drive(jobs: Jobs, job_id: UUID, attempt: int, settings: Settings) -> None:
    """Run the job to its end, whichever that is.

    Raises:
        Superseded: another attempt has taken it over.
    """
    request, checkpoint = await jobs.job_to_run(job_id, attempt)
    search = Search(request, checkpoint, settings)
    heart = Heart(jobs, job_id, attempt, search, settings)
    try:
        with own_errors("the cluster"):
            result = await _unless(
                heart.beat_until_cancelled(), search.run(CandleStoreClient(ActorCall(settings)))
            )
    except Cancelled:
        await _patiently(lambda: heart.beat(last=True))
        await _patiently(lambda: jobs.move(job_id, JobState.CANCELLED, "cancelled by its user", attempt))
    except CandlerayError as error:
        # What is not of the request itself passes: the scheduler sends another driver.
        if error.status >= 500:
            raise
        code, message = error.code, error.message
        await _patiently(lambda: jobs.move(job_id, JobState.FAILED, code, attempt, message))
    except RayTaskError:
        # Our own code failed on it, and would again; a worker that was killed comes as another error.
        log.exception("job_failed", job_id=str(job_id))
        reason = "the search failed; the log of its driver says why"
        await _patiently(lambda: jobs.move(job_id, JobState.FAILED, "internal", attempt, reason))
    else:
        await _patiently(lambda: jobs.finish(job_id, attempt, result))


async def _unless(cancelled: Awaitable[None], work: Awaitable[T]) -> T:
    """The outcome of `work`.

    Raises:
        Cancelled: `cancelled` returned first.
    """
    heart, working = asyncio.ensure_future(cancelled), asyncio.ensure_future(work)
    try:
        await asyncio.wait({heart, working}, return_when=asyncio.FIRST_COMPLETED)
        if working.done():
            return working.result()
        heart.result()
        raise Cancelled
    finally:
        for task in (heart, working):
            task.cancel()
        await asyncio.wait({heart, working}, timeout=1.0)


async def _patiently(call: Any) -> None:
    """Again until the database answers: it may be starting anew, and what was found must not be lost to that."""
    give_up_at = time.monotonic() + 60.0
    while True:
        try:
            await call()
            return
        except CandlerayError:
            if time.monotonic() > give_up_at:
                raise
            await asyncio.sleep(0.5)


async def main(job_id: UUID, attempt: int) -> int:
    settings = get_settings()
    url = settings.services.postgres_url
    if url is None:
        raise InstanceError("the setting postgres_url names no address")
    postgres = await Postgres.open(url.get_secret_value(), max_connections=2)
    try:
        working = asyncio.ensure_future(drive(Jobs(postgres, settings.jobs), job_id, attempt, settings))
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, working.cancel)
        await working
    except Superseded as reason:
        log.warning("job_superseded", reason=str(reason))
    except asyncio.CancelledError:
        log.warning("job_stopped", reason="SIGTERM; another attempt goes on from the checkpoint")
        return 1
    except (CandlerayError, RayError) as error:
        log.error("job_attempt_failed", reason=str(own_error(error))[:500])
        return 1
    finally:
        await postgres.close()
    return 0


if __name__ == "__main__":
    configure_logs(get_settings().log_level)
    os.environ["RAY_ADDRESS"] = sys.argv[3]
    ray.init(sys.argv[3], namespace=NAMESPACE, log_to_driver=False, logging_level="WARNING")
    tasks.warm_workers()  # they start while the candles are read
    code = asyncio.run(main(UUID(sys.argv[1]), int(sys.argv[2])))
    os._exit(code)  # Ray's own shutdown takes seconds, in which the job would count as running
