"""Contract of inserts: what goes in, and what is refused."""

from __future__ import annotations

import time

import numpy as np
import pytest

from candleray.errors import GuardExceeded, InvalidInput, NotFound
from candleray.market_data.candle_store import CandleStore
from tests.support.candle_store.rows import FOREVER, MINUTE_MS, START_MS, candle_rows, minutes_of
from tests.support.candle_store.store_access import StoreAccess


class InsertingContract(StoreAccess):
    def test_the_same_rows_again_change_nothing_not_even_in_raw(self, store: CandleStore, symbol: str) -> None:
        store.insert(1, symbol, candle_rows(range(100), quote_volume=3.5))
        again = store.insert(1, symbol, candle_rows(range(100), quote_volume=3.5))
        overlap = store.insert(1, symbol, candle_rows(range(50, 150), quote_volume=3.5))
        assert (again.written, again.unchanged) == (0, 100)
        assert (overlap.written, overlap.unchanged) == (50, 50)
        assert self.counts(store, symbol) == (150, 150)

    def test_rows_that_are_no_candles_stay_out_and_the_rest_goes_in(self, store: CandleStore, symbol: str) -> None:
        rows = candle_rows(range(10))
        rows.values[1, 3] = 1.0
        rows.ts_open_ms[5] += 20_799
        report = store.insert(1, symbol, rows)
        assert (report.received, report.written, report.unchanged, report.refused_count) == (10, 8, 0, 2)
        assert {refused.reason for refused in report.refused} == {"high below low", "opens off the minute"}
        assert minutes_of(store.read(1, symbol, *FOREVER)) == [0, 1, 2, 4, 6, 7, 8, 9]

    def test_an_insert_touches_a_hundred_months_and_leaves_at_most_a_part_of_each_in_either_table(
        self, store: CandleStore, symbol: str
    ) -> None:
        months = candle_rows([month * 31 * 1440 for month in range(-100, 0)])
        before = self.parts(store)
        assert store.insert(1, symbol, months).written == 100
        assert self.parts(store) - before <= 200
        assert store.insert(1, symbol, months).unchanged == 100

    def test_more_months_are_refused_before_a_row_is_written(self, store: CandleStore, symbol: str) -> None:
        months = candle_rows([month * 31 * 1440 for month in range(-150, -49)])
        with pytest.raises(
            GuardExceeded, match=r"lie in 101 months, one insert may touch 100: send them in several"
        ):
            store.insert(1, symbol, months)
        assert self.counts(store, symbol) == (0, 0)

    def test_a_minute_under_way_or_to_come_is_refused_and_its_candle_goes_in_later(
        self, store: CandleStore, symbol: str
    ) -> None:
        now_ms = START_MS + 2 * MINUTE_MS - 1
        clocked = CandleStore(store._session, lambda: now_ms)
        early = clocked.insert(1, symbol, candle_rows([0, 1, 2, 500_000]))
        assert (early.written, [(entry.reason, entry.count) for entry in early.refused]) == (
            1,
            [("not closed yet", 3)],
        )
        now_ms += 1
        assert clocked.insert(1, symbol, candle_rows([0, 1, 2])).written == 1
        assert minutes_of(store.read(1, symbol, *FOREVER)) == [0, 1]

    def test_by_the_clock_of_the_machine_the_next_minute_is_refused(self, store: CandleStore, symbol: str) -> None:
        ahead = (time.time_ns() // 1_000_000 - START_MS) // MINUTE_MS + 1
        report = store.insert(1, symbol, candle_rows([ahead - 3, ahead]))
        assert (report.written, report.refused[0].reason) == (1, "not closed yet")

    def test_what_is_no_instrument_is_not_stored(self, store: CandleStore) -> None:
        with pytest.raises(InvalidInput, match="is no symbol"):
            store.insert(1, "BTC/USDT", candle_rows([0]))
        with pytest.raises(NotFound, match="unknown market"):
            store.insert(9, "BTCUSDT", candle_rows([0]))

    def test_an_optional_number_that_cannot_be_is_unknown(self, store: CandleStore, symbol: str) -> None:
        rows = candle_rows(range(5))
        rows.quote_volume[:] = [-1, np.inf, 5.5, np.nan, 0]
        rows.trades[:] = [3.7, -1, 2.0**32, np.nan, 2.0**32 - 1]
        assert store.insert(1, symbol, rows).written == 5
        window = {"instruments": [(1, symbol)], "start_ms": FOREVER[0], "end_ms": FOREVER[1]}
        kept = store._session.table("read_versions", **window)
        assert kept["quote_volume"].to_pylist() == [None, None, 5.5, None, 0]
        assert kept["trades"].to_pylist() == [3, None, None, None, 2**32 - 1]
