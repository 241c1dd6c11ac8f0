"""Writer of candles: new rows go into the raw table of the market, and a view copies them into canonical.

ClickHouse hands an insert to the materialized view after the raw table has it, so a kill in between leaves
canonical behind (3 of 7 kills did). Hence the count after every insert and the repair at every start. Nothing else
writes canonical.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from candleray.candles import CandleRows, FloatArray, IntArray
from candleray.databases.clickhouse import ClickHouse
from candleray.errors import CandlerayError, ServiceUnavailable, invalid
from candleray.market_data.arrow_tables import as_raw, without_nonsense
from candleray.market_data.candle_batch import CandleBatch, CandlePart, inserts, sections
from candleray.market_data.candle_repair import restore_canonical
from candleray.market_data.insert_report import InsertReport
from candleray.market_data.ledger.versions import CandleSourceWord
from candleray.market_data.months import check_months
from candleray.market_data.screening import HERE, screen_all
from candleray.market_data.stored_rows import StoredRows
from candleray.markets import MARKETS, Instrument


def now_ms() -> int:
    return time.time_ns() // 1_000_000


@dataclass(frozen=True)
class _News:
    """The rows of a section that are not stored with these values."""

    batch: CandleBatch
    changed: IntArray
    """The number of those whose minute is stored with other values, of each instrument."""
    newest_ms: IntArray
    """The newest version that is stored near these rows, of each instrument; 0 where there is none."""


class CandleWriter:
    """The one way of rows into the store, wherever they come from; `clock` gives ms since the epoch."""

    def __init__(self, session: ClickHouse, clock: Callable[[], int] = now_ms) -> None:
        self._session = session
        self._clock = clock
        self._stored = StoredRows(session)
        self._last_version_ms = 0

    def create_tables(self) -> None:
        """Create the raw table and the view of every exchange that has none yet."""
        for raw_table, view in {(market.raw_table, market.canonical_view) for market in MARKETS.values()}:
            self._session.run("create_raw_table", raw_table=raw_table)
            self._session.run("create_canonical_view", canonical_view=view, raw_table=raw_table)

    def forget(self) -> None:
        """Believe nothing that was learned of the tables: somebody else has written into them."""
        self._stored.forget()

    def insert(
        self, parts: Sequence[CandlePart], source: CandleSourceWord, venue_ms: Mapping[int, int]
    ) -> list[InsertReport]:
        """Write the rows that are candles and not stored already: one insert a raw table, a report a part.

        When it returns, both tables have them.

        Args:
            venue_ms: the exchange's time by market, by which its minutes are closed; else our own.

        Raises:
            InvalidInput: an instrument is there twice; none was written.
            GuardExceeded: an instrument's candles lie in more months than one insert may touch; none was written.
            ServiceUnavailable: some rows did not arrive; inserting the same rows again completes them.
        """
        _require_once([instrument for instrument, _ in parts])
        try:
            return list(self._insert(parts, source, venue_ms))
        except CandlerayError:
            self.forget()
            raise

    def _insert(
        self, parts: Sequence[CandlePart], source: CandleSourceWord, venue_ms: Mapping[int, int]
    ) -> Iterator[InsertReport]:
        clock_ms = self._clock()
        clocks = [_clock_of(instrument, venue_ms, clock_ms) for instrument, _ in parts]
        screened = screen_all([rows for _, rows in parts], clocks)
        # A simulated exchange may live in another year: its newest minutes are the recent ones.
        recent_ms = min((now_ms for now_ms, _ in clocks), default=clock_ms)
        candles = [(instrument, rows) for (instrument, _), (rows, _) in zip(parts, screened, strict=True)]
        for _, rows in candles:
            check_months(rows)
        # An insert is counted by its version, so it goes on from the last one even while the clock is set back.
        version_ms = self._last_version_ms = max(clock_ms, self._last_version_ms + 1)
        written, changed = Counter[Instrument](), Counter[Instrument]()
        for group in inserts(sections(candles)):
            news = [self._news(section, recent_ms) for section in group]
            self._write(news, version_ms, source)
            for section, new in zip(group, news, strict=True):
                self._stored.learn(section)
                written.update(dict(zip(section.instruments, new.batch.counts().tolist(), strict=True)))
                changed.update(dict(zip(section.instruments, new.changed.tolist(), strict=True)))
        for (instrument, rows), (_, refused) in zip(parts, screened, strict=True):
            refused_count = sum(reason.count for reason in refused)
            yield InsertReport(
                received=len(rows),
                written=written[instrument],
                changed=changed[instrument],
                unchanged=len(rows) - refused_count - written[instrument],
                refused=tuple(refused),
            )

    def _news(self, section: CandleBatch, now_ms: int) -> _News:
        """The rows of a section that are not stored already."""
        batch = replace(section, rows=without_nonsense(section.rows))
        stored_keys, stored, newest_ms = self._stored.like(section, now_ms)
        if not len(stored):
            return _News(batch, np.zeros(len(batch.instruments), np.int64), newest_ms)
        held, contradicted = _compare(batch.keys, batch.rows, stored_keys, stored)
        changed = np.bincount(batch.owners[contradicted], minlength=len(batch.instruments))
        return _News(batch.where(~held), changed, newest_ms)

    def _write(self, news: Sequence[_News], version_ms: int, source: CandleSourceWord) -> None:
        """Write with that version, or above those that are replaced where another process wrote higher ones."""
        together = [new.batch.where(new.newest_ms[new.batch.owners] < version_ms) for new in news]
        self._write_version([batch for batch in together if len(batch)], version_ms, source)
        for new in news:
            # Somebody wrote by a clock that was ahead: of what is new here only what replaces that goes above it.
            for at in np.flatnonzero(new.newest_ms >= version_ms).tolist():
                if len(alone := new.batch.of_one(at)):
                    self._write_version([alone], int(new.newest_ms[at]) + 1, source)

    def _write_version(self, batches: Sequence[CandleBatch], version_ms: int, source: CandleSourceWord) -> None:
        if not batches:
            return
        try:
            rows = as_raw(CandleBatch.join(batches), version_ms, source)
            self._session.insert(batches[0].raw_table, rows)
        except ServiceUnavailable:
            # Raw may have the rows already; canonical must have them too before the caller tries again.
            with suppress(ServiceUnavailable):
                for batch in batches:
                    restore_canonical(self._session, batch.window())
            raise
        for batch in batches:
            self._require_written(batch, version_ms)

    def _require_written(self, batch: CandleBatch, version_ms: int) -> None:
        if self._written(batch, version_ms) < len(batch):
            restore_canonical(self._session, batch.window())
            if (written := self._written(batch, version_ms)) < len(batch):
                raise ServiceUnavailable(f"ClickHouse kept {written} of {len(batch)} rows of {batch.name}")

    def _written(self, batch: CandleBatch, version_ms: int) -> int:
        counts = self._session.rows("count_written", ingested_at_ms=version_ms, **batch.window())[0]
        return min(counts["raw"], counts["canonical"])


def _clock_of(instrument: Instrument, venue_ms: Mapping[int, int], clock_ms: int) -> tuple[int, str]:
    """The time by which an instrument's minutes are closed, and whose it is."""
    told_ms = venue_ms.get(instrument.market_id)
    return (clock_ms, HERE) if told_ms is None else (told_ms, f"at {instrument.market.name}")


