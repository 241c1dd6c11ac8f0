"""Symbols: letters and digits of any script, in one spelling, from an exchange's listing to the stored candle."""

from __future__ import annotations

import json
import unicodedata
from typing import Any

import httpx
import numpy as np
import pytest
from pydantic import ValidationError

from candleray.candles import CandleRows
from candleray.commands.backfill import _left_out
from candleray.errors import InvalidInput
from candleray.market_data.history import History
from candleray.markets import MARKETS, Instrument, is_symbol, symbol_text
from candleray.settings import HistorySettings
from candleray.simulator.generated_candles import GeneratedCandles
from candleray.simulator.recorded_candles import _instrument_of
from tests.support.simulated import NOW_MS

CHINESE = "币安人生USDT"
SYMBOLS = ["BTCUSDT", "1000SATSUSDT", CHINESE, "МЕМUSDT", "ÉTÉUSDT", "عملةUSDT", "हिन्दीUSDT", "币" * 32, "A1"]
NO_SYMBOLS = [
    "",
    "A",
    "btcusdt",
    "BTC/USDT",
    "BTC USDT",
    "BTCUSDT\n",
    "BTC_USDT",
    "BTC-27JUN25",
    "币" * 33,
    "币\u200b安",
]
NO_SYMBOLS += ["BTC\u202eTDSU", "币😀", "\ud800币", "½USDT", "A\x00B", "币，安", "E\u0301TE"]
MINUTE_MS = 60_000


@pytest.mark.parametrize("symbol", SYMBOLS)
def test_letters_and_digits_of_any_script_are_symbols(symbol):
    assert is_symbol(symbol)
    assert Instrument(market_id=1, symbol=symbol).symbol == symbol
    assert symbol_text(f" {symbol.lower()} ") == symbol


@pytest.mark.parametrize("text", NO_SYMBOLS)
def test_anything_else_is_none(text):
    assert not is_symbol(text)


@pytest.mark.parametrize("text", [text for text in NO_SYMBOLS if unicodedata.is_normalized("NFC", text)])
def test_what_is_none_is_refused_with_the_rule_and_the_value(text):
    with pytest.raises(ValidationError, match="a symbol is 2 to 32 letters and digits of any script") as caught:
        Instrument(market_id=1, symbol=text)
    assert caught.value.errors()[0]["msg"].encode()


def test_a_letter_and_its_accent_are_one_symbol_however_they_are_spelled():
    apart = unicodedata.normalize("NFD", "ÉTÉUSDT")
    assert apart != "ÉTÉUSDT"
    assert Instrument(market_id=1, symbol=apart) == Instrument(market_id=1, symbol="ÉTÉUSDT")
    assert symbol_text(apart) == "ÉTÉUSDT"


def listing(market_id: int, symbols: list[str]) -> Any:
    """Return what an exchange answers whose instruments have these symbols."""
    spot = {"status": "TRADING", "baseAsset": "币安人生", "quoteAsset": "USDT", "filters": []}
    if market_id == 1:
        return {"symbols": [{**spot, "symbol": symbol} for symbol in symbols]}
    coin = {"status": "Trading", "baseCoin": "币", "quoteCoin": "USDT", "priceFilter": {}, "lotSizeFilter": {}}
    return {"retCode": 0, "result": {"list": [{**coin, "symbol": symbol} for symbol in symbols]}}


def history(answer: Any) -> History:
    return History(HistorySettings(max_attempts=1), transport=httpx.MockTransport(answer))


@pytest.mark.parametrize("market_id", [1, 3])
async def test_a_listing_keeps_them_and_names_what_it_leaves_out(market_id):
    content = listing(market_id, ["BTCUSDT", CHINESE, "BTC-27JUN25", "a_b"])
    async with history(lambda _: httpx.Response(200, json=content)) as exchange:
        listed = await exchange.instruments(MARKETS[market_id])
    assert [instrument.symbol for instrument in listed] == ["BTCUSDT", CHINESE]
    assert listed.left_out == ("BTC-27JUN25", "a_b")
    assert _left_out(listed.left_out) == (
        "2 listed instruments are left out, whose symbols are not 2 to 32 letters and digits of any script, those "
        "of ASCII in capitals: 'BTC-27JUN25', 'a_b'"
    )
    assert _left_out([f"x{number}" for number in range(7)]).endswith("'x4' and 2 more")


async def test_a_request_bears_them_percent_encoded():
    seen: list[httpx.URL] = []

    def answer(request: httpx.Request) -> httpx.Response:
        seen.append(request.url)
        if request.url.path.endswith("/time"):
            return httpx.Response(200, json={"serverTime": NOW_MS})
        return httpx.Response(200, content=json.dumps([]))

    async with history(answer) as exchange:
        pages = exchange.candles(MARKETS[1], CHINESE, NOW_MS - 10 * MINUTE_MS, NOW_MS - 5 * MINUTE_MS)
        assert [len(page) async for page in pages if len(page)] == []
    asked = [url for url in seen if url.path.endswith("/klines")]
    assert asked
    assert all(b"symbol=%E5%B8%81%E5%AE%89%E4%BA%BA%E7%94%9FUSDT" in url.query for url in asked)


def test_the_store_keeps_candles_of_them_apart(embedded_store):
    start_ms = 1_735_689_600_000
    rows: CandleRows = GeneratedCandles().candles(MARKETS[1], "BTCUSDT", start_ms, start_ms + 10 * MINUTE_MS)
    assert embedded_store.insert(1, CHINESE, rows).written == 10
    assert np.array_equal(embedded_store.read(1, CHINESE, start_ms, start_ms + 10 * MINUTE_MS).values, rows.values)
    assert [covered.symbol for covered in embedded_store.coverage(1, CHINESE)] == [CHINESE]
    assert CHINESE in [found.symbol for found in embedded_store.instruments(1, "人生", 10)]
    with pytest.raises(InvalidInput, match="letters and digits of any script"):
        embedded_store.insert(1, "币 安", rows)


def test_a_recorded_file_may_be_named_after_one(tmp_path):
    assert _instrument_of(tmp_path / f"binance-spot_{CHINESE}.parquet") == (1, CHINESE)
    assert _instrument_of(tmp_path / "binance-spot_a-b.parquet") is None
