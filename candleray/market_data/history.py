"""History of candles and instruments from the exchanges' REST interfaces, the same way for every venue."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterator
from contextlib import aclosing
from functools import partial
from types import TracebackType

import httpx
import numpy as np

from candleray import settings
from candleray.candles import CandleRows
from candleray.errors import ExchangeError, NotFound, nearest
from candleray.exchanges.discovery import exchange_of
from candleray.exchanges.exchange import Listing, RestRequest
from candleray.exchanges.rest import RestClient
from candleray.exchanges.shared_budget import SharedBudget
from candleray.markets import InstrumentReference, Market
from candleray.timeframes import MINUTE_MS, iso, iso_or_ms

_CLOCK_TRUSTED_S = 600.0
_MOST_INSTRUMENT_PAGES = 100


class History:
    """Client of all exchanges: `async with History() as history:`.

    Tests give it a transport and a clock of their own and so need no network.
    """

    def __init__(
        self,
        config: settings.HistorySettings | None = None,
        *,
        shared: SharedBudget | None = None,
        transport: httpx.AsyncBaseTransport | None = None,
        clock: Callable[[], float] | None = None,
        sleep: Callable[[float], Awaitable[None]] | None = None,
    ) -> None:
        self._rest = RestClient(config, shared=shared, transport=transport, clock=clock, sleep=sleep)
        self._server_ahead_ms: dict[int, tuple[float, float]] = {}

    async def __aenter__(self) -> History:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._rest.__aexit__(kind, error, trace)

    def failure_of(self, market: Market) -> str:
        """Words on the last attempt at the market where it failed; empty where it did not."""
        return self._rest.failure_of(market)

    async def instruments(self, market: Market) -> Listing:
        """Every instrument of a market, in order of the symbol; of one in two listings, the first counts."""
        exchange = exchange_of(market)
        by_symbol: dict[str, InstrumentReference] = {}
        left_out: set[str] = set()
        for listing in exchange.instruments_requests(market):
            request: RestRequest | None = listing
            for _ in range(_MOST_INSTRUMENT_PAGES):
                if request is None:
                    break
                page, request = await self._instruments_page(market, request)
                left_out.update(page.left_out)
                for instrument in page:
                    by_symbol.setdefault(instrument.symbol, instrument)
            else:
                raise ExchangeError(f"{market.name} GET {listing.path}: more than {_MOST_INSTRUMENT_PAGES} pages")
        return Listing(sorted(by_symbol.values(), key=lambda found: found.symbol), sorted(left_out))

    async def closed_until_ms(self, market: Market) -> int:
        """The end of the last closed minute by the venue's clock, not ours."""
        now_ms = self._rest.clock() * 1000
        ahead_ms, measured_at = self._server_ahead_ms.get(market.market_id, (0.0, -np.inf))
        if now_ms - measured_at > _CLOCK_TRUSTED_S * 1000:
            exchange = exchange_of(market)
            server_ms = await self._rest.get(
                exchange, market, exchange.server_time_request(market), exchange.read_server_time_ms
            )
            # The answer took time to arrive, so the venue's clock is at or past it: no minute is taken too early.
            now_ms = self._rest.clock() * 1000
            ahead_ms = server_ms - now_ms
            self._server_ahead_ms[market.market_id] = ahead_ms, now_ms
        return int((now_ms + ahead_ms) // MINUTE_MS) * MINUTE_MS

    async def candles(
        self, market: Market, symbol: str, start_ms: int, end_ms: int
    ) -> AsyncGenerator[CandleRows, None]:
        """The closed candles that open in `[start_ms, end_ms)`: pages in order of arrival, none of them empty.

        Close the generator (`contextlib.aclosing`) when leaving it early: requests are under way.

        Raises:
            NotFound: the venue has no such symbol; the message offers the nearest one.
            ExchangeError, RateLimited: see `RestClient.get`.
        """
        end_ms = min(end_ms, await self.closed_until_ms(market))
        start_ms = -(-start_ms // MINUTE_MS) * MINUTE_MS
        if start_ms >= end_ms:
            return
        page_ms = exchange_of(market).api(market).page_minutes * MINUTE_MS
        try:
            rows = await self._page(market, symbol, start_ms, min(start_ms + page_ms, end_ms))
        except NotFound as exc:
            raise NotFound(f"{exc.message}; {await self._nearest_symbol(market, symbol)}") from exc
        next_ms = start_ms + page_ms
        if len(rows):
            yield rows
        elif next_ms < end_ms:
            next_ms = await self._skip_to_first(market, symbol, next_ms)
        windows = ((from_ms, min(from_ms + page_ms, end_ms)) for from_ms in range(next_ms, end_ms, page_ms))
        fetch = partial(self._page, market, symbol)
        async with aclosing(_as_they_arrive(fetch, windows, self._rest.config.concurrency)) as pages:
            async for rows in pages:
                if len(rows):
                    yield rows

    async def _page(self, market: Market, symbol: str, start_ms: int, end_ms: int) -> CandleRows:
        exchange = exchange_of(market)
        request = exchange.klines_request(market, symbol, start_ms, end_ms)
        rows = await self._rest.get(exchange, market, request, partial(exchange.read_klines, market, symbol))
        stray = rows.ts_open_ms[(rows.ts_open_ms < start_ms) | (rows.ts_open_ms >= end_ms)]
        if stray.size == 0:
            return rows
        closed_until_ms = await self.closed_until_ms(market)
        if closed_until_ms <= stray.min() and stray.max() <= closed_until_ms + MINUTE_MS:
            return rows.take(np.flatnonzero(rows.ts_open_ms < end_ms))
        raise ExchangeError(
            f"{market.name} GET {request.path} of {symbol}: {stray.size} candles out of the window "
            f"{iso(start_ms)} to {iso(end_ms)}, the first opens at {iso_or_ms(int(stray[0]))}"
        )

    async def _skip_to_first(self, market: Market, symbol: str, start_ms: int) -> int:
        """The next time to ask for after an empty page; it skips the years before a listing.

        Not every venue documents its answer to a request without an end. So the first candle that it names counts
        only if the page before that candle is empty too.
        """
        exchange = exchange_of(market)
        request = exchange.first_kline_request(market, symbol, start_ms)
        first = await self._rest.get(exchange, market, request, partial(exchange.read_klines, market, symbol))
        first_ms = int(first.ts_open_ms[0]) // MINUTE_MS * MINUTE_MS if len(first) else start_ms
        before_ms = max(start_ms, first_ms - exchange.api(market).page_minutes * MINUTE_MS)
        if before_ms >= first_ms or len(await self._page(market, symbol, before_ms, first_ms)):
            return start_ms
        return first_ms

    async def _nearest_symbol(self, market: Market, symbol: str) -> str:
        try:
            symbols = [instrument.symbol for instrument in await self.instruments(market)]
        except ExchangeError:
            return "its list of symbols did not come"
        return nearest(symbol, symbols)

    async def _instruments_page(self, market: Market, request: RestRequest) -> tuple[Listing, RestRequest | None]:
        exchange = exchange_of(market)
        return await self._rest.get(
            exchange,
            market,
            request,
            lambda content: (exchange.read_instruments(market, content), exchange.next_page(request, content)),
        )


async def _as_they_arrive(
    fetch: Callable[[int, int], Awaitable[CandleRows]], windows: Iterator[tuple[int, int]], concurrency: int
) -> AsyncGenerator[CandleRows, None]:
    """Fetch windows, `concurrency` at once, and yield their rows; a failure or an early end stops the rest."""
    under_way: set[asyncio.Future[CandleRows]] = set()
    try:
        while True:
            while len(under_way) < concurrency and (window := next(windows, None)):
                under_way.add(asyncio.ensure_future(fetch(*window)))
            if not under_way:
                return
            done, _ = await asyncio.wait(under_way, return_when=asyncio.FIRST_COMPLETED)
            for page in done:
                under_way.remove(page)
                yield page.result()
    finally:
        for page in under_way:
            page.cancel()
        await asyncio.gather(*under_way, return_exceptions=True)
