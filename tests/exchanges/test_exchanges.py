"""Exchanges: each reads what its simulated venue writes, and nothing hostile passes for candles."""

from __future__ import annotations

import json
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from candleray.errors import ExchangeError
from candleray.exchanges import json_answers
from candleray.exchanges.discovery import EXCHANGES, exchange_of
from candleray.exchanges.exchange import Failure, MalformedAnswer, RestAnswer, RestRequest
from candleray.exchanges.rest import RestClient
from candleray.markets import MARKETS, InstrumentReference, Market
from candleray.settings import HistorySettings
from candleray.simulator.generated_candles import GeneratedCandles
from candleray.simulator.venues import Question, Reply, SimulatedVenue, simulated_venues
from candleray.timeframes import MINUTE_MS, iso, to_ms

SOURCE = GeneratedCandles(seed=3)
NOON_MS = 1_750_000_020_000 // MINUTE_MS * MINUTE_MS
NOW_MS = NOON_MS + 10_000 * MINUTE_MS + 15_000

every_market = pytest.mark.parametrize("market", MARKETS.values(), ids=lambda market: market.name)


@pytest.fixture
def captured(shared_data: Path) -> Callable[[str], Any]:
    """The JSON of a capture, which may begin with lines about the request."""

    def read(name: str) -> Any:
        text = (shared_data / "captures" / name).read_text()
        return json.loads(text[min(text.find(bracket) for bracket in "[{" if bracket in text) :])

    return read


def venue_of(market: Market) -> SimulatedVenue:
    return simulated_venues()[market.exchange]


def ask(market: Market, request: RestRequest, now_ms: int = NOW_MS) -> Reply:
    question = Question(request.path, request.params, now_ms)
    routed = venue_of(market).route(question)
    if routed is not None and request.params.get("category", "known") != "nonsense":
        assert routed.exchange == market.exchange
    return venue_of(market).answer(routed or market, question, SOURCE)


def content_of(reply: Reply) -> Any:
    assert reply.status == 200
    return json.loads(reply.body)


def told(reply: Reply) -> RestAnswer:
    return RestAnswer(reply.status, reply.headers, json.loads(reply.body))


def klines_of(market: Market, **params: str) -> Reply:
    request = exchange_of(market).klines_request(market, "BTCUSDT", NOON_MS, NOON_MS + MINUTE_MS)
    kept = {name: value for name, value in request.params.items() if name in ("symbol", "interval", "category")}
    return ask(market, RestRequest(request.path, {**kept, **params}))


# Every venue


def test_every_market_has_a_venue_and_every_venue_a_market():
    assert {market.exchange for market in MARKETS.values()} == set(EXCHANGES) == set(simulated_venues())


@every_market
def test_a_page_reads_back_as_the_very_numbers_it_was_made_of(market):
    exchange = exchange_of(market)
    end_ms = NOON_MS + exchange.api(market).page_minutes * MINUTE_MS
    content = content_of(ask(market, exchange.klines_request(market, "BTCUSDT", NOON_MS, end_ms)))
    rows = exchange.read_klines(market, "BTCUSDT", content)
    expected = SOURCE.candles(market, "BTCUSDT", NOON_MS, end_ms)
    assert np.array_equal(rows.ts_open_ms, expected.ts_open_ms)
    assert np.array_equal(rows.values, expected.values)
    assert np.array_equal(rows.quote_volume, expected.quote_volume)
    assert np.array_equal(rows.trades, expected.trades) or np.isnan(rows.trades).all()


@every_market
def test_the_window_is_half_open_whatever_the_venue_counts_in(market):
    exchange = exchange_of(market)
    request = exchange.klines_request(market, "BTCUSDT", NOON_MS, NOON_MS + 3 * MINUTE_MS)
    rows = exchange.read_klines(market, "BTCUSDT", content_of(ask(market, request)))
    assert rows.ts_open_ms.tolist() == [NOON_MS + minute * MINUTE_MS for minute in range(3)]


@every_market
def test_an_empty_window_reads_as_no_rows(market):
    exchange = exchange_of(market)
    request = exchange.klines_request(market, "BTCUSDT", 1_000_000_020_000, 1_000_000_080_000)
    assert len(exchange.read_klines(market, "BTCUSDT", content_of(ask(market, request)))) == 0


