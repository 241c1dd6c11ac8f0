"""Find instruments by their symbol, as people write it, and what candles of each are stored, with the first holes;
where none has it, the nearest, and why these.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from itertools import islice
from typing import Annotated

from pydantic import Field

from candleray.agents.answers import Answer, NextCall
from candleray.agents.foreign_text import ForeignText
from candleray.agents.handles import coverage_of
from candleray.agents.nearest_instruments import Key, nearest_instruments
from candleray.agents.tool import Call, Tool
from candleray.market_data.coverage import Coverage
from candleray.markets import MARKETS, Instrument, InstrumentReference
from candleray.sdk.client import Client
from candleray.timeframes import iso, to_ms
from candleray.validation import Model

_HOLES = 3
_DAY_MINUTES = 1440
_FEW_DAYS = 30
"""Fewer days of minutes make no search that a verdict could trust."""
_FETCHED_DAYS = 365
_LONG_HOLE_MINUTES = 60
"""A range with a longer hole is refused."""
_MOST_FETCHES = 2


class Arguments(Model):
    letters: Annotated[str, Field(max_length=64)] = ""
    """A symbol or letters of it, such as SOL, btc-usdt or BTC/USD perp."""
    market: Annotated[str, Field(max_length=40)] | None = None
    """binance-spot, binance-futures, bybit-spot or bybit-futures; all where left out."""
    limit: Annotated[int, Field(ge=1, le=20)] = 6


class Hole(Model):
    start: str
    end: str
    minutes: int


class Stored(Model):
    first: str
    last: str
    minutes: int
    missing_minutes: int
    holes: tuple[Hole, ...] = ()
    """The longest of them."""
    exact: str
    """The resource that lists all holes."""


class Found(Model):
    market: str
    instrument: Instrument
    """Ready to be a part of a request."""
    tradable: bool | None = None
    status: ForeignText | None = None
    """The exchange's own word."""
    candles: Stored | None = None
    """Left out where none are stored: call backfill."""


class Instruments(Answer):
    instruments: tuple[Found, ...]
    why: tuple[str, ...] = ()
    """The reason for these, where nothing has the letters as they were given."""


def _run(call: Call, asked: Arguments) -> Instruments:
    there = _There(call.client, asked.limit)
    keys, why = nearest_instruments(asked.letters, asked.market, there)
    found = tuple(_found(call, key, there) for key in keys[: asked.limit])
    return Instruments(instruments=found, why=why, next=tuple(_next(found)))


class _There:
    """Instruments with candles, which may be of exchanges whose lists were never read, and those on the lists."""

    def __init__(self, client: Client, limit: int) -> None:
        self._client, self._limit = client, limit
        self.stored = {(one.market_id, one.symbol): one.canonical for one in client.counts() if one.canonical}
        self.listed: dict[Key, InstrumentReference] = {}

    def find(self, letters: str, markets: Sequence[int]) -> list[Key]:
        with_candles = [key for key in self.stored if letters in key[1] and key[0] in markets]
        return list(dict.fromkeys((*with_candles, *self._read(letters, markets, self._limit))))

    def every(self, markets: Sequence[int]) -> list[Key]:
        return list(dict.fromkeys((*self.stored, *self._read("", markets, None))))

    def _read(self, letters: str, markets: Sequence[int], limit: int | None) -> list[Key]:
        places = [None] if len(markets) == len(MARKETS) else markets
        read = [one for place in places for one in self._client.instruments(place, letters, limit)]
        self.listed |= {(one.market_id, one.symbol): one for one in read}
        return [(one.market_id, one.symbol) for one in read]


def _found(call: Call, key: Key, there: _There) -> Found:
    instrument, known = Instrument(market_id=key[0], symbol=key[1]), there.listed.get(key)
    candles = call.client.coverage(*key) if key in there.stored else []
    return Found(
        market=instrument.market.name,
        instrument=instrument,
        tradable=known and known.is_tradable,
        status=(known and known.status) or None,
        candles=_stored(candles[0]) if candles else None,
    )


def _stored(coverage: Coverage) -> Stored:
    longest = sorted(coverage.missing_runs, key=lambda run: -run.minutes)[:_HOLES]
    return Stored(
        first=iso(to_ms(coverage.first)),
        last=iso(to_ms(coverage.last)),
        minutes=coverage.candles,
        missing_minutes=coverage.missing_minutes,
        holes=tuple(Hole(start=iso(to_ms(r.start)), end=iso(to_ms(r.end)), minutes=r.minutes) for r in longest),
        exact=coverage_of(coverage.market_id, coverage.symbol),
    )


def _next(found: tuple[Found, ...]) -> Iterator[NextCall]:
    if not found:
        yield NextCall(tool="find_instruments", why="fewer letters find more")
        return
    if any(one.candles is not None for one in found):
        yield NextCall(tool="find_indicators", why="choose what the strategy measures")
    fetches = (fetch for one in found if one.tradable is not False and (fetch := _fetch(one)))
    yield from islice(fetches, _MOST_FETCHES)


def _fetch(one: Found) -> NextCall | None:
    """The call that fetches what an instrument lacks: a year where it has little, else its long holes."""
    named = {"market": one.market, "symbol": one.instrument.symbol}
    year = {**named, "start": f"{datetime.now(UTC) - timedelta(days=_FETCHED_DAYS):%Y-%m-%d}"}
    if one.candles is None:
        return NextCall(tool="backfill", arguments=year, why=f"no candles of {named['symbol']} are stored")
    if one.candles.minutes < _FEW_DAYS * _DAY_MINUTES:
        days = one.candles.minutes / _DAY_MINUTES
        why = f"{days:,.1f} days of {named['symbol']} are stored, few for a verdict: fetch a year"
        return NextCall(tool="backfill", arguments=year, why=why)
    long = [hole for hole in one.candles.holes if hole.minutes > _LONG_HOLE_MINUTES]
    if not long:
        return None
    span = {"start": min(hole.start for hole in long), "end": max(hole.end for hole in long)}
    why = f"{named['symbol']} has holes: a range with one is refused, or answered with allow_gaps"
    return NextCall(tool="backfill", arguments={**named, **span}, why=why)


TOOL = Tool("Find instruments and their candles", Arguments, Instruments, _run)
