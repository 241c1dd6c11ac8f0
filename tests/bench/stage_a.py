"""Stage A: a variant-year of minutes without stops, against the peers and against the machine."""

from __future__ import annotations

import statistics
from collections.abc import Callable
from itertools import cycle
from typing import Any

import numpy as np

from candleray.search import engine
from candleray.search.reports import report_variants
from kernels.bits import words
from tests.bench.limits import COPIED_BYTES, Memory, and_and_count
from tests.bench.peers import ENGINES, Vectorbt, backtesting_run, oracle_run
from tests.bench.table import Row
from tests.bench.timing import Timing, medians, once
from tests.bench.workload import EMA, ROC, RSI, SMA, Market, Workload
from tests.support.oracles.oracle import Run

PER = "variant-year"
COLUMNS = 10
"""Variants of vectorbt's many-columns call: each takes 0.1 GB, and more columns make each one slower."""


def rows(market: Market, quick: bool) -> list[Row]:
    two = Workload.of(market, [SMA, RSI])
    timing, found = _grid_rows("stage A, AND of 2", two, 3 if quick else 9)
    return [
        *found,
        *_vectorbt_rows("stage A, AND of 2", two, timing, quick),
        *_slow_peer_rows("stage A, AND of 2", two, timing, quick),
        *_grid_rows("stage A, AND of 2, many trades", Workload.of(market, [SMA, ROC]), 3)[1],
        *_grid_rows("stage A, AND of 4", Workload.of(market, [SMA, RSI, EMA, ROC]), 3)[1],
        *_grid_rows("stage A, AND of 2, long-short", Workload.of(market, [SMA, RSI], direction="long-short"), 3)[
            1
        ],
        *memory_rows(),
    ]


def _ranked(workload: Workload, first: int, last: int) -> Callable[[], Any]:
    return lambda: engine.rank_variants(workload.bars, workload.grid, workload.planes, first, last)


def _grid_rows(section: str, workload: Workload, repeats: int) -> tuple[Timing, list[Row]]:
    """The whole grid, turn by turn with the loop that only ANDs and counts."""
    grid, planes, n_words = workload.grid, workload.planes, words(workload.bars.count)
    tables = np.array(grid.plane_offsets, np.int64), np.array(grid.radix.sizes, np.int64)
    works = {
        "ours": _ranked(workload, 0, grid.size),
        "loop": lambda: and_and_count(planes.addresses, *tables, 0, grid.size, n_words),
    }
    timings = {name: timing.per(grid.size) for name, timing in medians(works, repeats).items()}
    note = f"{grid.size:,} variants, {statistics.mean(trade_counts(workload).values()):,.0f} trades each"
    ours = timings["ours"]
    return ours, [
        Row.timed(section, "candleray", PER, ours, note=note),
        Row.limit(section, "limit: AND and count", PER, timings["loop"], ours, "same planes, same order"),
    ]


def trade_counts(workload: Workload, variants: int = 200) -> dict[int, int]:
    """Trades of variants spread over the grid."""
    given = workload.bars, workload.grid, workload.planes
    counts = {}
    for variant in workload.sample(variants):
        ranking = engine.rank_variants(*given, variant, variant + 1)
        counts[variant] = int(report_variants(*given, ranking, 1)[0].metrics["Num. Trades"] or 0)
    return counts


def typical_variant(workload: Workload) -> int:
    """The variant whose number of trades is nearest to the mean."""
    counts = trade_counts(workload)
    mean = statistics.mean(counts.values())
    return min(counts, key=lambda variant: abs(counts[variant] - mean))


def _vectorbt_rows(section: str, workload: Workload, ours: Timing, quick: bool) -> list[Row]:
    sample = [workload.flags(variant) for variant in workload.sample(COLUMNS)]
    found = []
    for name in ENGINES:
        peer, turns = Vectorbt(workload, name), cycle(sample)
        one = medians({"one": lambda peer=peer, turns=turns: peer.one(next(turns))}, 5 if quick else 3 * COLUMNS)
        many = medians({"many": lambda peer=peer: peer.many(sample)}, 1 if quick else 5)
        found += [
            Row.peer(section, f"vectorbt {name}, one by one", PER, one["one"], ours),
            Row.peer(section, f"vectorbt {name}, {COLUMNS} columns", PER, many["many"].per(COLUMNS), ours),
        ]
    return found


def _slow_peer_rows(section: str, workload: Workload, ours: Timing, quick: bool) -> list[Row]:
    flags = workload.flags(typical_variant(workload))
    simulated: list[Run] = []
    simulate = oracle_run(workload, flags)
    taken = once(lambda: simulated.append(simulate()))
    note = f"measured once, {len(simulated[0].trades):,} trades"
    found = [Row.peer(section, "naive oracle", PER, taken, ours, note)]
    if not quick:
        trades: list[int] = []
        run = backtesting_run(workload, flags)
        taken = once(lambda: trades.append(int(run()["# Trades"])))
        note = f"measured once, {trades[0]:,} trades"
        found.append(Row.peer(section, "backtesting.py", PER, taken, ours, note))
    return found


def memory_rows() -> list[Row]:
    memory = Memory()
    timings = medians({"copy": memory.copy, "sum": memory.sum}, 5)
    moved = {"copy": 2 * COPIED_BYTES, "sum": COPIED_BYTES}
    return [
        Row("limit: memory", name, "second", value=moved[name] / timing.wall_s / 1e9, unit="GB/s")
        for name, timing in timings.items()
    ]
