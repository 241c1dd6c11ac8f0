"""REST requests to an exchange: paced, bounded, retried, and their failures named."""

from __future__ import annotations

import asyncio
import json
import logging
import random
import time
from collections.abc import Awaitable, Callable
from types import TracebackType
from typing import Any, NoReturn, TypeVar

import httpx

from candleray import settings
from candleray.errors import ExchangeError, NotFound, RateLimited, first_line, invalid
from candleray.exchanges.exchange import Exchange, Failure, MalformedAnswer, RestAnswer, RestRequest
from candleray.exchanges.rate_limits import RateLimiter
from candleray.exchanges.shared_budget import SharedBudget
from candleray.markets import Market
from candleray.network.clients import async_client, failure_in_words
from candleray.network.own_addresses import is_own

log = logging.getLogger(__name__)

T = TypeVar("T")

_FIRST_DELAY_S, _LONGEST_DELAY_S = 0.5, 30.0
_LONGEST_WAIT_S = 120.0
"""A venue that asks for a longer wait has banned us: the person should know rather than wait."""

_READ_OF_A_PAGE = 20_000


class _Transient(Exception):
    """An attempt failed, and another may succeed; `wait_s` is the wait that the venue asks for."""

    def __init__(self, reason: str, wait_s: float | None = None, *, is_limit: bool = False) -> None:
        super().__init__(reason)
        self.wait_s, self.is_limit = wait_s, is_limit

    def wait_before(self, attempt: int) -> float:
        """Return the seconds until that attempt, the second or a later one."""
        back_off_s = min(_LONGEST_DELAY_S, _FIRST_DELAY_S * 2 ** (attempt - 2))
        # Half fixed, half random: clients that were refused together do not come back together.
        wait_s: float = max(self.wait_s or 0.0, back_off_s * (0.5 + 0.5 * random.random()))  # noqa: S311
        return wait_s


