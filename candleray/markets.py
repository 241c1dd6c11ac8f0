"""Markets and instruments. A market is one line of `MARKETS`; everything else derives from it.

A `market_id` is fixed for good; people type the name. `(market_id, symbol)` identifies an instrument; its key is a
readable form of both, for logs and tables.
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, field_validator
from pydantic_core import PydanticCustomError

from candleray.errors import NotFound, nearest
from candleray.timeframes import Moment
from candleray.validation import Model

MarketType = Literal["spot", "futures"]

SYMBOL_PATTERN = r"^[^\x00-/:-@\[-\x7f]{2,32}$"
"""Written so that every regular expression engine reads it alike; none knows the letters of every script."""
SYMBOL_RULE = "2 to 32 letters and digits of any script, those of ASCII in capitals"


def symbol_text(text: str) -> str:
    """The one spelling of a symbol: a letter and its accent as one character, capitals."""
    return unicodedata.normalize("NFC", text.strip().upper())


def is_symbol(text: str) -> bool:
    is_spelled = re.match(SYMBOL_PATTERN, text) is not None and unicodedata.is_normalized("NFC", text)
    return is_spelled and not text.endswith("\n") and all(map(_is_of_a_word, text))


def _is_of_a_word(character: str) -> bool:
    """Letters, digits, and the marks without which some scripts have no vowels."""
    kind = unicodedata.category(character)
    return kind[0] in "LM" or kind == "Nd"


def _checked_symbol(value: Any) -> Any:
    if not isinstance(value, str):
        return value
    symbol = unicodedata.normalize("NFC", value[:_MOST_READ])
    if not is_symbol(symbol):
        raise PydanticCustomError(
            "bad_symbol", "a symbol is {rule}, got {shown}", {"rule": SYMBOL_RULE, "shown": _shown(value)}
        )
    return symbol


_MOST_READ = 256


def _shown(text: str) -> str:
    """The text as a message shows it: cut, and with whatever is no character written out."""
    shown = repr(text[:40])
    return shown if shown.isprintable() else ascii(text[:40])


Symbol = Annotated[str, BeforeValidator(_checked_symbol), Field(json_schema_extra={"pattern": SYMBOL_PATTERN})]
"""A symbol of an exchange, in one spelling: since 2025 they list some in other scripts than ASCII."""


@dataclass(frozen=True)
class Market:
    market_id: int
    exchange: str
    market_type: MarketType
    fee_pct: float
    """The default taker fee in percent of a fill's notional."""

    @property
    def name(self) -> str:
        return f"{self.exchange}-{self.market_type}"

    @property
    def raw_table(self) -> str:
        """The table of every candle as it came; the markets of an exchange share one."""
        return f"raw_{self.exchange}_klines_1m"

    @property
    def canonical_view(self) -> str:
        """The materialized view that copies the raw table into the canonical one."""
        return f"{self.exchange}_klines_1m_to_canonical"

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
"""Markets by id. Ids count from 1 without a gap: `MarketId` is a range."""

MARKET_NAMES = tuple(market.name for market in MARKETS.values())

MarketId = Annotated[
    int,
    Field(ge=1, le=len(MARKETS), description=", ".join(f"{key} {market.name}" for key, market in MARKETS.items())),
]


def find_market(name: str | int) -> Market:
    """The market with that name or id.

    Raises:
        NotFound: with the nearest name.
    """
    text = str(name).strip().lower()
    for market in MARKETS.values():
        if text in (market.name, str(market.market_id)):
            return market
    raise NotFound(f"unknown market {name!r}; {nearest(text, MARKET_NAMES)}")


class Instrument(Model):
    """A symbol on a market; the pair is its identity."""

    market_id: MarketId
    symbol: Symbol = Field(description="as the exchange writes it", examples=["BTCUSDT"])

    @property
    def market(self) -> Market:
        return MARKETS[self.market_id]

    @property
    def key(self) -> str:
        return self.market.instrument_key(self.symbol)


NOT_IN_WORDS = r"\x00-\x1f\x7f\"'`;\\/%<>(){}="
"""Characters that no word of an exchange has, written so that every regular expression engine reads them alike."""

ExchangeWord = Annotated[str, Field(pattern=rf"^[^{NOT_IN_WORDS}]{{0,64}}$")]
"""A short word in any script."""


class InstrumentReference(Instrument):
    """An instrument as its exchange describes it."""

    is_tradable: bool = True
    status: ExchangeWord = Field(default="", description="the exchange's own word")
    base_asset: ExchangeWord = ""
    quote_asset: ExchangeWord = ""
    price_tick: float | None = Field(None, allow_inf_nan=False)
    quantity_step: float | None = Field(None, allow_inf_nan=False)
    min_notional: float | None = Field(
        None,
        allow_inf_nan=False,
        description="least worth of an order, in the quote asset; null where none is named",
    )
    listed_at: Moment | None = Field(None, description="since when; null where the exchange names no time")
    delisted_at: Moment | None = Field(None, description="when it was no longer in the exchange's list")

    @field_validator("listed_at", "delisted_at")
    @classmethod
    def _in_whole_ms(cls, moment: datetime | None) -> datetime | None:
        """The store keeps no more, and what differs from what is stored would be a change."""
        return moment and moment.replace(microsecond=moment.microsecond // 1000 * 1000)
