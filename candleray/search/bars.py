"""The bars of a search, read from the store of candles."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from candleray.backtests.request import BacktestRequest, OverGaps
from candleray.candles import Candles, FloatArray, IntArray
from candleray.hashes import arrays_hash, candles_hash, content_hash
from candleray.market_data.bar_reader import BarReader, CandleReader, Window
from candleray.market_data.range_coverage import RangeCoverage
from candleray.markets import Instrument
from candleray.search.signals.expressions import Need, SourceKey
from candleray.search.variants import VariantGrid
from candleray.settings import BacktestSettings
from candleray.timeframes import MINUTE_MS, minutes_of

_NO_GAPS: IntArray = np.empty(0, np.int64)


@dataclass(frozen=True)
class Bars:
    """The bars of a request: warm-up before `start`, then the range that trades and counts."""

    candles: Candles
    start: int
    bar_ms: int
    hash: str
    """The name of the bars, the warm-up among them."""
    coverage: RangeCoverage
    gaps: IntArray = field(default_factory=lambda: _NO_GAPS)
    """The range's bars after which a long hole comes that no position is held over."""
    others: Mapping[SourceKey, Candles] = field(default_factory=dict)
    """Other candles that conditions read, with what they need before the range."""
    inside: FloatArray | None = None
    """Opens, highs and lows of the minutes of all these bars, `(3, minutes)`, where they are longer than a minute
    and a request looks inside them."""

    @property
    def stop(self) -> int:
        return len(self.candles)

    @property
    def count(self) -> int:
        return self.stop - self.start

    def head(self, count: int) -> Bars:
        """Return the first bars alone, all of which trade, as if they had no hole."""
        return replace(self._cut(0, count), start=0, gaps=_NO_GAPS)

    def some(self, first: int, last: int, history: int = 0) -> Bars:
        """Return bars of the range alone, the last among them, with some before them that do not trade."""
        gaps = self.gaps[(self.gaps >= first) & (self.gaps < last)] - first
        before = min(self.start + first, history)
        cut = self._cut(self.start + first - before, self.start + last + 1)
        return replace(cut, start=before, gaps=gaps)

    def _cut(self, first: int, stop: int) -> Bars:
        candles = Candles(
            self.candles.ts_open_ms[first:stop].copy(), np.ascontiguousarray(self.candles.values[:, first:stop])
        )
        if self.inside is None:
            return replace(self, candles=candles)
        cut = slice(first * self.bar_minutes, stop * self.bar_minutes)
        return replace(self, candles=candles, inside=np.ascontiguousarray(self.inside[:, cut]))

    @property
    def bar_minutes(self) -> int:
        return self.bar_ms // MINUTE_MS

    @property
    def minutes(self) -> FloatArray:
        """Opens, highs and lows of the minutes of the range.

        Raises:
            ValueError: nobody has looked inside these bars.
        """
        rows = self.candles.values[:3] if self.bar_minutes == 1 else self.inside
        if rows is None:
            raise ValueError("these bars were read without their minutes")
        cut: FloatArray = rows[:, self.start * self.bar_minutes :]
        return cut

    @property
    def close(self) -> FloatArray:
        return self.candles.column("close")[self.start :]

    @property
    def ts_open_ms(self) -> IntArray:
        return self.candles.ts_open_ms[self.start :]


def warmup_bars(grid: VariantGrid, default: int) -> int:
    """Return the longest warm-up of any plane or level: so much history is read."""
    return max(default, grid.numbering.lookback_bars, grid.request.history_bars)


def most_bars(request: BacktestRequest, stored: tuple[int, int]) -> int:
    """Return the bars there can be at most, known before anything is read."""
    start_ms = max(request.time_range.start_ms, stored[0])
    end_ms = min(request.time_range.end_ms, stored[1])
    return max(0, end_ms - start_ms) // (minutes_of(request.timeframe) * MINUTE_MS)


async def coverage_of(store: CandleReader, request: BacktestRequest, warmup: int = 0) -> RangeCoverage:
    """Return the coverage of a request's range and of so many bars before it, without reading its candles.

    Raises:
        NotFound: unknown symbol.
    """
    span = request.time_range
    reader = BarReader(store, request.instrument, request.timeframe)
    return await reader.coverage(span.start_ms, span.end_ms, warmup)


