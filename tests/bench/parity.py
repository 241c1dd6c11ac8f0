"""Parity with vectorbt: the same variants, the same trades, the same returns; a disagreement fails the run."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import product
from typing import Any

from candleray import engine
from candleray.backtests import BacktestRequest
from tests.bench.peers import Flags, Vectorbt, long_only_signals
from tests.bench.stage_b import stops_workload
from tests.bench.table import Row
from tests.bench.workload import RSI, SMA, WARMUP, Market, Workload

TOLERANCE = 1e-9
INIT_CASH_QUOTE = 1e12
"""Returns do not depend on it, but vectorbt takes less than 1e-12 of a coin for none, and some variants lose all
but that of a usual account."""
STOP_LEVELS = ((0.5, 1.0), (1.0, 0.7), (2.0, 3.0), (0.3, 5.0), (4.0, 0.5))
"""SL and TP in percent, one pair a comparison."""


@dataclass(frozen=True)
class Comparison:
    """One variant: total return as a share of the initial cash, and trades, of both."""

    name: str
    ours: tuple[float, int]
    theirs: tuple[float, int]

    @property
    def distance(self) -> float:
        """Between the last equities, relative to the initial cash or to the equity where that is more."""
        return abs(self.ours[0] - self.theirs[0]) / max(1.0, 1.0 + self.theirs[0])

    @property
    def agrees(self) -> bool:
        return self.distance <= TOLERANCE and self.ours[1] == self.theirs[1]


def rows(market: Market, quick: bool) -> list[Row]:
    count = 20 if quick else 200
    found = [_row("long-only, no stops", list(without_stops(market, count)))]
    if stops_workload(market) is not None:
        found.append(_row("long-only, SL and TP", list(with_stops(market, count))))
    return found


def without_stops(market: Market, count: int) -> Iterator[Comparison]:
    workload = Workload.of(market, [SMA, RSI], init_cash_quote=INIT_CASH_QUOTE)
    peer = Vectorbt(workload, "rust")
    for variant in workload.sample(count):
        yield _compare(workload, variant, peer, workload.flags(variant))


def with_stops(market: Market, count: int) -> Iterator[Comparison]:
    workload = Workload.of(market, [SMA, RSI], init_cash_quote=INIT_CASH_QUOTE)
    peer = Vectorbt(workload, "rust")
    for variant, (sl, tp) in product(workload.sample(count // len(STOP_LEVELS)), STOP_LEVELS):
        stops = {"sl_pct": sl, "tp_pct": tp}
        yield _compare(workload, variant, peer, workload.flags(variant), stops)


def _compare(
    workload: Workload, variant: int, peer: Vectorbt, flags: Flags, stops: dict[str, float] | None = None
) -> Comparison:
    stops = stops or {}
    levels = {name.replace("pct", "stop"): level / 100 for name, level in stops.items()}
    portfolio = peer.portfolio(*long_only_signals(flags), **levels)
    theirs = float(portfolio.total_return()), int(portfolio.trades.count())
    return Comparison(f"variant {variant} {stops}", _ours(workload, variant, stops), theirs)


def _ours(workload: Workload, variant: int, stops: dict[str, float]) -> tuple[float, int]:
    """The variant alone, through the whole engine."""
    content: dict[str, Any] = {**workload.grid.strategy(variant), "risk": stops, "preselect": "all", "top_k": 1}
    request = BacktestRequest.model_validate(content)
    best = engine.run(request, workload.minutes, WARMUP).top[0]
    trades = best.metrics["Num. Trades"]
    assert isinstance(trades, int)
    return best.total_return_pct / 100, trades


def _row(name: str, compared: list[Comparison]) -> Row:
    wrong = [one for one in compared if not one.agrees]
    trades = sum(one.theirs[1] for one in compared)
    worst = max(one.distance for one in compared)
    note = f"{len(compared)} variants, {trades:,} trades, largest distance {worst:.1g}"
    if wrong:
        note += f"; DISAGREES, first {wrong[0]}"
    return Row("parity with vectorbt", name, "variant", value=len(wrong), unit="disagreements", note=note)


def disagreements(found: list[Row]) -> list[Row]:
    return [row for row in found if row.unit == "disagreements" and row.value]
