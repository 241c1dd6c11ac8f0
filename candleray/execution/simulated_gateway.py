"""A gateway over the exchange simulator: requests signed as a venue wants them, to this machine and no other.

No other gateway sends anything. An address of another machine is refused before a client is made, and a redirect
is not followed.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from functools import partial
from types import TracebackType
from typing import Any, TypeVar

import httpx

from candleray.errors import ExchangeError, OrderNotTaken, OutcomeUnknown, first_line, invalid
from candleray.exchanges.binance import EXCHANGE as BINANCE
from candleray.exchanges.bybit import EXCHANGE as BYBIT
from candleray.exchanges.exchange import Exchange, MalformedAnswer
from candleray.execution.dialects.binance import BinanceOrders
from candleray.execution.dialects.bybit import BybitOrders
from candleray.execution.dialects.dialect import OrderDialect, PrivateRequest, SignedRequest
from candleray.execution.fills import Balance, Fill, Position
from candleray.execution.gateway import VALIDITY_MS, KeyPermissions
from candleray.execution.orders import OrderReport, OrderRequest
from candleray.execution.signing import Credentials
from candleray.markets import Instrument, Market
from candleray.network.clients import async_client, failure_in_words
from candleray.network.own_addresses import LOOPBACK

_DIALECTS: dict[str, tuple[Exchange, OrderDialect]] = {
    BINANCE.name: (BINANCE, BinanceOrders()),
    BYBIT.name: (BYBIT, BybitOrders()),
}
_MOST_PAGES = 1000

T = TypeVar("T")


def require_simulator(url: str) -> httpx.URL:
    """The address of a simulator: loopback, by its number or as `localhost`, and nothing else.

    Raises:
        InvalidInput: it is another one.
    """
    try:
        address = httpx.URL(url)
    except (httpx.InvalidURL, UnicodeError):
        address = httpx.URL()
    if address.scheme != "http" or address.host not in LOOPBACK or address.userinfo:
        raise invalid(
            "url",
            "not_a_simulator",
            f"orders go to a simulator on this machine alone, like http://127.0.0.1:9900, not to {url[:80]!r}",
        )
    return address


class SimulatedGateway:
    """Orders of one account at one market of a simulator; closed by `async with`."""

    def __init__(
        self,
        market: Market,
        url: str,
        credentials: Credentials,
        *,
        timeout_s: float = 5.0,
        transport: httpx.AsyncBaseTransport | None = None,
    ) -> None:
        if market.market_type != "futures" or market.exchange not in _DIALECTS:
            raise invalid("market", "no_orders", f"{market.name} has no orders here: only perpetuals have")
        self.market = market
        self._exchange, self._dialect = _DIALECTS[market.exchange]
        self._url, self._credentials = require_simulator(url), credentials
        self._client = async_client(
            direct=True, transport=transport, timeout=timeout_s, follow_redirects=False, base_url=self._url
        )

    async def __aenter__(self) -> SimulatedGateway:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._client.aclose()

    async def now_ms(self) -> int:
        asked = self._exchange.server_time_request(self.market)
        answer = await self._send(SignedRequest("GET", asked.path), changes=False)
        return self._read(self._exchange.read_server_time_ms, self._require(answer, changes=False))

    async def permissions(self) -> KeyPermissions:
        return self._read(self._dialect.read_permissions, await self._get(self._dialect.permissions()))

    async def place(self, request: OrderRequest, valid_until_ms: int) -> OrderReport:
        self._require_market(request.instrument)
        content = await self._change(self._dialect.place(request), valid_until_ms - VALIDITY_MS)
        try:
            report = self._dialect.read_placed(request, content)
        except (MalformedAnswer, ValueError) as exc:
            raise OutcomeUnknown(f"{self.market.name} answered an order with {first_line(exc)}") from exc
        if report.client_order_id != request.client_order_id:
            raise OutcomeUnknown(f"{self.market.name} acknowledged another order than {request.client_order_id}")
        return report

    async def cancel(self, instrument: Instrument, client_order_id: str) -> None:
        self._require_market(instrument)
        await self._change(self._dialect.cancel(instrument.symbol, client_order_id), await self.now_ms())

    async def open_orders(self, instrument: Instrument) -> Sequence[OrderReport]:
        self._require_market(instrument)
        content = await self._get(self._dialect.open_orders(instrument.symbol))
        return self._read(self._dialect.read_orders, content)

    async def order(self, instrument: Instrument, client_order_id: str) -> OrderReport | None:
        self._require_market(instrument)
        for request in self._dialect.order(instrument.symbol, client_order_id):
            status, content = await self._send_signed(request, await self.now_ms())
            if self._dialect.is_absence(status, content):
                continue
            reports = self._read(self._dialect.read_orders, self._require((status, content), changes=False))
            found = [each for each in reports if each.client_order_id == client_order_id]
            if found:
                return found[0]
        return None

    async def fills_since(self, instrument: Instrument, since_ms: int) -> Sequence[Fill]:
        self._require_market(instrument)
        fills: dict[str, Fill] = {}
        request: PrivateRequest | None = self._dialect.fills_since(instrument.symbol, since_ms)
        for _ in range(_MOST_PAGES):
            if request is None:
                return sorted(fills.values(), key=lambda fill: (fill.at_ms, fill.fill_id))
            asked = request
            content = await self._get(asked)
            page = self._read(partial(self._dialect.read_fills, asked), content)
            fills |= {fill.fill_id: fill for fill in page.fills}
            request = page.after
        raise ExchangeError(f"{self.market.name} has more than {_MOST_PAGES} pages of fills since {since_ms}")

    async def position(self, instrument: Instrument) -> Position:
        self._require_market(instrument)
        content = await self._get(self._dialect.position(instrument.symbol))
        return self._read(partial(self._dialect.read_position, instrument.symbol), content)

    async def balances(self) -> Sequence[Balance]:
        return self._read(self._dialect.read_balances, await self._get(self._dialect.balances()))

    async def _get(self, request: PrivateRequest) -> Any:
        return self._require(await self._send_signed(request, await self.now_ms()), changes=False)

    async def _change(self, request: PrivateRequest, timestamp_ms: int) -> Any:
        return self._require(await self._send_signed(request, timestamp_ms), changes=True)

    async def _send_signed(self, request: PrivateRequest, timestamp_ms: int) -> tuple[int, Any]:
        signed = self._dialect.sign(request, self._credentials, timestamp_ms, VALIDITY_MS)
        return await self._send(signed, changes=request.changes)

    async def _send(self, signed: SignedRequest, *, changes: bool) -> tuple[int, Any]:
        place = f"{self.market.name} {signed.method} {signed.path}"
        url = signed.path + (f"?{signed.query}" if signed.query else "")
        try:
            answer = await self._client.request(
                signed.method, url, content=signed.body or None, headers=dict(signed.headers)
            )
        except (httpx.ConnectError, httpx.ConnectTimeout) as exc:
            raise OrderNotTaken(f"{place}: {failure_in_words(exc, self._url)}") from None
        except httpx.HTTPError as exc:
            kind = OutcomeUnknown if changes else ExchangeError
            raise kind(f"{place}: {failure_in_words(exc, self._url)}") from None
        try:
            return answer.status_code, json.loads(answer.content)
        except (ValueError, RecursionError):
            return answer.status_code, None

    def _require(self, answer: tuple[int, Any], *, changes: bool) -> Any:
        status, content = answer
        failure = self._dialect.failure(status, content) if content is not None else None
        if content is None or (status != 200 and failure is None):
            failure = OutcomeUnknown(f"HTTP {status}, and no JSON")
        if failure is None:
            return content
        if changes or isinstance(failure, OrderNotTaken):
            raise failure
        raise ExchangeError(f"{self.market.name}: {failure.message}")

    def _read(self, read: Callable[[Any], T], content: Any) -> T:
        try:
            return read(content)
        except (MalformedAnswer, ValueError) as exc:
            raise ExchangeError(f"{self.market.name}: {first_line(exc)}") from exc

    def _require_market(self, instrument: Instrument) -> None:
        if instrument.market_id != self.market.market_id:
            raise invalid("instrument", "other_market", f"{instrument.key} is not at {self.market.name}")
