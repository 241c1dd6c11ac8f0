"""Contract of the candle store, whatever ClickHouse is behind it.

A subclass gives the `store`; every test has an instrument of its own on Binance spot.
"""

from __future__ import annotations

import random
import string
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from datetime import timedelta

import numpy as np
import pyarrow as pa
import pytest

from candleray.candles import CandleRows, Candles
from candleray.errors import ExchangeError, GuardExceeded, InvalidInput, NotFound, ServiceUnavailable
from candleray.market_data.arrow_tables import as_raw
from candleray.market_data.candle_batch import CandleBatch
from candleray.market_data.candle_store import CandleStore
from candleray.market_data.coverage import RowCounts, missing_runs
from candleray.markets import MARKETS, Instrument, InstrumentReference
from candleray.timeframes import from_ms, iso, to_ms

START_MS = 1_735_689_600_000  # 2025-01-01
MINUTE_MS = 60_000
FOREVER = (0, 4_000_000_000_000)

PARTS = """
SELECT count() FROM system.parts
WHERE active AND database = currentDatabase() AND table IN ('raw_binance_klines_1m', 'canonical_candles_1m')
"""


def candle_rows(minutes: list[int] | range, close: float = 10.5, quote_volume: float = np.nan) -> CandleRows:
    """One candle in each of these minutes after START_MS; the digits of its open tell which."""
    at = np.array(minutes, np.int64)
    values = np.empty((5, len(at)))
    values[0] = 10 + (at % 1000) / 1000
    values[1], values[2], values[3], values[4] = 11, 9, close, 0.1 * (at % 7)
    return CandleRows(START_MS + at * MINUTE_MS, values, np.full(len(at), quote_volume), np.full(len(at), np.nan))


