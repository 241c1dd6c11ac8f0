"""The venue's side of a websocket: what a venue's dialect supplies, and the state of one connection.

A dialect reads what a client sends and writes what a venue sends. Sockets, clocks and pauses are written once, in
`serve_apps.simulator`.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple

from candleray.markets import InstrumentReference, Market, MarketType

LEFT_OUT: Final = object()
"""The value of a field that a broken frame does not have."""


class Candle(NamedTuple):
    ts_open_ms: int
    open: float
    high: float
    low: float
    close: float
    volume: float
    quote_volume: float
    trades: float


@dataclass(frozen=True)
class KlineFrame:
    """A candle on its way to those who subscribed to it, at `at_ms` of the venue's clock.

    `version` counts the values that the venue gave for the minute. A fault names itself in `fault`; its `edits`
    are pairs of a field and what stands there instead. Frames that nobody asked for may be of another `symbol`, or
    of more `minutes` than one.
    """

    at_ms: int
    symbol: str
    candle: Candle
    is_closed: bool
    version: int = 1
    fault: str = ""
    edits: tuple[tuple[str, Any], ...] = ()
    minutes: int = 1


@dataclass(frozen=True)
class StreamRules:
    """Limits and habits of a market's streams.

    Candles, pushes and the life of a connection go by the venue's clock. Pings, silence and the count of frames
    concern the client's event loop, which runs no faster than it does: they go by the real one.
    """

    push_ms: int
    """The pause between two frames of a candle that is forming."""
    close_delay_ms: int
    """The longest usual delay of the frame that closes a candle."""
    most_topics: int | None = None
    client_frames_a_second: int | None = None
    ping_every_s: float | None = None
    pong_within_s: float | None = None
    silence_s: float | None = None
    """The venue cuts a client that says nothing for so long."""
    life_ms: int | None = None
    most_connections: int = 300
    """Connections that an address may open in five minutes."""


@dataclass
class Session:
    """One connection: the market it is for, and the topics it subscribed to, in their order."""

    market: Market
    number: int = 0
    opened_ms: int = 0
    is_combined: bool = False
    has_klines: bool = True
    topics: dict[str, None] = field(default_factory=dict)

    @property
    def connection_id(self) -> str:
        return f"{self.market.name}-{self.number}"


class HandshakeRefused(Exception):
    """An HTTP answer in place of a websocket."""

    def __init__(self, status: int, text: str, retry_after_s: int | None = None) -> None:
        super().__init__(text)
        self.status, self.text, self.retry_after_s = status, text, retry_after_s


@dataclass(frozen=True)
class Cut:
    """The end of a connection by the venue, with a close frame."""

    code: int
    reason: str


@dataclass(frozen=True)
class StreamDialect:
    """A venue's side of its websocket.

    `open_session` names the market of a path (None: not this venue's) and subscribes by it; it may raise
    `HandshakeRefused`. `read` takes a client's text, changes the session and returns the texts that answer it;
    `listed` are the symbols that may be subscribed to. `topic` is the subscription of a symbol's minutes.
    `write_kline` writes a candle, `write_farewell` the notice before a restart (None: there is none here, or none
    at all).
    """

    rules: Mapping[MarketType, StreamRules]
    open_session: Callable[[str, Mapping[str, str]], Session | None]
    read: Callable[[Session, str, Collection[str]], list[str]]
    topic: Callable[[str], str]
    write_kline: Callable[[Session, InstrumentReference, KlineFrame], str]
    write_farewell: Callable[[Session, int], str | None] | None = None


def edited(cells: dict[str, Any], names: Mapping[str, str], frame: KlineFrame) -> dict[str, Any]:
    """The cells of a frame with its edits; `names` are the venue's, by ours."""
    for name, value in frame.edits:
        if value is LEFT_OUT:
            cells.pop(names[name], None)
        elif name in names:
            cells[names[name]] = value
    return cells


def places_text(value: float, places: int) -> str:
    return f"{value:.{places}f}"


def trimmed_text(value: float, least_places: int) -> str:
    """Eight decimal places, as REST answers have, without the zeros behind the least number of them."""
    whole, _, places = f"{value:.8f}".partition(".")
    kept = places[:least_places] + places[least_places:].rstrip("0")
    return f"{whole}.{kept}" if kept else whole
