"""The course of a null model: the search over its candles is made, and follows over each history of chance."""

from __future__ import annotations

import asyncio
import time

from candleray.backtests.chance.luck import History
from candleray.backtests.chance.null_model import NullModel, NullQuery
from candleray.backtests.metrics import MetricValue
from candleray.backtests.preflight import Guard
from candleray.backtests.request import BacktestRequest
from candleray.backtests.result import BacktestResult
from candleray.market_data.bar_reader import CandleReader
from candleray.search.bars import Bars, read_bars
from candleray.search.estimate import compute_bytes, refuse_exceeded
from candleray.search.in_process import best_of
from candleray.search.nulls.bests_of_histories import held_against
from candleray.search.nulls.histories import history
from candleray.search.ranges import ranges
from candleray.search.variants import VariantGrid, resolve
from candleray.settings import BacktestSettings, Settings
from candleray.work_elsewhere import Compute

PARTS = 2
"""Parts of the histories that are searched at once; each holds all planes of the search."""

COMPILED_OVER = 64
"""Bars over which a search compiles and loads all that it needs."""


def of_best(request: BacktestRequest, settings: Settings) -> BacktestRequest:
    """Return the search of which the best variant alone is answered.

    Raises:
        InvalidInput: it reads other candles than its own, which no history of chance goes with.
    """
    alone = {"top_k": 1, "trades_for": 0, "luck": None}
    whole = resolve(request, settings.backtests).model_copy(update=alone)
    VariantGrid(whole).require_lone_bars("signals")
    return whole


async def nulls(
    result: BacktestResult, query: NullQuery, store: CandleReader, settings: Settings, compute: Compute
) -> NullModel:
    """Hold the answer to a search of `of_best` against the same search over histories of chance.

    Raises:
        GuardExceeded: the histories take too much memory, or too long for one answer.
    """
    request = result.request
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
    luck = [first, *(one for part in parts for one in part)]
    return held_against(query, result.request, result.top, luck, query.first, result.notes)


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
    return [
        best_of(history(bars, model, seed, number), request, defaults.warmup_bars) for number in range(first, last)
    ]


def timed_best(
    bars: Bars, request: BacktestRequest, defaults: BacktestSettings, model: History, seed: int, number: int
) -> tuple[MetricValue, float]:
    """Return the best over one history, and the seconds that it takes once every kernel is compiled."""
    made = history(bars, model, seed, number)
    best_of(made.head(min(bars.stop, COMPILED_OVER)), request, defaults.warmup_bars)
    began = time.perf_counter()
    return best_of(made, request, defaults.warmup_bars), time.perf_counter() - began


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
