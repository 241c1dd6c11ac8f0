"""The course of a null model: the search over its candles is made, and follows over each history of chance."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Any, TypeAlias

from candleray.backtests.metrics import MetricValue
from candleray.backtests.null_model import History, NullModel, NullQuery, NullSearch, null_model
from candleray.backtests.phase import Phase
from candleray.backtests.preflight import Guard
from candleray.backtests.rank_by import ranking_metric
from candleray.backtests.request import BacktestRequest
from candleray.backtests.result import BacktestResult
from candleray.errors import invalid
from candleray.market_data.bar_reader import CandleReader
from candleray.search.bars import Bars, read_bars
from candleray.search.estimate import compute_bytes, refuse_exceeded
from candleray.search.in_process import InProcess
from candleray.search.nulls.histories import history
from candleray.search.phases import Stopwatch, search
from candleray.search.ranges import ranges
from candleray.search.variants import VariantGrid, resolve
from candleray.settings import BacktestSettings, Settings

Compute: TypeAlias = Callable[..., Awaitable[Any]]
"""Calls a function with its arguments, wherever there is room for its work."""

PARTS = 2
"""Parts of the histories that are searched at once; each holds all planes of the search."""

COMPILED_OVER = 64
"""Bars over which a search compiles and loads all that it needs."""


def of_best(request: BacktestRequest, settings: Settings) -> BacktestRequest:
    """Return the search of which the best variant alone is answered.

    Raises:
        InvalidInput: it reads other candles than its own, which no history of chance goes with.
    """
    whole = resolve(request, settings.backtests).model_copy(update={"top_k": 1, "trades_for": 0})
    if VariantGrid(whole).numbering.sources:
        raise invalid(
            "signals",
            "other_candles",
            "its conditions read another timeframe or instrument, and a history of chance has the bars of one "
            "instrument alone: leave these conditions out",
        )
    return whole


async def nulls(
    result: BacktestResult, query: NullQuery, store: CandleReader, settings: Settings, compute: Compute
) -> NullModel:
    """Hold the answer to a search of `of_best` against the same search over histories of chance.

    Raises:
        GuardExceeded: the histories take too much memory, or too long for one answer.
    """
    request = result.request.model_copy(update={"verdict": False})
    grid, defaults = VariantGrid(request), settings.backtests
    bars = await read_bars(store, grid, defaults)
    _require_room(grid, bars, settings)
    first, seconds = await compute(timed_best, bars, request, defaults, query.model, query.seed, query.first)
    _require_time(query, seconds, settings)
    begun = query.first + 1
    parts = await asyncio.gather(
        *(
            compute(bests, bars, request, defaults, query.model, query.seed, begun + begin, begun + end)
            for begin, end in ranges(query.walks - 1, PARTS)
        )
    )
    return null_model(_searched(result, query), [first, *(one for part in parts for one in part)])


def _searched(result: BacktestResult, query: NullQuery) -> NullSearch:
    best = result.top[0] if result.top else None
    return NullSearch(
        request=result.request,
        model=query.model,
        seed=query.seed,
        first=query.first,
        best=None if best is None else best.metrics[ranking_metric(result.request.rank_by).name],
        variant_index=None if best is None else best.variant_index,
        strategy=None if best is None else best.strategy,
        notes=result.notes,
    )


def bests(
    bars: Bars,
    request: BacktestRequest,
    defaults: BacktestSettings,
    model: History,
    seed: int,
    first: int,
    last: int,
) -> list[MetricValue]:
    """Return the best by the metric that ranks, over each of the histories `[first, last)`."""
    return [best_of(history(bars, model, seed, number), request, defaults) for number in range(first, last)]


def timed_best(
    bars: Bars, request: BacktestRequest, defaults: BacktestSettings, model: History, seed: int, number: int
) -> tuple[MetricValue, float]:
    """Return the best over one history, and the seconds that it takes once every kernel is compiled."""
    made = history(bars, model, seed, number)
    best_of(made.head(min(bars.stop, COMPILED_OVER)), request, defaults)
    began = time.perf_counter()
    return best_of(made, request, defaults), time.perf_counter() - began


def best_of(bars: Bars, request: BacktestRequest, defaults: BacktestSettings) -> MetricValue:
    """Return the metric of the variant that ranks first, by the course of every search; None where none ranks."""
    grid = VariantGrid(request)
    workers = InProcess(grid, bars, defaults.warmup_bars)
    top = asyncio.run(search(grid, bars, workers, Stopwatch(Phase.CANDLES), defaults)).top
    return top[0].metrics[ranking_metric(request.rank_by).name] if top else None


def _require_room(grid: VariantGrid, bars: Bars, settings: Settings) -> None:
    """Refuse a search of which several at once take more memory than one request may.

    Raises:
        GuardExceeded: with the bytes, and the limit.
    """
    number = PARTS * compute_bytes(grid, bars.count)
    guard = Guard(name="compute_bytes", number=number, limit=settings.guards.max_compute_bytes)
    refuse_exceeded([guard], f"{PARTS} histories of chance at once")


def _require_time(query: NullQuery, seconds: float, settings: Settings) -> None:
    """Refuse more histories than can be searched in the time of an answer.

    Raises:
        GuardExceeded: with the seconds, and the limit.
    """
    number = round(query.walks * seconds, 3)
    guard = Guard(name="seconds", number=number, limit=settings.api.backtest_timeout_s)
    refuse_exceeded([guard], "one answer: ask for fewer walks, and for those that follow by first")
