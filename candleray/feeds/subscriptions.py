"""Subscriptions: the instruments whose candles are ingested as they close, and what may become one."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Annotated, Literal
from uuid import UUID

from pydantic import Field

from candleray.errors import GuardExceeded, InvalidInput, Problem, nearest
from candleray.markets import Instrument, InstrumentReference, Market, MarketId, Symbol
from candleray.timeframes import Moment, iso, to_ms
from candleray.validation import Model

MOST_WORDED = 20
"""Symbols that a refusal says something of: the nearest name of each takes 18 ms among 4,000 others."""

RequestState = Literal["waiting", "accepted", "refused"]


class Subscription(Instrument):
    """An instrument that is ingested."""

    source: Literal["settings", "operator"]
    added_at: Moment | None = None
    """`null` where the settings name it."""
    notice: str | None = None
    """The reason that no candles come, such as a halt; `null` where the exchange trades it."""


class NewSubscriptions(Model):
    """Instruments of one market to subscribe to: all of them or, where one may not be, none."""

    market_id: MarketId
    symbols: Annotated[tuple[Symbol, ...], Field(min_length=1, max_length=20_000)]


class SubscriptionsReport(Model):
    """Symbols that are subscribed now, and those that were before."""

    added: tuple[Symbol, ...]
    already: tuple[Symbol, ...]
    """Symbols that were subscribed, or stand in the request twice."""


class SubscriptionRequest(Instrument):
    """A user's wish for an instrument, and what became of it."""

    request_id: UUID
    user_id: UUID
    state: RequestState
    asked_at: Moment
    decided_at: Moment | None
    reason: str
    """The reason of a refusal."""


class SubscriptionRequestPage(Model):
    """Wishes, the newest first."""

    requests: tuple[SubscriptionRequest, ...]
    next_cursor: str | None = None
    """The `cursor` of the next page; `null` after the last."""


def require_streams(market: Market, subscribed: int, more: int, streams: int, connections: int) -> None:
    """Refuse more instruments than the market's websockets take.

    Args:
        streams: of one connection, as its exchange allows.

    Raises:
        GuardExceeded: with the bound.
    """
    most = streams * connections
    if subscribed + more > most:
        bound = f"{streams:,} streams a connection x {connections} connections"
        message = (
            f"{market.name} has {subscribed:,} subscriptions and {more:,} more are asked for: at most {most:,} "
            f"may be ({bound}: the setting live.connections_per_market)"
        )
        raise GuardExceeded(message, [Problem("symbols", "over_the_limit", message)])


def require_tradable(
    market: Market,
    symbols: Sequence[str],
    listed: Iterable[InstrumentReference],
    others: Iterable[Market] = (),
    field: str = "symbols.{index}",
) -> None:
    """Refuse what is not an instrument that the market trades now.

    Args:
        listed: the instruments of this market and of the others.
        field: the path of a symbol in the request.

    Raises:
        InvalidInput: one problem a symbol, with the nearest name or the other markets that have it; of many the
            first are worded, and the rest counted.
    """
    known: dict[int, dict[str, InstrumentReference]] = {}
    for reference in listed:
        if reference.status:  # its exchange has described it
            known.setdefault(reference.market_id, {})[reference.symbol] = reference
    here = known.get(market.market_id, {})
    wrong = [(index, symbol) for index, symbol in enumerate(symbols) if notice_of(market, here.get(symbol))]
    problems = []
    for index, symbol in wrong[:MOST_WORDED]:
        elsewhere = [one for one in others if symbol in known.get(one.market_id, {})]
        problems.append(Problem(field.format(index=index), *_fault(market, symbol, here, elsewhere)))
    if problems:
        more = f" (and {len(wrong) - 1:,} more)" if len(wrong) > 1 else ""
        raise InvalidInput(problems[0].message + more, problems)


def _fault(
    market: Market, symbol: str, here: Mapping[str, InstrumentReference], elsewhere: Sequence[Market]
) -> tuple[str, str]:
    """The code of what is wrong with a symbol, and its words."""
    if symbol in here:
        return "not_tradable", f"{market.name} {symbol}: {notice_of(market, here[symbol])}"
    if not here:
        remedy = f"candleray instruments refresh --market {market.name}"
        return "unknown_symbol", f"the instruments of {market.name} have not been read yet: {remedy}"
    if elsewhere:
        names = ", ".join(one.name for one in elsewhere)
        verb = "has" if len(elsewhere) == 1 else "have"
        return "unknown_symbol", f"{market.name} has no symbol {symbol!r}, but {names} {verb}"
    return "unknown_symbol", f"{market.name} has no symbol {symbol!r}; {nearest(symbol, list(here))}"


def notice_of(market: Market, reference: InstrumentReference | None) -> str:
    """Tell why no candles come of an instrument; nothing where its exchange trades it."""
    if reference is None:
        return f"{market.name} has no such symbol"
    if reference.delisted_at:
        since = iso(to_ms(reference.delisted_at))
        return f"delisted: {market.exchange} has listed it no more since {since}"
    return "" if reference.is_tradable else f"not traded at present: its status is {reference.status or 'unknown'}"
