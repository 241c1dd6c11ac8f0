"""A session of a run through the batch: what a backtest over the session's minutes says, as the run's own events.

A batch knows the end of its bars, and a run does not. So the bars get one more behind the last, on which nothing
counts: what it closes is still open, and what opens on the last real bar stands. A batch also knows of a gap
before it comes. The entry on the last bar before one, which a run makes and finds annulled on the bar behind, is
found by another walk, which does not know that gap.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from candleray.backtests.request import BacktestRequest
from candleray.candles import Candles, FloatArray, IntArray
from candleray.live.event_bodies import ON_ONE_BAR, annulled_of, entry_of, exit_of, gap_of, signal_change
from candleray.live.events import Annulled, EventBody, Exit
from candleray.live.paper_accounts import PaperRun
from candleray.live.received.session_sources import first_other_bars, grid_of
from candleray.live.sessions import LiveRun
from candleray.market_data.coverage import missing_ranges
from candleray.market_data.range_coverage import RangeCoverage
from candleray.markets import Instrument
from candleray.search.bars import Bars, gaps_of
from candleray.search.engine import Planes, all_tables, planes_of, prices_of
from candleray.search.kernel_types import trading_rules
from candleray.search.retraced import Retracing
from candleray.search.signals.expressions import SourceKey
from candleray.search.stop_tables import Tables
from candleray.search.variants import VariantGrid, resolve
from candleray.settings import BacktestSettings
from candleray.strategies.strategy import StrategySpec, request_of
from candleray.timeframes import MINUTE_MS, TimeRange, from_ms, minutes_of, to_ms
from kernels.live.bar_signals import Decisions, bar_signals
from kernels.live.paper_accounts import LONG_BIT, SHORT_BIT, TERMS
from kernels.rollup import rollup
from kernels.simulation.equity_curve import mark_equity
from kernels.simulation.exits import EXIT_GAP, EXIT_REASONS

ALL_THERE_IS = 1 << 40
"""A warm-up that begins every series with the first bar of its candles."""


class ReplayedEvent(NamedTuple):
    """An event as the batch says it, but for its number and its moment."""

    ts_open_ms: int
    known_ms: int
    """The close of the candle that shows it: its own bar, or, of what a gap brings, the one behind the gap."""
    body: EventBody


@dataclass(frozen=True)
class SessionSpan:
    """The bars of a session, and those that warm it up."""

    instrument: Instrument
    first_ms: Mapping[SourceKey | None, int]
    """Opening time of the first bar of each source; None is the strategy's own bars."""
    live_from_ms: int
    until_ms: int
    """The end of the last minute."""

    @classmethod
    def of(cls, live: LiveRun, spec: StrategySpec, until_ms: int) -> SessionSpan:
        """The span of the session of a run that `live` names, up to a moment."""
        firsts: dict[SourceKey | None, int] = {None: to_ms(live.run.metadata.warmup_from)}
        firsts.update(
            {source: first_ms for source, first_ms in first_other_bars(live, grid_of(live, spec)).items()}
        )
        return cls(spec.instrument, firsts, to_ms(live.last.live_from), until_ms)

    def until(self, end_ms: int | None) -> SessionSpan:
        """The same from the beginning to an earlier end, where one is given."""
        return self if end_ms is None else replace(self, until_ms=min(self.until_ms, end_ms))


@dataclass(frozen=True)
class Replay:
    """A session as the batch sees it, bar by bar and event by event."""

    bars: Candles
    """The bars from `live_from` on."""
    signals: IntArray
    """The final signal of each: 1, -1, 0."""
    trades: NDArray[np.void]
    """Records of `kernels.simulation.trades.TRADE` of what has closed; bars count from `live_from`."""
    equity: FloatArray
    """The equity at each close."""
    events: tuple[ReplayedEvent, ...]
    """The order is that of their bars, and `ON_ONE_BAR`."""


