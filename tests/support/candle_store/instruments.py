"""Contract of markets and instruments, and of their changes."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace
from datetime import timedelta

import pyarrow as pa
import pytest

from candleray.errors import ExchangeError, NotFound, ServiceUnavailable
from candleray.market_data.candle_store import CandleStore
from candleray.markets import MARKETS, InstrumentReference
from candleray.timeframes import from_ms, iso, to_ms
from tests.support.candle_store.rows import MINUTE_MS, START_MS, candle_rows, listing, set_back_an_hour
from tests.support.candle_store.store_access import StoreAccess


class InstrumentsContract(StoreAccess):
    @staticmethod
    def forget_instruments(store: CandleStore) -> None:
        for table in ("ref_instruments", "ref_listings"):
            store._session._client.command(f"TRUNCATE TABLE {table}")

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
        assert store.instruments(q=symbol, limit=2) == found[:2]
        assert store.instruments(q=symbol, limit=2, offset=2) == found[2:]

    def test_references_are_written_only_when_they_say_something_new(
        self, store: CandleStore, symbol: str
    ) -> None:
        reference = InstrumentReference(market_id=3, symbol=symbol, status="Trading")
        delisted = reference.model_copy(update={"is_tradable": False, "status": "Closed"})
        assert [store.put_instruments([each]) for each in (reference, reference, delisted)] == [1, 0, 1]
        assert store.instruments(3, symbol) == [delisted]

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
            finer.model_copy(update={"price_tick": 0.01, "quantity_step": 5.0, "min_notional": 7.5}),
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
            ("1", "min_notional", "5", "7.5"),
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
        assert store.instrument_changes(3, symbol, limit=2, offset=1) == changes[1:]
        assert store.instrument_changes(3, symbol, limit=2, offset=3) == []
        for market_id, place in ((1, "binance-spot"), (None, "any market")):
            typo = f"{symbol}X"
            with pytest.raises(NotFound, match=f"unknown symbol '{typo}' on {place}; "):
                store.instrument_changes(market_id, typo)

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
