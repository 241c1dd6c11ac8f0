"""Contract of repairs: what a kill, a view or a broken connection has kept from one of the tables."""

from __future__ import annotations

import pyarrow as pa
import pytest

from candleray.errors import ServiceUnavailable
from candleray.market_data.candle_store import CandleStore
from candleray.markets import MARKETS, Instrument
from tests.support.candle_store.rows import FOREVER, candle_rows, minutes_of, raw_rows
from tests.support.candle_store.store_access import StoreAccess


class RepairContract(StoreAccess):
    def test_migrating_again_changes_nothing(self, store: CandleStore, symbol: str) -> None:
        store.insert(1, symbol, candle_rows(range(5)))
        store.migrate()
        assert self.counts(store, symbol) == (5, 5)

    def test_repair_restores_what_a_kill_between_raw_and_its_view_has_lost(
        self, store: CandleStore, symbol: str
    ) -> None:
        store.insert(1, symbol, candle_rows(range(0, 100_000, 100)))
        self.write_raw_alone(store, symbol, candle_rows(range(100_000, 100_050)))
        self.write_raw_alone(store, symbol, candle_rows(range(0, 1000, 100), close=10.25))
        assert self.counts(store, symbol) == (1060, 1000)
        assert store.repair().canonical_restored == 60
        candles = store.read(1, symbol, *FOREVER)
        assert len(candles) == 1050
        assert candles.column("close")[:11].tolist() == [10.25] * 10 + [10.5]
        assert store.repair().canonical_restored == 0
        assert self.counts(store, symbol) == (1060, 1050)

    def test_months_that_merely_have_revisions_are_told_apart_from_those_that_lack_rows_in_one_look(
        self, store: CandleStore, symbol: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        store.repair()
        for close in (10.25, 10.75):
            store.insert(1, symbol, candle_rows([0, 1, 50_000], close=close))
            store.insert(1, f"{symbol}X", candle_rows([0, 1], close=close))
        asked: list[str] = []
        rows = store._session.rows

        def counted(statement: str, **parameters: object) -> list[dict[str, object]]:
            asked.append(statement)
            return rows(statement, **parameters)

        monkeypatch.setattr(store._session, "rows", counted)
        assert store.repair().canonical_restored == 0
        assert "differing_months" in asked
        assert "count_lost" not in asked
        self.write_raw_alone(store, symbol, candle_rows([0], close=10.5))
        self.write_raw_alone(store, symbol, candle_rows([1]))
        assert store.repair().canonical_restored == 2
        assert asked.count("count_lost") == 1
        assert store.read(1, symbol, *FOREVER).column("close").tolist() == [10.5, 10.5, 10.75]

    def test_rows_a_view_did_not_pass_on_are_made_up_for_at_once(self, store: CandleStore, symbol: str) -> None:
        with self.without_view(store):
            assert store.insert(1, symbol, candle_rows(range(10))).written == 10
        assert minutes_of(store.read(1, symbol, *FOREVER)) == list(range(10))

    def test_an_insert_that_kept_too_few_rows_says_so_and_can_be_repeated(
        self, store: CandleStore, symbol: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        session = store._session
        with monkeypatch.context() as patch:
            patch.setattr(
                session, "insert", lambda table, rows, insert=session.insert: insert(table, rows.slice(2))
            )
            with pytest.raises(ServiceUnavailable, match="kept 8 of 10 rows"):
                store.insert(1, symbol, candle_rows(range(10)))
        assert store.insert(1, symbol, candle_rows(range(10))).written == 2
        assert self.counts(store, symbol) == (10, 10)

    def test_an_insert_that_broke_off_after_raw_is_completed_before_it_is_tried_again(
        self, store: CandleStore, symbol: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        insert = store._session.insert

        def breaks_off(table: str, rows: pa.Table) -> None:
            with self.without_view(store):
                insert(table, rows)
            raise ServiceUnavailable("the connection broke")

        with monkeypatch.context() as patch:
            patch.setattr(store._session, "insert", breaks_off)
            with pytest.raises(ServiceUnavailable, match="the connection broke"):
                store.insert(1, symbol, candle_rows(range(10)))
        assert store.insert(1, symbol, candle_rows(range(10))).unchanged == 10
        assert minutes_of(store.read(1, symbol, *FOREVER)) == list(range(10))
        assert self.counts(store, symbol) == (10, 10)

    def test_a_correction_that_the_view_did_not_pass_on_is_made_up_for(
        self, store: CandleStore, symbol: str
    ) -> None:
        store.insert(1, symbol, candle_rows(range(3)))
        with self.without_view(store):
            assert store.insert(1, symbol, candle_rows(range(3), close=10.75)).written == 3
        assert set(store.read(1, symbol, *FOREVER).column("close")) == {10.75}

    def test_every_market_has_its_view_and_is_counted_without_it(self, store: CandleStore, symbol: str) -> None:
        for market_id, market in MARKETS.items():
            rows = raw_rows(Instrument(market_id=market_id, symbol=symbol), candle_rows(range(market_id)), 1)
            store._session.insert(market.raw_table, rows)
            assert len(store.read(market_id, symbol, *FOREVER)) == market_id
        self.write_raw_alone(store, symbol + "2", candle_rows(range(4)))
        assert self.counts(store, symbol + "2") == (4, 0)
        store.repair()

    def test_the_candles_of_every_exchange_are_repaired(self, store: CandleStore, symbol: str) -> None:
        store._session._client.command("DETACH TABLE bybit_klines_1m_to_canonical")
        try:
            rows = raw_rows(Instrument(market_id=4, symbol=symbol), candle_rows(range(4)), 1)
            store._session.insert("raw_bybit_klines_1m", rows)
        finally:
            store._session._client.command("ATTACH TABLE bybit_klines_1m_to_canonical")
        assert store.repair().canonical_restored == 4
        assert minutes_of(store.read(4, symbol, *FOREVER)) == [0, 1, 2, 3]
