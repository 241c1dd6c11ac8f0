"""Access to a candle store for its contracts: each test's own instrument, counts, a view that is away."""

from __future__ import annotations

import random
import string
import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from candleray.candles import CandleRows
from candleray.market_data.candle_store import CandleStore
from candleray.markets import Instrument
from tests.support.candle_store.rows import raw_rows

PARTS = """
SELECT count() FROM system.parts
WHERE active AND database = currentDatabase() AND table IN ('raw_binance_klines_1m', 'canonical_candles_1m')
"""


class StoreAccess:
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
