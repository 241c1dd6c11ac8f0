"""Stage B: one SL/TP combination of a variant-year of minutes."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from itertools import cycle
from typing import Any

from candleray.search import engine
from candleray.search.stop_tables import shortlisted
from tests.bench.peers import ENGINES, Vectorbt
from tests.bench.stage_a import typical_variant
from tests.bench.table import Row
from tests.bench.timing import Timing, medians
from tests.bench.workload import EMA, LEVELS, ROC, RSI, SMA, Market, Workload

SECTION = "stage B"
PER = "combination-year"


def rows(market: Market, quick: bool) -> list[Row]:
    ours, found = _ours(Workload.of(market, [SMA, RSI], risk=LEVELS, preselect="all"), 1 if quick else 5)
    return [*found, *_vectorbt_rows(Workload.of(market, [SMA, RSI]), ours, quick)]


def _ours(workload: Workload, repeats: int) -> tuple[Timing, list[Row]]:
    """Every base variant under every combination: the tables, and the walks through them."""
    bars, grid, planes = workload.bars, workload.grid, workload.planes
    bases, _ = shortlisted(grid, engine.Ranking.empty())
    tables = engine.all_tables(bars, grid, planes)
    timings = medians(
        {
            "tables": lambda: engine.all_tables(bars, grid, planes),
            "walks": lambda: engine.rank_under_stops(bars, grid, planes, tables, bases, 0, grid.evaluated),
        },
        repeats,
    )
    building, walking = timings["tables"], timings["walks"]
    whole = Timing(building.cpu_s + walking.cpu_s, building.wall_s + walking.wall_s).per(grid.evaluated)
    levels = grid.combinations.sizes
    note = f"{grid.evaluated:,} combinations, tables included"
    return whole, [
        Row.timed(SECTION, "candleray", PER, whole, note=note),
        Row.timed(SECTION, "of it: the tables", "search", building, note=f"{' + '.join(map(str, levels))} levels"),
    ]


def _vectorbt_rows(workload: Workload, ours: Timing, quick: bool) -> list[Row]:
    pairs = [(sl / 200, tp / 200) for sl in range(1, 11, 3) for tp in range(1, 21, 8)][: 4 if quick else 12]
    flags = workload.flags(typical_variant(workload))
    found = []
    for name in ENGINES:
        peer, turns = Vectorbt(workload, name), cycle(pairs)

        def one(peer: Vectorbt = peer, turns: Iterator[tuple[float, float]] = turns) -> float:
            sl, tp = next(turns)
            return peer.one(flags, sl_stop=sl, tp_stop=tp)

        single = medians({"one": one}, 4 if quick else 2 * len(pairs))
        many = medians({"many": lambda peer=peer: peer.many_stops(flags, pairs)}, 1 if quick else 3)
        found += [
            Row.peer(SECTION, f"vectorbt {name}, one by one", PER, single["one"], ours),
            Row.peer(SECTION, f"vectorbt {name}, {len(pairs)} columns", PER, many["many"].per(len(pairs)), ours),
        ]
    return found


# Fills elsewhere than at closes --------------------------------------------------------------------------------

FILLS: dict[str, dict[str, str]] = {
    "at closes": {},
    "at the next open": {"entry": "next_open"},
    "inside bars": {"stops": "intrabar"},
    "next open, inside bars": {"entry": "next_open", "stops": "intrabar"},
}
RARE, OFTEN = [SMA, RSI], [EMA, ROC]
"""Bases that trade some hundred times a year, and thousands of times: the unfavourable case."""


def fill_rows(market: Market, quick: bool) -> list[Row]:
    cases = {"minutes": ("1m", RARE), "minutes, many trades": ("1m", OFTEN), "hours": ("1h", RARE)}
    return [
        row for name, (timeframe, of) in cases.items() for row in _fill_rows(market, name, timeframe, of, quick)
    ]


def _fill_rows(
    market: Market, name: str, timeframe: str, indicators: list[dict[str, Any]], quick: bool
) -> list[Row]:
    works: dict[str, Callable[[], None]] = {}
    for fill, asked in FILLS.items():
        workload = Workload.of(market, indicators, risk=LEVELS, preselect="all", timeframe=timeframe, fill=asked)
        works[fill] = partial(_search, workload)
    timings = medians(works, 1 if quick else 5)
    each = {fill: timing.per(workload.grid.evaluated) for fill, timing in timings.items()}
    return [_fill_row(name, fill, each[fill], each["at closes"], workload.grid.evaluated) for fill in FILLS]


def _fill_row(name: str, fill: str, each: Timing, usual: Timing, combinations: int) -> Row:
    ratio = "" if each is usual else f", {each.cpu_s / usual.cpu_s:.2f} x that at closes"
    return Row.timed("fills", f"{name}: {fill}", "combination", each, note=f"{combinations:,} combinations{ratio}")


def _search(workload: Workload) -> None:
    bars, grid, planes = workload.bars, workload.grid, workload.planes
    bases, _ = shortlisted(grid, engine.Ranking.empty())
    tables = engine.all_tables(bars, grid, planes)
    engine.rank_under_stops(bars, grid, planes, tables, bases, 0, grid.evaluated)
