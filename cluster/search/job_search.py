"""The search of a job: its preparation, and what of its course is told and kept."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping

import ray

from candleray.backtests.phase import Phase
from candleray.backtests.preflight import Guard
from candleray.backtests.request import BacktestRequest
from candleray.backtests.result import BacktestResult, Elapsed
from candleray.jobs.checkpoint import Checkpoint
from candleray.jobs.forecast import Forecast
from candleray.jobs.job import Progress
from candleray.logs import get_logger
from candleray.market_data.bar_reader import CandleReader
from candleray.search import phases
from candleray.search.bars import Bars, read_bars
from candleray.search.costs import Costs
from candleray.search.estimate import refuse_exceeded
from candleray.search.phases import Stopwatch
from candleray.search.sweep import Sweep, newest_ranked
from candleray.search.variants import VariantGrid, engine_params_hash
from candleray.settings import Settings
from cluster.search.compiling import compile_kernels
from cluster.search.fan_out import FanOut
from cluster.search.measured_costs import Measuring
from cluster.search.shared_arrays import SharedArrays

log = get_logger("job")


class Search:
    """One attempt at one job: it watches the course of its own search."""

    def __init__(self, request: BacktestRequest, checkpoint: Checkpoint | None, settings: Settings) -> None:
        self.grid = VariantGrid(request)
        self.settings = settings
        self.done, self.total = 0, 1
        self.sweeps: dict[Phase, Sweep] = {}
        """Sweeps by phase: what this attempt ranks, and what former ones have ranked."""
        self.candles_hash: str | None = None
        self.expected_s: float | None = None
        self.news = asyncio.Event()
        """A phase has begun, or the number of its tasks is known, since it was cleared."""
        self._engine = engine_params_hash(request, settings.backtests)
        self._checkpoint = checkpoint
        self._stopwatch = Stopwatch(Phase.CANDLES, checkpoint.elapsed_s if checkpoint else None)
        self._search_began = time.monotonic()
        self._forecast = Forecast({})
        self._ranked_since: tuple[float, int] | None = None

    @property
    def phase(self) -> Phase:
        return self._stopwatch.phase

    async def run(self, candles: CandleReader) -> BacktestResult:
        """Read the bars, prepare, then search as every search goes."""
        grid, defaults = self.grid, self.settings.backtests
        bars = await read_bars(candles, grid, defaults)
        self._go_on_from_checkpoint(bars.hash)
        await compile_kernels(grid, bars, defaults.warmup_bars, self.begin)
        return await phases.search(grid, bars, await self._workers(bars), self, defaults)

    async def _workers(self, bars: Bars) -> FanOut:
        """Submit the arrays that the search ranks over, and measure what it costs.

        Raises:
            GuardExceeded: the search would take longer than any job may.
        """
        warmup, bars_ref = self.settings.backtests.warmup_bars, ray.put(bars)
        measuring, arrays = Measuring(bars_ref, self.grid, warmup), None
        try:
            # Planes and tables take no more than these costs, and the worker that measured them is free.
            signals = await measuring.signals()
            arrays = SharedArrays(self.grid, bars_ref, signals, self.settings.compute, warmup)
            costs = await measuring.all()
            log.info("job_calibrated", core_seconds=round(costs.total_s(self.grid), 3))
            self._require_short(self._expect(costs, arrays.left()))
        except BaseException:
            for begun in (measuring, arrays):
                if begun is not None:
                    begun.cancel()
            raise
        return FanOut(arrays, costs, self.settings.compute)

    def begin(self, phase: Phase) -> None:
        self._stopwatch.begin(phase)
        self.done, self.total = 0, 1
        self._ranked_since = None
        if phase is Phase.PLANES:
            self._search_began = time.monotonic()
        if sweep := self._sweep:
            self._ranked_since = (time.monotonic(), self._simulated(sweep))
            self._forecast.shorten(phase, sweep.done / max(1, sweep.total))
        self.news.set()

    def take_up(self, sweep: Sweep) -> Sweep:
        return self.sweeps.setdefault(sweep.phase, sweep)

    def tell(self, done: int, total: int) -> None:
        if total != self.total:
            self.news.set()
        self.done, self.total = done, total

    def elapsed(self) -> Elapsed:
        return self._stopwatch.elapsed()

    def progress(self) -> Progress:
        sweep = self._sweep
        spent_s = time.monotonic() - self._search_began
        left_s = self._forecast.left_s(self.phase, self.done / max(1, self.total), spent_s)
        return Progress(
            phase=self.phase,
            done=sweep.done if sweep else self.done,
            total=sweep.total if sweep else self.total,
            variants_done=sum(map(self._simulated, self.sweeps.values())),
            variants_per_s=self._rate(),
            best_total_return_pct=self._best(),
            candles_hash=self.candles_hash,
            expected_s=self.expected_s,
            tasks_done=self.done,
            tasks_total=self.total,
            eta_s=None if left_s is None else round(left_s, 1),
        )

    def _simulated(self, sweep: Sweep) -> int:
        """Return how many accounts a sweep has walked through bars: one a variant, many a history of chance."""
        return sweep.done * (self.grid.simulations_of_a_history if sweep.phase is Phase.LUCK else 1)

    def checkpoint(self) -> Checkpoint | None:
        """Return what is ranked so far; None before anything is."""
        if self.candles_hash is None or not any(sweep.done for sweep in self.sweeps.values()):
            return None
        return Checkpoint(self.candles_hash, self._engine, tuple(self.sweeps.values()), self._stopwatch.by_phase())

    def _go_on_from_checkpoint(self, candles_hash: str) -> None:
        """Take over what former attempts have ranked over the very same candles, by the very same engine."""
        self.candles_hash = candles_hash
        saved = self._checkpoint
        if saved and (saved.candles_hash, saved.engine_params_hash) == (candles_hash, self._engine):
            # All of it at once: a checkpoint of this attempt must not forget a phase that it has yet to come to.
            self.sweeps = {sweep.phase: sweep for sweep in saved.sweeps}
        elif saved:
            log.warning("job_starts_over", reason="the candles or the engine have changed since its checkpoint")
            self._stopwatch = Stopwatch(Phase.CANDLES)

    def _expect(self, costs: Costs, left: Mapping[Phase, float]) -> float:
        """Return the seconds expected on all cores; of some phases a part is done already."""
        cpus = max(1, int(ray.cluster_resources().get("CPU", 1)))
        by_phase = {
            phase: seconds * left.get(phase, 1.0) / cpus for phase, seconds in costs.by_phase(self.grid).items()
        }
        self._forecast = Forecast(by_phase)
        self.expected_s = sum(by_phase.values())
        return self.expected_s

    def _require_short(self, seconds: float) -> None:
        """Refuse a search that takes too long.

        Raises:
            GuardExceeded: the search would take longer than any job may.
        """
        limit = self.settings.jobs.max_seconds
        refuse_exceeded([Guard(name="seconds", number=round(seconds, 1), limit=limit)], "any job")

    @property
    def _sweep(self) -> Sweep | None:
        return self.sweeps.get(self.phase)

    def _best(self) -> float | None:
        sweep = newest_ranked(self.sweeps.values())
        return float(sweep.ranking.total_return_pct[0]) if sweep else None

    def _rate(self) -> float | None:
        if self._ranked_since is None or self._sweep is None:
            return None
        began, done = self._ranked_since
        seconds = time.monotonic() - began
        ranked = self._simulated(self._sweep) - done
        return ranked / seconds if ranked and seconds > 0 else None
