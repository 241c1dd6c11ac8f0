"""Refusal of instruments that their market does not trade, by what the candle store knows of them."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from candleray.feeds.subscriptions import MOST_WORDED, notice_of, require_tradable
from candleray.market_data.candle_store_client import CandleStoreClient
from candleray.markets import MARKETS, Market

_EVERY = 1_000_000


async def require_traded(
    candles: CandleStoreClient, market: Market, symbols: Sequence[str], field: str = "symbols.{index}"
) -> None:
    """Ask for one symbol alone where that is enough; else for the whole market.

    Args:
        field: the path of a symbol in the request.

    Raises:
        InvalidInput: the market does not trade one of them.
    """
    if len(symbols) == 1 and not notice_of(market, await candles.described(market.market_id, symbols[0])):
        return
    listed = await candles.instruments(market.market_id, "", _EVERY)
    known = {reference.symbol for reference in listed}
    for symbol in [symbol for symbol in symbols if symbol not in known][:MOST_WORDED]:
        listed += await candles.instruments(None, symbol, len(MARKETS))
    others = [one for one in MARKETS.values() if one != market]
    await asyncio.to_thread(require_tradable, market, symbols, listed, others, field)
