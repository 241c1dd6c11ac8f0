"""Bars out of a store with holes: pages, the newest, and a range with its warm-up."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from candleray.candles import Candles, IntArray
from candleray.errors import NotFound
from candleray.market_data.bar_reader import BarReader
from candleray.market_data.coverage import missing_ranges
from candleray.markets import Instrument
from candleray.timeframes import MINUTE_MS, Timeframe, minutes_of
from kernels.rollup import rollup


@dataclass
class Minutes:
    """A store of one instrument, in memory."""

    candles: Candles

    async def read(self, market_id: int, symbol: str, start_ms: int, end_ms: int) -> Candles:
        part = self.candles.between(start_ms, end_ms)
        return Candles(part.ts_open_ms, np.ascontiguousarray(part.values))

    async def span(self, market_id: int, symbol: str) -> tuple[int, int]:
        stamps = self.candles.ts_open_ms
        return int(stamps[0]), int(stamps[-1]) + MINUTE_MS

    async def missing_ranges(self, market_id: int, symbol: str, start_ms: int, end_ms: int) -> IntArray:
        return missing_ranges(self.candles.ts_open_ms, start_ms, end_ms)


def reader_of(minutes: list[int], timeframe: Timeframe) -> BarReader:
    stamps = np.array(minutes, np.int64) * MINUTE_MS
    candles = Candles(stamps, np.tile(stamps.astype(np.float64), (5, 1)))
    return BarReader(Minutes(candles), Instrument(market_id=1, symbol="BARUSDT"), timeframe)


def stamps_of(reader: BarReader) -> list[int]:
    store = reader.store
    assert isinstance(store, Minutes)
    stamps, _ = rollup(store.candles.ts_open_ms, store.candles.values, minutes_of(reader.timeframe))
    return stamps.tolist()


# A few runs of minutes with holes between them, some of them days long.
runs = st.lists(st.tuples(st.integers(1, 3000), st.integers(1, 90)), min_size=1, max_size=5)
frames = st.sampled_from(["1m", "5m", "15m"])


def minutes_in(runs: list[tuple[int, int]]) -> list[int]:
    minutes, at = [], 20_000_000
    for hole, length in runs:
        at += hole
        minutes += range(at, at + length)
        at += length
    return minutes


@given(runs=runs, timeframe=frames, limit=st.integers(1, 40), start=st.integers(0, 300_000))
@settings(max_examples=60, deadline=None)
def test_pages_together_are_all_bars_and_never_too_many_at_once(runs, timeframe, limit, start):
    reader = reader_of(minutes_in(runs), timeframe)
    start_ms: int | None = 20_000_000 * MINUTE_MS + start * 1000

    async def walk() -> list[int]:
        found, at = [], start_ms
        while at is not None:
            bars, at = await reader.page(at, None, limit)
            assert len(bars) <= limit
            found += bars.ts_open_ms.tolist()
        return found

    assert asyncio.run(walk()) == [stamp for stamp in stamps_of(reader) if stamp >= start_ms]


@given(runs=runs, timeframe=frames, count=st.integers(1, 60), warmup=st.integers(0, 60))
@settings(max_examples=60, deadline=None)
def test_the_newest_bars_and_their_warmup_are_found_across_holes(runs, timeframe, count, warmup):
    reader = reader_of(minutes_in(runs), timeframe)
    every = stamps_of(reader)
    window = asyncio.run(reader.last(count, warmup))
    assert window.bars.ts_open_ms.tolist() == every[-(count + warmup) :]
    assert window.bars.ts_open_ms[window.start :].tolist() == every[-count:]


@given(
    runs=runs,
    timeframe=frames,
    warmup=st.integers(0, 60),
    start=st.integers(0, 900_000),
    seconds=st.integers(1, 400_000),
)
@settings(max_examples=100, deadline=None)
def test_a_range_has_the_bars_wholly_in_it_and_its_warmup(runs, timeframe, warmup, start, seconds):
    reader = reader_of(minutes_in(runs), timeframe)
    start_ms = 20_000_000 * MINUTE_MS + start * 1000
    end_ms = start_ms + seconds * 1000
    every = stamps_of(reader)
    inside = [stamp for stamp in every if stamp >= start_ms and stamp + reader.bar_ms <= end_ms]
    if not inside:
        with pytest.raises(NotFound):
            asyncio.run(reader.within(start_ms, end_ms, warmup))
        return
    window = asyncio.run(reader.within(start_ms, end_ms, warmup))
    assert window.bars.ts_open_ms[window.start :].tolist() == inside
    before = [stamp for stamp in every if stamp < start_ms]
    assert window.bars.ts_open_ms[: window.start].tolist() == before[len(before) - min(warmup, len(before)) :]
    told = asyncio.run(reader.coverage(start_ms, end_ms, warmup))
    assert told.notes == window.coverage.notes
    first_ms = int(window.bars.ts_open_ms[0]) if window.start else start_ms
    there, opens = set(minutes_in(runs)), range(-(-first_ms // MINUTE_MS), -(-start_ms // MINUTE_MS))
    missing = [minute for minute in opens if minute not in there]
    assert sum(int(end - start) // MINUTE_MS for start, end in told.before) == len(missing)
    assert any(note.startswith("warm-up: before the range") for note in told.notes) == bool(missing)
