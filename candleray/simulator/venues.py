"""Simulated venues: each answers as its exchange's interfaces do. One file a venue, discovered."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cache
from importlib import import_module
from pathlib import Path
from pkgutil import iter_modules
from typing import Literal

from candleray.exchanges.exchange import Exchange, Failure
from candleray.markets import MARKETS, Market
from candleray.simulator.candle_source import CandleSource
from candleray.simulator.stream_dialect import StreamDialect

Subject = Literal["time", "instruments", "klines"]


@dataclass(frozen=True)
class Question:
    """A GET as the venue receives it, and the venue's clock."""

    path: str
    params: Mapping[str, str]
    now_ms: int


@dataclass(frozen=True)
class Reply:
    """A venue's answer; `weight` is what it costs of the client's budget."""

    status: int
    body: bytes
    headers: Mapping[str, str] = field(default_factory=dict)
    weight: int = 1


@dataclass(frozen=True)
class SimulatedVenue:
    """The venue's side of an exchange.

    `route` names the market a request is for (None: not this venue's), `subject` what it asks for, `answer`
    replies to it; `window_end` is the parameter that ends a window of candles. `refuse` is the inverse of the
    exchange's `read_failure`, `write_used_weight` that of its `read_used_weight`. `streams` is its side of the
    websocket.
    """

    exchange: Exchange
    route: Callable[[Question], Market | None]
    subject: Callable[[str], Subject | None]
    answer: Callable[[Market, Question, CandleSource], Reply]
    window_end: str
    refuse: Callable[[Failure, int], Reply]
    write_used_weight: Callable[[int], Mapping[str, str]]
    streams: StreamDialect


@cache
def simulated_venues() -> Mapping[str, SimulatedVenue]:
    """The `VENUE` of every module of this folder that has one, by the name of its exchange."""
    modules = (import_module(f"{__package__}.{file.name}") for file in iter_modules([str(Path(__file__).parent)]))
    venues = (getattr(module, "VENUE", None) for module in modules)
    return {venue.exchange.name: venue for venue in venues if isinstance(venue, SimulatedVenue)}


def simulated_markets() -> list[Market]:
    """The markets of the simulated venues, in order of their ids."""
    venues = simulated_venues()
    return [
        market
        for market in MARKETS.values()
        if market.exchange in venues and market.market_type in venues[market.exchange].exchange.apis
    ]
