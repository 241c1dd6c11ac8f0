"""Indicators: planes a second, and series and sweeps against TA-Lib's C."""

from __future__ import annotations

import statistics
from collections.abc import Callable

import numpy as np
import talib
import talib.abstract
from numpy.typing import NDArray

from candleray.search import engine
from candleray.search.bars import Bars
from kernels.bits import pack, unpack
from kernels.indicators import INDICATORS
from kernels.signals import compute
from tests.bench.table import Row
from tests.bench.talib_meter import Meter, parity_rows
from tests.bench.timing import Timing, medians, medians_of, once
from tests.bench.workload import WARMUP, Market, Workload

SERIES = "indicator"
SWEEP = "sweep of 196 windows"
WINDOWS = {"start": 5, "stop": 200, "step": 1}

Series = NDArray[np.float64]


def rows(market: Market, quick: bool) -> list[Row]:
    # The sweeps come first: they call TA-Lib as it is, before it is metered.
    swept = _sweep_rows(market, quick)
    ratios: dict[str, float] = {}
    found = _series_rows(market, 3 if quick else 15, ratios)
    return [_summary(ratios), *swept, *found]


def _series_rows(market: Market, repeats: int, ratios: dict[str, float]) -> list[Row]:
    """One row an indicator; `ratios` gets those that TA-Lib has as they are."""
    meter = Meter()
    meter.install()
    known = parity_rows()
    found = []
    for name in INDICATORS:
        workload = Workload.of(market, [{"id": name}])
        values = workload.bars.candles.values
        params, answer = known.get(name, (dict(workload.grid.plane(0).params), None))
        measurements = {"series": _series(name, values, params), "plane": _plane(workload)}
        if answer is not None:
            measurements["talib"] = lambda answer=answer, values=values: meter.take(answer, values)
        medians_of(measurements, 1)
        timings = medians_of(measurements, repeats)
        row = _series_row(name, params, timings, meter)
        if row.ahead is not None and meter.is_whole:
            ratios[name] = row.ahead
        found.append(row)
    return found


def _series_row(name: str, params: dict[str, float], timings: dict[str, Timing], meter: Meter) -> Row:
    ours, theirs = timings["series"], timings.get("talib")
    shown = " ".join([name, *(f"{key}={value:g}" for key, value in params.items())])
    note, ahead = f"{1 / timings['plane'].cpu_s:,.0f} planes/s", None
    if theirs is not None:
        ahead = theirs.cpu_s / ours.cpu_s
        called = " ".join(sorted(set(meter.called))) + ("" if meter.is_whole else " and arithmetic")
        note += f"; TA-Lib {called} {theirs.cpu_s * 1e3:.2f} ms"
    return Row.timed(SERIES, shown, "series-year", ours, ahead=ahead, note=note)


def _series(name: str, values: Series, params: dict[str, float]) -> Callable[[], Timing]:
    return lambda: once(lambda: compute(INDICATORS[name], values, {}, params))


def _plane(workload: Workload) -> Callable[[], Timing]:
    variant = workload.grid.plane(0)
    return lambda: once(lambda: engine.plane_of(workload.bars, variant, WARMUP))


def _summary(ratios: dict[str, float]) -> Row:
    slowest = sorted(ratios.items(), key=lambda item: item[1])
    told = ", ".join(f"{name} {ratio:.2f} ×" for name, ratio in slowest[:5])
    return Row(
        SERIES,
        f"median of {len(ratios)} that TA-Lib has as they are",
        "series-year",
        ahead=statistics.median(ratios.values()),
        note=f"slowest: {told}",
    )


def _sweep_rows(market: Market, quick: bool) -> list[Row]:
    swept = ["sma"] if quick else [name for name in INDICATORS if _can_be_swept(name)]
    return [row for name in swept for row in _sweep(market, name, 1 if quick else 3)]


def _can_be_swept(name: str) -> bool:
    """True where it has one window, is read as *price against output*, and TA-Lib has it under its name."""
    declared = INDICATORS[name]
    if declared.rule.family != "price_against_output" or list(declared.params) != ["window"]:
        return False
    known = name.upper() in talib.get_functions()
    return known and dict(talib.abstract.Function(name.upper()).input_names) == {"price": "close"}


def _sweep(market: Market, name: str, repeats: int) -> list[Row]:
    workload = Workload.of(market, [{"id": name, "params": {"window": WINDOWS}}])
    bars, grid = workload.bars, workload.grid
    function, windows = getattr(talib, name.upper()), range(5, 201)

    def ours() -> engine.PlaneArray:
        return engine.planes_of(bars, grid, 0, grid.planes, WARMUP)

    def theirs() -> engine.PlaneArray:
        return np.stack([_talib_plane(function, bars, window) for window in windows])

    differing = unpack(ours() ^ theirs(), bars.count)
    timings = medians({"ours": ours, "theirs": theirs}, repeats, warm=False)
    note = f"candles to planes, {grid.planes / timings['ours'].cpu_s:,.0f} planes/s"
    compared = f"calls, comparison, packing; {int(differing.sum())} of {differing.size:,} bits differ"
    return [
        Row.timed(SWEEP, name, "sweep-year", timings["ours"], note=note),
        Row.peer(SWEEP, f"TA-Lib {name.upper()}", "sweep-year", timings["theirs"], timings["ours"], compared),
    ]


def _talib_plane(function: Callable[[Series, int], Series], bars: Bars, window: int) -> engine.PlaneArray:
    close = bars.candles.column("close")
    output = function(close, window)
    return pack(np.stack((close > output, close < output))[:, bars.start :])
