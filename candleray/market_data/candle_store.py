"""The candle store: raw tables, canonical candles and instruments in ClickHouse, embedded or on a server."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence

from candleray.candles import CandleRows, Candles, IntArray
from candleray.databases.clickhouse import ClickHouse
from candleray.errors import NotFound, invalid, nearest
from candleray.market_data.arrow_tables import candles_of, stamps_of
from candleray.market_data.candle_repair import CandleRepair, StoreCondition
from candleray.market_data.candle_writer import CandleWriter, now_ms
from candleray.market_data.coverage import Coverage, MissingRun, RowCounts, missing_ranges, runs_of
from candleray.market_data.insert_report import InsertReport
from candleray.market_data.instruments.changes import InstrumentChange, ListingReport
from candleray.market_data.instruments.store import InstrumentStore
from candleray.market_data.ledger.all_versions import Versions
from candleray.market_data.ledger.candle_ledger import FIRST_POSITION, CandleLedger
from candleray.market_data.ledger.raw_copies import RawCopies
from candleray.market_data.ledger.versions import CandleSourceWord, RevisionPage
from candleray.markets import SYMBOL_RULE, Instrument, InstrumentReference, Market, find_market, is_symbol
from candleray.timeframes import MINUTE_MS, from_ms, iso

_ALL_MARKETS, _ALL_SYMBOLS = 0, ""
_EVERY = 1_000_000


class CandleStore:
    """Candles and instruments. Every call names an instrument by `(market_id, symbol)`, and times in ms of UTC."""

    def __init__(self, session: ClickHouse, clock: Callable[[], int] = now_ms) -> None:
        self._session = session
        self._clock = clock
        self._writer = CandleWriter(session, clock)
        self._repair = CandleRepair(session)
        self._condition = StoreCondition()
        self._instruments = InstrumentStore(session)
        self._ledger = CandleLedger(session)
        self.copies = RawCopies(session)

    @classmethod
    def open(cls, url: str) -> CandleStore:
        """Open `chdb:///absolute/path` (embedded) or `http(s)://user:password@host:8123/database`.

        Raises:
            InstanceError: another process owns the path.
            ServiceUnavailable: nothing answers there.
        """
        return cls(ClickHouse.open(url))

    def close(self) -> None:
        self._session.close()

    def ping(self) -> None:
        """Raise `ServiceUnavailable` where ClickHouse does not answer."""
        self._session.rows("ping")

    def migrate(self) -> None:
        """Bring the schema, the raw tables and `ref_market` up to this version of the code."""
        self._session.migrate()
        self._writer.create_tables()
        self._instruments.put_markets()

    def repair(self, check: bool = False) -> StoreCondition:
        """Restore what a kill between raw and its view, or a broken part, has taken from one of the two tables."""
        self._writer.forget()
        self._condition = self._repair.repair(check)
        return self._condition

    def condition(self) -> StoreCondition:
        """The last repair, and the parts that are set aside now."""
        return self._condition.model_copy(update={"set_aside": self._repair.set_aside()})

    @property
    def is_damaged(self) -> bool:
        """An answer failed as it fails on a damaged file."""
        return self._session.is_damaged

    def insert(
        self, market_id: int, symbol: str, rows: CandleRows, source: CandleSourceWord = "api"
    ) -> InsertReport:
        """Screen the rows and write what is new; the same rows again change nothing.

        Raises:
            InvalidInput: the symbol is not valid.
            GuardExceeded: the candles lie in more months than one insert may touch; none was written.
            ServiceUnavailable: not all rows arrived; inserting them again completes them.
        """
        return self.insert_many([(_instrument(market_id, symbol), rows)], source)[0]

    def insert_many(
        self,
        batch: Sequence[tuple[Instrument, CandleRows]],
        source: CandleSourceWord,
        venue_ms: Mapping[int, int] | None = None,
    ) -> list[InsertReport]:
        """Insert rows of many instruments at once, a report each: of a thousand it takes little more than of one.

        Args:
            venue_ms: the exchange's time by market; a minute is closed by that, else by this machine's clock. The
                caller answers for it: see `VenueClock` for how far it may be from our own.

        Raises:
            InvalidInput: an instrument is there twice; none was written.
            GuardExceeded: one's candles lie in more months than one insert may touch; none was written.
            ServiceUnavailable: not all rows arrived; inserting them again completes them.
        """
        return self._writer.insert(batch, source, venue_ms or {})

    def read(self, market_id: int, symbol: str, start_ms: int, end_ms: int) -> Candles:
        """The candles that open in `[start_ms, end_ms)`, maybe none.

        Raises:
            NotFound: the instrument is unknown.
        """
        window = {"market_id": market_id, "symbol": symbol, "start_ms": start_ms, "end_ms": end_ms}
        candles = candles_of(self._session.table("read_candles", **window))
        if not len(candles):
            self.require(market_id, symbol)
        return candles

    def read_as_of(self, market_id: int, symbol: str, start_ms: int, end_ms: int, as_of_ms: int) -> Candles:
        """The candles of `[start_ms, end_ms)` as they were known at a moment, maybe none.

        Raises:
            NotFound: the instrument is unknown.
            InvalidInput: the moment is yet to come.
        """
        self._require_past(as_of_ms)
        instrument = _instrument(market_id, symbol)
        candles = self._ledger.read_as_of(instrument, start_ms, end_ms, as_of_ms)
        if not len(candles):
            self.require(market_id, symbol)
        return candles

    def read_first(self, market_id: int, symbol: str, start_ms: int, end_ms: int) -> Candles:
        """The candles of `[start_ms, end_ms)` as each was known first, maybe none.

        Raises:
            NotFound: the instrument is unknown.
        """
        candles = self._ledger.read_first(_instrument(market_id, symbol), start_ms, end_ms)
        if not len(candles):
            self.require(market_id, symbol)
        return candles

    def read_versions(
        self, market_id: int, symbols: Sequence[str], start_ms: int, end_ms: int
    ) -> dict[str, Versions]:
        """Every version of the minutes of `[start_ms, end_ms)`, by symbol; nothing of a symbol that has none."""
        return self._ledger.read_versions(find_market(market_id), symbols, start_ms, end_ms)

    def span_as_of(self, market_id: int, symbol: str, as_of_ms: int) -> tuple[int, int]:
        """`[first, end)` of the candles that were known at a moment; `(0, 0)` where there never was any.

        Raises:
            NotFound: the instrument is unknown.
            InvalidInput: the moment is yet to come, or before anything was known.
        """
        self._require_past(as_of_ms)
        span = self._ledger.span_as_of(_instrument(market_id, symbol), as_of_ms)
        if span == (0, 0):
            self.require(market_id, symbol)
        return span

    def revisions(
        self,
        market_id: int,
        symbol: str,
        start_ms: int,
        end_ms: int,
        after: tuple[int, int] = FIRST_POSITION,
        limit: int = 1000,
    ) -> RevisionPage:
        """All versions of the minutes of `[start_ms, end_ms)` that had several values, a page of them.

        Raises:
            NotFound: the instrument is unknown.
        """
        page = self._ledger.revisions(_instrument(market_id, symbol), start_ms, end_ms, after, limit)
        if not page.versions:
            self.require(market_id, symbol)
        return page

    def span(self, market_id: int, symbol: str) -> tuple[int, int]:
        """`[first, end)` of the stored candles in ms; `(0, 0)` where the instrument is known and has none.

        Raises:
            NotFound: the instrument is unknown.
        """
        stored = self._session.rows("read_span", market_id=market_id, symbol=symbol)[0]
        if not stored["found"]:
            self.require(market_id, symbol)
            return 0, 0
        return stored["first_ms"], stored["last_ms"] + MINUTE_MS

    def last_candles(self, market_id: int, symbol: str, limit: int) -> Candles:
        """The newest `limit` candles, oldest first.

        Raises:
            NotFound: the instrument is unknown.
        """
        newest = self._session.rows("nth_last_stamp", market_id=market_id, symbol=symbol, limit=limit)[0]
        if not newest["found"]:
            self.require(market_id, symbol)
            return Candles.empty()
        return self.read(market_id, symbol, newest["first_ms"], newest["last_ms"] + 1)

    def coverage(self, market_id: int | None = None, symbol: str | None = None) -> list[Coverage]:
        """Coverage of every instrument, of one market's, or of one symbol.

        Raises:
            NotFound: a market and a symbol are given and that instrument is unknown.
        """
        summaries = self._session.rows(
            "summarize_candles", market_id=market_id or _ALL_MARKETS, symbol=symbol or _ALL_SYMBOLS
        )
        if not summaries and market_id and symbol:
            self.require(market_id, symbol)
        return [self._coverage(**summary) for summary in summaries]

    def missing(self, market_id: int, symbol: str, start_ms: int, end_ms: int) -> tuple[MissingRun, ...]:
        """The runs of minutes of `[start_ms, end_ms)` that have no candle."""
        return runs_of(self.missing_ranges(market_id, symbol, start_ms, end_ms).tolist())

    def missing_ranges(self, market_id: int, symbol: str, start_ms: int, end_ms: int) -> IntArray:
        """The same as an array `(k, 2)` of `[start, end)` in ms: of a holed year, half a million runs."""
        window = {"market_id": market_id, "symbol": symbol, "start_ms": start_ms, "end_ms": end_ms}
        return missing_ranges(stamps_of(self._session.table("read_stamps", **window)), start_ms, end_ms)

    def minute_counts(self, market_id: int, start_ms: int, end_ms: int) -> dict[str, int]:
        """The number of stored minutes of `[start_ms, end_ms)` by symbol, of those that have any.

        One look at a whole market tells which of its instruments may have holes.
        """
        window = {"market_id": market_id, "start_ms": start_ms, "end_ms": end_ms}
        return {row["symbol"]: row["minutes"] for row in self._session.rows("count_minutes", **window)}

    def counts(self) -> list[RowCounts]:
        """Rows of every instrument in raw (every version) and, as readers see them, in canonical."""
        raw = {
            (row["market_id"], row["symbol"]): row["found"]
            for table in sorted({market.raw_table for market in self.markets()})
            for row in self._session.rows("count_raw", raw_table=table)
        }
        canonical = {
            (row["market_id"], row["symbol"]): row["candles"]
            for row in self._session.rows("summarize_candles", market_id=_ALL_MARKETS, symbol=_ALL_SYMBOLS)
        }
        return [
            RowCounts(market_id=key[0], symbol=key[1], raw=raw.get(key, 0), canonical=canonical.get(key, 0))
            for key in sorted(raw.keys() | canonical.keys())
        ]

    def markets(self) -> list[Market]:
        return self._instruments.markets()

    def put_instruments(self, instruments: Iterable[InstrumentReference]) -> int:
        """Write the instruments that are new or have changed; return their number."""
        return self._instruments.put(instruments)

    def refresh_instruments(
        self, market_id: int, listed: Sequence[InstrumentReference], may_shrink: bool = False
    ) -> ListingReport:
        """Write the complete list of a market, see `InstrumentStore.refresh`."""
        return self._instruments.refresh(find_market(market_id), listed, may_shrink)

    def instrument_changes(
        self, market_id: int | None = None, symbol: str = "", since_ms: int = 0, limit: int = 100, offset: int = 0
    ) -> list[InstrumentChange]:
        """Changes of what the exchanges say of their instruments, the newest first.

        Raises:
            NotFound: no instrument with that symbol is known.
        """
        found = self._instruments.changes(market_id or _ALL_MARKETS, symbol, since_ms, limit, offset)
        if symbol and not found:
            self._require_symbol(market_id, symbol)
        return found

    def instruments(
        self, market_id: int | None = None, q: str = "", limit: int = 50, offset: int = 0
    ) -> list[InstrumentReference]:
        """Instruments with a description or with candles whose symbol contains `q`, the likeliest first."""
        return self._instruments.find(market_id or _ALL_MARKETS, q.strip().upper(), limit, offset)

    def require(self, market_id: int, symbol: str) -> Instrument:
        """The instrument, if an exchange has described it or it has candles.

        Raises:
            NotFound: with the nearest symbol of that market.
        """
        self._require_symbol(market_id, symbol)
        return Instrument(market_id=market_id, symbol=symbol)

    def _require_symbol(self, market_id: int | None, symbol: str) -> None:
        place = "any market" if market_id is None else find_market(market_id).name
        likeliest = self._instruments.find(market_id or _ALL_MARKETS, symbol, 1)
        if not likeliest or likeliest[0].symbol != symbol:
            known = {
                instrument.symbol for instrument in self._instruments.find(market_id or _ALL_MARKETS, "", _EVERY)
            }
            raise NotFound(f"unknown symbol {symbol!r} on {place}; {nearest(symbol, sorted(known))}")

    def _require_past(self, as_of_ms: int) -> None:
        if as_of_ms > (clock_ms := self._clock()):
            message = (
                f"as_of: {iso(as_of_ms)} is yet to come, it is {iso(clock_ms)} here: ask for a moment that has "
                "passed, or leave as_of out for the newest versions"
            )
            raise invalid("as_of", "in_the_future", message)

    def _coverage(self, market_id: int, symbol: str, first_ms: int, last_ms: int, candles: int) -> Coverage:
        missing_minutes = (last_ms - first_ms) // MINUTE_MS + 1 - candles
        holes = self._session.rows("read_holes", market_id=market_id, symbol=symbol) if missing_minutes else []
        return Coverage(
            market_id=market_id,
            symbol=symbol,
            first=from_ms(first_ms),
            last=from_ms(last_ms),
            candles=candles,
            missing_minutes=missing_minutes,
            missing_runs=runs_of((hole["start_ms"], hole["end_ms"]) for hole in holes),
        )


def _instrument(market_id: int, symbol: str) -> Instrument:
    find_market(market_id)
    if not is_symbol(symbol):
        raise invalid("symbol", "bad_symbol", f"{symbol[:40]!r} is no symbol: it has {SYMBOL_RULE}")
    return Instrument(market_id=market_id, symbol=symbol)
