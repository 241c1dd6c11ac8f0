"""The seal: what of a user's requests would read candles that are held out, and is refused."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any, NamedTuple

from candleray.backtests.request import BacktestRequest, StrategyAxes
from candleray.backtests.signals.cross_references import all_parts
from candleray.errors import Problem, SealedCandles, invalid
from candleray.holdouts.holdout import Holdout
from candleray.market_data.candle_store_client import StoreCall
from candleray.timeframes import TimeRange, iso, to_ms

_READS = frozenset({"read", "read_as_of", "read_first", "read_versions", "revisions"})
"""Calls of a candle store that give values away; all begin with market, symbol or symbols, start and end."""


class Reserved(NamedTuple):
    """A request without the part of its range that it reserves, and that part."""

    request: BacktestRequest
    holdout: TimeRange | None


def reserved(request: BacktestRequest) -> Reserved:
    """Cut what a request reserves off its range.

    Raises:
        InvalidInput: nothing of the range would be left.
    """
    if request.holdout is None:
        return Reserved(request, None)
    span = request.time_range
    start = months_before(span.end, request.holdout.months)
    if start <= span.start:
        months = request.holdout.months
        last = "the last month" if months == 1 else f"the last {months} months"
        message = (
            f"{last} of {iso(span.start_ms)} to {iso(span.end_ms)} leave nothing to search: "
            "reserve less, or begin earlier"
        )
        raise invalid("holdout.months", "nothing_left", message)
    searched = {"time_range": TimeRange(start=span.start, end=start), "holdout": None}
    return Reserved(request.model_copy(update=searched), TimeRange(start=start, end=span.end))


def months_before(moment: datetime, months: int) -> datetime:
    """Return the same day and time so many months earlier, or the last day where that month has fewer."""
    count = moment.year * 12 + moment.month - 1 - months
    year, month = divmod(count, 12)
    for day in range(moment.day, 0, -1):
        try:
            return moment.replace(year=year, month=month + 1, day=day)
        except ValueError:
            continue
    raise AssertionError("every month has a first day")


def refuse_sealed(sealed: Sequence[Holdout], axes: StrategyAxes, end_ms: int) -> None:
    """Refuse a search that ends after candles begin that are sealed.

    It is refused as well where it begins after them: its warm-up would read them, and how long that is takes
    half a minute to find of a large grid.

    Raises:
        SealedCandles: with the holdout, and where the range may end.
    """
    symbols = symbols_of(axes)
    for one in sealed:
        if one.instrument.symbol in symbols and end_ms > one.start_ms:
            raise _refusal(one)


def symbols_of(axes: StrategyAxes) -> set[str]:
    """Every symbol whose candles a request reads."""
    parts = () if axes.signals is None else [part for _, part in all_parts(axes.let, axes.signals)]
    others = [getattr(part, "instrument", None) for part in parts]
    return {axes.instrument.symbol, *(one.symbol for one in others if one is not None)}


class SealedCalls:
    """A `StoreCall` that refuses to read sealed candles, whoever computes with what it reads."""

    def __init__(self, call: StoreCall, sealed: Iterable[Holdout]) -> None:
        self._call = call
        self._sealed = tuple(sealed)

    async def __call__(self, method: str, *arguments: Any) -> Any:
        if method in _READS:
            _, named, start_ms, end_ms = arguments[:4]
            symbols = (named,) if isinstance(named, str) else named
            for one in self._sealed:
                ends_ms = to_ms(one.time_range.end)
                if one.instrument.symbol in symbols and start_ms < ends_ms and end_ms > one.start_ms:
                    raise _refusal(one)
        return await self._call(method, *arguments)


def _refusal(one: Holdout) -> SealedCandles:
    span, symbol = one.time_range, one.instrument.symbol
    message = (
        f"{symbol} from {iso(span.start_ms)} to {iso(span.end_ms)} is sealed by your holdout {one.holdout_id}: "
        f"end at {iso(span.start_ms)} or earlier, or open it, once, with the strategies that you have chosen: "
        f"candleray holdout open {one.holdout_id} STRATEGY"
    )
    return SealedCandles(message, [Problem("time_range.end", "sealed", message)])
