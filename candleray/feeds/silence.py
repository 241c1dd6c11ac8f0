"""Reasons that no minutes of an instrument come, for those who wait for them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from candleray.feeds.feed_state import FeedState
from candleray.feeds.subscriptions import Subscription
from candleray.markets import Instrument
from candleray.timeframes import iso, to_ms

TELLS_WITHIN_S = 30.0
"""A feed tells of itself every 5 s."""


class Silence(NamedTuple):
    """The reason that no minutes of an instrument come."""

    words: str
    is_its_own: bool
    """The others of its market have theirs: somebody has to decide, and nothing passes by itself."""


def why_silent(
    instruments: Iterable[Instrument], subscribed: Sequence[Subscription], states: Sequence[FeedState]
) -> dict[Instrument, Silence]:
    """The reason for each of these instruments for which one is known."""
    notices = {(one.market_id, one.symbol): one.notice for one in subscribed}
    of_market = {state.market: state for state in states}
    found: dict[Instrument, Silence] = {}
    for one in instruments:
        state = of_market.get(one.market.name)
        if words := _of_itself(one, notices, state):
            found[one] = Silence(words, True)
        elif words := _of_its_feed(one, state):
            found[one] = Silence(words, False)
    return found


def _of_itself(
    instrument: Instrument, notices: Mapping[tuple[int, str], str | None], state: FeedState | None
) -> str | None:
    market, symbol = instrument.market, instrument.symbol
    place = instrument.market_id, symbol
    if place not in notices:
        return f"nobody ingests it: an operator may, `candleray subscriptions add {symbol} --market {market.name}`"
    if words := state.refused_symbols.get(symbol) if state else None:
        return f"{market.exchange} does not stream it: {words}"
    return notices[place]


def _of_its_feed(instrument: Instrument, state: FeedState | None) -> str | None:
    market, symbol = instrument.market, instrument.symbol
    if state is None or state.told_ago_s is None:
        return f"the feed of {market.name} has never told anything: `candleray feeds`"
    if state.told_ago_s > TELLS_WITHIN_S:
        return f"the feed of {market.name} has told nothing for {state.told_ago_s:,.0f} s: `candleray feeds`"
    if symbol in state.silent:
        since = iso(to_ms(state.silent[symbol]))
        return f"{market.exchange} has told no minute of it since {since}, neither by socket nor by REST"
    return next((f"its feed waits, {step}: {reason}" for step, reason in state.waits.items()), None)
