"""The client's methods about candles, instruments and coverage, and the API as the place a backfill fills."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING, Any, TypeAlias

from candleray.errors import ApiError, BadFile, GuardExceeded, first_line, invalid
from candleray.feeds.feed_state import FeedState
from candleray.indicators.series import LAST_BARS
from candleray.market_data.backfill_report import BackfillReport, BackfillStep
from candleray.market_data.coverage import Coverage, MissingRun, RowCounts
from candleray.market_data.insert_report import InsertReport
from candleray.market_data.instruments.changes import InstrumentChange, ListingReport
from candleray.market_data.ledger.versions import CandleVersion, RevisionPage, SentSourceWord
from candleray.market_data.pages import ChangesPage, InstrumentPage, InstrumentsReport
from candleray.markets import InstrumentReference, Market, find_market
from candleray.paging import collected
from candleray.sdk.connection import Sender, encoded, read
from candleray.sdk.pauses import Pause, silent_pause, with_pauses
from candleray.timeframes import Timeframe, iso, ms_of, to_ms

if TYPE_CHECKING:
    import pyarrow as pa

    from candleray.candles import CandleRows

INSERT_ROWS = 100_000
"""Rows of one request: 6.4 MB, well below the API's body limit."""

PAGE_BARS = 50_000
PAGE_INSTRUMENTS = 1000
PAGE_VERSIONS = 1000
INSTRUMENTS_PER_REQUEST = 5000

MarketNameOrId: TypeAlias = str | int
"""`binance-spot`, or its id 1."""
Time: TypeAlias = str | datetime
"""A moment, or ISO text; without a zone it is UTC."""


