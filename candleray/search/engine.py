"""One backtest as pure steps over arrays: bars, planes, ranges, ranking, reports.

Each step is a function of its arguments alone, so that a grid may be cut into any ranges, run by any number of
workers and merged in any order, and still give the same bytes. The cluster fans these steps out; `run` here does
them one after the other in this process.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from candleray.backtests.axes import ranges
from candleray.backtests.request import BacktestRequest
from candleray.backtests.result import BacktestResult, Elapsed, RankedVariant, Shortlist
from candleray.candles import Candles, FloatArray, IntArray
from candleray.errors import NotFound
from candleray.hashes import candles_hash
from candleray.limits import pruned_by_name, pruning_of
from candleray.notes import notes_of
from candleray.search.kernel_types import trading_rules
from candleray.search.rankings import Ranking
from candleray.search.reports import Reporter
from candleray.search.stop_tables import PassageArray, Tables, shortlisted, stop_tables
from candleray.search.variants import IndicatorVariant, VariantGrid, engine_params_hash, request_hash
from candleray.timeframes import MINUTE_MS, iso, minutes_of
from kernels.bits import plane_addresses
from kernels.indicators import INDICATORS
from kernels.rollup import rollup
from kernels.signals import PlaneSpec, build_planes
from kernels.simulation.entry_bars import EntryBars
from kernels.simulation.first_passages import Ruin, passages
from kernels.simulation.under_stops import rank_combinations
from kernels.simulation.without_stops import rank_range

PlaneArray = NDArray[np.uint64]


@dataclass(frozen=True)
class Bars:
    """The bars of a request: warm-up before `start`, then the range that trades and counts."""

    candles: Candles
    start: int
    bar_ms: int
    hash: str
    """Names the bars, the warm-up among them."""

    @property
    def stop(self) -> int:
        return len(self.candles)

    @property
    def count(self) -> int:
        return self.stop - self.start

    @property
    def close(self) -> FloatArray:
        return self.candles.column("close")[self.start :]

    @property
    def ts_open_ms(self) -> IntArray:
        return self.candles.ts_open_ms[self.start :]


def warmup_bars(grid: VariantGrid, default: int) -> int:
    """The longest warm-up of any plane: how much history to read."""
    longest = max(grid.plane(index).lookback_bars for index in range(grid.planes))
    return max(default, longest)


def bars_before(minutes: Candles, request: BacktestRequest) -> int:
    """How many full bars there are before the range."""
    early = minutes.between(0, request.time_range.start_ms)
    stamps, _ = rollup(early.ts_open_ms, np.ascontiguousarray(early.values), minutes_of(request.timeframe))
    return int(stamps.shape[0])


def bars_of(minutes: Candles, request: BacktestRequest, warmup: int) -> Bars:
    """Closed and full bars of the timeframe: the request's range, and at most `warmup` bars before it.

    Raises:
        NotFound: when no bar lies wholly in the range.
    """
    per_bar = minutes_of(request.timeframe)
    bar_ms = per_bar * MINUTE_MS
    stamps, values = rollup(minutes.ts_open_ms, minutes.values, per_bar)
    span = request.time_range
    start, stop = (int(at) for at in np.searchsorted(stamps, [span.start_ms, span.end_ms - bar_ms + 1]))
    if start >= stop:
        raise NotFound(
            f"no {request.timeframe} bar of {request.instrument.market.name} {request.instrument.symbol} "
            f"lies in {iso(span.start_ms)} to {iso(span.end_ms)}"
        )
    first = max(0, start - warmup)
    candles = Candles(np.ascontiguousarray(stamps[first:stop]), np.ascontiguousarray(values[:, first:stop]))
    return Bars(candles, start - first, bar_ms, candles_hash(candles))


def plane_of(bars: Bars, variant: IndicatorVariant, default_warmup: int) -> PlaneArray:
    """The long and short bits of one indicator variant over the range: uint64 `(2, words)`.

    Its warm-up depends on the variant alone, never on the rest of the grid.
    """
    spec = _plane_spec(bars, variant, default_warmup)
    plane: PlaneArray = build_planes(bars.candles.values, [spec], bars.start, bars.stop)[0]
    return plane


def planes_of(bars: Bars, grid: VariantGrid, first: int, last: int, default_warmup: int) -> PlaneArray:
    """The planes `[first, last)` of the grid: uint64 `(last - first, 2, words)`."""
    specs = [_plane_spec(bars, grid.plane(index), default_warmup) for index in range(first, last)]
    return build_planes(bars.candles.values, specs, bars.start, bars.stop)


def _plane_spec(bars: Bars, variant: IndicatorVariant, default_warmup: int) -> PlaneSpec:
    first = max(0, bars.start - max(default_warmup, variant.lookback_bars))
    return PlaneSpec(INDICATORS[variant.id], variant.inputs, variant.params, variant.signal, first)


@dataclass(frozen=True)
class Planes:
    """Every plane of a grid, in chunks that stay where they are: a table of addresses stands for the copy."""

    chunks: Sequence[PlaneArray]
    addresses: NDArray[np.uint64]

    @staticmethod
    def over(chunks: Sequence[PlaneArray]) -> Planes:
        return Planes(chunks, plane_addresses(list(chunks)))

    def axes(self, grid: VariantGrid) -> tuple[NDArray[np.uint64], IntArray, IntArray]:
        """Their addresses, where each indicator's begin, how many it has: as the kernels take a grid."""
        return self.addresses, np.array(grid.plane_offsets, np.int64), np.array(grid.radix.sizes, np.int64)

    def entry_bars(self, grid: VariantGrid) -> EntryBars:
        """Where some variant of the grid may enter."""
        return EntryBars.among(*self.axes(grid), self.chunks[0].shape[2])


