"""The search of a job: its phases one after the other, and what of them is to be told and kept."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping
from typing import Any

import ray

from candleray.backtests.preflight import Guard
from candleray.backtests.request import BacktestRequest
from candleray.backtests.result import BacktestResult, Elapsed
from candleray.guards import refuse_exceeded
from candleray.jobs.checkpoint import Checkpoint, Sweep, newest_ranked
from candleray.jobs.forecast import Forecast
from candleray.jobs.job import Progress
from candleray.logs import get_logger
from candleray.market_data.bars import CandleReader
from candleray.search import engine
from candleray.search.costs import Costs
from candleray.search.rankings import Ranking
from candleray.search.stop_tables import shortlisted
from candleray.search.variants import VariantGrid, engine_params_hash
from candleray.settings import Settings
from cluster.bars import read_bars
from cluster.search.fan_out import FanOut, stage_a, stage_b
from cluster.search.measured_costs import Measuring
from cluster.search.shared_arrays import Groundwork

log = get_logger("job")


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
        self.news = asyncio.Event()
        """A phase has begun, or the number of its tasks is known, since it was cleared."""
        self._engine = engine_params_hash(request, settings.backtests.warmup_bars)
        self._checkpoint = checkpoint
        self._phase_began = self._search_began = time.monotonic()
        self._forecast = Forecast({})
        self._ranked_since: tuple[float, int] | None = None

    async def run(self, candles: CandleReader) -> BacktestResult:
        grid, warmup = self.grid, self.settings.backtests.warmup_bars
        bars = await read_bars(candles, grid, warmup)
        self._take_up(bars.hash)
        ground, costs = await self._prepared(ray.put(bars), warmup)
        fan_out = FanOut(ground, costs, self.settings.compute)
        self._enter("planes")
        self._search_began = self._phase_began
        await ground.planes(self._tell)
        ranking, shortlist = Ranking.empty(), None
        if grid.needs_stage_a:
            sweep = self._taken_up(stage_a(grid))
            self._begin(sweep)
            await fan_out.rank(sweep, self._tell)
            ranking = sweep.ranking
        if grid.has_stops:
            bases, shortlist = shortlisted(grid, ranking)
            sweep = self._taken_up(stage_b(grid))
            self._enter("tables")
            await fan_out.rank_under_stops(sweep, bases, lambda: self._begin(sweep), self._tell)
            ranking = sweep.ranking
        self._enter("reports")
        top = await fan_out.report(ranking, self._tell)
        self._enter("done")
        return engine.result_of(bars, grid, warmup, self._elapsed(), top, shortlist, ranking.pruned)

    async def _prepared(self, bars_ref: Any, warmup: int) -> tuple[Groundwork, Costs]:
        """What it will be ranked over, as submitted, and what it costs.

        Raises:
            GuardExceeded: the search would take longer than any job may.
        """
        measuring, ground = Measuring(bars_ref, self.grid, warmup), None
        try:
            # Planes and tables take no more than these costs, and the worker that measured them is free.
            signals = await measuring.signals()
            ground = Groundwork(self.grid, bars_ref, signals, self.settings.compute, warmup)
            costs = await measuring.all()
            log.info("job_calibrated", core_seconds=round(costs.total_s(self.grid), 3))
            self._require_short(self._expect(costs, ground.left()))
        except BaseException:
            for begun in (measuring, ground):
                if begun is not None:
                    begun.cancel()
            raise
        return ground, costs

    def progress(self) -> Progress:
        sweep = self._sweep
        spent_s = time.monotonic() - self._search_began
        left_s = self._forecast.left_s(self.phase, self.done / max(1, self.total), spent_s)
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
            eta_s=None if left_s is None else round(left_s, 1),
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

    def _expect(self, costs: Costs, left: Mapping[str, float]) -> float:
        """Seconds on all cores, of phases of which a part is done already."""
        cpus = max(1, int(ray.cluster_resources().get("CPU", 1)))
        by_phase = {
            phase: seconds * left.get(phase, 1.0) / cpus for phase, seconds in costs.by_phase(self.grid).items()
        }
        self._forecast = Forecast(by_phase)
        self.expected_s = sum(by_phase.values())
        return self.expected_s

    def _require_short(self, seconds: float) -> None:
        """
        Raises:
            GuardExceeded: the search would take longer than any job may.
        """
        limit = self.settings.jobs.max_seconds
        refuse_exceeded([Guard(name="seconds", number=round(seconds, 1), limit=limit)], "any job")

    def _taken_up(self, sweep: Sweep) -> Sweep:
        """This one, or what former attempts have done of it."""
        return self.sweeps.setdefault(sweep.phase, sweep)

    def _begin(self, sweep: Sweep) -> None:
        self._enter(sweep.phase)
        self._ranked_since = (time.monotonic(), sweep.done)
        self._forecast.shorten(sweep.phase, sweep.done / max(1, sweep.total))

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
        ranked = self._sweep.done - done
        return ranked / seconds if ranked and seconds > 0 else None

    def _tell(self, done: int, total: int) -> None:
        if total != self.total:
            self.news.set()
        self.done, self.total = done, total

    def _enter(self, phase: str) -> None:
        self.elapsed_s = self._elapsed_s()
        self.phase, self.done, self.total = phase, 0, 1
        self._phase_began = time.monotonic()
        self._ranked_since = None
        self.news.set()

    def _elapsed_s(self) -> dict[str, float]:
        spent = time.monotonic() - self._phase_began
        return {**self.elapsed_s, self.phase: round(self.elapsed_s.get(self.phase, 0.0) + spent, 4)}

    def _elapsed(self) -> Elapsed:
        names = {"stage-a": "variants", "stage-b": "combinations", "done": None}
        spent = {names.get(phase, phase): seconds for phase, seconds in self.elapsed_s.items()}
        known = {name: seconds for name, seconds in spent.items() if name}
        return Elapsed(**known, total=round(sum(known.values()), 4))
