"""Client of the candle store, for every process but the one that owns the store."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol

from candleray.candles import CandleRows, Candles, IntArray
from candleray.market_data.coverage import Coverage, MissingRun, RowCounts
from candleray.market_data.insert_report import InsertReport
from candleray.market_data.instruments.changes import InstrumentChange, ListingReport
from candleray.market_data.ledger.all_versions import Versions
from candleray.market_data.ledger.versions import CandleSourceWord, RevisionPage
from candleray.markets import Instrument, InstrumentReference


class StoreCall(Protocol):
    """A call of a method of the candle store by its name, wherever the store is."""

    async def __call__(self, method: str, *arguments: Any) -> Any: ...


class CandleStoreClient:
    """The candle store's methods, typed and awaited; see `CandleStore` for their meaning and errors."""

    def __init__(self, call: StoreCall) -> None:
        self._call = call

    def through(self, wrap: Callable[[StoreCall], StoreCall]) -> CandleStoreClient:
        """A client whose calls go through what `wrap` makes of the calls of this one."""
        return CandleStoreClient(wrap(self._call))

    async def ping(self) -> str | None:
        """Tell what an operator should know of the store, if anything."""
        told: str | None = await self._call("ping")
        return told

    async def span(self, market_id: int, symbol: str) -> tuple[int, int]:
        found: tuple[int, int] = await self._call("span", market_id, symbol)
        return found

    async def read(self, market_id: int, symbol: str, start_ms: int, end_ms: int) -> Candles:
        found: Candles = await self._call("read", market_id, symbol, start_ms, end_ms)
        return found

    async def read_as_of(self, market_id: int, symbol: str, start_ms: int, end_ms: int, as_of_ms: int) -> Candles:
        found: Candles = await self._call("read_as_of", market_id, symbol, start_ms, end_ms, as_of_ms)
        return found

    async def read_first(self, market_id: int, symbol: str, start_ms: int, end_ms: int) -> Candles:
        found: Candles = await self._call("read_first", market_id, symbol, start_ms, end_ms)
        return found

    async def read_versions(
        self, market_id: int, symbols: Sequence[str], start_ms: int, end_ms: int
    ) -> dict[str, Versions]:
        found: dict[str, Versions] = await self._call("read_versions", market_id, symbols, start_ms, end_ms)
        return found

    async def span_as_of(self, market_id: int, symbol: str, as_of_ms: int) -> tuple[int, int]:
        found: tuple[int, int] = await self._call("span_as_of", market_id, symbol, as_of_ms)
        return found

    async def revisions(
        self, market_id: int, symbol: str, start_ms: int, end_ms: int, after: tuple[int, int], limit: int
    ) -> RevisionPage:
        found: RevisionPage = await self._call("revisions", market_id, symbol, start_ms, end_ms, after, limit)
        return found

    async def coverage(self, market_id: int | None, symbol: str | None) -> list[Coverage]:
        found: list[Coverage] = await self._call("coverage", market_id, symbol)
        return found

    async def counts(self) -> list[RowCounts]:
        found: list[RowCounts] = await self._call("counts")
        return found

    async def missing(self, market_id: int, symbol: str, start_ms: int, end_ms: int) -> tuple[MissingRun, ...]:
        found: tuple[MissingRun, ...] = await self._call("missing", market_id, symbol, start_ms, end_ms)
        return found

    async def missing_ranges(self, market_id: int, symbol: str, start_ms: int, end_ms: int) -> IntArray:
        found: IntArray = await self._call("missing_ranges", market_id, symbol, start_ms, end_ms)
        return found

    async def minute_counts(self, market_id: int, start_ms: int, end_ms: int) -> dict[str, int]:
        found: dict[str, int] = await self._call("minute_counts", market_id, start_ms, end_ms)
        return found

    async def instruments(
        self, market_id: int | None, q: str, limit: int, offset: int = 0
    ) -> list[InstrumentReference]:
        found: list[InstrumentReference] = await self._call("instruments", market_id, q, limit, offset)
        return found

    async def described(self, market_id: int, symbol: str) -> InstrumentReference | None:
        """The description of an instrument that its exchange lists, or has listed; None of any other."""
        found = await self.instruments(market_id, symbol, 1)
        return next((one for one in found if one.symbol == symbol and (one.status or one.delisted_at)), None)

    async def put_instruments(self, instruments: Sequence[InstrumentReference]) -> int:
        found: int = await self._call("put_instruments", instruments)
        return found

    async def refresh_instruments(
        self, market_id: int, listed: Sequence[InstrumentReference], may_shrink: bool = False
    ) -> ListingReport:
        found: ListingReport = await self._call("refresh_instruments", market_id, listed, may_shrink)
        return found

    async def instrument_changes(
        self, market_id: int | None, symbol: str, since_ms: int, limit: int, offset: int = 0
    ) -> list[InstrumentChange]:
        window = market_id, symbol, since_ms, limit, offset
        found: list[InstrumentChange] = await self._call("instrument_changes", *window)
        return found

    async def insert(
        self, market_id: int, symbol: str, rows: CandleRows, source: CandleSourceWord
    ) -> InsertReport:
        found: InsertReport = await self._call("insert", market_id, symbol, rows, source)
        return found

    async def insert_many(
        self,
        batch: Sequence[tuple[Instrument, CandleRows]],
        source: CandleSourceWord,
        venue_ms: Mapping[int, int] | None = None,
    ) -> list[InsertReport]:
        found: list[InsertReport] = await self._call("insert_many", batch, source, venue_ms)
        return found