async def allowed_coverage(
    store: CandleReader, request: BacktestRequest, defaults: BacktestSettings
) -> RangeCoverage:
    """Return the coverage of the range of a request that may be answered.

    Not that of its warm-up: to find the longest of a million planes takes half a minute, and guards come first.

    Raises:
        NotFound: unknown symbol.
        GapsInRange: a long hole that the request does not allow.
    """
    coverage = await coverage_of(store, request)
    _refuse_gaps(request, coverage, defaults)
    return coverage


async def read_bars(store: CandleReader, grid: VariantGrid, defaults: BacktestSettings) -> Bars:
    """Read the bars of a resolved request, with the longest warm-up of its planes before them.

    Raises:
        NotFound: unknown symbol, or no bar lies in the range.
        GapsInRange: a long hole that the request does not allow.
    """
    request, span = grid.request, grid.request.time_range
    reader = BarReader(store, request.instrument, request.timeframe)
    window = await reader.within(span.start_ms, span.end_ms, warmup_bars(grid, defaults.warmup_bars))
    _refuse_gaps(request, window.coverage, defaults)
    others = {
        need.source: await _read_other(store, window, need, span.end_ms, defaults.warmup_bars)
        for need in grid.numbering.sources
        if need.source is not None
    }
    gaps = gaps_of(window.coverage, defaults) if request.over_gaps is OverGaps.CLOSE else _NO_GAPS
    bars = await asyncio.to_thread(_named, window, reader.bar_ms, gaps, others)
    if not grid.looks_inside or bars.bar_minutes == 1:
        return bars
    return await asyncio.to_thread(_looked_into, bars, window)


def _looked_into(bars: Bars, window: Window) -> Bars:
    """Return the bars with their minutes, by which they have another name."""
    minutes, opens = window.minutes, bars.candles.ts_open_ms
    # A bar is whole, so that its minutes are the ones that open in it; those of other bars are none of ours.
    own = np.searchsorted(opens, minutes.ts_open_ms, side="right") - 1
    is_inside = (own >= 0) & (minutes.ts_open_ms < opens[np.maximum(own, 0)] + bars.bar_ms)
    inside = np.ascontiguousarray(minutes.values[:3, is_inside])
    return replace(bars, inside=inside, hash=content_hash({"bars": bars.hash, "inside": arrays_hash(*inside)}))


def gaps_of(coverage: RangeCoverage, defaults: BacktestSettings) -> IntArray:
    """Return the bars that have a long hole behind them and, further on, another bar of the range."""
    before = [hole.bars_before for hole in coverage.longer_than(defaults.max_gap_hours)]
    return np.array([bars - 1 for bars in before if 0 < bars < coverage.bars], np.int64)


async def _read_other(
    store: CandleReader, window: Window, need: Need, end_ms: int, default_warmup: int
) -> Candles:
    """Read other candles that are closed by the range's end, with what a series reads of them before it.

    That counts from the first bar of ours on which they are read: there may be more of theirs since than of ours.
    """
    source: Any = need.source
    instrument = Instrument(market_id=source.market_id, symbol=source.symbol)
    reader = BarReader(store, instrument, source.timeframe)
    start_ms = int(window.bars.ts_open_ms[max(0, window.start - need.extra_bars)])
    # Two more: the one that was closed last, from which the history counts, and one that is not closed yet.
    bars = await reader.closed_by(start_ms, end_ms, max(default_warmup, need.own_bars) + 2)
    return Candles(np.ascontiguousarray(bars.ts_open_ms), np.ascontiguousarray(bars.values))


def _refuse_gaps(request: BacktestRequest, coverage: RangeCoverage, defaults: BacktestSettings) -> None:
    if not request.allow_gaps:
        coverage.require_no_gap(request.instrument, defaults.max_gap_hours)


def _named(window: Window, bar_ms: int, gaps: IntArray, others: Mapping[SourceKey, Candles]) -> Bars:
    candles = Candles(np.ascontiguousarray(window.bars.ts_open_ms), np.ascontiguousarray(window.bars.values))
    name = candles_hash(candles)
    if gaps.size:
        # The same bars may have a hole that is longer or shorter by minutes that make no bar.
        name = content_hash({"candles": name, "gaps": gaps.tolist()})
    if others:
        name = content_hash([name, *([*source, candles_hash(each)] for source, each in others.items())])
    return Bars(candles, window.start, bar_ms, name, window.coverage, gaps, others)
