"""Stage B: one SL/TP combination of a variant-year of minutes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
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
PROFITS = LEVELS["tp_pct"]
KINDS: dict[str, dict[str, Any]] = {
    "in percent": LEVELS,
    "in ranges": {
        "sl_atr": {"start": 7, "stop": 70, "step": 7},
        "tp_atr": {"start": 7, "stop": 140, "step": 7},
    },
    "trailing": {"trail_pct": LEVELS["sl_pct"], "tp_pct": PROFITS},
    "of time": {"max_bars": {"start": 60, "stop": 600, "step": 60}, "tp_pct": PROFITS},
    "of four kinds": {
        **{"sl_pct": {"values": [2, 5]}, "trail_pct": {"values": [1, 2, 3, 4, 5]}},
        **{"max_bars": {"values": [60, 600]}, "tp_pct": {"start": 1, "stop": 10, "step": 1}},
    },
}
"""Two hundred combinations each, of levels that are about as far away."""
SIZINGS: dict[str, dict[str, Any]] = {
    "loss": {"mode": "risk_per_trade", "risk_pct": 1, "max_leverage": 3},
    "volatility": {"mode": "volatility_target", "target_pct": 1},
}
RARE, OFTEN = [SMA, RSI], [EMA, ROC]
"""Bases that trade some hundred times a year, and thousands of times: the unfavourable case."""


def fill_rows(market: Market, quick: bool) -> list[Row]:
    """Rows of levels in percent under each policy of fills, beside closes."""
    asked = {name: {"fill": fill, "risk": LEVELS} for name, fill in FILLS.items()}
    return _rows("fills", market, asked, quick)


def level_rows(market: Market, quick: bool) -> list[Row]:
    """Rows of other levels at closes, of some inside bars, and of sizes by risk, beside levels in percent."""
    asked: dict[str, dict[str, Any]] = {name: {"risk": risk} for name, risk in KINDS.items()}
    inside = {"fill": FILLS["inside bars"]}
    asked |= {f"{name}, inside bars": {"risk": KINDS[name], **inside} for name in ("in ranges", "trailing")}
    asked |= {
        f"in percent, sized by {name}": {"risk": LEVELS, "sizing": sizing} for name, sizing in SIZINGS.items()
    }
    return _rows("levels", market, asked, quick)


def _rows(section: str, market: Market, asked: Mapping[str, dict[str, Any]], quick: bool) -> list[Row]:
    """Rows of each request, beside the first one of them."""
    cases = {"minutes": ("1m", RARE), "minutes, many trades": ("1m", OFTEN), "hours": ("1h", RARE)}
    found: list[Row] = []
    for case, (timeframe, indicators) in cases.items():
        workloads = {
            name: Workload.of(market, indicators, preselect="all", timeframe=timeframe, **changes)
            for name, changes in asked.items()
        }
        timings = medians({name: partial(_search, one) for name, one in workloads.items()}, 1 if quick else 5)
        each = {name: timing.per(workloads[name].grid.evaluated) for name, timing in timings.items()}
        usual = next(iter(each.values()))
        for name, timing in each.items():
            ratio = "" if timing is usual else f", {timing.cpu_s / usual.cpu_s:.2f} x the first"
            note = f"{workloads[name].grid.evaluated:,} combinations{ratio}"
            found.append(Row.timed(section, f"{case}: {name}", "combination", timing, note=note))
    return found


def _search(workload: Workload) -> None:
    bars, grid, planes = workload.bars, workload.grid, workload.planes
    bases, _ = shortlisted(grid, engine.Ranking.empty())
    tables = engine.all_tables(bars, grid, planes)
    engine.rank_under_stops(bars, grid, planes, tables, bases, 0, grid.evaluated)
