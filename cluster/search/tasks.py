"""Ray tasks, one for each step of a search: each fetches shared arrays without a copy, calls the engine, returns.

A task's arguments are ids and references, its answer its own top K: two thousand of them pending cost nothing.
Chunks of planes come as nested references, so that a task fetches them itself and Ray does not copy them.
"""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from contextlib import suppress
from typing import Any, TypeAlias

import ray

import kernels.bits
import kernels.compared_series
import kernels.pairs
import kernels.rollup
import kernels.simulation.entry_bars
import kernels.simulation.equity_curve
import kernels.simulation.levels.first_passages
import kernels.simulation.marks
import kernels.simulation.prices
import kernels.simulation.pruned.pruning
import kernels.simulation.under_stops
import kernels.simulation.without_stops
import kernels.trust.blocks
import kernels.trust.flips
import kernels.trust.halves
from candleray.backtests.explanation import Explanation
from candleray.backtests.request import BacktestRequest
from candleray.backtests.result import RankedVariant
from candleray.candles import IntArray
from candleray.search import costs, engine, in_process
from candleray.search.bars import Bars
from candleray.search.explaining import looked_at
from candleray.search.phases import Tell
from candleray.search.rankings import Ranking
from candleray.search.reports import report_variants as report
from candleray.search.signals import constant_conditions as constants
from candleray.search.stop_tables import PassageArray, Tables
from candleray.search.variants import VariantGrid
from candleray.settings import BacktestSettings
from kernels.jit import load
from kernels.simulation.entry_bars import EntryBars

CANCEL_WITHIN_S = 20.0
"""Ray takes up a request to cancel sooner: within 0.03 s on a busy machine."""

AGAIN_S = (1.0, 8.0)
"""The first and the longest pause before a task without an answer is cancelled again."""

TablePart: TypeAlias = tuple[engine.PlaneArray, dict[int, PassageArray]]
"""The bars that all tables are about, and some of the tables by their numbers."""


@ray.remote(num_cpus=1, max_retries=5)
def _run(step: Callable[..., Any], *arguments: Any) -> Any:
    """Run any step: so a worker fetches what Ray calls a function once, and not in each phase.

    A killed worker's task runs again elsewhere; an error of ours would only come again, so it is not retried.
    """
    hear_cancels()
    return step(*arguments)


def hear_cancels() -> None:
    """Let Ray interrupt this process's tasks: it does so through SIGINT.

    A shell that starts something in the background has it ignored, and every process below inherits that.
    """
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


def submit(phase: str, step: Callable[..., Any], *arguments: Any) -> Any:
    """Submit one of the functions below; return a reference to its answer.

    References among its arguments are fetched.
    """
    return _run.options(name=phase).remote(step, *arguments)


def submit_some(answers: int, phase: str, step: Callable[..., Any], *arguments: Any) -> list[Any]:
    """Submit one that gives so many answers; return a reference to each."""
    refs = _run.options(name=phase, num_returns=answers).remote(step, *arguments)
    return [refs] if answers == 1 else list(refs)


def build_planes(
    bars: Bars, request: BacktestRequest, parts: Sequence[tuple[int, int]], default_warmup: int
) -> engine.PlaneArray | list[engine.PlaneArray]:
    """Make the planes of some ranges together; the only chunk itself where there is one."""
    chunks = engine.planes_in(bars, VariantGrid(request), parts, default_warmup)
    return chunks[0] if len(chunks) == 1 else chunks


def compile_planes(bars: Bars, request: BacktestRequest, default_warmup: int) -> None:
    engine.compile_planes(bars, VariantGrid(request), default_warmup)


def constant_conditions(bars: Bars, request: BacktestRequest, plane_refs: list[Any]) -> tuple[str, ...]:
    planes = engine.Planes.over(ray.get(plane_refs))
    return constants.constant_conditions(VariantGrid(request), planes, bars.count)


def explain(
    bars: Bars, whole: BacktestRequest, one: BacktestRequest, variant_index: int, defaults: BacktestSettings
) -> Explanation:
    return looked_at(bars, whole, one, variant_index, defaults)


def rank_variants(bars: Bars, request: BacktestRequest, plane_refs: list[Any], first: int, last: int) -> Ranking:
    planes = engine.Planes.over(ray.get(plane_refs))
    return engine.rank_variants(bars, VariantGrid(request), planes, first, last)


def build_tables(
    bars: Bars, request: BacktestRequest, numbers: Sequence[int], *planes: engine.PlaneArray
) -> TablePart:
    """Make some tables, after the planes.

    Each part finds the entry bars anew: that takes 2 ms, a task of its own 12.
    """
    grid = VariantGrid(request)
    entries = engine.Planes.over(planes).entry_bars(grid)
    return entries.marks, dict(zip(numbers, engine.tables_of(bars, grid, entries, numbers), strict=True))


