"""Signals: what a variant of conditions costs beside the AND of two indicators, from candles to its total return.

The averages and their windows are the same on both sides. Planes are made anew each time, their series counted.

python -m tests.bench.signals [--quick]
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable
from typing import Any

from candleray.search import engine
from candleray.search.signals.evaluator import Evaluator
from tests.bench.memory import high_water_bytes, run_program
from tests.bench.table import Row, as_text
from tests.bench.timing import medians, pin_to_one_core
from tests.bench.workload import WARMUP, Market, Workload, load_market

SECTION = "signals"
PER = "variant-year"
WINDOWS, QUICK_WINDOWS = 100, 24
"""Windows of each of two averages: 10,000 variants."""

BASE = "AND of two averages"
CROSS_IN, CROSS_OUT = {"cross_above": ["fast", "slow"]}, {"cross_below": ["fast", "slow"]}
EITHER = {"any": [{"above": [{"price": "close"}, "slow"]}, {"rising": ["fast", 2]}]}
SIGNALS: dict[str, dict[str, Any]] = {
    "a cross": {"long_entry": CROSS_IN},
    "a cross, closed by the cross back": {"long_entry": CROSS_IN, "long_exit": CROSS_OUT},
    "a tree of eight nodes": {
        "long_entry": {"all": [CROSS_IN, {"below": [{"id": "adx"}, 25]}, EITHER]},
        "long_exit": {"not": {"above": ["fast", "slow"]}},
    },
}


def rows(market: Market, quick: bool) -> list[Row]:
    windows = QUICK_WINDOWS if quick else WINDOWS
    searches = {name: _Search(workload_of(market, name, windows)) for name in (BASE, *SIGNALS)}
    timings = medians(searches, 2 if quick else 3)
    per = {name: timing.per(searches[name].variants) for name, timing in timings.items()}
    return [
        Row.timed(
            SECTION,
            name,
            PER,
            per[name],
            behind=per[name].cpu_s / per[BASE].cpu_s,
            note=f"{search.told()}, peak {peak_bytes(name, windows) / 1e6:,.0f} MB",
        )
        for name, search in searches.items()
    ]


def workload_of(market: Market, name: str, windows: int) -> Workload:
    fast, slow = ({"id": "ema", "params": {"window": window}} for window in axes(windows))
    if name == BASE:
        return Workload.of(market, [fast, slow], exit_on="opposite")
    return Workload.of(market, [], let={"fast": fast, "slow": slow}, signals=SIGNALS[name])


def axes(windows: int) -> tuple[dict[str, int], dict[str, int]]:
    """The windows of a fast and of a slow average."""
    return (
        {"start": 5, "stop": 4 + windows, "step": 1},
        {"start": 110, "stop": 105 + 5 * windows, "step": 5},
    )


class _Search:
    """A grid from its bars to its ranking; tells what it made."""

    def __init__(self, workload: Workload) -> None:
        self._bars, self._grid = workload.bars, workload.grid
        self._series, self._planes_share, self._bytes = 0, 0.0, 0

    @property
    def variants(self) -> int:
        return self._grid.size

    def __call__(self) -> None:
        bars, grid, made = self._bars, self._grid, list[Any]()
        evaluator = Evaluator(bars, WARMUP)
        planes_s = _cpu_s(lambda: made.append(engine.planes_of(bars, grid, 0, grid.planes, WARMUP, evaluator)))
        planes = engine.Planes.over(made)
        rank_s = _cpu_s(lambda: engine.rank_variants(bars, grid, planes, 0, grid.size))
        self._series = evaluator.series_made or grid.planes
        self._planes_share, self._bytes = planes_s / (planes_s + rank_s), made[0].nbytes

    def told(self) -> str:
        return (
            f"{self.variants:,} variants, {self._grid.planes:,} planes ({self._bytes / 1e6:,.0f} MB) of "
            f"{self._series} series made, {self._planes_share:.0%} of the time"
        )


def peak_bytes(name: str, windows: int) -> int:
    """The high water mark of a process of its own that runs this search once."""
    answer: int = run_program("tests.bench.signals", name, str(windows))["peak_bytes"]
    return answer


def _cpu_s(work: Callable[[], Any]) -> float:
    began = time.process_time()
    work()
    return time.process_time() - began


def main(arguments: list[str]) -> None:
    if len(arguments) == 2:
        _Search(workload_of(load_market(), arguments[0], int(arguments[1])))()
        json.dump({"peak_bytes": high_water_bytes()}, sys.stdout)
        return
    pin_to_one_core()
    market = load_market()
    print(market.source)
    print(as_text(rows(market, "--quick" in arguments)))


if __name__ == "__main__":
    main(sys.argv[1:])
