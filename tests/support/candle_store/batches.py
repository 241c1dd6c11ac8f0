"""Contract of inserts of many instruments at once, whatever ClickHouse is behind the store."""

from __future__ import annotations

import random
import string
import time

import numpy as np
import pyarrow as pa
import pytest

from candleray.candles import CandleRows
from candleray.errors import GuardExceeded, InvalidInput, ServiceUnavailable
from candleray.market_data.candle_store import CandleStore
from candleray.markets import Instrument
from tests.support.candle_store.rows import FOREVER, MINUTE_MS, START_MS, candle_rows, minutes_of, set_back_an_hour
from tests.support.candle_store.store_access import StoreAccess


def instruments(count: int, market_id: int = 1) -> list[Instrument]:
    name = "".join(random.choices(string.ascii_uppercase, k=12))
    return [Instrument(market_id=market_id, symbol=f"{name}{number:04}") for number in range(count)]


def last_minute() -> int:
    """The last closed minute of this machine, counted from START_MS."""
    return (time.time_ns() // 1_000_000 - START_MS) // MINUTE_MS - 1


def inserts_of(store: CandleStore, patch: pytest.MonkeyPatch) -> list[tuple[str, int]]:
    """Table and rows of every insert from now on."""
    seen: list[tuple[str, int]] = []

    def insert(table: str, rows: pa.Table, insert=store._session.insert) -> None:
        seen.append((table, len(rows)))
        insert(table, rows)

    patch.setattr(store._session, "insert", insert)
    return seen


def closes(store: CandleStore, instrument: Instrument) -> list[float]:
    return store.read(instrument.market_id, instrument.symbol, *FOREVER).column("close").tolist()


class BatchContract(StoreAccess):
    def test_many_instruments_take_one_insert_a_raw_table_and_each_has_its_report(
        self, store: CandleStore, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        at = last_minute()
        many = [*instruments(40), *instruments(40, 2), *instruments(20, 4)]
        seen = inserts_of(store, monkeypatch)
        broken = candle_rows([at - 1, at])
        broken.values[2, 0] = 99
        batch: list[tuple[Instrument, CandleRows]] = [(one, candle_rows([at - 1, at])) for one in many]
        batch[7] = many[7], broken
        batch[8] = many[8], candle_rows([])
        batch[9] = many[9], candle_rows([at, at - 1])
        reports = store.insert_many(batch, "websocket")
        assert seen == [("raw_binance_klines_1m", 157), ("raw_bybit_klines_1m", 40)]
        assert [report.written for report in reports] == [2] * 7 + [1, 0] + [2] * 91
        assert [(one.reason, one.count) for one in reports[7].refused] == [("high below low", 1)]
        assert reports[7].refused[0].first_example.startswith("row 1: ")
        assert minutes_of(store.read(1, many[9].symbol, *FOREVER)) == [at - 1, at]
        again = store.insert_many(batch, "rest")
        assert len(seen) == 2, "what is known is not written again"
        assert [report.unchanged for report in again] == [2] * 7 + [1, 0] + [2] * 91

    @pytest.mark.parametrize("off_ms", [-60_000, -5_000, 5_000, 60_000, 40 * 86_400_000])
    def test_a_minute_is_closed_by_the_clock_of_its_exchange_and_else_by_ours(
        self, store: CandleStore, off_ms: int
    ) -> None:
        (spot,), (futures,) = instruments(1), instruments(1, 2)
        at = (time.time_ns() // 1_000_000 + off_ms - START_MS) // MINUTE_MS - 1
        end_ms = START_MS + (at + 1) * MINUTE_MS
        rows = candle_rows([at - 1, at, at + 1])
        (report,) = store.insert_many([(spot, rows)], "websocket", {1: end_ms})
        assert (report.written, [(one.reason, one.count) for one in report.refused]) == (
            2,
            [("not closed yet", 1)],
        )
        assert report.refused[0].first_example.endswith("at binance-spot")
        assert minutes_of(store.read(1, spot.symbol, *FOREVER)) == [at - 1, at]
        (report,) = store.insert_many([(futures, rows)], "websocket", {1: end_ms})
        assert report.written == 3 - sum(
            START_MS + (minute + 1) * MINUTE_MS > time.time() * 1000 for minute in (at - 1, at, at + 1)
        )

    def test_minutes_of_a_market_are_counted_once_whatever_their_versions(self, store: CandleStore) -> None:
        many = instruments(3)
        store.insert_many([(one, candle_rows([0, 1, 3])) for one in many[:2]], "rest")
        store.insert_many([(many[0], candle_rows([1, 3], close=10.75))], "rest")
        counts = store.minute_counts(1, START_MS + MINUTE_MS, START_MS + 3 * MINUTE_MS)
        assert [counts.get(one.symbol, 0) for one in many] == [1, 1, 0]
        counts = store.minute_counts(1, START_MS, START_MS + 4 * MINUTE_MS)
        assert [counts.get(one.symbol, 0) for one in many] == [3, 3, 0]
        assert many[0].symbol not in store.minute_counts(2, *FOREVER)

    def test_one_symbol_on_two_markets_of_a_table_stays_two_instruments(self, store: CandleStore) -> None:
        (spot,) = instruments(1)
        futures = Instrument(market_id=2, symbol=spot.symbol)
        store.insert_many([(spot, candle_rows([0, 1])), (futures, candle_rows([1, 2], close=10.75))], "rest")
        assert (closes(store, spot), closes(store, futures)) == ([10.5, 10.5], [10.75, 10.75])

    def test_minute_by_minute_what_is_new_known_and_corrected_is_told_apart(self, store: CandleStore) -> None:
        at, many = last_minute() - 5, instruments(10)
        for minute in range(at, at + 3):
            reports = store.insert_many([(one, candle_rows([minute])) for one in many], "websocket")
            assert {report.written for report in reports} == {1}
        late = [(one, candle_rows([at + 1], close=10.75 if n < 3 else 10.5)) for n, one in enumerate(many)]
        reports = store.insert_many(late, "rest")
        assert [(one.written, one.changed, one.unchanged) for one in reports] == [(1, 1, 0)] * 3 + [(0, 0, 1)] * 7
        assert closes(store, many[0]) == [10.5, 10.75, 10.5]
        assert closes(store, many[3]) == [10.5] * 3

    def test_what_another_call_or_process_has_written_meanwhile_is_known(self, store: CandleStore) -> None:
        at, (one, other) = last_minute() - 5, instruments(2)
        store.insert_many([(one, candle_rows([at]))], "websocket")
        store.insert(1, one.symbol, candle_rows([at + 3]), "rest")
        reports = store.insert_many(
            [(one, candle_rows([at + 2, at + 3])), (other, candle_rows([at]))], "websocket"
        )
        assert [(report.written, report.unchanged) for report in reports] == [(1, 1), (1, 0)]
        CandleStore(store._session).insert(1, other.symbol, candle_rows([at + 1], close=10.25), "file")
        store.repair()
        assert store.insert_many([(other, candle_rows([at + 1]))], "websocket")[0].changed == 1
        assert closes(store, other) == [10.5, 10.5]

    def test_an_instrument_that_is_there_twice_is_refused_before_a_row_of_any_is_written(
        self, store: CandleStore, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        seen = inserts_of(store, monkeypatch)
        one, other = instruments(2)
        batch = [(other, candle_rows([0])), (one, candle_rows([0, 1])), (one, candle_rows([1, 2]))]
        with pytest.raises(InvalidInput, match=rf"{one.key} is there 2 times"):
            store.insert_many(batch, "rest")
        assert seen == []

    def test_a_batch_of_more_than_a_hundred_months_goes_in_by_several_inserts(
        self, store: CandleStore, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        early, late = instruments(2)
        seen = inserts_of(store, monkeypatch)
        months = [(early, candle_rows([-n * 31 * 1440 for n in range(100, 158)]))]
        months += [(late, candle_rows([-n * 31 * 1440 for n in range(50)]))]
        assert [report.written for report in store.insert_many(months, "rest")] == [58, 50]
        assert [rows for _, rows in seen] == [58, 50]

    def test_more_months_of_one_instrument_are_refused_before_a_row_of_any_is_written(
        self, store: CandleStore, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        seen = inserts_of(store, monkeypatch)
        one, other = instruments(2)
        months = candle_rows([month * 31 * 1440 for month in range(-150, -49)])
        with pytest.raises(GuardExceeded, match="lie in 101 months"):
            store.insert_many([(one, candle_rows([0])), (other, months)], "rest")
        assert seen == []

    def test_rows_of_a_batch_that_the_view_did_not_pass_on_are_made_up_for(self, store: CandleStore) -> None:
        at, many = last_minute() - 3, instruments(5)
        for minute in (at, at + 1):
            with self.without_view(store):
                reports = store.insert_many([(one, candle_rows([minute])) for one in many], "websocket")
            assert [report.written for report in reports] == [1] * 5
        assert all(closes(store, one) == [10.5, 10.5] for one in many)

    def test_a_batch_that_kept_too_few_rows_says_so_and_can_be_repeated(
        self, store: CandleStore, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        at, many = last_minute() - 3, instruments(5)
        store.insert_many([(one, candle_rows([at])) for one in many], "websocket")
        batch = [(one, candle_rows([at + 1])) for one in many]
        insert = store._session.insert
        with monkeypatch.context() as patch:
            patch.setattr(store._session, "insert", lambda table, rows: insert(table, rows.slice(2)))
            with pytest.raises(ServiceUnavailable, match=r"kept 3 of 5 rows of binance:spot:\w+ and 4 other"):
                store.insert_many(batch, "websocket")
        assert [report.written for report in store.insert_many(batch, "websocket")] == [1, 1, 0, 0, 0]
        assert all(closes(store, one) == [10.5, 10.5] for one in many)

    def test_a_correction_among_new_minutes_counts_although_the_clock_went_back(self, store: CandleStore) -> None:
        one, other = instruments(2)
        store.insert_many([(one, candle_rows([1, 2]))], "websocket")
        with set_back_an_hour():
            before_ms = time.time_ns() // 1_000_000
            restarted = CandleStore(store._session)
            batch = [(one, candle_rows([2], close=10.75)), (other, candle_rows([2]))]
            assert [report.written for report in restarted.insert_many(batch, "rest")] == [1, 1]
        assert (closes(store, one), closes(store, other)) == ([10.5, 10.75], [10.5])
        window = {"instruments": [(1, other.symbol)], "start_ms": FOREVER[0], "end_ms": FOREVER[1]}
        (version,) = store._session.table("read_versions", **window)["ingested_at_ms"].to_pylist()
        assert before_ms <= version < before_ms + 60_000, "only what must, has a version to come"

    def test_raw_keeps_what_brought_a_row(self, store: CandleStore) -> None:
        (one,) = instruments(1)
        sources = ("websocket", "rest", "file", "api")
        for minute, source in enumerate(sources):
            store.insert_many([(one, candle_rows([minute]))], source)
        kept = store._session._client.query(
            f"SELECT toString(source) FROM raw_binance_klines_1m WHERE symbol = '{one.symbol}' ORDER BY ts_open"
        )
        assert [row[0] for row in kept.result_rows] == list(sources)

    def test_nothing_at_all_is_nothing_to_do(self, store: CandleStore) -> None:
        assert store.insert_many([], "rest") == []
        (one,) = instruments(1)
        assert (
            store.insert_many([(one, CandleRows.of(np.empty(0, np.int64), np.empty((5, 0))))], "rest")[0].received
            == 0
        )
