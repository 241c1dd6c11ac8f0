"""The report of one variant: its metrics, its months, its equity curve in few points, its trades.

It takes tens of milliseconds of one core, so that whoever serves it needs no cluster, and waits for no job.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from candleray.backtests.metrics import report
from candleray.backtests.sentences import sentences
from candleray.backtests.variant_report import DrawdownEpisode, MonthReturn, VariantReport, YearReturn
from candleray.candles import FloatArray, IntArray
from candleray.market_data.arrow_stream import stream_of
from candleray.search import engine
from candleray.search.bars import Bars
from candleray.search.filled.tied_exits import ties_of
from candleray.search.one_variant import OneVariant
from candleray.search.reported.deepest_drawdowns import deepest_drawdowns
from candleray.search.reported.periods import PeriodReturn, period_returns
from candleray.search.reported.sides_and_costs import costs_of, exposure_by_side
from candleray.search.reports import notes_of, notes_on_gaps
from candleray.search.retraced import Retracing
from candleray.search.variants import VariantGrid
from candleray.settings import BacktestSettings
from kernels.simulation.equity_curve import mark_equity
from kernels.simulation.exits import EXIT_REASONS


@dataclass(frozen=True)
class CurvePoints:
    """An equity curve in buckets of equal numbers of bars; what is between two points is lost, no extreme is."""

    ts_ms: IntArray
    """Close of each bucket's last bar."""
    low: FloatArray
    high: FloatArray
    last: FloatArray
    drawdown_pct: FloatArray
    """The deepest fall below the peak so far, as a number of zero or less."""
    close: FloatArray
    """The market's close of the last bar."""


@dataclass(frozen=True)
class Traced:
    """One variant traced over its bars."""

    variant: OneVariant
    bars: Bars
    trades: NDArray[np.void]
    retracing: Retracing
    defaults: BacktestSettings

    @classmethod
    def over(cls, variant: OneVariant, bars: Bars, defaults: BacktestSettings) -> Traced:
        grid = VariantGrid(variant.alone)
        planes = engine.Planes.over([engine.planes_of(bars, grid, 0, grid.planes, defaults.warmup_bars)])
        tables = engine.all_tables(bars, grid, planes) if grid.has_stage_b else None
        retracing = Retracing.of(bars, grid, planes.addresses, tables, engine.prices_of(bars, grid))
        return cls(variant, bars, retracing.trades(0), retracing, defaults)

    @cached_property
    def closes_ms(self) -> IntArray:
        return self.bars.ts_open_ms + self.bars.bar_ms

    @cached_property
    def equity(self) -> FloatArray:
        """The equity at the close of each bar."""
        equity = np.empty(self.bars.count)
        cash = self.retracing.rules.init_cash_quote
        mark_equity(self.trades, self.bars.close, cash, np.arange(self.bars.count), equity)
        return equity

    def report(self) -> VariantReport:
        bars, grid, request = self.bars, self.retracing.grid, self.variant.alone
        notes = (
            *bars.coverage.notes,
            *notes_on_gaps(bars, request, self.defaults, None),
            *notes_of(grid, bars.start, bars.stop, self.defaults.warmup_bars),
        )
        return VariantReport(
            request=request,
            variant_index=self.variant.variant_index,
            sentences=sentences(request),
            bars=bars.count,
            trades=int(self.trades.size),
            metrics=report(self.retracing.performance(self.trades)),
            months=tuple(
                MonthReturn(month=name, return_pct=ours, benchmark_return_pct=held)
                for name, ours, held in self._returns("M")
            ),
            years=tuple(
                YearReturn(year=name, return_pct=ours, benchmark_return_pct=held)
                for name, ours, held in self._returns("Y")
            ),
            drawdowns=self._drawdowns(),
            exposure=exposure_by_side(self.trades, bars.close, self.equity),
            costs=costs_of(self.trades, self.retracing.rules.slippage, self.retracing.prices.fills),
            ties=ties_of(self.retracing, 0, self.trades),
            notes=notes,
        )

    def _returns(self, unit: Literal["M", "Y"]) -> Iterator[PeriodReturn]:
        cash = self.retracing.rules.init_cash_quote
        return period_returns(self.bars.ts_open_ms, self.equity, self.bars.close, cash, unit)

    def _drawdowns(self) -> tuple[DrawdownEpisode, ...]:
        opened_ms, cash = self.bars.ts_open_ms[:1], self.retracing.rules.init_cash_quote
        return deepest_drawdowns(
            np.concatenate((opened_ms, self.closes_ms)), np.concatenate(([cash], self.equity))
        )

    def curve(self, points: int, start_ms: int | None, end_ms: int | None) -> CurvePoints:
        """The curve between two moments, in so many buckets at most; its drawdown is that of the whole range."""
        first = 0 if start_ms is None else int(np.searchsorted(self.closes_ms, start_ms))
        stop = self.bars.count if end_ms is None else int(np.searchsorted(self.closes_ms, end_ms, side="right"))
        peaks = np.maximum.accumulate(np.maximum(self.equity, self.retracing.rules.init_cash_quote))
        falls = (self.equity / peaks - 1.0) * 100.0
        if first >= stop:
            none = np.empty(0)
            return CurvePoints(np.empty(0, np.int64), none, none, none, none, none)
        begins = first + np.unique(
            np.linspace(0, stop - first, min(points, stop - first) + 1).astype(np.int64)[:-1]
        )
        ends = np.append(begins[1:], stop) - 1
        shown = self.equity[:stop]
        return CurvePoints(
            ts_ms=self.closes_ms[ends],
            low=np.minimum.reduceat(shown, begins),
            high=np.maximum.reduceat(shown, begins),
            last=self.equity[ends],
            drawdown_pct=np.minimum.reduceat(falls[:stop], begins),
            close=self.bars.close[ends],
        )


def curve_stream(curve: CurvePoints) -> bytes:
    """An Arrow stream of a row a bucket: `ts_ms`, `low`, `high`, `last`, `drawdown_pct`, `close`."""
    names = ("ts_ms", "low", "high", "last", "drawdown_pct", "close")
    return stream_of(pa.table({name: getattr(curve, name) for name in names}))


def trades_stream(traced: Traced) -> bytes:
    """An Arrow stream of a row a trade, its times those at which it filled."""
    trades, times = traced.trades, traced.retracing.times(traced.trades)
    reasons = np.array(EXIT_REASONS)[trades["exit_reason"]].tolist()
    columns = {
        "entry_ms": times.entry_ms,
        "exit_ms": times.exit_ms,
        "side": trades["side"].astype(np.int8),
        **{
            name: np.ascontiguousarray(trades[name])
            for name in ("entry_fill", "exit_fill", "quantity", "return_pct", "pnl_quote", "equity_quote")
        },
        "exit_reason": pa.array(reasons, pa.string()),
    }
    return stream_of(pa.table(columns))
