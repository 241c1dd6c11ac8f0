"""The SDK: every route of the API as a typed method.

    with Client() as client:
        result = client.backtest(request)
        frame = result.to_pandas()

It knows neither Ray nor the kernels; pyarrow and pandas are imported by the methods that need them.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from types import TracebackType
from typing import TYPE_CHECKING, Any, TypeAlias
from urllib.parse import quote

import httpx

from candleray.backtests.request import BacktestRequest
from candleray.backtests.result import BacktestResult
from candleray.candles import CandleRows
from candleray.errors import GuardExceeded, invalid
from candleray.indicators.info import IndicatorInfo
from candleray.indicators.series import LAST_BARS, IndicatorSeries, SeriesRequest
from candleray.market_data.arrow_stream import ARROW, bars_table, decode_bars, encode_rows, parts
from candleray.market_data.coverage import Coverage, MissingRun, RowCounts
from candleray.market_data.pages import InstrumentPage, InstrumentsReport
from candleray.market_data.screening import InsertReport
from candleray.markets import InstrumentReference, Market, find_market
from candleray.sdk.connection import Connection, QueryValue, encoded, find_api_url
from candleray.sdk.connection import read as read
from candleray.sdk.identity import IdentityMethods
from candleray.sdk.jobs import JobMethods
from candleray.sdk.runs import RunMethods
from candleray.sdk.strategies import StrategyMethods
from candleray.timeframes import Timeframe, iso, to_ms

if TYPE_CHECKING:
    import pyarrow as pa

DEFAULT_TIMEOUT_S = 330.0
"""Longer than the longest synchronous backtest may take, so that the API's own answer arrives."""

INSERT_ROWS = 100_000
"""Rows of one request: 6.4 MB, well below the API's body limit."""

PAGE_BARS = 50_000
PAGE_INSTRUMENTS = 1000
INSTRUMENTS_PER_REQUEST = 5000

JSON = "application/json"

MarketName: TypeAlias = str | int
"""`binance-spot`, or its id 1."""
Time: TypeAlias = str | datetime
"""A moment, or ISO text; without a zone it is UTC."""


