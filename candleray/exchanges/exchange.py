"""An exchange as its client sees it: constants and pure functions that a venue's file supplies.

They make requests and read answers. Sockets, retries, clocks, rate limiting and pagination are written once, in
`rest` and `market_data.history`, for every venue. The venue's own side is in `candleray.simulator`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, TypeAlias

from candleray.candles import CandleRows
from candleray.exchanges.stream import StreamApi
from candleray.markets import InstrumentReference, Market, MarketType
from candleray.network.foreign_pages import page_in_words, telling_headers

REFUSED_BY_A_GATE = (
    "; refused before the exchange itself is asked, as for a country or an address: ask from another network, or "
    "by a proxy (HTTPS_PROXY), or import the exchange's files"
)

FailureKind = Literal["rate_limited", "banned", "unavailable", "unknown_symbol", "rejected"]


class MalformedAnswer(ValueError):
    """JSON that differs from the venue's documentation; the message says where."""


@dataclass(frozen=True)
class Failure:
    """A venue's refusal, read from status, headers and error body.

    `retry_after_s` is the wait that the venue asks for, None where it names none.
    """

    kind: FailureKind
    message: str
    retry_after_s: float | None = None


@dataclass(frozen=True)
class RestRequest:
    """A GET. Its weight counts against the market's budget; an answer above `max_bytes` is refused."""

    path: str
    params: Mapping[str, str] = field(default_factory=dict)
    weight: int = 1
    max_bytes: int = 4_000_000


@dataclass(frozen=True)
class RestAnswer:
    """An answer: `headers` in lower case, `content` the decoded JSON.

    Where the body is not JSON, `content` is None and `text` the beginning of the body, for messages.
    """

    status: int
    headers: Mapping[str, str]
    content: Any
    text: str = ""

    @property
    def page_in_words(self) -> str:
        """The page in place of JSON: text without tags, headers of who answers, what to do where they refuse."""
        said = page_in_words(self.text)
        hint = REFUSED_BY_A_GATE if self.status in (401, 403, 407, 451) else ""
        return f"{f': {said}' if said else ''}{telling_headers(self.headers)}{hint}"


@dataclass(frozen=True)
class RateBudget:
    """Request weight that one address may spend in a window."""

    weight: int
    window_s: float


@dataclass(frozen=True)
class RestApi:
    """Address and limits of a market's REST interface; markets with one `base_url` share one budget.

    `page_minutes` is the window of one request for candles, within the venue's limit of rows.
    """

    base_url: str
    budget: RateBudget
    page_minutes: int


class Listing(list[InstrumentReference]):
    """Instruments as an exchange lists them; `left_out` are the names that are no symbols of ours."""

    def __init__(self, instruments: Iterable[InstrumentReference] = (), left_out: Iterable[str] = ()) -> None:
        super().__init__(instruments)
        self.left_out = tuple(left_out)


ReadInstruments: TypeAlias = Callable[[Market, Any], Listing]
"""The instruments of one page; raises `MalformedAnswer`."""

ReadKlines: TypeAlias = Callable[[Market, str, Any], CandleRows]
"""The rows of one page in ascending order, unchecked; raises `MalformedAnswer`."""


@dataclass(frozen=True)
class Exchange:
    """One venue: its requests, and readers of their answers.

    `instruments_requests` gives one request a listing; `next_page` gives the request after it, or None.
    `klines_request` asks for the minutes that open in `[start_ms, end_ms)`, `first_kline_request` for the first
    one at or after a time. `read_failure` is called first, with every answer. `dotted_dates_utc_offset_h` is the
    zone of `2025.01.01 03:00` in the venue's own archives, None where it publishes no such dates.
    """

    name: str
    apis: Mapping[MarketType, RestApi]
    streams: Mapping[MarketType, StreamApi]

    server_time_request: Callable[[Market], RestRequest]
    read_server_time_ms: Callable[[Any], int]
    instruments_requests: Callable[[Market], Sequence[RestRequest]]
    next_page: Callable[[RestRequest, Any], RestRequest | None]
    read_instruments: ReadInstruments
    klines_request: Callable[[Market, str, int, int], RestRequest]
    first_kline_request: Callable[[Market, str, int], RestRequest]
    read_klines: ReadKlines
    read_failure: Callable[[RestAnswer], Failure | None]
    read_used_weight: Callable[[Mapping[str, str]], int | None]
    dotted_dates_utc_offset_h: int | None = None

    def api(self, market: Market) -> RestApi:
        return self.apis[market.market_type]

    def stream(self, market: Market) -> StreamApi:
        return self.streams[market.market_type]