def replayed(
    spec: StrategySpec,
    span: SessionSpan,
    minutes: Mapping[Instrument, Candles],
    defaults: BacktestSettings,
    told_ms: IntArray | None = None,
) -> Replay:
    """Take a session through the batch.

    Args:
        minutes: of each instrument that is read, those from the first bar of its sources on.
        defaults: the settings by which the session ran; of them, the length of a gap.
        told_ms: bars whose events alone are told, if not all: making them takes most of the time.
    """
    grid, bars = session_bars(spec, span, minutes, defaults)
    planes = Planes.over([planes_of(bars, grid, 0, grid.planes, ALL_THERE_IS)])
    account = _Account.of(bars, grid, planes)
    signals = _final_signals(grid, planes, bars.count)[:-1]
    trades = account.trades(bars.gaps)
    equity = np.empty(bars.count)
    mark_equity(trades, bars.close, account.init_cash_quote, np.arange(bars.count), equity)
    is_told = np.ones(bars.count, bool) if told_ms is None else np.isin(bars.ts_open_ms, told_ms)
    told = [*_signal_changes(bars, signals, is_told), *account.events(trades, signals, is_told)]
    found = [*_gaps(minutes[span.instrument], span), *told]
    own = bars.candles.between(span.live_from_ms, int(bars.ts_open_ms[-1]))
    closed = trades[trades["exit_bar"] < bars.count - 1]
    return Replay(own, signals, closed, equity[:-1], tuple(sorted(found, key=_place)))


def _place(event: ReplayedEvent) -> tuple[int, int]:
    return event.ts_open_ms, ON_ONE_BAR.index(event.body.kind)


def _request(spec: StrategySpec, span: SessionSpan) -> BacktestRequest:
    end_ms = max(span.until_ms, span.live_from_ms + MINUTE_MS)
    time_range = TimeRange(start=from_ms(span.live_from_ms), end=from_ms(end_ms))
    return request_of(spec, time_range, {"allow_gaps": True})


def session_bars(
    spec: StrategySpec, span: SessionSpan, minutes: Mapping[Instrument, Candles], defaults: BacktestSettings
) -> tuple[VariantGrid, Bars]:
    """The strategy as a grid of one variant, and the session's bars; behind the last, one that counts nothing."""
    grid = VariantGrid(resolve(_request(spec, span), defaults))
    bar_ms = minutes_of(grid.request.timeframe) * MINUTE_MS
    own = minutes[span.instrument].between(0, span.until_ms)
    candles = _rolled_up(own.between(span.first_ms[None], span.until_ms), bar_ms)
    window = (span.live_from_ms, span.until_ms)
    missing = missing_ranges(own.ts_open_ms, *window)
    coverage = RangeCoverage.of(missing, window, window, bar_ms)
    start = int(np.searchsorted(candles.ts_open_ms, span.live_from_ms))
    others = {}
    for need in grid.numbering.sources:
        if (source := need.source) is not None:
            of_source = minutes[Instrument(market_id=source.market_id, symbol=source.symbol)]
            read = of_source.between(span.first_ms[source], span.until_ms)
            others[source] = _rolled_up(read, minutes_of(source.timeframe) * MINUTE_MS)
    extended, gaps = _with_one_more(candles, bar_ms, span), gaps_of(coverage, defaults)
    return grid, Bars(extended, start, bar_ms, "", coverage, gaps, others)