def minutes_of(candles: Candles) -> list[int]:
    return ((candles.ts_open_ms - START_MS) // MINUTE_MS).tolist()


def raw_rows(instrument: Instrument, rows: CandleRows, ingested_at_ms: int) -> pa.Table:
    return as_raw(CandleBatch.of([(instrument, rows)]), ingested_at_ms, "file")


@contextmanager
def set_back_an_hour() -> Iterator[None]:
    """The clock as it is after somebody has put it right."""
    now_ns = time.time_ns
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(time, "time_ns", lambda: now_ns() - 3_600 * 10**9)
        yield


def listing(symbol: str, count: int) -> list[InstrumentReference]:
    """So many instruments of Bybit futures that are traded."""
    return [
        InstrumentReference(
            market_id=4,
            symbol=f"{symbol}{number}",
            status="Trading",
            price_tick=0.1,
            quantity_step=1.0,
            listed_at=from_ms(START_MS),
        )
        for number in range(count)
    ]


class CandleStoreContract:
    @pytest.fixture
    def symbol(self) -> str:
        return "".join(random.choices(string.ascii_uppercase, k=16))

    @staticmethod
    def counts(store: CandleStore, symbol: str) -> tuple[int, int]:
        """Rows in raw, candles in canonical."""
        found = next((row for row in store.counts() if row.symbol == symbol), None)
        return (found.raw, found.canonical) if found else (0, 0)

    @staticmethod
    def parts(store: CandleStore) -> int:
        """Parts of the tables of candles of Binance and of the canonical one."""
        return int(store._session._client.command(PARTS))

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

    def test_the_same_rows_again_change_nothing_not_even_in_raw(self, store: CandleStore, symbol: str) -> None:
        store.insert(1, symbol, candle_rows(range(100), quote_volume=3.5))
        again = store.insert(1, symbol, candle_rows(range(100), quote_volume=3.5))
        overlap = store.insert(1, symbol, candle_rows(range(50, 150), quote_volume=3.5))
        assert (again.written, again.unchanged) == (0, 100)
        assert (overlap.written, overlap.unchanged) == (50, 50)
        assert self.counts(store, symbol) == (150, 150)

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

    def test_what_is_no_instrument_is_not_stored(self, store: CandleStore) -> None:
        with pytest.raises(InvalidInput, match="is no symbol"):
            store.insert(1, "BTC/USDT", candle_rows([0]))
        with pytest.raises(NotFound, match="unknown market"):
            store.insert(9, "BTCUSDT", candle_rows([0]))

    def test_the_four_markets_are_in_the_database(self, store: CandleStore) -> None:
        assert store.markets() == list(MARKETS.values())

    def test_instruments_are_found_likeliest_first_with_or_without_reference(
        self, store: CandleStore, symbol: str
    ) -> None:
        listed = InstrumentReference(
            market_id=2, symbol="1" + symbol, status="TRADING", base_asset="1X", quote_asset="Y", price_tick=0.1
        )
        store.put_instruments([listed, InstrumentReference(market_id=1, symbol=symbol + "2", is_tradable=False)])
        store.insert(1, symbol, candle_rows([0]))
        found = store.instruments(q=symbol.lower())
        assert [reference.symbol for reference in found] == [symbol, symbol + "2", "1" + symbol]
        assert found[2] == listed
        assert [reference.symbol for reference in store.instruments(2, symbol)] == ["1" + symbol]
        assert len(store.instruments(q=symbol, limit=2)) == 2

    def test_references_are_written_only_when_they_say_something_new(
        self, store: CandleStore, symbol: str
    ) -> None:
        reference = InstrumentReference(market_id=3, symbol=symbol, status="Trading")
        delisted = reference.model_copy(update={"is_tradable": False, "status": "Closed"})
        assert [store.put_instruments([each]) for each in (reference, reference, delisted)] == [1, 0, 1]
        assert store.instruments(3, symbol) == [delisted]

    @staticmethod
    def forget_instruments(store: CandleStore) -> None:
        for table in ("ref_instruments", "ref_listings"):
            store._session._client.command(f"TRUNCATE TABLE {table}")

    def test_a_change_of_an_instrument_is_an_event_and_a_first_list_is_none(
        self, store: CandleStore, symbol: str
    ) -> None:
        self.forget_instruments(store)
        first = listing(symbol, 5)
        assert store.refresh_instruments(4, first).changes == {}
        assert store.refresh_instruments(4, first).written == 0, "nothing is written for nothing new"

        halted, finer, moved, renamed = first[:4]
        listed = [
            halted.model_copy(update={"is_tradable": False, "status": "Break"}),
            finer.model_copy(update={"price_tick": 0.01, "quantity_step": 5.0}),
            moved.model_copy(update={"listed_at": from_ms(START_MS + MINUTE_MS)}),
            *first[4:],
            renamed.model_copy(update={"symbol": symbol + "NEW"}),
        ]
        report = store.refresh_instruments(4, listed)
        assert (report.listed, report.written) == (5, 5)
        found = {
            (one.symbol.removeprefix(symbol), one.kind, one.before, one.after)
            for name in [*(one.symbol for one in first), symbol + "NEW"]
            for one in store.instrument_changes(4, name)
        }
        assert found == {
            ("0", "is_tradable", "true", "false"),
            ("0", "status", "Trading", "Break"),
            ("1", "price_tick", "0.1", "0.01"),
            ("1", "quantity_step", "1", "5"),
            ("2", "listed_at", iso(START_MS), iso(START_MS + MINUTE_MS)),
            ("3", "delisted", "Trading", None),
            ("NEW", "listed", None, "Trading"),
        }
        assert report.changes == {kind: 1 for _, kind, _, _ in found}
        (gone,) = store.instruments(4, renamed.symbol)
        assert gone.delisted_at is not None
        assert (gone.is_tradable, gone.status) == (False, "Trading"), "its exchange's last word stays"

        back = store.refresh_instruments(4, [*listed, renamed])
        assert (back.written, back.changes) == (1, {"listed": 1})
        assert store.instruments(4, renamed.symbol) == [renamed]

    def test_changes_are_told_newest_first_of_a_market_and_since_a_moment(
        self, store: CandleStore, symbol: str
    ) -> None:
        one = InstrumentReference(market_id=3, symbol=symbol, status="A")
        store.put_instruments([one])
        for status in "BCD":
            store.put_instruments([one.model_copy(update={"status": status})])
        changes = store.instrument_changes(3, symbol)
        assert [change.after for change in changes] == ["D", "C", "B"]
        assert store.instrument_changes(3, symbol, to_ms(changes[1].at)) == changes[:2]
        assert store.instrument_changes(3, symbol, limit=1) == changes[:1]
        assert store.instrument_changes(1, symbol) == []

    def test_a_change_that_a_kill_has_written_without_its_reference_is_there_once(
        self, store: CandleStore, symbol: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        listed = InstrumentReference(market_id=3, symbol=symbol, status="Trading")
        halted = listed.model_copy(update={"is_tradable": False})
        store.put_instruments([listed])
        insert = store._session.insert

        def killed(table: str, rows: pa.Table) -> None:
            if table == "ref_instruments":
                raise ServiceUnavailable("killed")
            insert(table, rows)

        for attempt in (killed, killed, insert):
            monkeypatch.setattr(store._session, "insert", attempt)
            with suppress(ServiceUnavailable):
                store.put_instruments([halted])
        assert [one.kind for one in store.instrument_changes(3, symbol)] == ["is_tradable"]
        assert store.instruments(3, symbol) == [halted]

    @pytest.mark.parametrize("kept", [0, 8])
    def test_a_list_that_lacks_most_instruments_changes_nothing_unless_it_is_said_to_be_so(
        self, store: CandleStore, symbol: str, kept: int
    ) -> None:
        self.forget_instruments(store)
        listed = listing(symbol, 40)
        store.refresh_instruments(4, listed)
        with pytest.raises(
            ExchangeError, match=rf"bybit-futures lists {kept} instruments and lacks \d\d.*--may-shrink"
        ):
            store.refresh_instruments(4, listed[:kept])
        assert store.instruments(4, listed[-1].symbol)[0].is_tradable
        assert store.refresh_instruments(4, listed[:kept], may_shrink=True).changes == {"delisted": 40 - kept}
        assert not store.instruments(4, listed[-1].symbol)[0].is_tradable

    def test_a_listing_time_is_kept_to_the_millisecond(self, store: CandleStore, symbol: str) -> None:
        at = from_ms(START_MS + 7) + timedelta(microseconds=300)
        listed = InstrumentReference(market_id=4, symbol=symbol, listed_at=at)
        assert [store.put_instruments([listed]) for _ in range(2)] == [1, 0]
        assert store.instruments(4, symbol)[0].listed_at == from_ms(START_MS + 7)

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

    def test_a_correction_counts_although_the_clock_went_back(self, store: CandleStore, symbol: str) -> None:
        store.insert(1, symbol, candle_rows(range(4)))
        with set_back_an_hour():
            restarted = CandleStore(store._session)
            for close in (10.75, 10.25):
                assert restarted.insert(1, symbol, candle_rows([1, 2], close=close)).written == 2
                candles = store.read(1, symbol, *FOREVER)
                assert candles.column("close").tolist() == [10.5, close, close, 10.5]

    def test_a_reference_changes_although_the_clock_went_back(self, store: CandleStore, symbol: str) -> None:
        listed = InstrumentReference(market_id=3, symbol=symbol, status="Trading")
        store.put_instruments([listed])
        with set_back_an_hour():
            delisted = listed.model_copy(update={"is_tradable": False, "status": "Closed"})
            assert CandleStore(store._session).put_instruments([delisted]) == 1
        assert store.instruments(3, symbol) == [delisted]

    def test_a_market_follows_the_code_although_the_clock_went_back(
        self, store: CandleStore, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        known, dearer = MARKETS[2], replace(MARKETS[2], fee_pct=9.0)
        for market in (dearer, known):
            monkeypatch.setitem(MARKETS, 2, market)
            with set_back_an_hour():
                CandleStore(store._session).migrate()
            assert store.markets()[1] == market

    def test_the_span_is_from_the_first_candle_to_the_end_of_the_last(
        self, store: CandleStore, symbol: str
    ) -> None:
        store.insert(1, symbol, candle_rows([3, 9]))
        assert store.span(1, symbol) == (START_MS + 3 * MINUTE_MS, START_MS + 10 * MINUTE_MS)
        store.put_instruments([InstrumentReference(market_id=2, symbol=symbol)])
        assert store.span(2, symbol) == (0, 0)
        with pytest.raises(NotFound, match="unknown symbol"):
            store.span(3, symbol)

    def test_an_optional_number_that_cannot_be_is_unknown(self, store: CandleStore, symbol: str) -> None:
        rows = candle_rows(range(5))
        rows.quote_volume[:] = [-1, np.inf, 5.5, np.nan, 0]
        rows.trades[:] = [3.7, -1, 2.0**32, np.nan, 2.0**32 - 1]
        assert store.insert(1, symbol, rows).written == 5
        window = {"instruments": [(1, symbol)], "start_ms": FOREVER[0], "end_ms": FOREVER[1]}
        kept = store._session.table("read_versions", **window)
        assert kept["quote_volume"].to_pylist() == [None, None, 5.5, None, 0]
        assert kept["trades"].to_pylist() == [3, None, None, None, 2**32 - 1]

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

    def test_a_correction_that_the_view_did_not_pass_on_is_made_up_for(
        self, store: CandleStore, symbol: str
    ) -> None:
        store.insert(1, symbol, candle_rows(range(3)))
        with self.without_view(store):
            assert store.insert(1, symbol, candle_rows(range(3), close=10.75)).written == 3
        assert set(store.read(1, symbol, *FOREVER).column("close")) == {10.75}

    def test_raw_keeps_every_version_for_good(self, store: CandleStore, symbol: str) -> None:
        for close in (10.5, 10.75):
            store.insert(1, symbol, candle_rows(range(3), close=close))
        store._session._client.command("OPTIMIZE TABLE raw_binance_klines_1m FINAL")
        assert self.counts(store, symbol) == (6, 3)

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

    def test_a_known_instrument_with_candles_is_found_once_and_the_last_reference_counts(
        self, store: CandleStore, symbol: str
    ) -> None:
        listed = InstrumentReference(market_id=1, symbol=symbol, status="TRADING")
        halted = listed.model_copy(update={"status": "HALT"})
        store.insert(1, symbol, candle_rows([0]))
        assert store.put_instruments([listed, halted]) == 1
        assert store.instruments(q=f" {symbol.lower()} ") == [halted]

    def test_markets_that_are_known_are_not_written_again(self, store: CandleStore) -> None:
        before = store._session.rows("newest_update", table="ref_market")
        store.migrate()
        assert store._session.rows("newest_update", table="ref_market") == before

    def write_raw_alone(self, store: CandleStore, symbol: str, rows: CandleRows) -> None:
        """Leave what a kill leaves behind: rows in raw that the view has not written."""
        instrument = Instrument(market_id=1, symbol=symbol)
        a_little_later_ms = time.time_ns() // 1_000_000 + 1000
        with self.without_view(store):
            store._session.insert(instrument.market.raw_table, raw_rows(instrument, rows, a_little_later_ms))

    @contextmanager
    def without_view(self, store: CandleStore) -> Iterator[None]:
        store._session._client.command("DETACH TABLE binance_klines_1m_to_canonical")
        try:
            yield
        finally:
            store._session._client.command("ATTACH TABLE binance_klines_1m_to_canonical")
