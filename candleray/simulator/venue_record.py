"""Record of what the venues have: candles and listings of a source, with the faults that change them, at a time.

REST, websockets and the truth that a test asks for all read this record, so they agree.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from candleray.candles import CandleRows
from candleray.markets import InstrumentReference, Market
from candleray.simulator.candle_source import CandleSource
from candleray.simulator.faults.fault import Fault
from candleray.simulator.faults.fault_book import FaultBook
from candleray.simulator.faults.listing_faults import LISTED, LISTED_BEFORE_MS, new_symbol
from candleray.simulator.kline_frames import MinuteCandles
from candleray.simulator.stream_dialect import Candle, KlineFrame
from candleray.simulator.venues import simulated_markets
from candleray.timeframes import MINUTE_MS


class VenueRecord:
    """The record of all markets; `view` is what they show at a time."""

    def __init__(self, source: CandleSource, book: FaultBook) -> None:
        self.source, self.book = source, book
        self._undisturbed = MinuteCandles(source)

    def view(self, now_ms: int) -> VenueView:
        # A day's faults are drawn before anything of it is shown, also where the streams are behind the clock.
        for market in simulated_markets():
            self.book.prepare(market, now_ms)
        return VenueView(self, now_ms)

    def undisturbed(self, market: Market, symbol: str, ts_open_ms: int) -> Candle | None:
        listed = self.listed_as(market, symbol)
        return self._undisturbed.at(market, listed.symbol if listed and listed.symbol else symbol, ts_open_ms)

    def listed_as(self, market: Market, symbol: str) -> Fault | None:
        """The fault that listed the symbol, None where the source has it."""
        if not symbol.startswith("NEW"):
            return None
        return next((each for each in self.book.all_of(market, LISTED) if new_symbol(each) == symbol), None)

    def change_frames(self, market: Market, symbol: str, frames: list[KlineFrame]) -> list[KlineFrame]:
        """The frames of some minutes of a symbol with their faults."""
        if not frames:
            return frames
        opens = [frame.candle.ts_open_ms for frame in frames]
        for fault in self.book.over(market, min(opens), max(opens) + 1):
            change = fault.kind.change_frames
            if change is None or not fault.concerns(symbol):
                continue
            inside = [frame for frame in frames if fault.has_minute(frame.candle.ts_open_ms)]
            outside = [frame for frame in frames if not fault.has_minute(frame.candle.ts_open_ms)]
            changed = change(fault, inside)
            if changed != inside:
                self.book.meet(fault)
            frames = outside + changed
        return frames


@dataclass(frozen=True)
class VenueView:
    """A `CandleSource`: the record at a time. Minutes that a fault holds back are not in it."""

    record: VenueRecord
    now_ms: int

    def instruments(self, market: Market) -> Sequence[InstrumentReference]:
        listing = list(self.record.source.instruments(market))
        for fault in self.record.book.on(market, self.now_ms):
            if fault.kind.change_listing:
                listing = fault.kind.change_listing(fault, listing)
        return listing

    def span_ms(self, market: Market, symbol: str) -> tuple[int, int]:
        fault = self.record.listed_as(market, symbol)
        if fault is None or fault.symbol is None:
            return self.record.source.span_ms(market, symbol)
        first_ms, end_ms = self.record.source.span_ms(market, fault.symbol)
        return max(first_ms, fault.first_minute_ms - LISTED_BEFORE_MS), end_ms

    def candles(self, market: Market, symbol: str, start_ms: int, end_ms: int) -> CandleRows:
        record, source = self.record, self.record.source
        listed = record.listed_as(market, symbol)
        if listed and listed.symbol:
            start_ms = max(start_ms, listed.first_minute_ms - LISTED_BEFORE_MS)
            rows = source.candles(market, listed.symbol, start_ms, max(start_ms, end_ms))
        else:
            rows = source.candles(market, symbol, start_ms, end_ms)
        for fault in record.book.over(market, start_ms, end_ms):
            if fault.kind.change_rows and fault.concerns(symbol):
                rows = fault.kind.change_rows(
                    fault, rows, self.now_ms, lambda ts_open_ms: record.undisturbed(market, symbol, ts_open_ms)
                )
        return rows

    def closed(self, market: Market, symbol: str, start_ms: int, end_ms: int) -> CandleRows:
        """The minutes of a stretch that are over."""
        end_ms = min(end_ms, self.now_ms // MINUTE_MS * MINUTE_MS)
        first_ms, last_ms = self.span_ms(market, symbol)
        start_ms, end_ms = max(start_ms, first_ms), min(end_ms, last_ms)
        if start_ms >= end_ms:
            return CandleRows.join([])
        return self.candles(market, symbol, start_ms, end_ms)

    def missing_ms(self, market: Market, symbol: str, start_ms: int, end_ms: int) -> list[int]:
        """The minutes of a stretch that are over and that the venue does not have."""
        first_ms, last_ms = self.span_ms(market, symbol)
        first_ms = -(-max(start_ms, first_ms) // MINUTE_MS) * MINUTE_MS
        minutes = np.arange(first_ms, min(end_ms, last_ms, self.now_ms // MINUTE_MS * MINUTE_MS), MINUTE_MS)
        had = self.closed(market, symbol, start_ms, end_ms).ts_open_ms
        return [int(ts) for ts in np.setdiff1d(minutes, had)]
