"""Parity with vectorbt: the same variants, the same trades, the same returns; a disagreement fails the run."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import product
from typing import Any

from candleray.backtests.request import BacktestRequest
from candleray.backtests.result import RankedVariant
from tests.bench.peers import Vectorbt, long_only_signals
from tests.bench.table import Row
from tests.bench.workload import RSI, SMA, WARMUP, Market, Workload
from tests.support.searches import search_over

TOLERANCE = 1e-9
INIT_CASH_QUOTE = 1e12
"""Returns do not depend on it, but vectorbt takes less than 1e-12 of a coin for none, and some variants lose all
but that of a usual account."""
TRAILS_PCT = (0.1, 0.2, 0.3, 0.5, 1.0)
"""Trailing stops in percent."""
STOP_LEVELS = ((0.1, 0.2), (0.2, 0.1), (0.3, 0.5), (0.5, 1.0), (1.0, 0.3))
"""SL and TP in percent, one pair a comparison; near enough to be reached by positions that last minutes."""


_THEIRS = {"sl_pct": "sl_stop", "tp_pct": "tp_stop", "trail_pct": "sl_stop"}
_STOPPED = ("stop_loss", "trailing_stop", "take_profit")


@dataclass(frozen=True)
class Comparison:
    """One variant: total return as a share of the initial cash, and trades, of both."""

    name: str
    ours: tuple[float, int]
    theirs: tuple[float, int]
    stopped: int
    """Trades of ours that a stop ended."""

    @property
    def distance(self) -> float:
        """Between the last equities, relative to the initial cash or to the equity where that is more."""
        return abs(self.ours[0] - self.theirs[0]) / max(1.0, 1.0 + self.theirs[0])

    @property
    def agrees(self) -> bool:
        return self.distance <= TOLERANCE and self.ours[1] == self.theirs[1]


def rows(market: Market, quick: bool) -> list[Row]:
    count = 20 if quick else 200
    return [
        _row("long-only, no stops", list(without_stops(market, count))),
        _row("long-only, SL and TP", list(with_stops(market, count))),
        _row("long-only, SL and TP inside bars", list(inside_bars(market, count, STOPS_OF_BOTH))),
        _row("long-only, trailing stops inside bars", list(inside_bars(market, count, TRAILS))),
    ]


def without_stops(market: Market, count: int) -> Iterator[Comparison]:
    workload = Workload.of(market, [SMA, RSI], init_cash_quote=INIT_CASH_QUOTE)
    peer = Vectorbt(workload, "rust")
    for variant in workload.sample(count):
        yield _compare(workload, variant, peer, {})


def with_stops(market: Market, count: int) -> Iterator[Comparison]:
    workload = Workload.of(market, [SMA, RSI], init_cash_quote=INIT_CASH_QUOTE)
    peer = Vectorbt(workload, "rust")
    for variant, (sl, tp) in product(workload.sample(count // len(STOP_LEVELS)), STOP_LEVELS):
        yield _compare(workload, variant, peer, {"sl_pct": sl, "tp_pct": tp})


STOPS_OF_BOTH = tuple({"sl_pct": sl, "tp_pct": tp} for sl, tp in STOP_LEVELS)
TRAILS = tuple({"trail_pct": trail} for trail in TRAILS_PCT)


def inside_bars(market: Market, count: int, levels: Sequence[dict[str, float]]) -> Iterator[Comparison]:
    """Compare levels inside bars, without slippage: vectorbt has it on take-profits too, or on no level."""
    fill = {"stops": "intrabar"}
    workload = Workload.of(market, [SMA, RSI], init_cash_quote=INIT_CASH_QUOTE, slippage_pct=0, fill=fill)
    peer = Vectorbt(workload, "rust")
    for variant, stops in product(workload.sample(count // len(levels)), levels):
        yield _compare(workload, variant, peer, stops)


def _compare(workload: Workload, variant: int, peer: Vectorbt, stops: dict[str, float]) -> Comparison:
    levels: dict[str, Any] = {_THEIRS[name]: level / 100 for name, level in stops.items()}
    if "trail_pct" in stops:
        levels["sl_trail"] = True
    inside = workload.request.fill.looks_inside
    portfolio = peer.portfolio(*long_only_signals(workload.flags(variant)), inside=inside, **levels)
    theirs = float(portfolio.total_return()), int(portfolio.trades.count())
    best = _run_alone(workload, variant, stops)
    ours = best.total_return_pct / 100, int(best.metrics["Num. Trades"] or 0)
    stopped = sum(trade.exit_reason in _STOPPED for trade in best.trades or ())
    return Comparison(f"variant {variant} {stops}", ours, theirs, stopped)


def _run_alone(workload: Workload, variant: int, stops: dict[str, float]) -> RankedVariant:
    """The variant as a request of its own, through the whole engine."""
    alone = {**workload.grid.strategy(variant), "risk": stops, "top_k": 1, "trades_for": 1 if stops else 0}
    return search_over(workload.minutes, BacktestRequest.model_validate(alone), WARMUP).top[0]


def _row(name: str, compared: list[Comparison]) -> Row:
    wrong = [one for one in compared if not one.agrees]
    trades, stopped = sum(one.theirs[1] for one in compared), sum(one.stopped for one in compared)
    worst = max(one.distance for one in compared)
    note = f"{len(compared)} variants, {trades:,} trades"
    if stopped:
        note += f", {stopped:,} of them stopped"
    note += f", largest distance {worst:.1g}"
    if wrong:
        note += f"; DISAGREES, first {wrong[0]}"
    return Row("parity with vectorbt", name, "variant", value=len(wrong), unit="disagreements", note=note)


def disagreements(found: list[Row]) -> list[Row]:
    return [row for row in found if row.unit == "disagreements" and row.value]
