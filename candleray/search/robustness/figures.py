"""The figures of strategies over their bars: each is traced as the report of one variant is."""

from __future__ import annotations

import time
from collections.abc import Sequence

from candleray.backtests.facts import Performance
from candleray.backtests.metrics import METRICS
from candleray.backtests.request import BacktestRequest
from candleray.backtests.robustness import Figures
from candleray.search.bars import Bars
from candleray.search.one_variant import OneVariant
from candleray.search.variant_reports import Traced
from candleray.settings import BacktestSettings

_FORMULAS = {metric.id: metric.formula for metric in METRICS}


def figures_of(performance: Performance) -> Figures:
    """Return the figures, each by the formula of its metric."""
    numbers = {
        field: _FORMULAS[metric](performance)
        for field, metric in (
            ("total_return_pct", "total_return"),
            ("sharpe_ratio", "sharpe_ratio"),
            ("max_drawdown_pct", "max_drawdown"),
            ("trades", "num_trades"),
            ("benchmark_return_pct", "benchmark_return"),
        )
    }
    return Figures.model_validate({**numbers, "bars": performance.setting.bars})


def traced(bars: Bars, request: BacktestRequest, defaults: BacktestSettings) -> Traced:
    """Trace a resolved request of one strategy."""
    return Traced.over(OneVariant(request, request, 0), bars, defaults)


def figures_over(bars: Bars, requests: Sequence[BacktestRequest], defaults: BacktestSettings) -> list[Figures]:
    """Return the figures of each of these strategies over the same bars."""
    return [_figures(bars, request, defaults) for request in requests]


def timed_figures(bars: Bars, request: BacktestRequest, defaults: BacktestSettings) -> tuple[Figures, float]:
    """Return the figures of a strategy, and the seconds that they take once every kernel is compiled."""
    figures = _figures(bars, request, defaults)
    began = time.perf_counter()
    _figures(bars, request, defaults)
    return figures, time.perf_counter() - began


def _figures(bars: Bars, request: BacktestRequest, defaults: BacktestSettings) -> Figures:
    run = traced(bars, request, defaults)
    return figures_of(run.retracing.performance(run.trades))
