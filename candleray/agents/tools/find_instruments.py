"""Find instruments whose symbol contains some letters, and what candles of each are stored, with the first
holes.
"""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from candleray.agents.answers import Answer, NextCall
from candleray.agents.foreign_text import ForeignText
from candleray.agents.handles import coverage_of
from candleray.agents.tool import Call, Tool
from candleray.market_data.coverage import Coverage, RowCounts
from candleray.markets import Instrument, InstrumentReference
from candleray.sdk.market_data import market_id
from candleray.timeframes import iso, to_ms
from candleray.validation import Model

_HOLES = 3


class Arguments(Model):
    letters: Annotated[str, Field(max_length=32)] = ""
    """Letters of the symbol, such as SOL."""
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


def _run(call: Call, asked: Arguments) -> Instruments:
    known = call.client.instruments(asked.market, asked.letters, asked.limit)
    counted = _matching(call.client.counts(), asked)
    keys = dict.fromkeys((one.market_id, one.symbol) for one in (*counted, *known))
    references = {(one.market_id, one.symbol): one for one in known}
    stored = {(one.market_id, one.symbol) for one in counted}
    found = tuple(
        _found(call, key, references.get(key), is_stored=key in stored) for key in list(keys)[: asked.limit]
    )
    return Instruments(instruments=found, next=tuple(_next(found)))


def _matching(counts: list[RowCounts], asked: Arguments) -> list[RowCounts]:
    """Instruments with candles, which may be of exchanges whose lists were never read."""
    letters, wanted = asked.letters.strip().upper(), market_id(asked.market)
    return [one for one in counts if letters in one.symbol and wanted in (None, one.market_id)]


def _found(call: Call, key: tuple[int, str], known: InstrumentReference | None, *, is_stored: bool) -> Found:
    instrument = Instrument(market_id=key[0], symbol=key[1])
    candles = call.client.coverage(*key) if is_stored else []
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
        missing_minutes=coverage.missing_minutes,
        holes=tuple(Hole(start=iso(to_ms(r.start)), end=iso(to_ms(r.end)), minutes=r.minutes) for r in longest),
        exact=coverage_of(coverage.market_id, coverage.symbol),
    )


def _next(found: tuple[Found, ...]) -> list[NextCall]:
    if not found:
        return [NextCall(tool="find_instruments", why="fewer letters find more")]
    if all(one.candles is None for one in found):
        first = found[0].instrument
        asked = {"market": first.market.name, "symbol": first.symbol}
        return [NextCall(tool="backfill", arguments=asked, why="no candles are stored: fetch them, from a start")]
    return [NextCall(tool="find_indicators", why="choose what the strategy measures")]


TOOL = Tool("Find instruments and their candles", Arguments, Instruments, _run)