class RestClient:
    """Asks any venue. The clock counts the venues' seconds and need not know the time of day.

    With a shared budget all processes together keep an exchange's limits; without, each keeps to its own share.
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
        self.config = config or settings.get_settings().history
        self.clock = clock or self._count_s
        self._sleep = sleep or self._let_pass
        self._transport = transport
        self._clients: dict[bool, httpx.AsyncClient] = {}
        self._limiters: dict[str, RateLimiter] = {}
        self._shared = shared
        self._slots: dict[int, asyncio.Semaphore] = {}
        self._failures: dict[int, str] = {}

    async def __aenter__(self) -> RestClient:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for client in self._clients.values():
            await client.aclose()

    def _count_s(self) -> float:
        return time.monotonic() * self.config.clock_speed

    async def _let_pass(self, venue_s: float) -> None:
        await asyncio.sleep(venue_s / self.config.clock_speed)

    async def get(self, exchange: Exchange, market: Market, request: RestRequest, read: Callable[[Any], T]) -> T:
        """The decoded JSON of the answer, read by `read`.

        Raises:
            NotFound: the venue does not know the symbol.
            RateLimited: it asks for more than two minutes' wait, or refuses every attempt.
            ExchangeError: no attempt gets a usable answer, or `read` refuses the answer.
        """
        attempt = 0
        while True:
            attempt += 1
            try:
                content = await self._attempt(exchange, market, request)
                self._failures.pop(market.market_id, None)
                break
            except _Transient as failed:
                self._failures[market.market_id] = f"{_place(market, request)}: {first_line(failed)}"
                wait_s = failed.wait_before(attempt + 1)
                if failed.is_limit:
                    # Also where this request gives up: others have to wait.
                    await self._limiter(exchange, market).pause(wait_s)
                self._require_another(market, request, failed, attempt)
                log.info("%s: %s; attempt %d, waiting %.1f s", _place(market, request), failed, attempt, wait_s)
                if not failed.is_limit:
                    await self._sleep(wait_s)
        try:
            return read(content)
        except MalformedAnswer as exc:
            raise ExchangeError(f"{_place(market, request)}: {exc}") from exc

    def paused_s(self, exchange: Exchange, market: Market) -> float:
        """Seconds for which the venue has asked to be left alone."""
        return self._limiter(exchange, market).paused_s

    def failure_of(self, market: Market) -> str:
        """Words on the last attempt at the market where it failed, for who waits no longer for the next ones."""
        return self._failures.get(market.market_id, "")

    @property
    def shares_budget(self) -> bool:
        """False where the budget was to be shared and could not be, the last time."""
        return self._shared is None or not self._shared.is_away

    async def _attempt(self, exchange: Exchange, market: Market, request: RestRequest) -> Any:
        limiter = self._limiter(exchange, market)
        async with self._slot(market):
            if not await limiter.spend(request.weight, _LONGEST_WAIT_S):
                raise RateLimited(f"{market.name} asked to be left alone for {limiter.paused_s:.0f} s more")
            answer = await self._send(exchange, market, request)
        used = exchange.read_used_weight(answer.headers)
        if used is not None:
            await limiter.correct(used)
        failure = exchange.read_failure(answer)
        if failure:
            _raise_failure(market, request, failure)
        if answer.content is None:
            raise _Transient(f"answered something that is not JSON{answer.page_in_words}")
        return answer.content

    async def _send(self, exchange: Exchange, market: Market, request: RestRequest) -> RestAnswer:
        base = self._address(exchange, market)
        url = base.copy_with(path=base.path.rstrip("/") + request.path, params=dict(request.params))
        try:
            async with (
                asyncio.timeout(self.config.timeout_s),
                self._client(url).stream("GET", url) as response,
            ):
                body = await _read_body(response, market, request)
        except httpx.HTTPError as exc:
            raise _Transient(failure_in_words(exc, url) + self._asked_at(market, url)) from None
        except TimeoutError as exc:
            raise _Transient(f"no answer within {self.config.timeout_s:g} s{self._asked_at(market, url)}") from exc
        headers = {name.lower(): value for name, value in response.headers.items()}
        content = _decode(body)
        text = "" if content is not None else body[:_READ_OF_A_PAGE].decode(errors="replace")
        return RestAnswer(response.status_code, headers, content, text)

    def _asked_at(self, market: Market, url: httpx.URL) -> str:
        """Name an address that is not the exchange's own: it may be the mistake."""
        return f" from {_origin(url)}" if market.name in self.config.base_urls else ""

    def _client(self, url: httpx.URL) -> httpx.AsyncClient:
        """One for servers on this machine, such as the simulator, and one for all others."""
        direct = is_own(url.host)
        if direct not in self._clients:
            self._clients[direct] = async_client(
                direct=direct,
                transport=self._transport,
                timeout=self.config.timeout_s,
                headers={"user-agent": "candleray"},
            )
        return self._clients[direct]

    def _address(self, exchange: Exchange, market: Market) -> httpx.URL:
        configured = self.config.base_urls.get(market.name)
        try:
            url = httpx.URL(configured or exchange.api(market).base_url)
        except (httpx.InvalidURL, UnicodeError):
            url = httpx.URL()
        if url.scheme not in ("http", "https") or not url.host:
            raise invalid(
                "history.base_urls",
                "not_a_url",
                f"the address of {market.name} is {str(configured)[:80]!r}, which is none like http://host:9900",
            )
        return url

    def _require_another(self, market: Market, request: RestRequest, failed: _Transient, attempt: int) -> None:
        """
        Raises:
            RateLimited, ExchangeError: there is to be no other attempt.
        """
        kind = RateLimited if failed.is_limit else ExchangeError
        place = _place(market, request)
        if failed.wait_s is not None and failed.wait_s > _LONGEST_WAIT_S:
            raise kind(f"{place}: {failed}; it asks to wait {failed.wait_s:g} s, try again then") from failed
        if attempt >= self.config.max_attempts:
            raise kind(f"{place}: {failed}; gave up after {attempt} attempt{'s' * (attempt > 1)}") from failed

    def _limiter(self, exchange: Exchange, market: Market) -> RateLimiter:
        """The limiter of the venue's address, wherever the requests really go."""
        api = exchange.api(market)
        if api.base_url not in self._limiters:
            self._limiters[api.base_url] = RateLimiter(
                api.budget, self.clock, self._sleep, self.config.budget_share, self._shared, api.base_url
            )
        return self._limiters[api.base_url]

    def _slot(self, market: Market) -> asyncio.Semaphore:
        return self._slots.setdefault(market.market_id, asyncio.Semaphore(self.config.concurrency))


def _origin(url: httpx.URL) -> str:
    """The address without what may be secret in it."""
    return str(httpx.URL(scheme=url.scheme, host=url.host, port=url.port))


def _place(market: Market, request: RestRequest) -> str:
    symbol = request.params.get("symbol")
    return f"{market.name} GET {request.path}" + (f" of {symbol}" if symbol else "")


def _raise_failure(market: Market, request: RestRequest, failure: Failure) -> NoReturn:
    place = _place(market, request)
    match failure.kind:
        case "unknown_symbol":
            raise NotFound(f"{market.name} has no symbol {request.params.get('symbol', '')!r} ({failure.message})")
        case "rejected":
            raise ExchangeError(f"{place}: refused with {failure.message}")
        case "unavailable":
            raise _Transient(failure.message, failure.retry_after_s)
        case "rate_limited" | "banned":
            raise _Transient(failure.message, failure.retry_after_s, is_limit=True)


async def _read_body(response: httpx.Response, market: Market, request: RestRequest) -> bytes:
    parts: list[bytes] = []
    size = 0
    async for part in response.aiter_bytes():
        size += len(part)
        if size > request.max_bytes:
            raise ExchangeError(
                f"{_place(market, request)}: the answer is larger than {request.max_bytes:,} bytes"
            )
        parts.append(part)
    return b"".join(parts)


def _decode(body: bytes) -> Any:
    """The JSON; None for a proxy's page, half an answer, or JSON nested deeper than Python reads."""
    try:
        return json.loads(body)
    except (ValueError, RecursionError):
        return None
