"""The actor that owns the candles, and calls of it.

The embedded engine lets exactly one process open its path, so everyone reads and writes through this actor. The
arrays it returns belong to the caller and survive the actor.
"""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import unquote

import ray
from pydantic import SecretStr
from ray.actor import ActorHandle

from actors.answering import answer_as
from actors.candle_store_metrics import CandleStoreMetrics
from actors.options import CANDLE_STORE, ON_HEAD
from actors.ray_errors import translated_errors
from candleray.candles import CandleRows, Candles, IntArray
from candleray.errors import CandlerayError, InstanceError, ServiceUnavailable
from candleray.inventory import Inventory, Place
from candleray.logs import configure_logs, get_logger
from candleray.market_data.coverage import Coverage, MissingRun, RowCounts
from candleray.market_data.insert_report import InsertReport
from candleray.market_data.instruments.changes import InstrumentChange, ListingReport
from candleray.market_data.ledger.all_versions import Versions
from candleray.market_data.ledger.versions import CandleSourceWord, RevisionPage
from candleray.markets import Instrument, InstrumentReference, Market
from candleray.settings import Settings

if TYPE_CHECKING:
    import pyarrow as pa

    from candleray.market_data.candle_store import CandleStore
    from candleray.market_data.ledger.raw_copies import RawMonth

Outcome = TypeVar("Outcome")

log = get_logger("candle-store")

TIMEOUT_S = 120.0
"""The longest call: a restarted store repairs before it answers."""

MEND_AGAIN_S = 30.0
"""The least time between two openings of a store that stays damaged."""

CHECK_AGAIN_S = 600.0
"""The least time between two checks of all parts, each of which reads the whole store."""