def _require_once(instruments: Sequence[Instrument]) -> None:
    """Refuse an instrument that is there twice: its second rows would be compared with what was stored before."""
    for instrument, times in Counter(instruments).items():
        if times > 1:
            message = f"{instrument.key} is there {times} times: an insert takes an instrument's rows as one part"
            raise invalid("batch", "duplicate", message)


def _compare(
    keys: IntArray, candles: CandleRows, stored_keys: IntArray, stored: CandleRows
) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """`(n,)` each: candles that the stored rows (sorted, at least one) have, and candles that contradict one.

    A candle that only adds what was unknown is neither.
    """
    at = np.minimum(np.searchsorted(stored_keys, keys), len(stored) - 1)
    same_minute = stored_keys[at] == keys
    same_values = (stored.values[:, at] == candles.values).all(axis=0)
    optional = (candles.quote_volume, stored.quote_volume[at]), (candles.trades, stored.trades[at])
    adds_nothing = np.all([_adds_nothing(given, held) for given, held in optional], axis=0)
    fits = np.all([_adds_nothing(given, held) | np.isnan(held) for given, held in optional], axis=0)
    return same_minute & same_values & adds_nothing, same_minute & ~(same_values & fits)


def _adds_nothing(given: FloatArray, held: FloatArray) -> NDArray[np.bool_]:
    return np.isnan(given) | (given == held)