@every_market
def test_the_first_candle_is_found_from_years_before_the_listing(market):
    exchange = exchange_of(market)
    content = content_of(ask(market, exchange.first_kline_request(market, "SOLUSDT", 0)))
    rows = exchange.read_klines(market, "SOLUSDT", content)
    assert rows.ts_open_ms.tolist() == [SOURCE.span_ms(market, "SOLUSDT")[0]]


@every_market
def test_without_a_window_the_newest_candles_come_and_the_last_one_is_under_way(market):
    rows = exchange_of(market).read_klines(market, "BTCUSDT", content_of(klines_of(market, limit="5")))
    minute_ms = NOW_MS // MINUTE_MS * MINUTE_MS
    assert rows.ts_open_ms.tolist() == [minute_ms - back * MINUTE_MS for back in (4, 3, 2, 1, 0)]
    final = SOURCE.candles(market, "BTCUSDT", minute_ms, minute_ms + MINUTE_MS)
    assert rows.values[4, -1] == pytest.approx(final.values[4, 0] / 4, rel=1e-2)
    assert np.array_equal(
        rows.values[:, :-1], SOURCE.candles(market, "BTCUSDT", minute_ms - 4 * MINUTE_MS, minute_ms).values
    )


@every_market
def test_instruments_read_back_and_say_what_no_longer_trades(market):
    exchange = exchange_of(market)
    found = {}
    for listing in exchange.instruments_requests(market):
        content = content_of(ask(market, listing))
        assert exchange.next_page(listing, content) is None
        found |= {instrument.symbol: instrument for instrument in exchange.read_instruments(market, content)}
    for expected in SOURCE.instruments(market):
        if expected.symbol in found:
            read = found[expected.symbol]
            assert read.model_dump(exclude={"status"}) == expected.model_dump(exclude={"status"})
            assert read.status
    # Bybit's spot listing holds what trades alone; every other one tells of the closed symbol too.
    assert {"BTCUSDT", "ETHUSDT", "SOLUSDT", "XRPUSDT", "ADAUSDT", "DOGEUSDT"} <= set(found)
    assert all(found[symbol].is_tradable != (symbol == "LUNAUSDT") for symbol in found)


@every_market
def test_the_server_time_reads_back(market):
    exchange = exchange_of(market)
    reply = ask(market, exchange.server_time_request(market))
    assert exchange.read_server_time_ms(content_of(reply)) == NOW_MS


@every_market
@pytest.mark.parametrize("kind", ["rate_limited", "banned", "unavailable", "unknown_symbol", "rejected"])
def test_a_refusal_is_understood_as_what_it_is(market, kind):
    exchange = exchange_of(market)
    failure = exchange.read_failure(
        told(venue_of(market).refuse(Failure(kind, "Something is wrong.", 7.0), NOW_MS))
    )
    assert failure is not None
    assert failure.kind == kind
    if kind == "rate_limited":
        assert failure.retry_after_s == 7.0


@every_market
def test_an_answer_in_order_is_no_failure_and_an_unknown_symbol_is_one(market):
    exchange = exchange_of(market)
    known = ask(market, exchange.klines_request(market, "BTCUSDT", NOON_MS, NOON_MS + MINUTE_MS))
    unknown = ask(market, exchange.klines_request(market, "NOPEUSDT", NOON_MS, NOON_MS + MINUTE_MS))
    assert exchange.read_failure(told(known)) is None
    failure = exchange.read_failure(told(unknown))
    assert failure is not None
    assert failure.kind == "unknown_symbol"


@every_market
def test_a_used_weight_reads_back_where_the_venue_tells_it(market):
    exchange = exchange_of(market)
    headers = venue_of(market).write_used_weight(1234)
    assert exchange.read_used_weight(headers) == (1234 if headers else None)


@every_market
def test_a_page_never_asks_for_more_than_the_venue_sends(market):
    exchange = exchange_of(market)
    minutes = exchange.api(market).page_minutes
    request = exchange.klines_request(market, "BTCUSDT", NOON_MS, NOON_MS + minutes * MINUTE_MS)
    assert int(request.params["limit"]) <= 1000
    assert 0 < request.weight <= exchange.api(market).budget.weight


# What a hostile or broken venue may send

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=6,
)


