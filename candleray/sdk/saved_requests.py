"""A request about a saved strategy that names no range: over the last year of its candles."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import timedelta
from typing import Any, TypeAlias

from candleray.errors import NotFound
from candleray.market_data.coverage import Coverage
from candleray.sdk.market_data import Time, utc_text
from candleray.strategies.strategy import Strategy
from candleray.timeframes import iso, to_ms

LOOKED_AT = timedelta(days=365)
"""The range where none is named; less where there are fewer candles."""

CoverageOf: TypeAlias = Callable[[str, str], Sequence[Coverage]]
"""Asks for the coverage of a market's symbol."""


def request_of_saved(
    strategy: Strategy, coverage_of: CoverageOf, start: Time | None, end: Time | None
) -> Mapping[str, Any]:
    """Return a request for a saved strategy over a range.

    Raises:
        NotFound: it has no candles, and no whole range is named.
    """
    return {"strategy_id": str(strategy.strategy_id), "time_range": _range(strategy, coverage_of, start, end)}


def _range(strategy: Strategy, coverage_of: CoverageOf, start: Time | None, end: Time | None) -> dict[str, str]:
    if start is not None and end is not None:
        return {"start": utc_text(start, "start"), "end": utc_text(end, "end")}
    market, symbol = strategy.spec.instrument.market.name, strategy.spec.instrument.symbol
    stored = coverage_of(market, symbol)
    if not stored:
        raise NotFound(f"no candles of {market} {symbol} yet: `candleray backfill` fetches them")
    last = stored[0].last + timedelta(minutes=1)
    first = max(stored[0].first, last - LOOKED_AT)
    return {
        "start": iso(to_ms(first)) if start is None else utc_text(start, "start"),
        "end": iso(to_ms(last)) if end is None else utc_text(end, "end"),
    }
