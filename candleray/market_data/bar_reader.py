"""Bars of any timeframe, rolled up from a store of one-minute candles.

A stretch of time with holes has fewer bars, so a reader that needs a number of bars reads on until it has them.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, replace
from typing import Protocol

from candleray.candles import Candles, IntArray
from candleray.errors import NotFound
from candleray.market_data.coverage import missing_ranges
from candleray.market_data.range_coverage import RangeCoverage, answered, clipped, first_warmup_bar
from candleray.markets import Instrument
from candleray.timeframes import MINUTE_MS, Timeframe, iso, minutes_of
from kernels.rollup import rollup


class CandleReader(Protocol):
    """The candle store, as other processes read it. `read` and `span` raise NotFound for an unknown symbol."""

    async def read(self, market_id: int, symbol: str, start_ms: int, end_ms: int) -> Candles: ...

    async def span(self, market_id: int, symbol: str) -> tuple[int, int]:
        """`[first, end)` of the stored minutes in ms."""
        ...

    async def missing_ranges(self, market_id: int, symbol: str, start_ms: int, end_ms: int) -> IntArray:
        """`(k, 2)`: every run of minutes of the range that has no candle."""
        ...


@dataclass(frozen=True)
class Window:
    """Bars with a warm-up: `bars[start:]` are the bars of the window."""

    bars: Candles
    start: int
    coverage: RangeCoverage
    minutes: Candles
    """The minutes that the bars are made of, and others near them."""

    @staticmethod
    def of_last(bars: Candles, count: int, warmup: int, coverage: RangeCoverage, minutes: Candles) -> Window:
        first = max(0, len(bars) - count - warmup)
        last_bars = Candles(bars.ts_open_ms[first:], bars.values[:, first:])
        return Window(last_bars, len(bars) - count - first, coverage, minutes)


@dataclass(frozen=True)
class BarReader:
    """One instrument's bars of one timeframe."""

    store: CandleReader
    instrument: Instrument
    timeframe: Timeframe

    @property
    def bar_ms(self) -> int:
        return minutes_of(self.timeframe) * MINUTE_MS

    async def span(self) -> tuple[int, int]:
        """`[first, end)` of the stored minutes in ms."""
        return await self.store.span(self.instrument.market_id, self.instrument.symbol)

    async def page(self, start_ms: int, end_ms: int | None, limit: int) -> tuple[Candles, int | None]:
        """The first `limit` bars of the range, and where the next page starts if there is one."""
        first_ms, last_ms = await self.span()
        start_ms, end_ms = max(start_ms, first_ms), _earlier(end_ms, last_ms)
        reach_ms = limit * self.bar_ms
        while start_ms < end_ms:
            start_ms = -(-start_ms // self.bar_ms) * self.bar_ms
            stop_ms = min(start_ms + reach_ms, end_ms)
            _, bars = await self._read(start_ms, stop_ms)
            if len(bars) > limit:
                next_ms = int(bars.ts_open_ms[limit])
                return bars.between(0, next_ms), next_ms
            if len(bars):
                return bars, stop_ms if stop_ms < end_ms else None
            start_ms, reach_ms = stop_ms, reach_ms * 4
        return Candles.empty(), None

    async def last(self, count: int, warmup: int, end_ms: int | None = None) -> Window:
        """The newest `count` bars before `end_ms` or as many as there are, after up to `warmup` more."""
        first_ms, last_ms = await self.span()
        end_ms = _earlier(end_ms, last_ms)
        minutes, bars = await self._reaching_back(first_ms, end_ms, end_ms, count + warmup)
        count = min(count, len(bars))
        start_ms = int(bars.ts_open_ms[-count]) if count else end_ms
        asked, stored = (start_ms, end_ms), (first_ms, end_ms)
        return await asyncio.to_thread(self._window, minutes, bars, count, warmup, asked, stored)

    async def within(self, start_ms: int, end_ms: int, warmup: int) -> Window:
        """The bars that lie wholly in the range, with up to `warmup` bars before them.

        Raises:
            NotFound: no bar lies in the range.
        """
        stored = await self.span()
        minutes, bars = await self._reaching_back(stored[0], start_ms, end_ms, warmup)
        inside = len(bars.between(start_ms, end_ms))
        if not inside:
            market, symbol = self.instrument.market.name, self.instrument.symbol
            raise NotFound(
                f"no {self.timeframe} bar of {market} {symbol} lies in {iso(start_ms)} to {iso(end_ms)}; "
                f"its candles are of {iso(stored[0])} to {iso(stored[1])}"
            )
        asked = start_ms, end_ms
        return await asyncio.to_thread(self._window, minutes, bars, inside, warmup, asked, stored)

    async def closed_by(self, start_ms: int, end_ms: int, warmup: int) -> Candles:
        """The bars that are closed by `end_ms`, from `warmup` bars before `start_ms` on; maybe none."""
        first_ms, _ = await self.span()
        _, bars = await self._reaching_back(first_ms, start_ms, end_ms, warmup)
        first = max(0, len(bars.between(0, start_ms)) - warmup)
        return Candles(bars.ts_open_ms[first:], bars.values[:, first:])

    async def coverage(self, start_ms: int, end_ms: int, warmup: int = 0) -> RangeCoverage:
        """The coverage of a range and of up to `warmup` bars before it, without its candles.

        Raises:
            NotFound: the instrument is unknown.
        """
        asked, stored, reach_ms = (start_ms, end_ms), await self.span(), (warmup + 1) * self.bar_ms
        while True:
            history = self._reach(stored[0], start_ms, reach_ms) if warmup else start_ms, stored[1]
            looked_at = answered((history[0], end_ms), stored)
            missing = await self.store.missing_ranges(
                self.instrument.market_id, self.instrument.symbol, *looked_at
            )
            first_ms, there = first_warmup_bar(missing, history, start_ms, self.bar_ms, warmup)
            if there == warmup or history[0] <= stored[0]:
                break
            reach_ms *= 2
        within = clipped(missing, *answered(asked, stored))
        coverage = RangeCoverage.of(within, asked, stored, self.bar_ms)
        return coverage.warmed_up_over(missing, first_ms) if there else coverage

    def _window(
        self,
        minutes: Candles,
        bars: Candles,
        count: int,
        warmup: int,
        asked: tuple[int, int],
        stored: tuple[int, int],
    ) -> Window:
        """The last bars with their coverage; consistent with the minutes read, whatever is written meanwhile."""
        missing = missing_ranges(minutes.ts_open_ms, *answered(asked, stored))
        coverage = RangeCoverage.of(missing, asked, stored, self.bar_ms)
        window = Window.of_last(bars, count, warmup, coverage, minutes)
        if not window.start:
            return window
        first_ms = int(window.bars.ts_open_ms[0])
        before = missing_ranges(minutes.between(first_ms, asked[0]).ts_open_ms, first_ms, asked[0])
        return replace(window, coverage=window.coverage.warmed_up_over(before, first_ms))

    async def _reaching_back(
        self, first_ms: int, start_ms: int, end_ms: int, count: int
    ) -> tuple[Candles, Candles]:
        """The minutes and the bars up to `end_ms`, with `count` bars before `start_ms` or as many as there are."""
        # One bar more: the range may start inside a bar.
        reach_ms = (count + 1) * self.bar_ms
        while True:
            from_ms = self._reach(first_ms, start_ms, reach_ms)
            minutes, bars = await self._read(from_ms, end_ms)
            if from_ms <= first_ms or len(bars.between(0, start_ms)) >= count:
                return minutes, bars
            reach_ms *= 2

    def _reach(self, first_ms: int, start_ms: int, reach_ms: int) -> int:
        """The start of the bar that opens so long before a range, or of what is stored."""
        return max(first_ms, (start_ms - reach_ms) // self.bar_ms * self.bar_ms)

    async def _read(self, start_ms: int, end_ms: int) -> tuple[Candles, Candles]:
        """The minutes of the range, and their bars."""
        # Whole minutes: a candle that opens before the end and closes after it is not in the range.
        end_ms = end_ms // MINUTE_MS * MINUTE_MS
        minutes = await self.store.read(self.instrument.market_id, self.instrument.symbol, start_ms, end_ms)
        # In a thread: a million rows would block the loop that answers everyone else.
        bars = await asyncio.to_thread(rollup, minutes.ts_open_ms, minutes.values, minutes_of(self.timeframe))
        return minutes, Candles(*bars)


def _earlier(end_ms: int | None, last_ms: int) -> int:
    return last_ms if end_ms is None else min(end_ms, last_ms)
