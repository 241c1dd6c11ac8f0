"""Refreshing what exchanges say of their instruments, and what is told of the subscribed ones."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable

from candleray.errors import ServiceUnavailable
from candleray.feeds.subscription_store import SubscriptionStore
from candleray.feeds.subscriptions import notice_of
from candleray.market_data.candle_store_client import CandleStoreClient
from candleray.market_data.history import History
from candleray.market_data.instruments.changes import ListingReport
from candleray.markets import InstrumentReference, Market

WITHIN_S = 100.0


async def refresh_instruments(
    history: History,
    candles: CandleStoreClient,
    subscriptions: SubscriptionStore,
    market: Market,
    may_shrink: bool = False,
) -> ListingReport:
    """Read a market's complete list and keep it.

    Raises:
        RateLimited, ExchangeError: the list did not come, or lacks most of what is known.
        ServiceUnavailable: it took too long.
    """
    try:
        async with asyncio.timeout(WITHIN_S):
            listed = await history.instruments(market)
            report = await candles.refresh_instruments(market.market_id, list(listed), may_shrink)
            await _tell_subscribers(candles, subscriptions, market, listed)
    except TimeoutError as error:
        why = history.failure_of(market) or "it has not answered yet"
        raise ServiceUnavailable(
            f"{market.name} did not give its list within {WITHIN_S:g} s ({why}): try again"
        ) from error
    return report


async def _tell_subscribers(
    candles: CandleStoreClient,
    subscriptions: SubscriptionStore,
    market: Market,
    listed: Iterable[InstrumentReference],
) -> None:
    """Note why no candles come of the subscribed instruments that are not traded."""
    by_symbol = {reference.symbol: reference for reference in listed}
    notices = {}
    for wanted in await subscriptions.wanted([market.market_id]):
        reference = by_symbol.get(wanted.symbol) or await candles.described(market.market_id, wanted.symbol)
        notices[wanted.symbol] = notice_of(market, reference)
    told = {symbol: notice for symbol, notice in notices.items() if notice}
    await subscriptions.keep_notices(market, told)
