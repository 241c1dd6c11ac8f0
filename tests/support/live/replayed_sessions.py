"""The events of a session by the batch: its received minutes are the bars of one search.

Everything is made of all minutes at once, by other code than a runner's: the search's planes and walks, and loops.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from typing import Any

import numpy as np

from candleray.candles import Candles
from candleray.live.paper_accounts import PaperRun
from candleray.live.session_sources import first_other_bars, grid_of, instrument_of
from candleray.live.sessions import LiveRun
from candleray.market_data.coverage import missing_ranges
from candleray.market_data.range_coverage import RangeCoverage
from candleray.markets import Instrument
from candleray.search.bars import Bars, gaps_of
from candleray.search.engine import Planes, all_tables, planes_of, prices_of
from candleray.search.retraced import Retracing
from candleray.search.signals.evaluator import Evaluator
from candleray.settings import BacktestSettings
from candleray.strategies.strategy import StrategySpec
from candleray.timeframes import MINUTE_MS, iso, minutes_of, to_ms
from kernels.live.bar_signals import Decisions, bar_signals
from kernels.live.paper_accounts import LONG_BIT, SHORT_BIT, TERMS
from kernels.rollup import rollup
from kernels.simulation.equity_curve import mark_equity
from kernels.simulation.trades import EXIT_REASONS

ALL_THERE_IS = 10**9


def rolled(minutes: Candles, timeframe: Any, first_ms: int, end_ms: int) -> Candles:
    part = minutes.between(first_ms, end_ms)
    return Candles(*rollup(part.ts_open_ms, np.ascontiguousarray(part.values), minutes_of(timeframe)))


class ReplayedSession:
    """The bars of a session up to a moment, and all that follows from them."""

    def __init__(
        self,
        live: LiveRun,
        spec: StrategySpec,
        minutes: Mapping[Instrument, Candles],
        end_ms: int,
        backtest: BacktestSettings,
    ) -> None:
        self.live, self.spec, self.end_ms = live, spec, end_ms
        self.own_minutes = minutes[spec.instrument]
        self.bar_ms = minutes_of(spec.timeframe) * MINUTE_MS
        self.live_from_ms = to_ms(live.last.live_from)
        self.grid = grid_of(live, spec)
        others = {
            source: rolled(minutes[instrument_of(source)], source.timeframe, first_ms, end_ms)
            for source, first_ms in first_other_bars(live, self.grid).items()
        }
        candles = rolled(self.own_minutes, spec.timeframe, to_ms(live.run.metadata.warmup_from), end_ms)
        start = int(np.searchsorted(candles.ts_open_ms, self.live_from_ms))
        stored = int(self.own_minutes.ts_open_ms[0]), end_ms
        missing = missing_ranges(self.own_minutes.ts_open_ms, max(stored[0], self.live_from_ms), end_ms)
        coverage = RangeCoverage.of(missing, (self.live_from_ms, end_ms), stored, self.bar_ms)
        gaps = gaps_of(coverage, backtest)
        self.bars = Bars(candles, start, self.bar_ms, "", coverage, gaps, others)

    @cached_property
    def planes(self) -> Planes:
        return Planes.over([planes_of(self.bars, self.grid, 0, self.grid.planes, ALL_THERE_IS)])

    @cached_property
    def trades(self) -> np.ndarray:
        tables = all_tables(self.bars, self.grid, self.planes) if self.grid.has_stops else None
        prices = prices_of(self.bars, self.grid)
        return Retracing.of(self.bars, self.grid, self.planes.addresses, tables, prices).trades(0)

    @cached_property
    def equity(self) -> np.ndarray:
        equity = np.empty(self.bars.count)
        cash = float(self.spec.init_cash_quote or 0)
        mark_equity(self.trades, self.bars.close, cash, np.arange(self.bars.count), equity)
        return equity

    @cached_property
    def final_signals(self) -> list[int]:
        """1, -1 or 0 on each bar."""
        if self.grid.request.signals is None:
            truths = planes_of(self.bars, self.grid, 0, self.grid.planes, ALL_THERE_IS)
        else:
            evaluator = Evaluator(self.bars, ALL_THERE_IS)
            truths = np.stack([evaluator.plane(leaf.at(0)) for leaf in self.grid.groups])
        run = PaperRun(self.grid, range(len(truths)))
        terms = np.array([run.terms.record], TERMS)
        decisions = Decisions.of([(run.rows, self.grid.numbering.program)])
        said, _ = bar_signals(decisions, terms, np.zeros(1, np.int64), truths, self.bars.count)
        return (np.sign(said[0] & LONG_BIT).astype(int) - np.sign(said[0] & SHORT_BIT)).tolist()

    def events(self, is_open: bool) -> list[tuple[Any, ...]]:
        """Every event but entries that are annulled and what the end of the bars brings, `(bar, kind, body)`.

        Args:
            is_open: the run holds a position at the end, which the batch closes.
        """
        return sorted([*self._signals(), *self._trades(is_open), *self._gaps()], key=lambda one: one[:2])

    def _signals(self) -> list[tuple[Any, ...]]:
        names, opens, close = {1: "long", -1: "short", 0: "none"}, self.bars.ts_open_ms.tolist(), self.bars.close
        found, before = [], 0
        for at, now in enumerate(self.final_signals):
            if now != before:
                body = {"signal": names[now], "before": names[before], "close": close[at].item()}
                found.append((opens[at], "signal", body))
            before = now
        return found

    def _trades(self, is_open: bool) -> list[tuple[Any, ...]]:
        opens, found = self.bars.ts_open_ms.tolist(), []
        equity, last = float(self.spec.init_cash_quote or 0), self.bars.count - 1
        for trade in self.trades:
            side = "long" if trade["side"] > 0 else "short"
            entry, exit_ = opens[trade["entry_bar"]], opens[trade["exit_bar"]]
            opened = {
                "side": side,
                "price": trade["entry_fill"].item(),
                "quantity": trade["quantity"].item(),
                "notional_quote": trade["entry_notional_quote"].item(),
                "fee_quote": trade["entry_fee_quote"].item(),
                "equity_quote": equity,
            }
            found.append((entry, "entry", opened))
            equity = trade["equity_quote"].item()
            if is_open and trade["exit_bar"] == last and trade["entry_bar"] == self.trades["entry_bar"].max():
                continue
            closed = {
                "reason": EXIT_REASONS[trade["exit_reason"]],
                "side": side,
                "entered": iso(entry),
                "entry_price": trade["entry_fill"].item(),
                "price": trade["exit_fill"].item(),
                "quantity": trade["quantity"].item(),
                "fees_quote": trade["fees_quote"].item(),
                "pnl_quote": trade["pnl_quote"].item(),
                "return_pct": trade["return_pct"].item(),
                "equity_quote": equity,
            }
            found.append((exit_, "exit", closed))
        return found

    def _gaps(self) -> list[tuple[Any, ...]]:
        there = set(self.own_minutes.between(self.live_from_ms, self.end_ms).ts_open_ms.tolist())
        found, start = [], None
        for minute in range(self.live_from_ms, self.end_ms, MINUTE_MS):
            if minute not in there:
                start = minute if start is None else start
            elif start is not None:
                found.append((start, "gap", {"minutes": (minute - start) // MINUTE_MS}))
                start = None
        return found