def _rolled_up(minutes: Candles, bar_ms: int) -> Candles:
    stamps, values = rollup(minutes.ts_open_ms, minutes.values, bar_ms // MINUTE_MS)
    return Candles(np.ascontiguousarray(stamps), np.ascontiguousarray(values))


def _with_one_more(candles: Candles, bar_ms: int, span: SessionSpan) -> Candles:
    """The candles and a copy of the last of them behind it; not before the first bar that may trade."""
    values = candles.values[:, -1:] if len(candles) else np.ones((5, 1))
    last_ms = int(candles.ts_open_ms[-1]) + bar_ms if len(candles) else 0
    stamp = max(last_ms, span.live_from_ms)
    return Candles(np.append(candles.ts_open_ms, stamp), np.concatenate([candles.values, values], axis=1))


def _final_signals(grid: VariantGrid, planes: Planes, bars: int) -> IntArray:
    """The final signal of each bar by the joins of the batch: 1, -1, 0."""
    every = [planes.plane(number) for number in range(grid.planes)]
    truths = np.zeros((len(every), 2, every[0].shape[-1]), np.uint64)
    for group, plane, truth in zip(grid.groups, every, truths, strict=True):
        # Where one row of a pair is kept, the program means that one.
        truth[slice(None) if len(plane) == 2 else group.rows[0]] = plane
    run = PaperRun(grid, range(len(every)))
    decisions = Decisions.of([(run.rows, grid.numbering.program)])
    [said], _ = bar_signals(decisions, np.array([run.terms.record], TERMS), np.zeros(1, np.int64), truths, bars)
    longs, shorts = (said & LONG_BIT != 0).astype(np.int64), (said & SHORT_BIT != 0).astype(np.int64)
    signals: IntArray = longs - shorts
    return signals


@dataclass(frozen=True)
class _Account:
    """A run's paper account by the batch's walk over bars, the last of which is the one behind the end."""

    bars: Bars
    grid: VariantGrid
    planes: Planes
    tables: Tables | None

    @classmethod
    def of(cls, bars: Bars, grid: VariantGrid, planes: Planes) -> _Account:
        return cls(bars, grid, planes, all_tables(bars, grid, planes) if grid.has_stage_b else None)

    @property
    def init_cash_quote(self) -> float:
        return trading_rules(self.grid.request).init_cash_quote

    def trades(self, gaps: IntArray) -> NDArray[np.void]:
        """Every trade where no position is held over these gaps."""
        prices = prices_of(replace(self.bars, gaps=gaps), self.grid)
        return Retracing.of(self.bars, self.grid, self.planes.addresses, self.tables, prices).trades(0)

    def events(
        self, trades: NDArray[np.void], signals: IntArray, is_told: NDArray[np.bool_]
    ) -> Iterator[ReplayedEvent]:
        """Yield what opens and closes, and what was annulled, on the bars that are told."""
        equities = self._equities(trades)
        for at in np.flatnonzero(is_told[trades["entry_bar"]]).tolist():
            yield self._event(trades["entry_bar"][at], entry_of(_plain(trades[at]), equities[at]))
        is_closed = trades["exit_bar"] < self.bars.count - 1
        for at in np.flatnonzero(is_closed & is_told[trades["exit_bar"]]).tolist():
            entered_ms = int(self.bars.ts_open_ms[trades["entry_bar"][at]])
            yield self._event(trades["exit_bar"][at], exit_of(_plain(trades[at]), entered_ms))
        fresh = (signals != 0) & (signals != np.concatenate([[0], signals[:-1]]))
        for place, gap in enumerate(self.bars.gaps.tolist()):
            if not (fresh[gap] and is_told[gap]):
                continue
            # A run that does not know the gap yet enters there all the same.
            unaware = self.trades(self.bars.gaps[:place])
            for at in np.flatnonzero(unaware["entry_bar"] == gap).tolist():
                before = self._equities(unaware)[at]
                yield self._event(gap, entry_of(_plain(unaware[at]), before))
                yield self._event(gap, annulled_of(_plain(unaware[at]), before))

    def _equities(self, trades: NDArray[np.void]) -> list[float]:
        """The equity before each trade."""
        return [self.init_cash_quote, *trades["equity_quote"].tolist()][: trades.size]

    def _event(self, bar: int, body: EventBody) -> ReplayedEvent:
        by_gap = isinstance(body, Annulled) or (isinstance(body, Exit) and body.reason == EXIT_REASONS[EXIT_GAP])
        opens_ms = self.bars.ts_open_ms
        return ReplayedEvent(int(opens_ms[bar]), int(opens_ms[bar + by_gap]) + self.bars.bar_ms, body)


def _gaps(minutes: Candles, span: SessionSpan) -> Iterator[ReplayedEvent]:
    """Yield the missing minutes of the session that another minute has followed."""
    stamps = minutes.between(0, span.until_ms).ts_open_ms
    if not stamps.size:
        return
    for start_ms, end_ms in missing_ranges(stamps, span.live_from_ms, int(stamps[-1])).tolist():
        yield ReplayedEvent(start_ms, end_ms + MINUTE_MS, gap_of(start_ms, end_ms))


def _signal_changes(bars: Bars, signals: IntArray, is_told: NDArray[np.bool_]) -> Iterator[ReplayedEvent]:
    before = np.concatenate([[0], signals[:-1]])
    for at in np.flatnonzero((signals != before) & is_told[:-1]).tolist():
        body = signal_change(int(signals[at]), int(before[at]), float(bars.close[at]))
        ts_open_ms = int(bars.ts_open_ms[at])
        yield ReplayedEvent(ts_open_ms, ts_open_ms + bars.bar_ms, body)


def _plain(trade: np.void) -> dict[str, Any]:
    return dict(zip(trade.dtype.names or (), trade.item(), strict=True))
