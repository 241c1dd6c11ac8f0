"""Questions of live candles to an exchange's REST interface: one attempt each; the core decides about the next."""

from __future__ import annotations

from functools import partial

from candleray.candles import CandleRows
from candleray.exchanges.discovery import exchange_of
from candleray.exchanges.rest import RestClient
from candleray.exchanges.shared_budget import SharedBudget
from candleray.feeds.market_feed import Ask
from candleray.markets import Market
from candleray.settings import HistorySettings, LiveSettings

UNSHARED = 0.05
"""Part of a budget that repairs spend while it cannot be shared."""


def rest_client(history: HistorySettings, live: LiveSettings, shared: SharedBudget) -> RestClient:
    """A client that tries once, with live candles' own share of a budget that cannot be shared."""
    own = {"max_attempts": 1, "budget_share": live.budget_share, "clock_speed": live.clock_speed}
    return RestClient(history.model_copy(update=own), shared=shared)


def repair_client(history: HistorySettings, live: LiveSettings, shared: SharedBudget) -> RestClient:
    """A client that tries once, and leaves live candles their reserve."""
    own = {"max_attempts": 1, "budget_share": UNSHARED, "clock_speed": live.clock_speed}
    return RestClient(history.model_copy(update=own), shared=shared)


async def ask_candles(rest: RestClient, market: Market, ask: Ask) -> CandleRows:
    """
    Raises:
        NotFound: the venue does not know the symbol.
        ExchangeError, RateLimited: see `RestClient.get`.
    """
    exchange = exchange_of(market)
    request = exchange.klines_request(market, ask.symbol, ask.start_ms, ask.end_ms)
    return await rest.get(exchange, market, request, partial(exchange.read_klines, market, ask.symbol))


async def ask_first_candle(rest: RestClient, market: Market, symbol: str, start_ms: int) -> CandleRows:
    """The first candle at or after a time, if there is one; see `ask_candles` for what it raises."""
    exchange = exchange_of(market)
    request = exchange.first_kline_request(market, symbol, start_ms)
    return await rest.get(exchange, market, request, partial(exchange.read_klines, market, symbol))


async def ask_time_ms(rest: RestClient, market: Market) -> int:
    """The venue's time; see `RestClient.get` for what it raises."""
    exchange = exchange_of(market)
    return await rest.get(exchange, market, exchange.server_time_request(market), exchange.read_server_time_ms)


def wait_ms(rest: RestClient, market: Market) -> int:
    """The time for which the venue has asked to be left alone, by its clock."""
    return int(rest.paused_s(exchange_of(market), market) * 1000)