def rank_under_stops(
    bars: Bars,
    request: BacktestRequest,
    plane_refs: list[Any],
    bases: IntArray | range,
    first: int,
    last: int,
    *tables: TablePart,
) -> Ranking:
    """Rank a range under stops. The tables are arguments of their own, so that the task may be submitted first."""
    grid = VariantGrid(request)
    planes = engine.Planes.over(ray.get(plane_refs))
    return engine.rank_under_stops(bars, grid, planes, _tables(grid, tables), bases, first, last)


def report_variants(
    bars: Bars,
    request: BacktestRequest,
    plane_refs: list[Any],
    table_refs: list[Any],
    ranking: Ranking,
    first_rank: int,
) -> list[RankedVariant]:
    grid = VariantGrid(request)
    planes = engine.Planes.over(ray.get(plane_refs))
    tables = _tables(grid, ray.get(table_refs)) if table_refs else None
    return report(bars, grid, planes, ranking, first_rank, tables)


def _tables(grid: VariantGrid, parts: Sequence[TablePart]) -> Tables:
    tables = {number: table for _, part in parts for number, table in part.items()}
    return Tables.over(grid, [tables[number] for number in sorted(tables)], EntryBars.of(parts[0][0]))


def rank_histories(bars: Bars, request: BacktestRequest, default_warmup: int, first: int, last: int) -> Ranking:
    return in_process.rank_histories(bars, request, default_warmup, first, last)


def measure_signals(bars: Bars, request: BacktestRequest, default_warmup: int) -> costs.SignalCosts:
    return costs.measure_signals(bars, VariantGrid(request), default_warmup)


def measure_stops(bars: Bars, request: BacktestRequest, default_warmup: int) -> costs.StopCosts:
    return costs.measure_stops(bars, VariantGrid(request), default_warmup)


def load_kernels() -> None:
    """Load all that a search may run, but for its indicators."""
    load(
        kernels.bits,
        kernels.compared_series,
        kernels.pairs,
        kernels.simulation.under_stops,
        kernels.simulation.entry_bars,
        kernels.simulation.equity_curve,
        kernels.simulation.prices,
        kernels.simulation.pruned.pruning,
        kernels.rollup,
        kernels.simulation.without_stops,
        kernels.simulation.levels.first_passages,
        kernels.simulation.marks,
        kernels.trust.blocks,
        kernels.trust.flips,
        kernels.trust.halves,
    )


async def all_finished(refs: Sequence[Any], tell: Tell) -> list[Any]:
    """Return all answers in order; when one fails or the caller leaves, the rest is cancelled."""
    done = 0

    async def one(ref: Any) -> Any:
        nonlocal done
        answer = await ref
        done += 1
        tell(done, len(refs))
        return answer

    tell(0, len(refs))
    try:
        return list(await asyncio.gather(*(one(ref) for ref in refs)))
    except BaseException:
        cancel(refs)
        raise


def cancel(refs: Sequence[Any]) -> None:
    """Cancel those that have no answer yet, again and again until they have one.

    A task that begins in this very moment may not hear of it: it is asked again after 1, 2, 4, 8, 8 ... s, for as
    long as the caller's event loop runs. Where the caller's process ends before, Ray ends the tasks with it.
    """
    if pending := _pending(refs):
        _ask_to_end(pending)
        _look_later(pending, AGAIN_S[0])


def _look_later(refs: Sequence[Any], pause_s: float) -> None:
    with suppress(RuntimeError):  # no event loop runs here
        asyncio.get_running_loop().call_later(pause_s, _look_again, refs, pause_s)


def _look_again(refs: Sequence[Any], pause_s: float) -> None:
    if pending := _pending(refs):
        _ask_to_end(pending)
        _look_later(pending, min(2 * pause_s, AGAIN_S[1]))


def _ask_to_end(pending: Sequence[Any]) -> None:
    """Cancel them once.

    It is done in the thread in which Ray hears of its tasks. From any other, one that begins or ends meanwhile may
    abort this process ("Tried to complete task that was not pending", Ray 2.60): it did within 700 tries in each
    of four runs on a busy machine, and never in 6,000 tries in that thread.
    """
    cancelled: Future[None] = Future()
    there = ray.put(None)  # kept until it has called back: Ray aborts where it has gone
    # Callbacks of `there.future()` run in the caller's thread where the answer comes first.
    there._on_completed(lambda _: _cancel_all(pending, cancelled))
    cancelled.result(timeout=CANCEL_WITHIN_S)


def _cancel_all(refs: Sequence[Any], cancelled: Future[None]) -> None:
    try:
        for ref in refs:
            ray.cancel(ref, force=False)
    finally:
        cancelled.set_result(None)


def share_pending(refs: Sequence[Any]) -> float:
    """Return the share of them that has no answer yet; 0 of none."""
    return len(_pending(refs)) / len(refs) if refs else 0.0


def _pending(refs: Sequence[Any]) -> list[Any]:
    if not refs:
        return []
    _, pending = ray.wait(list(refs), num_returns=len(refs), timeout=0, fetch_local=False)
    return list(pending)
