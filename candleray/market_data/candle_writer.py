"""Writer of candles: new rows go into the raw table of the market, and a view copies them into canonical.

ClickHouse hands an insert to the materialized view after the raw table has it, so a kill in between leaves
canonical behind (3 of 7 kills did). Hence the count after every insert and the repair at every start. Nothing else
writes canonical.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import suppress

import numpy as np
from numpy.typing import NDArray

from candleray.candles import CandleRows, FloatArray, IntArray
from candleray.databases.clickhouse import ClickHouse
from candleray.errors import ServiceUnavailable
from candleray.market_data.arrow_tables import as_raw, rows_of, stamps_of, without_nonsense
from candleray.market_data.candle_repair import restore_canonical
from candleray.market_data.insert_report import InsertReport
from candleray.market_data.months import check_months
from candleray.market_data.screening import screen
from candleray.markets import MARKETS, Instrument


def now_ms() -> int:
    return time.time_ns() // 1_000_000


class CandleWriter:
    """The one way of rows into the store, wherever they come from; `clock` gives ms since the epoch."""

    def __init__(self, session: ClickHouse, clock: Callable[[], int] = now_ms) -> None:
        self._session = session
        self._clock = clock
        self._last_version_ms = 0

    def create_tables(self) -> None:
        """Create the raw table and the view of every exchange that has none yet."""
        for raw_table, view in {(market.raw_table, market.canonical_view) for market in MARKETS.values()}:
            self._session.run("create_raw_table", raw_table=raw_table)
            self._session.run("create_canonical_view", canonical_view=view, raw_table=raw_table)

    def insert(self, instrument: Instrument, rows: CandleRows) -> InsertReport:
        """Write the rows that are candles and not stored already. When it returns, both tables have them.

        Raises:
            GuardExceeded: the candles lie in more months than one insert may touch; none was written.
            ServiceUnavailable: some rows did not arrive; inserting the same rows again completes them.
        """
        candles, refused = screen(rows, self._clock())
        check_months(candles)
        news, changed, newest_ms = self._news(instrument, without_nonsense(candles))
        if len(news):
            self._write(instrument, news, self._version_ms(newest_ms))
        refused_count = sum(reason.count for reason in refused)
        return InsertReport(
            received=len(rows),
            written=len(news),
            changed=changed,
            unchanged=len(rows) - refused_count - len(news),
            refused=tuple(refused),
        )

    def _news(self, instrument: Instrument, candles: CandleRows) -> tuple[CandleRows, int, int]:
        """The candles that are not stored with these values, the number of those whose minute is stored with other
        ones, and the newest version among the stored ones."""
        if not len(candles):
            return candles, 0, 0
        stored = self._session.table("read_versions", **_window(instrument, candles.ts_open_ms))
        if not len(stored):
            return candles, 0, 0
        newest_ms = int(stamps_of(stored, "ingested_at_ms").max())
        held, contradicted = _compare(candles, rows_of(stored))
        return candles.take(np.flatnonzero(~held)), int(contradicted.sum()), newest_ms

    def _version_ms(self, above_ms: int) -> int:
        """A version that is new in this process and above those it replaces, even if the clock went back."""
        self._last_version_ms = max(self._clock(), self._last_version_ms + 1, above_ms + 1)
        return self._last_version_ms

    def _write(self, instrument: Instrument, rows: CandleRows, version_ms: int) -> None:
        window = {"raw_table": instrument.market.raw_table, **_window(instrument, rows.ts_open_ms)}
        try:
            self._session.insert(instrument.market.raw_table, as_raw(instrument, rows, version_ms))
        except ServiceUnavailable:
            # Raw may have the rows already; canonical must have them too before the caller tries again.
            with suppress(ServiceUnavailable):
                restore_canonical(self._session, window)
            raise
        if self._written(window, version_ms) < len(rows):
            restore_canonical(self._session, window)
            if (written := self._written(window, version_ms)) < len(rows):
                raise ServiceUnavailable(f"ClickHouse kept {written} of {len(rows)} rows of {instrument.key}")

    def _written(self, window: dict[str, int | str], version_ms: int) -> int:
        counts = self._session.rows("count_written", ingested_at_ms=version_ms, **window)[0]
        return min(counts["raw"], counts["canonical"])


def _window(instrument: Instrument, ts_open_ms: IntArray) -> dict[str, int | str]:
    """Query parameters: one instrument, from the first to the last of these sorted stamps."""
    return {
        "market_id": instrument.market_id,
        "symbol": instrument.symbol,
        "start_ms": int(ts_open_ms[0]),
        "end_ms": int(ts_open_ms[-1]) + 1,
    }


def _compare(candles: CandleRows, stored: CandleRows) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """`(n,)` each: candles that the stored rows (sorted, at least one) have, and candles that contradict one.

    A candle that only adds what was unknown is neither.
    """
    at = np.minimum(np.searchsorted(stored.ts_open_ms, candles.ts_open_ms), len(stored) - 1)
    same_minute = stored.ts_open_ms[at] == candles.ts_open_ms
    same_values = (stored.values[:, at] == candles.values).all(axis=0)
    optional = (candles.quote_volume, stored.quote_volume[at]), (candles.trades, stored.trades[at])
    adds_nothing = np.all([_adds_nothing(given, held) for given, held in optional], axis=0)
    fits = np.all([_adds_nothing(given, held) | np.isnan(held) for given, held in optional], axis=0)
    return same_minute & same_values & adds_nothing, same_minute & ~(same_values & fits)


def _adds_nothing(given: FloatArray, held: FloatArray) -> NDArray[np.bool_]:
    return np.isnan(given) | (given == held)
