"""Instruments as people write them: BTC/USD, btc-usdt, BTCUSD perp; the nearest there are, and why these."""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple, Protocol

from candleray.markets import MARKETS, Market, find_market

_WORDS: dict[str, Callable[[Market], bool]] = {
    **dict.fromkeys(
        ("PERP", "PERPS", "PERPETUAL", "SWAP", "FUTURE", "FUTURES"), lambda one: one.market_type == "futures"
    ),
    "SPOT": lambda one: one.market_type == "spot",
    "BINANCE": lambda one: one.exchange == "binance",
    "BYBIT": lambda one: one.exchange == "bybit",
}
"""Words that say which market is meant, where they stand beside a symbol."""
_OTHER_NAMES = {"XBT": "BTC"}
_QUOTES = ("USDT", "USDC", "FDUSD", "BUSD", "USD", "EUR", "BTC", "ETH")
_MOST_LETTERS = 32
_LIKE = 0.6

Key = tuple[int, str]
"""The id of a market, and a symbol there."""


class Source(Protocol):
    """The instruments that there are."""

    def find(self, letters: str, markets: Sequence[int]) -> list[Key]:
        """Instruments whose symbol contains the letters, the likeliest first, as many as are wanted."""
        ...

    def every(self, markets: Sequence[int]) -> list[Key]:
        """All of them."""
        ...


class Nearest(NamedTuple):
    keys: list[Key]
    why: tuple[str, ...]
    """Nothing where the letters were found as they are."""


def nearest_instruments(letters: str, market: str | None, source: Source) -> Nearest:
    """The instruments that are meant, as nearly as there are some.

    Raises:
        NotFound: there is no such market.
    """
    asked = [find_market(market).market_id] if market else list(MARKETS)
    plain = letters.strip().upper()
    if len(plain) <= _MOST_LETTERS and (found := source.find(plain, asked)):
        return Nearest(found, ())
    words = re.findall(r"[^\W_]+", plain)
    named = [word for word in words if word in _WORDS]
    rest = [_OTHER_NAMES.get(word, word) for word in words if word not in _WORDS] or words
    meant = [one for one in asked if all(_WORDS[word](MARKETS[one]) for word in named)] or asked
    of_markets = () if meant == asked else (f"of {_names(meant)} alone, as {' '.join(named).lower()!r} says",)
    for part, why in _parts(rest):
        if found := source.find(part, meant):
            return Nearest(found, (why, *of_markets))
    joined = "".join(rest)
    like = _spelled_like(joined, source.every(meant)) if joined else []
    return Nearest(like, (f"no symbol contains {joined!r}: these are spelled most like it",) if like else ())


def _names(market_ids: list[int]) -> str:
    return " and ".join(MARKETS[one].name for one in market_ids)


def _parts(words: list[str]) -> Iterator[tuple[str, str]]:
    """Letters to look for, the most likely first, and what is said of those that have them."""
    joined = "".join(words)[:_MOST_LETTERS]
    if joined:
        yield joined, f"symbols are written without signs and blanks: these contain {joined!r}"
    bases = words[:1] if len(words) > 1 else [joined.removesuffix(quote) for quote in _QUOTES]
    for base in dict.fromkeys(bases):
        if base not in ("", joined):
            yield base[:_MOST_LETTERS], f"no symbol contains {joined!r}: these contain {base!r}"


def _spelled_like(joined: str, keys: list[Key]) -> list[Key]:
    symbols = difflib.get_close_matches(joined, {symbol for _, symbol in keys}, n=10, cutoff=_LIKE)
    return sorted((key for key in keys if key[1] in symbols), key=lambda key: symbols.index(key[1]))