def places(content: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    inner = (
        content.items() if isinstance(content, dict) else enumerate(content) if isinstance(content, list) else ()
    )
    return [path] + [deeper for key, value in inner for deeper in places(value, (*path, key))]


def replaced(content: Any, path: tuple[Any, ...], value: Any) -> Any:
    if not path:
        return value
    copy = content.copy()
    copy[path[0]] = replaced(content[path[0]], path[1:], value)
    return copy


@given(st.text(st.characters(codec=None), max_size=80))
def test_a_strange_name_costs_no_list(text):
    word = json_answers.word({"baseAsset": text}, "baseAsset")
    reference = InstrumentReference(market_id=1, symbol="BTCUSDT", base_asset=word, status=word)
    assert InstrumentReference.model_validate_json(reference.model_dump_json()) == reference


@every_market
@settings(max_examples=120, deadline=None)
@given(data=st.data())
def test_one_wrong_value_anywhere_is_named_or_harmless(market, data):
    exchange = exchange_of(market)
    listing = exchange.instruments_requests(market)[0]
    questions = [
        (
            exchange.klines_request(market, "BTCUSDT", NOON_MS, NOON_MS + 2 * MINUTE_MS),
            lambda content: exchange.read_klines(market, "BTCUSDT", content),
        ),
        (listing, lambda content: exchange.read_instruments(market, content)),
        (listing, lambda content: exchange.next_page(listing, content)),
        (exchange.server_time_request(market), exchange.read_server_time_ms),
    ]
    request, read = data.draw(st.sampled_from(questions))
    content = content_of(ask(market, request))
    broken = replaced(content, data.draw(st.sampled_from(places(content))), data.draw(json_values))
    exchange.read_failure(RestAnswer(200, {}, broken))
    exchange.read_failure(RestAnswer(500, {}, broken))
    with suppress(MalformedAnswer):
        read(broken)


@every_market
@pytest.mark.parametrize("content", [None, {}, [], "", 7, [[1]], [{}], {"result": []}, {"result": {"list": [[]]}}])
def test_what_is_not_a_page_of_candles_yields_none(market, content):
    with suppress(MalformedAnswer):
        assert len(exchange_of(market).read_klines(market, "BTCUSDT", content)) == 0


def test_a_page_of_another_symbol_is_refused():
    market = MARKETS[4]
    content = content_of(klines_of(market, limit="2"))
    with pytest.raises(MalformedAnswer, match="of BTCUSDT"):
        exchange_of(market).read_klines(market, "ETHUSDT", content)


# Each venue's own ways


def test_binance_refuses_in_its_own_words():
    market = MARKETS[1]
    wrong = [
        ({"symbol": "NOPE"}, -1121, "Invalid symbol."),
        ({"interval": "7m"}, -1120, "Invalid interval."),
        (
            {"limit": "many"},
            -1100,
            "Illegal characters found in parameter 'limit'; legal range is '^[0-9]{1,20}$'.",
        ),
        ({"symbol": ""}, -1102, "Mandatory parameter 'symbol' was not sent, was empty/null, or malformed."),
    ]
    for params, code, text in wrong:
        reply = klines_of(market, **params)
        assert (reply.status, json.loads(reply.body)) == (400, {"code": code, "msg": text})


def test_binance_spot_cuts_a_large_limit_and_futures_refuses_it():
    assert len(content_of(klines_of(MARKETS[1], limit="5000"))) == 1000
    assert len(content_of(klines_of(MARKETS[2], limit="1500"))) == 1500
    assert json.loads(klines_of(MARKETS[2], limit="1501").body)["code"] == -1130
    assert len(content_of(klines_of(MARKETS[1]))) == 500


def test_binance_is_ascending_from_the_start_and_bybit_descending_from_the_end():
    first, last = NOON_MS, NOON_MS + 2000 * MINUTE_MS
    binance = content_of(klines_of(MARKETS[1], startTime=str(first), endTime=str(last), limit="3"))
    assert [row[0] for row in binance] == [first, first + MINUTE_MS, first + 2 * MINUTE_MS]
    bybit = content_of(klines_of(MARKETS[3], start=str(first), end=str(last), limit="3"))
    assert [row[0] for row in bybit["result"]["list"]] == [str(last - back * MINUTE_MS) for back in range(3)]


def test_binance_futures_weighs_by_limit_and_the_page_is_the_cheapest_a_row():
    market, exchange = MARKETS[2], EXCHANGES["binance"]
    weights = {
        rows: exchange.klines_request(market, "BTCUSDT", 0, rows * MINUTE_MS).weight
        for rows in (99, 100, 499, 500, 1001)
    }
    assert weights == {99: 1, 100: 2, 499: 2, 500: 5, 1001: 10}
    assert exchange.api(market).page_minutes == max(weights, key=lambda rows: rows / weights[rows])


def test_bybit_refuses_with_http_200_and_a_code():
    for params, text in [
        ({"symbol": "NOPE"}, "Not supported symbols"),
        ({"interval": "7"}, "Invalid period!"),
        ({"category": "nonsense"}, "Illegal category"),
        ({"limit": "many"}, "Request parameter error."),
    ]:
        reply = klines_of(MARKETS[4], **params)
        body = json.loads(reply.body)
        assert (reply.status, body["retCode"], body["retMsg"]) == (200, 10001, text)


def test_bybit_futures_are_listed_in_pages_by_cursor():
    market, exchange = MARKETS[4], EXCHANGES["bybit"]
    request: RestRequest | None = RestRequest("/v5/market/instruments-info", {"category": "linear", "limit": "2"})
    seen = []
    while request is not None:
        content = content_of(ask(market, request))
        seen.append([instrument.symbol for instrument in exchange.read_instruments(market, content)])
        request = exchange.next_page(request, content)
    assert seen == [["ADAUSDT", "BTCUSDT"], ["DOGEUSDT", "ETHUSDT"], ["SOLUSDT", "XRPUSDT"]]


def test_bybit_says_when_a_limit_resets_or_leaves_it_open():
    exchange = EXCHANGES["bybit"]
    body = {"retCode": 10006, "retMsg": "Too many visits!", "result": {}, "time": 1_700_000_000_000}
    told_when = exchange.read_failure(RestAnswer(200, {"x-bapi-limit-reset-timestamp": "1700000002500"}, body))
    assert told_when == Failure("rate_limited", "HTTP 200, retCode 10006: Too many visits!", 2.5)
    silent = exchange.read_failure(RestAnswer(200, {}, body))
    assert silent is not None
    assert silent.retry_after_s is None
    banned = exchange.read_failure(RestAnswer(403, {}, None, "403, access too frequent"))
    assert banned is not None
    assert (banned.kind, banned.retry_after_s) == ("banned", 600)


# Real recordings


@pytest.mark.real_data
def test_the_recorded_binance_spot_listing_reads(captured):
    content = captured("cryptofeed/extract_binance_spot_exchangeInfo_20211011.json")
    found = {i.symbol: i for i in EXCHANGES["binance"].read_instruments(MARKETS[1], content)}
    assert len(found) > 1000
    btc = found["BTCUSDT"]
    assert (btc.base_asset, btc.quote_asset, btc.price_tick, btc.quantity_step) == ("BTC", "USDT", 0.01, 0.00001)
    assert btc.min_notional == 10
    assert {i.status for i in found.values() if not i.is_tradable} == {"BREAK"}
    assert {i.listed_at for i in found.values()} == {None}, "the spot market names none"


@pytest.mark.real_data
def test_the_recorded_binance_futures_listing_gives_usdt_perpetuals_alone(captured):
    content = captured("cryptofeed/extract_binance_usdm_exchangeInfo_20210722.json")
    listed = {entry["symbol"]: entry for entry in content["symbols"]}
    found = EXCHANGES["binance"].read_instruments(MARKETS[2], content)
    assert 0 < len(found) < len(listed)
    assert all(listed[i.symbol]["contractType"] == "PERPETUAL" and i.quote_asset == "USDT" for i in found)
    assert not any("_" in i.symbol for i in found)
    assert all(to_ms(i.listed_at) == listed[i.symbol]["onboardDate"] for i in found if i.listed_at)
    assert iso(to_ms(next(i.listed_at for i in found if i.symbol == "BTCUSDT"))) == "2019-09-25T08:00:00Z"


@pytest.mark.real_data
@pytest.mark.parametrize("market_id", [1, 2])
def test_documented_binance_klines_read(captured, market_id):
    name = "Spot" if market_id == 1 else "UsdFutures"
    content = captured(f"jkorf/binance/Endpoints__{name}__ExchangeData__GetKlines.txt")
    rows = EXCHANGES["binance"].read_klines(MARKETS[market_id], "BTCUSDT", content)
    assert rows.ts_open_ms.tolist() == [1499040000000]
    assert rows.values[:, 0].tolist() == [0.0163479, 0.8, 0.015758, 0.015771, 148976.11427815]
    assert (rows.quote_volume[0], rows.trades[0]) == (2434.19055334, 308)


@pytest.mark.real_data
def test_documented_bybit_klines_read_in_ascending_order(captured):
    content = captured("jkorf/bybit/Endpoints__V5Api__ExchangeData__GetKlines.txt")
    content["result"] |= {"category": "linear", "symbol": "BTCUSDT"}  # recorded of an inverse contract
    rows = EXCHANGES["bybit"].read_klines(MARKETS[4], "BTCUSDT", content)
    assert rows.ts_open_ms.tolist() == [1670601600000, 1670605200000, 1670608800000]
    assert rows.values[:, -1].tolist() == [17071, 17073, 17027, 17055.5, 268611]
    assert rows.quote_volume[0] == 0.37288112


@pytest.mark.real_data
@pytest.mark.parametrize(
    ("market_id", "name", "symbol", "status", "tick", "step", "listed"),
    [
        (3, "GetSpotSymbols", "BTCUSDT", "Trading", 0.01, 0.000001, None),
        (4, "GetLinearInverseSymbols", "BTCUSDT", "Trading", 0.1, 0.001, "2020-03-30T00:00:00Z"),
        (4, "GetLinearInverseSymbolsPreListing", "PRE02ZROUSDT", "PreLaunch", 0.001, 0.1, "2024-06-17T07:43:49Z"),
    ],
)
def test_documented_bybit_listings_read(captured, market_id, name, symbol, status, tick, step, listed):
    content = captured(f"jkorf/bybit/Endpoints__V5Api__ExchangeData__{name}.txt")
    (found,) = EXCHANGES["bybit"].read_instruments(MARKETS[market_id], content)
    assert (found.symbol, found.status, found.price_tick, found.quantity_step) == (symbol, status, tick, step)
    assert found.min_notional == (1 if market_id == 3 else 5)
    assert found.is_tradable == (status == "Trading")
    assert (found.listed_at and iso(to_ms(found.listed_at))) == listed


@pytest.mark.parametrize(
    ("sent", "read"),
    [
        (1_569_398_400_000, "2019-09-25T08:00:00Z"),
        ("1585526400000", "2020-03-30T00:00:00Z"),
        *((nothing, None) for nothing in (None, 0, "0", "", "soon", True, -1, 10**16, float("inf"), [], {})),
    ],
)
def test_a_listing_time_is_a_moment_or_nothing(sent, read):
    moment = json_answers.moment(sent)
    assert (moment and iso(to_ms(moment))) == read


CLOUDFRONT = b"""<!DOCTYPE HTML PUBLIC "-//W3C//DTD HTML 4.01 Transitional//EN" "http://www.w3.org/TR/html4/loose.dtd">
<HTML><HEAD><META HTTP-EQUIV="Content-Type" CONTENT="text/html; charset=iso-8859-1">
<TITLE>ERROR: The request could not be satisfied</TITLE></HEAD><BODY><H1>403 ERROR</H1>
<H2>The request could not be satisfied.</H2><HR noshade size="1px">
The Amazon CloudFront distribution is configured to block access from your country.</BODY></HTML>"""


@every_market
async def test_a_gate_that_refuses_in_html_is_said_in_one_line_with_who_why_and_what_to_do(market):
    def refuse(_: httpx.Request) -> httpx.Response:
        headers = {"Server": "CloudFront", "X-Cache": "Error from cloudfront", "Content-Type": "text/html"}
        return httpx.Response(403, content=CLOUDFRONT, headers=headers)

    config = HistorySettings(max_attempts=1)
    exchange = exchange_of(market)
    async with RestClient(config, transport=httpx.MockTransport(refuse)) as rest:
        with pytest.raises(ExchangeError) as caught:
            await rest.get(exchange, market, exchange.server_time_request(market), lambda content: content)
    said = caught.value.message
    assert said.startswith(f"{market.name} GET /")
    assert "HTTP 403: ERROR: The request could not be satisfied: 403 ERROR" in said
    assert "block access from your country" in said
    assert "(server: CloudFront, x-cache: Error from cloudfront)" in said
    assert "by a proxy (HTTPS_PROXY)" in said
    assert not any(part in said for part in ("<", ">", "DOCTYPE", "\n"))
