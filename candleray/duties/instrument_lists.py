"""The duty of each market: its exchange's list of instruments, read anew."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

from candleray.duties.duty import Duty, Means
from candleray.duties.instrument_refresh import refresh_instruments
from candleray.feeds.subscription_store import SubscriptionStore
from candleray.markets import MARKETS, Market


def duties(means: Means) -> Iterator[Duty]:
    """One a market, so that one that fails stops no other."""
    every_s = means.settings.live.instruments_every_s
    for market in MARKETS.values() if every_s else ():
        yield Duty(f"instruments of {market.name}", every_s, partial(_refresh, means, market))


async def _refresh(means: Means, market: Market) -> str:
    subscriptions = SubscriptionStore(means.postgres, means.settings.live)
    report = await refresh_instruments(means.history, means.candles, subscriptions, market)
    counts = f"{report.listed} listed, {report.written} written", report.changes_text()
    return ", ".join(filter(None, counts))