class CandleStoreActor:
    """The methods of `CandleStore`. Any call may be repeated: the same rows again change nothing."""

    def __init__(self, url: SecretStr, log_level: str) -> None:
        configure_logs(log_level)
        answer_as("candle store")
        self._url = url
        self._opened: CandleStore | None = None
        self._metrics = CandleStoreMetrics()
        self._mended_at = self._checked_at = -CHECK_AGAIN_S
        path = url.get_secret_value().partition("?")[0]
        self._place = Place(Path(unquote(path.removeprefix("chdb://")))) if path.startswith("chdb://") else None
        # A store that cannot be opened must say so to its callers, not die and be restarted for ever.
        with suppress(CandlerayError):
            self._store()

    def ping(self) -> str:
        """Tell what an operator should know of the store, if anything."""
        store = self._store()
        store.ping()
        condition = store.condition()
        self._metrics.observe(condition)
        return condition.notice()

    def insert(self, market_id: int, symbol: str, rows: CandleRows, source: CandleSourceWord) -> InsertReport:
        return self._kept(self._store().insert(market_id, symbol, rows, source))

    def insert_many(
        self,
        batch: Sequence[tuple[Instrument, CandleRows]],
        source: CandleSourceWord,
        venue_ms: Mapping[int, int] | None,
    ) -> list[InsertReport]:
        return self._kept(self._store().insert_many(batch, source, venue_ms))

    def read(self, market_id: int, symbol: str, start_ms: int, end_ms: int) -> Candles:
        return self._store().read(market_id, symbol, start_ms, end_ms)

    def read_as_of(self, market_id: int, symbol: str, start_ms: int, end_ms: int, as_of_ms: int) -> Candles:
        return self._store().read_as_of(market_id, symbol, start_ms, end_ms, as_of_ms)

    def read_first(self, market_id: int, symbol: str, start_ms: int, end_ms: int) -> Candles:
        return self._store().read_first(market_id, symbol, start_ms, end_ms)

    def read_versions(
        self, market_id: int, symbols: Sequence[str], start_ms: int, end_ms: int
    ) -> dict[str, Versions]:
        return self._store().read_versions(market_id, symbols, start_ms, end_ms)

    def span_as_of(self, market_id: int, symbol: str, as_of_ms: int) -> tuple[int, int]:
        return self._store().span_as_of(market_id, symbol, as_of_ms)

    def revisions(
        self, market_id: int, symbol: str, start_ms: int, end_ms: int, after: tuple[int, int], limit: int
    ) -> RevisionPage:
        return self._store().revisions(market_id, symbol, start_ms, end_ms, after, limit)

    def span(self, market_id: int, symbol: str) -> tuple[int, int]:
        return self._store().span(market_id, symbol)

    def last_candles(self, market_id: int, symbol: str, limit: int) -> Candles:
        return self._store().last_candles(market_id, symbol, limit)

    def coverage(self, market_id: int | None = None, symbol: str | None = None) -> list[Coverage]:
        return self._store().coverage(market_id, symbol)

    def missing(self, market_id: int, symbol: str, start_ms: int, end_ms: int) -> tuple[MissingRun, ...]:
        return self._store().missing(market_id, symbol, start_ms, end_ms)

    def missing_ranges(self, market_id: int, symbol: str, start_ms: int, end_ms: int) -> IntArray:
        return self._store().missing_ranges(market_id, symbol, start_ms, end_ms)

    def minute_counts(self, market_id: int, start_ms: int, end_ms: int) -> dict[str, int]:
        return self._store().minute_counts(market_id, start_ms, end_ms)

    def counts(self) -> list[RowCounts]:
        return self._store().counts()

    def markets(self) -> list[Market]:
        return self._store().markets()

    def instruments(
        self, market_id: int | None = None, q: str = "", limit: int = 50, offset: int = 0
    ) -> list[InstrumentReference]:
        return self._store().instruments(market_id, q, limit, offset)

    def put_instruments(self, instruments: Iterable[InstrumentReference]) -> int:
        return self._kept(self._store().put_instruments(instruments))

    def refresh_instruments(
        self, market_id: int, listed: Sequence[InstrumentReference], may_shrink: bool = False
    ) -> ListingReport:
        return self._kept(self._store().refresh_instruments(market_id, listed, may_shrink))

    def instrument_changes(
        self, market_id: int | None = None, symbol: str = "", since_ms: int = 0, limit: int = 100, offset: int = 0
    ) -> list[InstrumentChange]:
        return self._store().instrument_changes(market_id, symbol, since_ms, limit, offset)

    def copied_instruments(self, raw_table: str) -> list[tuple[int, str]]:
        return self._store().copies.copied_instruments(raw_table)

    def copied_months(self, raw_table: str, market_id: int, symbol: str) -> list[RawMonth]:
        return self._store().copies.copied_months(raw_table, market_id, symbol)

    def copied_rows(self, raw_table: str, market_id: int, symbol: str, month: int) -> pa.Table:
        return self._store().copies.copied_rows(raw_table, market_id, symbol, month)

    def copied_table(self, table: str) -> pa.Table:
        return self._store().copies.copied_table(table)

    def _store(self) -> CandleStore:
        self._require_place()
        if self._opened is None:
            self._opened = self._open()
        elif self._opened.is_damaged and time.monotonic() - self._mended_at >= MEND_AGAIN_S:
            self._mend(self._opened)
        return self._opened

    def _open(self) -> CandleStore:
        # Imported here: drivers and replicas import this module and only call; each would pay 0.5 s and 60 MB.
        from candleray.market_data.candle_store import CandleStore

        if self._place:
            Inventory(self._place.path.parent).require(self._place.path.name)
        store = CandleStore.open(self._url.get_secret_value())
        try:
            store.migrate()
            log.info("candle_store_opened", restored_minutes=store.repair().canonical_restored)
        except CandlerayError:
            store.close()
            raise
        return store

    def _mend(self, store: CandleStore) -> None:
        """Open the store anew, and look for the part on which a read has failed; that not with every call.

        Where a file may not grow, the engine ends a merge with empty files and no error. Opened anew, it takes the
        parts that were merged again. It deletes them 8 minutes after the merge.
        """
        self._mended_at = time.monotonic()
        log.error("candle_store_damaged", action="opened anew, all parts are held against their checksums")
        self._opened = None
        store.close()
        self._opened = self._open()
        if self._mended_at - self._checked_at >= CHECK_AGAIN_S:
            self._checked_at = self._mended_at
            self._opened.repair(check=True)

    def _kept(self, outcome: Outcome) -> Outcome:
        """The outcome of a write, whose folder is where it was.

        Moved away in the middle of the write, the engine made the folder anew and wrote there.

        Raises:
            ServiceUnavailable: the folder has gone; nothing is to be acknowledged.
        """
        self._require_place()
        return outcome

    def _require_place(self) -> None:
        """Acknowledge nothing where the folder has been moved away under the open engine.

        Raises:
            ServiceUnavailable: it has gone.
        """
        if self._place is None or not (fault := self._place.fault()):
            return
        if self._place.path.exists():
            log.error("candle_store_replaced", reason=fault)
            os._exit(1)  # Ray starts it again, on what is there now
        raise ServiceUnavailable(f"the candle store's folder {fault}: put it back where it was")


def candle_store(settings: Settings) -> ActorHandle:
    """The handle of the cluster's candle store, started if it is not there.

    Raises:
        InstanceError: the settings name no candle store; a running instance always does.
    """
    url = settings.services.clickhouse_url
    if url is None:
        raise InstanceError("no candle store is configured: is the instance up?")
    where = ON_HEAD if url.get_secret_value().startswith("chdb:") else {}
    return ray.remote(**CANDLE_STORE, **where)(CandleStoreActor).remote(url, settings.log_level)


class ActorCall:
    """A `StoreCall` of `candleray.market_data.candle_store_client`: calls the actor's methods by name."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._handle: Any = None

    async def __call__(self, method: str, *arguments: Any) -> Any:
        if self._handle is None:
            self._handle = await asyncio.to_thread(candle_store, self._settings)
        answer = getattr(self._handle, method).remote(*arguments)
        try:
            with translated_errors("the candle store"):
                async with asyncio.timeout(TIMEOUT_S):
                    return await answer
        except TimeoutError as exc:
            raise ServiceUnavailable(f"the candle store did not answer within {TIMEOUT_S:g} s") from exc
        except ServiceUnavailable:
            # The actor may be gone for good; the next call looks it up again.
            self._handle = None
            raise
