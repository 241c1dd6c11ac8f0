"""Contract of reads: candles, windows, spans, coverage."""

from __future__ import annotations

import random

import numpy as np
import pytest

from candleray.errors import NotFound
from candleray.market_data.candle_store import CandleStore
from candleray.market_data.coverage import RowCounts, missing_runs
from candleray.markets import MARKETS, InstrumentReference
from tests.support.candle_store.rows import FOREVER, MINUTE_MS, START_MS, candle_rows, minutes_of
from tests.support.candle_store.store_access import StoreAccess


class ReadingContract(StoreAccess):
    def test_it_answers(self, store: CandleStore) -> None:
        store.ping()

    def test_candles_come_back_bit_for_bit_in_order_of_time(self, store: CandleStore, symbol: str) -> None:
        given = candle_rows(range(500))
        shuffled = given.take(np.random.default_rng(1).permutation(500))
        report = store.insert(1, symbol, shuffled)
        candles = store.read(1, symbol, *FOREVER)
        assert (report.received, report.written, report.unchanged, report.refused) == (500, 500, 0, ())
        assert np.array_equal(candles.ts_open_ms, given.ts_open_ms)
        assert np.array_equal(candles.values, given.values)
        assert candles.values.flags.c_contiguous
        assert self.counts(store, symbol) == (500, 500)

    def test_a_window_holds_its_start_and_not_its_end(self, store: CandleStore, symbol: str) -> None:
        store.insert(1, symbol, candle_rows(range(10)))
        window = START_MS + 2 * MINUTE_MS, START_MS + 5 * MINUTE_MS
        assert minutes_of(store.read(1, symbol, *window)) == [2, 3, 4]
        assert len(store.read(1, symbol, 0, START_MS)) == 0

    def test_markets_are_kept_apart(self, store: CandleStore, symbol: str) -> None:
        for market_id in MARKETS:
            store.insert(market_id, symbol, candle_rows(range(market_id)))
        assert [len(store.read(market_id, symbol, *FOREVER)) for market_id in MARKETS] == list(MARKETS)
        assert [row for row in store.counts() if row.symbol == symbol] == [
            RowCounts(market_id=market_id, symbol=symbol, raw=market_id, canonical=market_id)
            for market_id in MARKETS
        ]

    def test_the_last_candles_reach_back_over_holes(self, store: CandleStore, symbol: str) -> None:
        store.insert(1, symbol, candle_rows([0, 1, 2, 50, 51, 90]))
        store.insert(1, symbol, candle_rows([51], close=10.25))
        last = store.last_candles(1, symbol, 3)
        assert minutes_of(last) == [50, 51, 90]
        assert last.column("close").tolist() == [10.5, 10.25, 10.5]
        assert len(store.last_candles(1, symbol, 100)) == 6

    def test_coverage_names_every_hole(self, store: CandleStore, symbol: str) -> None:
        minutes = sorted(random.sample(range(3000), 2000))
        store.insert(1, symbol, candle_rows(minutes))
        store.insert(1, symbol, candle_rows(minutes[:500], close=10.25))
        (coverage,) = store.coverage(1, symbol)
        first_ms, end_ms = START_MS + minutes[0] * MINUTE_MS, START_MS + (minutes[-1] + 1) * MINUTE_MS
        stamps = START_MS + np.array(minutes) * MINUTE_MS
        assert coverage.candles == 2000
        assert coverage.missing_minutes == minutes[-1] - minutes[0] + 1 - 2000
        assert coverage.missing_runs == missing_runs(stamps, first_ms, end_ms)
        assert sum(run.minutes for run in coverage.missing_runs) == coverage.missing_minutes
        assert coverage in store.coverage()
        assert coverage in store.coverage(symbol=symbol)

    def test_what_a_window_lacks_is_named_up_to_its_edges(self, store: CandleStore, symbol: str) -> None:
        store.insert(1, symbol, candle_rows([5, 6, 9]))
        runs = store.missing(1, symbol, START_MS, START_MS + 12 * MINUTE_MS)
        assert [run.minutes for run in runs] == [5, 2, 2]

    def test_an_unknown_symbol_is_answered_with_the_nearest(self, store: CandleStore, symbol: str) -> None:
        store.insert(1, symbol, candle_rows([0]))
        for call in (
            lambda: store.read(1, symbol[:-1], *FOREVER),
            lambda: store.last_candles(1, symbol.lower(), 5),
            lambda: store.coverage(1, symbol + "X"),
        ):
            with pytest.raises(NotFound, match=rf"unknown symbol .* on binance-spot; did you mean '{symbol}'\?"):
                call()

    def test_the_span_is_from_the_first_candle_to_the_end_of_the_last(
        self, store: CandleStore, symbol: str
    ) -> None:
        store.insert(1, symbol, candle_rows([3, 9]))
        assert store.span(1, symbol) == (START_MS + 3 * MINUTE_MS, START_MS + 10 * MINUTE_MS)
        store.put_instruments([InstrumentReference(market_id=2, symbol=symbol)])
        assert store.span(2, symbol) == (0, 0)
        with pytest.raises(NotFound, match="unknown symbol"):
            store.span(3, symbol)
