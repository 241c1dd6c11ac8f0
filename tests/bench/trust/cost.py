"""The cost of a verdict: the same request with one and without, turn by turn, CPU seconds and memory.

python -m tests.bench.trust.cost [--quick] [--only CASE]
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, NamedTuple

from candleray.backtests.result import BacktestResult
from tests.bench.memory import high_water_bytes, run_program
from tests.bench.timing import medians, pin_to_one_core
from tests.bench.trust.bounds import Number, Table
from tests.bench.workload import WARMUP, Market, Workload, load_market
from tests.support.searches import search_over

MOST_SHARE, LEAST_VARIANTS, LEAST_US = 0.15, 100_000, 13.0
MOST_US, MOST_FIXED_S, MOST_MB = 1.3, 0.04, 80.0


class Case(NamedTuple):
    """A grid over real candles."""

    name: str
    asks: dict[str, Any]
    times: int = 3


def _axis(start: float, stop: float, step: float) -> dict[str, float]:
    return {"start": start, "stop": stop, "step": step}


def _grid(averages: int, windows: int, thresholds: int) -> list[dict[str, Any]]:
    """A moving average and an RSI with so many values of each."""
    signal = {"long_threshold": _axis(45, 45 + (thresholds - 1) / 2, 0.5), "short_threshold": 70}
    return [
        {"id": "sma", "params": {"window": _axis(5, 4 + averages, 1)}},
        {"id": "rsi", "params": {"window": _axis(6, 5 + windows, 1)}, "signal": signal},
    ]


STOPS = {"sl_pct": _axis(0.5, 5, 0.5), "tp_pct": _axis(0.5, 5, 0.5)}
TWO_YEARS = {"time_range": {"start": "2024-01-10T00:00:00Z", "end": "2026-01-01T00:00:00Z"}}
HOURS, DAYS = {"timeframe": "1h", **TWO_YEARS}, {"timeframe": "1d", **TWO_YEARS}

CASES = (
    Case("minutes of a year", {"indicators": _grid(100, 50, 20)}),
    Case("minutes, long-short", {"indicators": _grid(100, 50, 20), "direction": "long-short"}),
    Case("minutes, under stops", {"indicators": _grid(20, 5, 10), "risk": STOPS, "preselect": "all"}),
    Case("hours of two years", {"indicators": _grid(100, 50, 20), **HOURS}, 5),
    Case("a million, hours of two years", {"indicators": _grid(200, 100, 50), **HOURS}, 1),
    Case("days of two years", {"indicators": _grid(100, 50, 20), **DAYS}, 5),
    Case("1,000 variants, hours", {"indicators": _grid(20, 5, 10), **HOURS}, 9),
    Case("100 variants, minutes", {"indicators": _grid(10, 2, 5)}, 9),
)
MEASURED = {case.name: case for case in CASES}


def answer(market: Market, case: Case, verdict: bool) -> BacktestResult:
    workload = Workload.of(market, verdict=verdict, top_k=20, **case.asks)
    return search_over(workload.minutes, workload.request, WARMUP)


def costs(market: Market, cases: Sequence[Case], quick: bool) -> Table:
    """Measure the CPU of each request with and without a verdict."""
    header = ("request", "variants", "without, µs each", "verdict, µs each", "verdict, all", "share", "bound")
    table = Table("CPU of a verdict", header)
    for case in cases:
        works: dict[str, Callable[[], Any]] = {
            name: partial(answer, market, case, wanted) for name, wanted in (("with", True), ("without", False))
        }
        variants = works["with"]().variants_evaluated
        timings = medians(works, 1 if quick else case.times, warm=False)
        table.rows.append(_cost_row(case.name, variants, timings["with"].cpu_s, timings["without"].cpu_s))
    return table


def _cost_row(name: str, variants: int, judged_s: float, plain_s: float) -> list[str | Number]:
    extra_s, plain_us = judged_s - plain_s, 1e6 * plain_s / variants
    share = extra_s / plain_s
    relative = variants >= LEAST_VARIANTS and plain_us >= LEAST_US
    holds = share <= MOST_SHARE if relative else extra_s <= MOST_US * 1e-6 * variants + MOST_FIXED_S
    bound = f"≤ {MOST_SHARE:.0%}" if relative else f"≤ {1e3 * (MOST_US * 1e-6 * variants + MOST_FIXED_S):,.0f} ms"
    each = f"{1e6 * extra_s / variants:.2f}"
    return [
        name,
        f"{variants:,}",
        f"{plain_us:.1f}",
        each,
        Number(f"{1e3 * extra_s:,.0f} ms", holds),
        f"{share:.1%}",
        bound,
    ]


def memory(cases: Sequence[Case]) -> Table:
    """Measure the peaks of processes that search with and without a verdict."""
    table = Table("Memory of a verdict", ("request", "without", "with", f"more (≤ {MOST_MB:g} MB)"))
    for case in cases:
        plain, judged = (
            run_program("tests.bench.trust.cost", "--peak", case.name, *asked)["peak_bytes"] / 1e6
            for asked in ([], ["--judged"])
        )
        more = judged - plain
        table.rows.append(
            [case.name, f"{plain:,.0f} MB", f"{judged:,.0f} MB", Number(f"{more:,.0f} MB", more <= MOST_MB)]
        )
    return table


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.bench.trust.cost", description=__doc__)
    parser.add_argument("--only", action="append", choices=list(MEASURED), help="this request alone; repeatable")
    parser.add_argument("--quick", action="store_true", help="each request once")
    parser.add_argument("--no-memory", action="store_true")
    parser.add_argument("--peak", choices=list(MEASURED), help=argparse.SUPPRESS)
    parser.add_argument("--judged", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args(arguments)
    market = load_market()
    if options.peak:
        answer(market, MEASURED[options.peak], options.judged)
        json.dump({"peak_bytes": high_water_bytes()}, sys.stdout)
        return 0
    pin_to_one_core()
    cases = [MEASURED[name] for name in options.only or MEASURED]
    tables = [costs(market, cases, options.quick)]
    print(tables[0], flush=True)
    if not options.no_memory:
        tables.append(memory(cases))
        print(tables[1])
    broken = [line for table in tables for line in table.broken]
    print("\n".join([f"{len(broken)} bounds are broken", *broken]) if broken else "every bound holds")
    return 1 if broken else 0


if __name__ == "__main__":
    sys.exit(main())
