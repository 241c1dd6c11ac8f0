"""Ranking by each metric beside total return: a variant-year of minutes, of hours, and under stops."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from candleray.backtests.rank_by import RANKABLE
from candleray.search import engine
from tests.bench.table import Row
from tests.bench.timing import medians
from tests.bench.workload import RSI, SMA, Market, Workload

STOPS = {"sl_pct": {"values": [1, 2, 4]}, "tp_pct": {"values": [2, 4]}}
CASES: dict[str, dict[str, Any]] = {
    "of minutes": {},
    "of minutes, long-short": {"direction": "long-short"},
    "of hours": {"timeframe": "1h"},
    "of minutes, under stops": {"risk": STOPS, "preselect": "all"},
}
VARIANTS = 200


def rows(market: Market, quick: bool) -> list[Row]:
    return [row for name, changes in CASES.items() for row in _case_rows(market, name, changes, quick)]


def _case_rows(market: Market, name: str, changes: dict[str, Any], quick: bool) -> list[Row]:
    """Every metric over the same variants from the middle of the grid, turn by turn."""
    count = VARIANTS // 5 if quick else VARIANTS
    plain = Workload.of(market, [SMA, RSI], **changes)
    tables = engine.all_tables(plain.bars, plain.grid, plain.planes) if plain.grid.has_stops else None
    works = {metric_id: _ranked(plain, metric_id, tables, count) for metric_id in RANKABLE}
    timings = {metric: timing.per(count) for metric, timing in medians(works, 3).items()}
    default = timings["total_return"]
    return [
        Row.timed(
            f"rank by, {name}",
            metric,
            "variant-year",
            timing,
            note=f"{timing.cpu_s / default.cpu_s:,.3g} × the total return",
        )
        for metric, timing in sorted(timings.items(), key=lambda item: item[1].cpu_s)
    ]


def _ranked(plain: Workload, metric_id: str, tables: Any, count: int) -> Callable[[], Any]:
    changes = {"rank_by": None if metric_id == "total_return" else metric_id}
    grid = Workload(plain.request.model_copy(update=changes), plain.minutes).grid
    first = grid.evaluated // 2
    shared = plain.bars, grid, plain.planes
    if tables is None:
        return lambda: engine.rank_variants(*shared, first, first + count)
    bases = range(grid.radix.size)
    return lambda: engine.rank_under_stops(*shared, tables, bases, first, first + count)
