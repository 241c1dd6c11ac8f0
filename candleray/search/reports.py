"""The reports of a search's best variants, and the answer that they are part of."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from candleray.backtests.metrics import report
from candleray.backtests.report import table_md
from candleray.backtests.request import BacktestRequest, OverGaps
from candleray.backtests.result import BacktestResult, Elapsed, RankedVariant, Shortlist
from candleray.backtests.verdict import Verdict
from candleray.candles import IntArray
from candleray.search.bars import Bars, gaps_of
from candleray.search.engine import Planes, prices_of
from candleray.search.filled.tied_exits import ties_of
from candleray.search.filled.volatility import true_ranges, volatilities
from candleray.search.judged.verdicts import trust_of
from candleray.search.kernel_types import pruned_by_name, trade_of
from candleray.search.rankings import Ranking
from candleray.search.retraced import Retracing
from candleray.search.signals.signal_notes import signal_notes
from candleray.search.stop_tables import Tables
from candleray.search.variants import VariantGrid, engine_params_hash, request_hash
from candleray.settings import BacktestSettings
from kernels.simulation.exits import EXIT_GAP


def report_variants(
    bars: Bars, grid: VariantGrid, planes: Planes, ranking: Ranking, first_rank: int, tables: Tables | None = None
) -> list[RankedVariant]:
    """Report these variants in full, the first of which has that rank; with stops, over their tables."""
    retracing = Retracing.of(bars, grid, planes.addresses, tables, prices_of(bars, grid))
    return [_report(bars, retracing, ranking, at, first_rank + at) for at in range(len(ranking))]


def _report(bars: Bars, retracing: Retracing, ranking: Ranking, position: int, rank: int) -> RankedVariant:
    """Report the variant at that position of the ranking."""
    grid, index = retracing.grid, int(ranking.index[position])
    trades = retracing.trades(index)
    performance = retracing.performance(trades)
    metrics = report(performance, grid.ranked_by)
    return RankedVariant(
        rank=rank,
        variant_index=index,
        total_return_pct=float(ranking.total_return_pct[position]),
        conflicting_signals=int(ranking.conflicts[position]),
        closed_before_gaps=int(np.count_nonzero(trades["exit_reason"] == EXIT_GAP)),
        metrics=metrics,
        table_md=table_md(metrics),
        trust=trust_of(grid, trades, performance, bars, retracing.rules.init_cash_quote),
        trades=(
            tuple(
                trade_of(row, int(entry_ms), int(exit_ms))
                for row, entry_ms, exit_ms in zip(trades, *retracing.times(trades), strict=True)
            )
            if rank <= grid.request.trades_for
            else None
        ),
        ties=ties_of(retracing, index, trades),
        strategy=grid.strategy(index),
    )


def result_of(
    bars: Bars,
    grid: VariantGrid,
    defaults: BacktestSettings,
    elapsed_s: Elapsed,
    top: Sequence[RankedVariant],
    shortlist: Shortlist | None,
    pruned: IntArray,
    notes: Sequence[str],
    verdict: Verdict | None = None,
) -> BacktestResult:
    """Return the answer; `pruned` is that of the ranking of which `top` are the reports.

    Args:
        notes: on the planes; to those on candles and on what the request says.
    """
    return BacktestResult(
        request=grid.request,
        request_hash=request_hash(grid.request),
        engine_params_hash=engine_params_hash(grid.request, defaults),
        candles_hash=bars.hash,
        bars=bars.count,
        variants_total=grid.size,
        variants_evaluated=grid.evaluated,
        pruned=pruned_by_name(grid.request, pruned),
        shortlist=shortlist,
        notes=(
            *bars.coverage.notes,
            *notes_on_gaps(bars, grid.request, defaults, top),
            *notes_of(grid, bars.start, bars.stop, defaults.warmup_bars),
            *signal_notes(grid, bars),
            *_notes_on_fills(grid, top),
            *notes_on_measures(bars, grid),
            *notes,
        ),
        elapsed_s=elapsed_s,
        verdict=verdict,
        top=tuple(top),
    )


def _notes_on_fills(grid: VariantGrid, top: Sequence[RankedVariant]) -> Iterator[str]:
    """Yield what looking inside bars has left open for the best variant."""
    if grid.request.fill.looks_inside and not grid.has_stops:
        yield "fill.stops: risk has no level, so that nothing fills inside a bar"
    ties = top[0].ties if top else None
    if ties is not None and ties.exits:
        exits = "1 exit" if ties.exits == 1 else f"{ties.exits:,} exits"
        yield (
            f"fill.tie: {exits} of rank 1 came in a minute that touched both levels; under "
            f"{grid.request.fill.other_tie.tie} it returns {ties.other_return_pct:.2f} %"
        )


def notes_on_measures(bars: Bars, grid: VariantGrid) -> Iterator[str]:
    """Yield what keeps positions from opening on the first bars: levels and sizes that are not known there."""
    for field, known in (
        ("risk.atr_window", true_ranges(bars, grid.request.risk)),
        ("sizing.window", volatilities(bars, grid.request.sizing)),
    ):
        unknown = 0 if known is None else int(np.isnan(known).sum())
        if unknown:
            yield (
                f"{field}: no position opens on the first {unknown:,} of {bars.count:,} bars, which have too few "
                "candles before them"
            )


def notes_on_gaps(
    bars: Bars, request: BacktestRequest, defaults: BacktestSettings, top: Sequence[RankedVariant] | None
) -> tuple[str, ...]:
    """Say what became of positions before holes longer than the setting.

    Args:
        top: the variants of an answer; None where nothing was traded.
    """
    gaps = gaps_of(bars.coverage, defaults).size
    if not gaps:
        return ()
    holes = "the hole" if gaps == 1 else f"the {gaps:,} holes"
    over = f"{holes} of more than {defaults.max_gap_hours:g} h"
    if request.over_gaps is OverGaps.HOLD:
        return (f"over_gaps: positions are held over {over}",)
    if top is None:
        return (f"over_gaps: no position is held over {over}, and none opens on the last bar before one",)
    if not top:
        return (f"over_gaps: no position is held over {over}",)
    closed = sum(variant.closed_before_gaps for variant in top)
    variants = "variant" if len(top) == 1 else f"{len(top):,} variants"
    return (
        f"over_gaps: no position is held over {over}; the {variants} of this answer closed "
        f"{closed:,} on the last bar before one",
    )


def notes_of(grid: VariantGrid, start: int, stop: int, default_warmup: int) -> tuple[str, ...]:
    """Name the indicators or conditions that need more than the `stop` bars; those before `start` only warm up."""
    notes = []
    for at, group in enumerate(grid.groups):
        lookbacks = [group.lookback_at(digit) for digit in range(group.size)]
        silent = [bars for bars in lookbacks if bars >= stop - max(0, start - max(default_warmup, bars))]
        if silent:
            notes.append(
                f"{grid.numbering.title_of(at)}: {len(silent)} of its {group.size} variants never give a signal: "
                f"they need up to {max(silent)} bars before their first, of the {stop} there are"
            )
    return tuple(notes)
