"""The duty of each market: its exchange's list of instruments, read anew, and sooner where one is in doubt."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from functools import partial

from candleray.duties.duty import Duty, Means
from candleray.duties.instrument_refresh import refresh_instruments
from candleray.feeds.feed_store import FeedStore
from candleray.feeds.subscription_store import SubscriptionStore
from candleray.markets import MARKETS, Market

FIRST_PAUSE_S = 120.0


class Doubts:
    """Subscribed instruments that may have been halted, or traded again, since a market's list was read.

    A new one is a reason to read it at once. While the same ones last, the pauses double: a halt is known to be
    over after twice its length at the latest, and one for months costs no more than the ordinary readings.
    """

    def __init__(self) -> None:
        self._known: frozenset[str] = frozenset()
        self._pause_s = self._left_s = FIRST_PAUSE_S

    def are_due(self, symbols: Collection[str], passed_s: float) -> bool:
        """Tell whether to read the list now, given those in doubt and the seconds since the last call."""
        new, self._known = frozenset(symbols) - self._known, frozenset(symbols)
        self._left_s -= passed_s
        if new:
            self._pause_s = self._left_s = FIRST_PAUSE_S
        elif symbols and self._left_s <= 0:
            self._pause_s *= 2
            self._left_s = self._pause_s
        else:
            return False
        return True


def duties(means: Means) -> Iterator[Duty]:
    """One a market, so that one that fails stops no other."""
    every_s = means.settings.live.instruments_every_s
    for market in MARKETS.values() if every_s else ():
        yield Duty(
            f"instruments of {market.name}",
            every_s,
            partial(_refresh, means, market),
            is_due_early=partial(_is_in_doubt, means, market, Doubts()),
        )


async def _is_in_doubt(means: Means, market: Market, doubts: Doubts, passed_s: float) -> bool:
    states = await FeedStore(means.postgres).states()
    state = next(one for one in states if one.market == market.name)
    return doubts.are_due(state.silent.keys() | state.refused_symbols.keys() | state.not_traded.keys(), passed_s)


async def _refresh(means: Means, market: Market) -> str:
    subscriptions = SubscriptionStore(means.postgres, means.settings.live)
    report = await refresh_instruments(means.history, means.candles, subscriptions, market)
    counts = f"{report.listed} listed, {report.written} written", report.changes_text()
    return ", ".join(filter(None, counts))
