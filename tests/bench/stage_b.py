"""Stage B: one SL/TP combination of a variant-year of minutes."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import cycle
from typing import Any

from candleray import engine
from candleray.errors import InvalidInput
from tests.bench.peers import ENGINES, Vectorbt
from tests.bench.table import Row
from tests.bench.timing import Timing, medians
from tests.bench.workload import RSI, SMA, WARMUP, Market, Workload

SECTION = "stage B"
PER = "combination-year"
LEVELS = {"sl_pct": {"start": 0.5, "stop": 5.0, "step": 0.5}, "tp_pct": {"start": 0.5, "stop": 10.0, "step": 0.5}}
COMBINATIONS = 10 * 20


def stops_workload(market: Market, **levels: Any) -> Workload | None:
    """Stage B on everything; None where this engine has no stops yet."""
    try:
        return Workload.of(market, [SMA, RSI], risk=levels or LEVELS, preselect="all", top_k=1)
    except InvalidInput:
        return None


def rows(market: Market, quick: bool) -> list[Row]:
    workload = stops_workload(market)
    if workload is None:
        return [Row(SECTION, "candleray", PER, note="this engine version takes no stops")]
    ours, count = _ours(workload, 1 if quick else 3)
    note = f"{count:,} combinations, first passages included"
    return [Row.timed(SECTION, "candleray", PER, ours, note=note), *_vectorbt_rows(workload, ours, quick)]


def _ours(workload: Workload, repeats: int) -> tuple[Timing, int]:
    """The whole search less the same search without levels: what the levels cost, tables included."""
    base = Workload(workload.request.model_copy(update={"risk": type(workload.request.risk)()}), workload.minutes)
    count = base.grid.size * COMBINATIONS
    timings = medians({"stops": _run(workload), "base": _run(base)}, repeats)
    stops, without = timings["stops"], timings["base"]
    return Timing(stops.cpu_s - without.cpu_s, stops.wall_s - without.wall_s).per(count), count


def _run(workload: Workload) -> Callable[[], Any]:
    return lambda: engine.run(workload.request, workload.minutes, WARMUP)


def _vectorbt_rows(workload: Workload, ours: Timing, quick: bool) -> list[Row]:
    pairs = [(sl / 200, tp / 200) for sl in range(1, 11, 3) for tp in range(1, 21, 8)][: 4 if quick else 12]
    flags = workload.flags(workload.sample(3)[1])
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