def stage_a_keeps(grid: VariantGrid) -> int:
    """How many of the best Stage A keeps: the answer, or the shortlist and the best that is cut from it."""
    return grid.kept + 1 if grid.has_stops else grid.request.top_k or 1


CHUNK = 50_000
"""Variants ranked at once: their arrays stay in the cache, and memory does not grow with their number."""


def _by_chunks(first: int, last: int, keep: int, rank: Callable[[int, int], Ranking]) -> Ranking:
    ranking = Ranking.empty()
    count = last - first
    # Where more is kept than a chunk holds, to merge each would sort all of it again.
    for begin, end in ranges(count, -(-count // max(CHUNK, keep))):
        ranking = ranking.merged(rank(first + begin, first + end), keep)
    return ranking


def ruin_of(bars: Bars, grid: VariantGrid) -> Ruin:
    """What is the same for all variants: who ranks in many small parts passes it."""
    return Ruin.over(bars.close, trading_rules(grid.request).slippage)


def rank_variants(
    bars: Bars, grid: VariantGrid, planes: Planes, first: int, last: int, ruin: Ruin | None = None
) -> Ranking:
    """Stage A: the best of the base variants `[first, last)`, without stops."""
    shared = ruin or ruin_of(bars, grid)

    def rank(first: int, last: int) -> Ranking:
        count = last - first
        ranking = Ranking(np.arange(first, last), np.empty(count), np.empty(count, np.int64))
        fates = np.zeros(count, np.int64)
        rank_range(
            *planes.axes(grid),
            first,
            last,
            bars.close,
            trading_rules(grid.request),
            ranking.total_return_pct,
            np.empty(count, np.int64),
            ranking.conflicts,
            # Without its stops a variant is another one: what it would be pruned for then says nothing.
            None if grid.has_stops else pruning_of(grid.request, bars.ts_open_ms, bars.bar_ms),
            fates,
            shared,
        )
        return ranking.without(fates)

    return _by_chunks(first, last, stage_a_keeps(grid), rank)


def tables_of(bars: Bars, grid: VariantGrid, entries: EntryBars, numbers: Sequence[int]) -> list[PassageArray]:
    """Those of the tables that the grid needs which have these numbers."""
    tables = stop_tables(grid)
    slippage = trading_rules(grid.request).slippage
    return passages(bars.close, slippage, [tables[number] for number in numbers], entries)


def all_tables(bars: Bars, grid: VariantGrid, planes: Planes) -> Tables:
    entries = planes.entry_bars(grid)
    return Tables.over(grid, tables_of(bars, grid, entries, range(len(stop_tables(grid)))), entries)


def rank_under_stops(
    bars: Bars,
    grid: VariantGrid,
    planes: Planes,
    tables: Tables,
    bases: IntArray | range,
    first: int,
    last: int,
    ruin: Ruin | None = None,
) -> Ranking:
    """Stage B: the best `top_k` of the variants `[first, last)` of these base variants under all combinations.

    Those of one base follow those of the one before it.
    """
    shared = ruin or ruin_of(bars, grid)

    def rank(first: int, last: int) -> Ranking:
        count, each = last - first, grid.combinations.size
        chosen = np.asarray(bases[first // each : -(-last // each)], np.int64)
        offset = first % each
        at = np.arange(offset, offset + count)
        ranking = Ranking(chosen[at // each] * each + at % each, np.empty(count), np.empty(count, np.int64))
        fates = np.zeros(count, np.int64)
        rank_combinations(
            *planes.axes(grid),
            chosen,
            tables.stops,
            offset,
            offset + count,
            bars.close,
            trading_rules(grid.request),
            ranking.total_return_pct,
            np.empty(count, np.int64),
            ranking.conflicts,
            pruning_of(grid.request, bars.ts_open_ms, bars.bar_ms),
            fates,
            shared,
        )
        return ranking.without(fates)

    return _by_chunks(first, last, grid.request.top_k or 1, rank)


def report_variants(
    bars: Bars, grid: VariantGrid, planes: Planes, ranking: Ranking, first_rank: int, tables: Tables | None = None
) -> list[RankedVariant]:
    """The full reports of these variants, the first of which has that rank; with stops, their tables."""
    reporter = Reporter.of(bars, grid, planes.addresses, tables)
    return [reporter.report(ranking, position, first_rank + position) for position in range(len(ranking))]


def result_of(
    bars: Bars,
    grid: VariantGrid,
    default_warmup: int,
    elapsed_s: Elapsed,
    top: Sequence[RankedVariant],
    shortlist: Shortlist | None,
    pruned: IntArray,
) -> BacktestResult:
    """The answer; `pruned` is that of the ranking of which `top` are the reports."""
    return BacktestResult(
        request=grid.request,
        request_hash=request_hash(grid.request),
        engine_params_hash=engine_params_hash(grid.request, default_warmup),
        candles_hash=bars.hash,
        bars=bars.count,
        variants_total=grid.size,
        variants_evaluated=grid.evaluated,
        pruned=pruned_by_name(grid.request, pruned),
        shortlist=shortlist,
        notes=notes_of(grid, bars.start, bars.stop, default_warmup),
        elapsed_s=elapsed_s,
        top=tuple(top),
    )


class Stopwatch:
    """Seconds by phase: `lap` names what has just ended."""

    def __init__(self) -> None:
        self._started = self._last = time.perf_counter()
        self._laps: dict[str, float] = {}

    def lap(self, name: str) -> None:
        now = time.perf_counter()
        self._laps[name] = round(now - self._last, 4)
        self._last = now

    def elapsed(self) -> Elapsed:
        return Elapsed(**self._laps, total=round(self._last - self._started, 4))


def run(request: BacktestRequest, minutes: Candles, default_warmup: int) -> BacktestResult:
    """A resolved request over these candles, in this process, step by step."""
    watch = Stopwatch()
    grid = VariantGrid(request)
    bars = bars_of(minutes, request, warmup_bars(grid, default_warmup))
    watch.lap("candles")
    planes = Planes.over([planes_of(bars, grid, 0, grid.planes, default_warmup)])
    watch.lap("planes")
    ranking, shortlist, tables = Ranking.empty(), None, None
    if grid.needs_stage_a:
        ranking = rank_variants(bars, grid, planes, 0, grid.radix.size)
        watch.lap("variants")
    if grid.has_stops:
        bases, shortlist = shortlisted(grid, ranking)
        tables = all_tables(bars, grid, planes)
        watch.lap("tables")
        ranking = rank_under_stops(bars, grid, planes, tables, bases, 0, grid.evaluated)
        watch.lap("combinations")
    top = report_variants(bars, grid, planes, ranking, 1, tables)
    watch.lap("reports")
    return result_of(bars, grid, default_warmup, watch.elapsed(), top, shortlist, ranking.pruned)
