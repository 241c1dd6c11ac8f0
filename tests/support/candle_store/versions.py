"""Contract of versions: what replaces a minute, and what changes nothing."""

from __future__ import annotations

from candleray.market_data.candle_store import CandleStore
from tests.support.candle_store.rows import FOREVER, candle_rows, set_back_an_hour
from tests.support.candle_store.store_access import StoreAccess


class VersionsContract(StoreAccess):
    def test_new_values_for_a_minute_replace_the_old_ones_for_every_reader(
        self, store: CandleStore, symbol: str
    ) -> None:
        store.insert(1, symbol, candle_rows(range(10)))
        report = store.insert(1, symbol, candle_rows(range(3, 5), close=10.75))
        candles = store.read(1, symbol, *FOREVER)
        assert report.written == 2
        assert candles.column("close").tolist() == [10.5] * 3 + [10.75] * 2 + [10.5] * 5
        assert self.counts(store, symbol) == (12, 10)
        assert store.insert(1, symbol, candle_rows(range(3, 5), close=10.75)).written == 0

    def test_a_source_that_knows_less_changes_nothing_and_one_that_knows_more_adds(
        self, store: CandleStore, symbol: str
    ) -> None:
        store.insert(1, symbol, candle_rows(range(4)))
        assert store.insert(1, symbol, candle_rows(range(4), quote_volume=7.0)).written == 4
        assert store.insert(1, symbol, candle_rows(range(4))).unchanged == 4
        assert store.insert(1, symbol, candle_rows(range(4), quote_volume=float("inf"))).unchanged == 4

    def test_a_row_that_gives_a_stored_minute_other_values_is_counted_as_a_change(
        self, store: CandleStore, symbol: str
    ) -> None:
        def changed(minutes: range, **values: float) -> tuple[int, int]:
            report = store.insert(1, symbol, candle_rows(minutes, **values))
            return report.written, report.changed

        assert changed(range(4)) == (4, 0)
        assert changed(range(2, 6), close=10.75) == (4, 2)
        assert changed(range(4, 6), close=10.75, quote_volume=7.0) == (2, 0), "it only adds what was unknown"
        assert changed(range(4, 6), close=10.75, quote_volume=8.0) == (2, 2)
        assert changed(range(4, 6), close=10.75, quote_volume=8.0) == (0, 0)

    def test_a_correction_counts_although_the_clock_went_back(self, store: CandleStore, symbol: str) -> None:
        store.insert(1, symbol, candle_rows(range(4)))
        with set_back_an_hour():
            restarted = CandleStore(store._session)
            for close in (10.75, 10.25):
                assert restarted.insert(1, symbol, candle_rows([1, 2], close=close)).written == 2
                candles = store.read(1, symbol, *FOREVER)
                assert candles.column("close").tolist() == [10.5, close, close, 10.5]

    def test_a_number_of_trades_alone_is_news(self, store: CandleStore, symbol: str) -> None:
        known = candle_rows(range(3))
        store.insert(1, symbol, known)
        known.trades[:] = 7
        assert store.insert(1, symbol, known).written == 3
        assert store.insert(1, symbol, candle_rows(range(3))).unchanged == 3

    def test_values_that_were_replaced_may_come_back(self, store: CandleStore, symbol: str) -> None:
        for close in (10.5, 10.75, 10.5):
            assert store.insert(1, symbol, candle_rows(range(3), close=close)).written == 3
            assert set(store.read(1, symbol, *FOREVER).column("close")) == {close}

    def test_raw_keeps_every_version_for_good(self, store: CandleStore, symbol: str) -> None:
        for close in (10.5, 10.75):
            store.insert(1, symbol, candle_rows(range(3), close=close))
        store._session._client.command("OPTIMIZE TABLE raw_binance_klines_1m FINAL")
        assert self.counts(store, symbol) == (6, 3)
