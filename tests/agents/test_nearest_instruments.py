"""Instruments are found as people write them, and otherwise the nearest, with the reason."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from candleray.agents.nearest_instruments import Key, nearest_instruments

KEYS = [
    (1, "BTCUSDT"),
    (1, "SOLUSDT"),
    (1, "ETHBTC"),
    (2, "BTCUSDT"),
    (2, "PERPUSDT"),
    (4, "BTCUSDT"),
    (4, "SOLUSDT"),
]


class There:
    def find(self, letters: str, markets: Sequence[int]) -> list[Key]:
        return [key for key in KEYS if letters in key[1] and key[0] in markets]

    def every(self, markets: Sequence[int]) -> list[Key]:
        return self.find("", markets)


@pytest.mark.parametrize("letters", ["btc", "BTCUSDT", " usdt ", "", "PERP"])
def test_letters_that_a_symbol_has_need_no_reason(letters: str):
    found = nearest_instruments(letters, None, There())
    assert found == (There().find(letters.strip().upper(), range(1, 5)), ())


@pytest.mark.parametrize(
    ("letters", "keys", "why"),
    [
        (
            "BTC/USD",
            [(1, "BTCUSDT"), (2, "BTCUSDT"), (4, "BTCUSDT")],
            "without signs and blanks: these contain 'BTCUSD'",
        ),
        ("btc-usdt", [(1, "BTCUSDT"), (2, "BTCUSDT"), (4, "BTCUSDT")], "these contain 'BTCUSDT'"),
        (
            "BTCUSD perp",
            [(2, "BTCUSDT"), (4, "BTCUSDT")],
            "binance-futures and bybit-futures alone, as 'perp' says",
        ),
        ("XBT/USD swap on bybit", [(4, "BTCUSDT")], "no symbol contains 'BTCUSDON': these contain 'BTC'"),
        ("xbt-usd bybit perpetual", [(4, "BTCUSDT")], "bybit-futures alone, as 'bybit perpetual' says"),
        ("SOL/EUR", [(1, "SOLUSDT"), (4, "SOLUSDT")], "no symbol contains 'SOLEUR': these contain 'SOL'"),
        ("SOLUSDC", [(1, "SOLUSDT"), (4, "SOLUSDT")], "no symbol contains 'SOLUSDC': these contain 'SOL'"),
        ("SLOUSDT", [(1, "SOLUSDT"), (4, "SOLUSDT")], "spelled most like it"),
        ("perp", [(2, "PERPUSDT")], ""),
        ("⟦*/⟧", [], ""),
        ("x" * 64, [], ""),
    ],
)
def test_what_is_written_otherwise_finds_the_nearest_and_says_why(letters: str, keys: list[Key], why: str):
    found = nearest_instruments(letters, None, There())
    assert set(keys) <= set(found.keys)
    assert why in "; ".join(found.why)
    if keys:
        assert found.keys[0] == keys[0]


def test_a_market_that_is_named_stays():
    assert nearest_instruments("BTC/USD", "bybit-futures", There()).keys == [(4, "BTCUSDT")]
    assert nearest_instruments("BTC/USD perp", "binance-spot", There()).keys == [(1, "BTCUSDT")]