class MarketDataMethods(Sender):
    """Candles in and out, instruments, and what is missing."""

    def markets(self) -> list[Market]:
        """The markets there are.

        >>> [market.name for market in client.markets()]
        ['binance-spot', 'binance-futures', 'bybit-spot', 'bybit-futures']
        """
        return read(list[Market], self.send("GET", "/market-data/markets"))

    def instruments(
        self, market: MarketNameOrId | None = None, q: str = "", limit: int | None = None
    ) -> list[InstrumentReference]:
        """Instruments whose symbol contains `q`, the likeliest first; all of them without a limit.

        >>> instruments = client.instruments("bybit-spot", "BTC", limit=10)
        >>> all("BTC" in instrument.symbol for instrument in instruments)
        True
        """
        wanted = {"market_id": market_id(market), "q": q or None}

        def read_page(size: int, cursor: str | None) -> tuple[Sequence[InstrumentReference], str | None]:
            params = {**wanted, "limit": size, "cursor": cursor}
            page = read(InstrumentPage, self.send("GET", "/market-data/instruments", params=params))
            return page.instruments, page.next_cursor

        return collected(read_page, limit, PAGE_INSTRUMENTS)

    def put_instruments(
        self, instruments: Iterable[InstrumentReference | Mapping[str, Any]], *, source: str | None = None
    ) -> InstrumentsReport:
        """Keep instruments as their exchange describes them; an operator's right, for all users share them.

        Args:
            source: where they come from, for the audit trail.

        Raises:
            Forbidden: you are no operator.

        >>> from candleray import InstrumentReference
        >>> reference = InstrumentReference(market_id=3, symbol="BTCUSDT", base_asset="BTC", quote_asset="USDT")
        >>> client.put_instruments([reference]).received
        1
        """
        references, report = list(instruments), InstrumentsReport(received=0, written=0)
        for first in range(0, len(references), INSTRUMENTS_PER_REQUEST):
            body = encoded(references[first : first + INSTRUMENTS_PER_REQUEST])
            answer = self.send("POST", "/market-data/instruments", params={"source": source}, content=body)
            part = read(InstrumentsReport, answer)
            report = InstrumentsReport(
                received=report.received + part.received, written=report.written + part.written
            )
        return report

    def refresh_instruments(self, market: MarketNameOrId, *, may_shrink: bool = False) -> ListingReport:
        """Have a market's complete list read from its exchange now; an operator's right.

        Args:
            may_shrink: take a list that lacks most of the known instruments.

        Raises:
            Forbidden: you are no operator.
            ExchangeError: the list did not come, or lacks most of them.

        >>> client.refresh_instruments("bybit-spot").listed > 0
        True
        """
        params = {"market_id": market_id(market), "may_shrink": may_shrink or None}
        return read(ListingReport, self.send("POST", "/market-data/instruments/refresh", params=params))

    def instrument_changes(
        self,
        market: MarketNameOrId | None = None,
        symbol: str | None = None,
        *,
        since: Time | None = None,
        limit: int | None = None,
    ) -> list[InstrumentChange]:
        """Changes of what the exchanges say of their instruments, the newest first.

        Raises:
            NotFound: no instrument with that symbol is known.

        >>> changes = client.instrument_changes("bybit-spot", since="2025-01-01", limit=10)
        >>> all(change.at >= changes[-1].at for change in changes)
        True
        """
        wanted = {
            "market_id": market_id(market),
            "symbol": symbol,
            "since": None if since is None else utc_text(since, "since"),
        }

        def read_page(size: int, cursor: str | None) -> tuple[Sequence[InstrumentChange], str | None]:
            params = {**wanted, "limit": size, "cursor": cursor}
            page = read(ChangesPage, self.send("GET", "/market-data/instruments/changes", params=params))
            return page.changes, page.next_cursor

        return collected(read_page, limit, PAGE_INSTRUMENTS)

    def candles(
        self,
        market: MarketNameOrId,
        symbol: str,
        *,
        timeframe: Timeframe = "1m",
        start: Time | None = None,
        end: Time | None = None,
        limit: int | None = None,
        as_of: Time | None = None,
    ) -> pa.Table:
        """Closed and full bars: `ts_open` (a timestamp in UTC), open, high, low, close, volume.

        Without `start` the newest `limit` bars, 1000 where that is left out; otherwise all from `start` on, page
        by page, `limit` at most.

        Args:
            as_of: as they were known at this moment, a minute's newest version of then; now where left out.

        Raises:
            InvalidInput: `as_of` is yet to come, or before anything was known of the instrument.

        >>> hours = client.candles("bybit-spot", "BTCUSDT", timeframe="1h", limit=24)
        >>> hours.column_names
        ['ts_open', 'open', 'high', 'low', 'close', 'volume']
        >>> day = client.candles("bybit-spot", "BTCUSDT", start="2025-01-01", end="2025-01-02")
        >>> len(day)
        1440
        >>> from datetime import UTC, datetime
        >>> client.candles("bybit-spot", "BTCUSDT", limit=24, as_of=datetime.now(UTC)).num_rows
        24
        """
        from candleray.market_data.arrow_stream import bars_table

        query = {
            "market_id": market_id(market),
            "symbol": symbol,
            "timeframe": timeframe,
            "start": None if start is None else utc_text(start, "start"),
            "end": None if end is None else utc_text(end, "end"),
            "as_of": None if as_of is None else utc_text(as_of, "as_of"),
        }
        if start is None:
            page, _ = self._bars({**query, "limit": limit or LAST_BARS})
            return bars_table([page])
        return bars_table(list(self._pages_of_bars(query, limit)))

    def _pages_of_bars(self, query: dict[str, str | int | None], limit: int | None) -> Iterator[pa.Table]:
        bars_left, start, page_bars = limit, query["start"], PAGE_BARS
        while True:
            size = page_bars if bars_left is None else min(page_bars, bars_left)
            try:
                page, start = self._bars({**query, "start": start, "limit": size})
            except GuardExceeded:
                if size < LAST_BARS:
                    raise
                page_bars = size // 2  # that API was told to give less at once
                continue
            yield page
            bars_left = None if bars_left is None else bars_left - len(page)
            if start is None or bars_left == 0:
                return

    def _bars(self, query: dict[str, str | int | None]) -> tuple[pa.Table, str | None]:
        from candleray.market_data.arrow_stream import ARROW, decode_bars

        answer = self.send("GET", "/market-data/candles", params=query, headers={"Accept": ARROW})
        try:
            return decode_bars(answer)
        except BadFile as exc:
            raise ApiError(f"the API's answer is not understood ({exc.message}): is it of this version?") from exc

    def revisions(
        self,
        market: MarketNameOrId,
        symbol: str,
        *,
        start: Time | None = None,
        end: Time | None = None,
        limit: int | None = None,
    ) -> list[CandleVersion]:
        """All versions of the minutes that were given other values after they were known, oldest first.

        Each says its values, its number, what brought it, when it was seen and how long after the minute's close.

        >>> client.put_candles("bybit-spot", "ADAUSDT", rows).written
        1440
        >>> from dataclasses import replace
        >>> corrected = replace(rows, values=rows.values * [[1], [1], [1], [1], [2]])  # twice the volume
        >>> client.put_candles("bybit-spot", "ADAUSDT", corrected, source_kind="file").changed
        1440
        >>> first, second = client.revisions("bybit-spot", "ADAUSDT", limit=2)
        >>> first.source, second.source, second.version, second.volume / first.volume
        ('api', 'file', 2, 2.0)
        """
        wanted = {
            "market_id": market_id(market),
            "symbol": symbol,
            "start": None if start is None else utc_text(start, "start"),
            "end": None if end is None else utc_text(end, "end"),
        }

        def read_page(size: int, cursor: str | None) -> tuple[Sequence[CandleVersion], str | None]:
            params = {**wanted, "limit": size, "cursor": cursor}
            page = read(RevisionPage, self.send("GET", "/market-data/revisions", params=params))
            return page.versions, page.next_cursor

        return collected(read_page, limit, PAGE_VERSIONS)

    def put_candles(
        self,
        market: MarketNameOrId,
        symbol: str,
        rows: CandleRows,
        *,
        source: str | None = None,
        source_kind: SentSourceWord = "api",
    ) -> InsertReport:
        """Write one-minute candles; an operator's right, for all users share them.

        Rows that are no candles are refused and counted; rows that are known already change nothing. `changed`
        counts the rows that gave a stored minute other values.

        Args:
            source: where the rows come from, such as a file's name, for the audit trail.
            source_kind: what they were read from, kept with every row: `file`, `rest`, or `api` for neither.

        Raises:
            Forbidden: you are no operator.
            BadFile: the steps between the rows show another interval than a minute.

        >>> report = client.put_candles("bybit-spot", "ETHUSDT", rows)
        >>> report.received, report.refused_count
        (1440, 0)
        """
        from candleray.market_data.months import within_months

        place = {
            "market_id": market_id(market),
            "symbol": symbol,
            "source": source,
            "source_kind": source_kind,
        }
        parts = (part for many in rows.parts(INSERT_ROWS) for part in within_months(many))
        return InsertReport.total(self._put(place, part) for part in parts)

    def _put(self, place: dict[str, str | int | None], rows: CandleRows) -> InsertReport:
        from candleray.market_data.arrow_stream import ARROW, encode_rows

        answer = self.send(
            "POST",
            "/market-data/candles",
            params={**place, "first_row": rows.first_row},
            content=encode_rows(rows),
            headers={"Content-Type": ARROW},
        )
        return read(InsertReport, answer)

    def backfill(
        self,
        market: MarketNameOrId,
        symbol: str,
        start: Time,
        end: Time | None = None,
        *,
        on_step: Callable[[BackfillReport], None] = lambda report: None,
        patience_s: float = 0,
        pause: Pause = silent_pause,
    ) -> BackfillReport:
        """Have the instance fetch the missing minutes of `[start, end)` from the exchange; everybody may.

        What is stored never changes. It goes in steps: stopped in any way, the same call goes on where it was.

        Args:
            end: now where left out.
            on_step: called after every step with the report so far.
            patience_s: how long a step is asked for again, with pauses, while the instance is loaded; an API that
                does not answer at all before the first step is not waited for.
            pause: waits for so many seconds, and may say why.

        Raises:
            TooManyRequests: another backfill of yours is under way, or many of others are.
            ServiceUnavailable: the instance is too loaded for a step.
            NotFound, RateLimited, ExchangeError: of the exchange.

        >>> report = client.backfill("bybit-spot", "SOLUSDT", "2025-01-01", "2025-01-02")
        >>> report.inserted.written, report.absent
        (1440, ())
        """
        done: BackfillReport | None = None
        wanted = {"market_id": market_id(market), "symbol": symbol}
        if patience_s:
            self.markets()
        until = utc_text(datetime.now(UTC) if end is None else end, "end")
        next_start: str | None = utc_text(start, "start")
        while next_start is not None:
            body = encoded({**wanted, "start": next_start, "end": until})
            send = partial(self.send, "POST", "/market-data/backfills", content=body)
            step = read(BackfillStep, with_pauses(send, patience_s, pause))
            done = done.followed_by(step.report) if done else step.report
            next_start = None if step.next_start is None else iso(to_ms(step.next_start))
            on_step(done)
        assert done is not None
        return done

    def coverage(self, market: MarketNameOrId | None = None, symbol: str | None = None) -> list[Coverage]:
        """First and last candle of every instrument stored, and every hole between them.

        >>> bitcoin = client.coverage("bybit-spot", "BTCUSDT")[0]
        >>> bitcoin.first.isoformat(), bitcoin.missing_minutes
        ('2025-01-01T00:00:00+00:00', 0)
        """
        params = {"market_id": market_id(market), "symbol": symbol}
        return read(list[Coverage], self.send("GET", "/market-data/coverage", params=params))

    def feeds(self) -> list[FeedState]:
        """Each market's feed of live candles, as it told of itself last.

        >>> [feed.market for feed in client.feeds()]
        ['binance-spot', 'binance-futures', 'bybit-spot', 'bybit-futures']
        """
        return read(list[FeedState], self.send("GET", "/market-data/feeds"))

    def counts(self) -> list[RowCounts]:
        """Rows of every instrument in raw (every version of a minute) and in canonical.

        >>> all(rows.raw >= rows.canonical for rows in client.counts())
        True
        """
        return read(list[RowCounts], self.send("GET", "/market-data/counts"))

    def missing(self, market: MarketNameOrId, symbol: str, start: Time, end: Time) -> list[MissingRun]:
        """The runs of minutes in `[start, end)` that have no candle.

        >>> client.missing("bybit-spot", "BTCUSDT", "2025-01-01", "2025-01-02")
        []
        >>> client.missing("bybit-spot", "BTCUSDT", "2024-12-31", "2025-01-02")[0].minutes
        1440
        """
        params = {
            "market_id": market_id(market),
            "symbol": symbol,
            "start": utc_text(start, "start"),
            "end": utc_text(end, "end"),
        }
        return read(list[MissingRun], self.send("GET", "/market-data/missing", params=params))


class ClientSink:
    """A `candleray.market_data.backfill.CandleSink` that asks the API and puts into it."""

    def __init__(self, client: MarketDataMethods, source: str | None = None) -> None:
        self._client, self._source = client, source

    def missing(self, market_id: int, symbol: str, start_ms: int, end_ms: int) -> list[tuple[int, int]]:
        if start_ms >= end_ms:
            return []
        runs = self._client.missing(market_id, symbol, iso(start_ms), iso(end_ms))
        return [(to_ms(run.start), to_ms(run.end)) for run in runs]

    def put(self, market_id: int, symbol: str, rows: CandleRows) -> InsertReport:
        return self._client.put_candles(market_id, symbol, rows, source=self._source, source_kind="rest")


def market_id(market: MarketNameOrId | None) -> int | None:
    """The id in the query, or None for every market."""
    return None if market is None else find_market(market).market_id


def utc_text(time: Time, field: str) -> str:
    """Return a moment as ISO text in UTC.

    Raises:
        InvalidInput: it is no time.
    """
    try:
        return iso(ms_of(time))
    except ValueError as error:
        raise invalid(field, "not_a_time", f"{field}: {first_line(error)}") from None