class Client(JobMethods, StrategyMethods, RunMethods, IdentityMethods):
    """A connection to one API; threads may share it."""

    def __init__(
        self,
        url: str | None = None,
        *,
        token: str | None = None,
        timeout_s: float = DEFAULT_TIMEOUT_S,
        transport: httpx.BaseTransport | None = None,
    ) -> None:
        """
        Args:
            url: by default the setting `api_url`, else the instance that runs in the data folder.
            token: sent as a bearer token; by default `CANDLERAY_TOKEN`, else what `candleray login` kept.
            timeout_s: how long an answer may take; that nobody listens is found out within seconds.
        """
        self._connection = Connection(url or find_api_url(), token=token, timeout_s=timeout_s, transport=transport)

    def __enter__(self) -> Client:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        self._connection.close()

    def __repr__(self) -> str:
        return f"Client({self.url!r})"

    @property
    def url(self) -> str:
        return self._connection.url

    def backtest(self, request: BacktestRequest | Mapping[str, Any]) -> BacktestResult:
        """Search every variant of a request; the best come back ranked.

        Raises:
            InvalidInput: one problem a field; `GuardExceeded` where the request is too large to answer at once.
        """
        return read(BacktestResult, self.send("POST", "/backtests", content=encoded(request)))

    def indicators(self) -> list[IndicatorInfo]:
        """Every indicator with its inputs, parameters, bounds and signal rule."""
        return read(list[IndicatorInfo], self.send("GET", "/indicators"))

    def indicator(self, indicator_id: str) -> IndicatorInfo:
        return read(IndicatorInfo, self.send("GET", f"/indicators/{quote(indicator_id, safe='')}"))

    def compute(self, request: SeriesRequest | Mapping[str, Any]) -> IndicatorSeries:
        """An indicator's outputs over the last bars or a time range."""
        return read(IndicatorSeries, self.send("POST", "/indicators/compute", content=encoded(request)))

    def markets(self) -> list[Market]:
        return read(list[Market], self.send("GET", "/market-data/markets"))

    def instruments(
        self, market: MarketName | None = None, q: str = "", limit: int | None = None
    ) -> list[InstrumentReference]:
        """Instruments whose symbol contains `q`, the likeliest first; all of them without a limit."""
        found: list[InstrumentReference] = []
        cursor: str | None = None
        while limit is None or len(found) < limit:
            size = PAGE_INSTRUMENTS if limit is None else min(PAGE_INSTRUMENTS, limit - len(found))
            params = {"market_id": _market_id(market), "q": q or None, "limit": size, "cursor": cursor}
            page = read(InstrumentPage, self.send("GET", "/market-data/instruments", params=params))
            found += page.instruments
            cursor = page.next_cursor
            if cursor is None:
                break
        return found

    def put_instruments(self, instruments: Iterable[InstrumentReference]) -> InstrumentsReport:
        """Keep instruments as their exchange describes them."""
        every, report = list(instruments), InstrumentsReport(received=0, written=0)
        for first in range(0, len(every), INSTRUMENTS_PER_REQUEST):
            body = encoded(every[first : first + INSTRUMENTS_PER_REQUEST])
            part = read(InstrumentsReport, self.send("POST", "/market-data/instruments", content=body))
            report = InstrumentsReport(
                received=report.received + part.received, written=report.written + part.written
            )
        return report

    def candles(
        self,
        market: MarketName,
        symbol: str,
        *,
        timeframe: Timeframe = "1m",
        start: Time | None = None,
        end: Time | None = None,
        limit: int | None = None,
    ) -> pa.Table:
        """Closed and full bars: `ts_open` (a timestamp in UTC), open, high, low, close, volume.

        Without `start` the newest `limit` bars, 1000 where that is left out; otherwise all from `start` on, page
        by page, `limit` at most.
        """
        query = {
            "market_id": _market_id(market),
            "symbol": symbol,
            "timeframe": timeframe,
            "start": None if start is None else _iso(start, "start"),
            "end": None if end is None else _iso(end, "end"),
        }
        if start is None:
            page, _ = self._bars({**query, "limit": limit or LAST_BARS})
            return bars_table([page])
        return bars_table(list(self._pages_of_bars(query, limit)))

    def _pages_of_bars(self, query: dict[str, str | int | None], limit: int | None) -> Iterator[pa.Table]:
        left, start, most = limit, query["start"], PAGE_BARS
        while True:
            size = most if left is None else min(most, left)
            try:
                page, start = self._bars({**query, "start": start, "limit": size})
            except GuardExceeded:
                if size < LAST_BARS:
                    raise
                most = size // 2  # that API was told to give less at once
                continue
            yield page
            left = None if left is None else left - len(page)
            if start is None or left == 0:
                return

    def _bars(self, query: dict[str, str | int | None]) -> tuple[pa.Table, str | None]:
        headers = {"Accept": ARROW}
        return decode_bars(self.send("GET", "/market-data/candles", params=query, headers=headers))

    def put_candles(self, market: MarketName, symbol: str, rows: CandleRows) -> InsertReport:
        """Write one-minute candles; what is none is refused and counted, the same rows again change nothing."""
        place = {"market_id": _market_id(market), "symbol": symbol}
        return InsertReport.total(self._put(place, part) for part in parts(rows, INSERT_ROWS))

    def _put(self, place: dict[str, str | int | None], rows: CandleRows) -> InsertReport:
        answer = self.send(
            "POST",
            "/market-data/candles",
            params={**place, "first_row": rows.first_row},
            content=encode_rows(rows),
            headers={"Content-Type": ARROW},
        )
        return read(InsertReport, answer)

    def coverage(self, market: MarketName | None = None, symbol: str | None = None) -> list[Coverage]:
        """First and last candle of every instrument stored, and every hole between them."""
        params = {"market_id": _market_id(market), "symbol": symbol}
        return read(list[Coverage], self.send("GET", "/market-data/coverage", params=params))

    def counts(self) -> list[RowCounts]:
        """Rows of every instrument in raw (every version of a minute) and in canonical."""
        return read(list[RowCounts], self.send("GET", "/market-data/counts"))

    def missing(self, market: MarketName, symbol: str, start: Time, end: Time) -> list[MissingRun]:
        """The runs of minutes in `[start, end)` that have no candle."""
        params = {
            "market_id": _market_id(market),
            "symbol": symbol,
            "start": _iso(start, "start"),
            "end": _iso(end, "end"),
        }
        return read(list[MissingRun], self.send("GET", "/market-data/missing", params=params))

    def health(self) -> None:
        """Returns where the API's process lives."""
        self.send("GET", "/health")

    def ready(self) -> dict[str, float]:
        """How long each service behind the API took to answer, in ms, by its name.

        Raises:
            ServiceUnavailable: with a problem for each that does not answer.
        """
        services = read(dict[str, Any], self.send("GET", "/ready", repeatable=False))["services"]
        return {name: service["latency_ms"] for name, service in services.items()}

    def send(
        self,
        method: str,
        path: str,
        *,
        params: Mapping[str, QueryValue] | None = None,
        content: bytes | None = None,
        headers: Mapping[str, str] | None = None,
        repeatable: bool = True,
    ) -> bytes:
        """The answer of any route, byte for byte; raises as the typed methods do.

        Every route there is may be repeated: it reads, computes, or writes what it has written already.
        """
        kind = {} if content is None else {"Content-Type": JSON}
        response = self._connection.send(
            method,
            path,
            params=params,
            content=content,
            headers={**kind, **(headers or {})},
            repeatable=repeatable,
        )
        return response.content


class ClientSink:
    """The API as the place a backfill asks and puts (`candleray.market_data.backfill.CandleSink`)."""

    def __init__(self, client: Client) -> None:
        self._client = client

    def missing(self, market_id: int, symbol: str, start_ms: int, end_ms: int) -> list[tuple[int, int]]:
        if start_ms >= end_ms:
            return []
        runs = self._client.missing(market_id, symbol, iso(start_ms), iso(end_ms))
        return [(to_ms(run.start), to_ms(run.end)) for run in runs]

    def put(self, market_id: int, symbol: str, rows: CandleRows) -> InsertReport:
        return self._client.put_candles(market_id, symbol, rows)


def _market_id(market: MarketName | None) -> int | None:
    return None if market is None else find_market(market).market_id


def _iso(time: Time, field: str) -> str:
    try:
        moment = datetime.fromisoformat(time) if isinstance(time, str) else time
    except ValueError:
        raise invalid(field, "not_a_time", f"{field}: {time!r} is not a time like 2025-01-01T00:00:00Z") from None
    return iso(to_ms(moment))
