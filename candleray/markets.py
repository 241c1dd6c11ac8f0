"""The four markets, and what an instrument is.

`market_id` is fixed for good (R1.1); people type the name. An instrument is `(market_id, symbol)` (I1), and
`instrument_key` is for traces alone (R1.7). Which exchange a market belongs to is data here, so that nothing
else needs to ask.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from candleray.errors import NotFound, nearest

MarketType = Literal["spot", "futures"]

SYMBOL_PATTERN = r"^[A-Z0-9]{2,32}$"
Symbol = Annotated[str, StringConstraints(pattern=SYMBOL_PATTERN)]


@dataclass(frozen=True)
class Market:
    market_id: int
    exchange: str
    market_type: MarketType
    fee_pct: float
    """The default taker fee in percent (R4.7)."""

    @property
    def name(self) -> str:
        return f"{self.exchange}-{self.market_type}"

    @property
    def raw_table(self) -> str:
        """The one table that holds this market's candles as they came (R1.4)."""
        return f"raw_{self.exchange}_klines_1m"

    def instrument_key(self, symbol: str) -> str:
        return f"{self.exchange}:{self.market_type}:{symbol}"


MARKETS: dict[int, Market] = {
    market.market_id: market
    for market in (
        Market(1, "binance", "spot", fee_pct=0.075),
        Market(2, "binance", "futures", fee_pct=0.1),
        Market(3, "bybit", "spot", fee_pct=0.075),
        Market(4, "bybit", "futures", fee_pct=0.1),
    )
}


def find_market(name: str | int) -> Market:
    """The market of that name or id.

    Raises:
        NotFound: with the nearest name.
    """
    by_name = {market.name: market for market in MARKETS.values()}
    text = str(name).strip().lower()
    if text.isdigit() and int(text) in MARKETS:
        return MARKETS[int(text)]
    if text in by_name:
        return by_name[text]
    raise NotFound(f"unknown market {name!r}; {nearest(text, list(by_name))}")


def is_symbol(text: str) -> bool:
    return re.match(SYMBOL_PATTERN, text) is not None


class Instrument(BaseModel):
    """What is traded: identity is the pair (I1)."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    market_id: int = Field(
        ge=1, le=4, description="1 binance-spot, 2 binance-futures, 3 bybit-spot, 4 bybit-futures"
    )
    symbol: Symbol = Field(description="as the exchange writes it", examples=["BTCUSDT"])

    @property
    def market(self) -> Market:
        return MARKETS[self.market_id]

    @property
    def key(self) -> str:
        return self.market.instrument_key(self.symbol)


NO_WORD = r"\x00-\x1f\x7f\"'`;\\/%<>(){}="
"""What no word of an exchange has, as a class of characters that every regular expression takes alike."""

ExchangeWord = Annotated[str, Field(pattern=rf"^[^{NO_WORD}]{{0,64}}$")]
"""A short word in any script."""


class InstrumentReference(Instrument):
    """An instrument as its exchange describes it (R1.2)."""

    is_tradable: bool = True
    status: ExchangeWord = Field(default="", description="the exchange's own word")
    base_asset: ExchangeWord = ""
    quote_asset: ExchangeWord = ""
    price_tick: float | None = Field(None, allow_inf_nan=False)
    quantity_step: float | None = Field(None, allow_inf_nan=False)
