"""Discovery of the exchanges: the modules of this folder that have an `EXCHANGE`."""

from __future__ import annotations

from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from pkgutil import iter_modules

from candleray.errors import NotFound
from candleray.exchanges.exchange import Exchange
from candleray.markets import Market


def _discover() -> Iterator[Exchange]:
    for file in iter_modules([str(Path(__file__).parent)]):
        exchange = getattr(import_module(f"{__package__}.{file.name}"), "EXCHANGE", None)
        if isinstance(exchange, Exchange):
            yield exchange


EXCHANGES: dict[str, Exchange] = {exchange.name: exchange for exchange in _discover()}
"""Exchanges by name, which is the `exchange` of its markets."""


def exchange_of(market: Market) -> Exchange:
    """The exchange of a market.

    Raises:
        NotFound: no file of this folder can ask it for that market.
    """
    exchange = EXCHANGES.get(market.exchange)
    if exchange is None or market.market_type not in exchange.apis:
        raise NotFound(f"{market.name} cannot be asked for candles: candleray/exchanges has no code for it")
    return exchange
