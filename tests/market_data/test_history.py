"""REST history: every page once, closed candles alone, whatever an exchange does meanwhile."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import AsyncIterable, Callable

import httpx
import numpy as np
import pytest
from pydantic import ValidationError

from candleray import settings
from candleray.candles import CandleRows
from candleray.errors import ExchangeError, InvalidInput, NotFound, RateLimited
from candleray.exchanges.exchange import RateBudget
from candleray.exchanges.rate_limits import RateLimiter
from candleray.market_data.history import History
from candleray.markets import MARKETS, Market
from candleray.simulator.generated_candles import GeneratedCandles
from candleray.timeframes import DAY_MS, MINUTE_MS
from serve_apps.simulator import Faults
from tests.support.simulated import NOW_MS, Clock, Holes, history_of, minutes_before_now

SOURCE = GeneratedCandles()
every_market = pytest.mark.parametrize("market", MARKETS.values(), ids=lambda market: market.name)
BINANCE, BYBIT = MARKETS[1], MARKETS[4]


async def collected(pages: AsyncIterable[CandleRows]) -> CandleRows:
    rows = CandleRows.join([page async for page in pages])
    return rows.take(np.argsort(rows.ts_open_ms, kind="stable"))


def scripted(
    *answers: Callable[[httpx.Request], httpx.Response] | Exception, config: settings.HistorySettings | None = None
) -> tuple[History, Clock]:
    """A history whose exchange gives these answers to everything but the time of day, the last one for ever."""
    clock, left = Clock(), list(answers)

    def answer(request: httpx.Request) -> httpx.Response:
        if request.url.path.endswith("/time"):
            return httpx.Response(200, json={"serverTime": NOW_MS, "time": NOW_MS})
        turn = left.pop(0) if len(left) > 1 else left[0]
        if isinstance(turn, Exception):
            raise turn
        return turn(request)

    return (
        History(
            config or settings.HistorySettings(),
            transport=httpx.MockTransport(answer),
            clock=clock,
            sleep=clock.sleep,
        ),
        clock,
    )


def said(
    status: int = 200, content: object = None, body: bytes | None = None, **headers: str
) -> Callable[[httpx.Request], httpx.Response]:
    text = json.dumps(content).encode() if body is None else body
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return lambda request: httpx.Response(status, content=text, headers=named)


def kline(ts_ms: int) -> list[object]:
    return [ts_ms, "1", "2", "0.5", "1.5", "10", ts_ms + MINUTE_MS - 1, "15", 3, "5", "7", "0"]


FIRST_MS = minutes_before_now(2)
FINE = said(content=[kline(FIRST_MS), kline(FIRST_MS + MINUTE_MS)])


async def two_minutes(history: History, market: Market = BINANCE) -> CandleRows:
    async with history:
        return await collected(history.candles(market, "BTCUSDT", FIRST_MS, FIRST_MS + 2 * MINUTE_MS))


# Pages


@every_market
async def test_several_pages_give_every_minute_once(market):
    start_ms, end_ms = minutes_before_now(5000), minutes_before_now(1700)
    async with history_of(clock=Clock()) as history:
        rows = await collected(history.candles(market, "ETHUSDT", start_ms, end_ms))
    expected = SOURCE.candles(market, "ETHUSDT", start_ms, end_ms)
    assert np.array_equal(rows.ts_open_ms, expected.ts_open_ms)
    assert np.array_equal(rows.values, expected.values)


@every_market
async def test_the_candle_under_way_and_the_future_are_left_out(market):
    async with history_of(clock=Clock()) as history:
        rows = await collected(history.candles(market, "BTCUSDT", minutes_before_now(3), NOW_MS + DAY_MS))
        assert await history.closed_until_ms(market) == minutes_before_now(0)
    assert rows.ts_open_ms.tolist() == [minutes_before_now(back) for back in (3, 2, 1)]


async def test_a_venue_whose_clock_is_behind_ours_decides_what_is_closed():
    an_hour_behind = Clock(venue_ahead_s=NOW_MS / 1000 - 3600)
    async with history_of(clock=an_hour_behind) as history:
        rows = await collected(history.candles(BINANCE, "BTCUSDT", minutes_before_now(62), NOW_MS))
    assert rows.ts_open_ms.tolist() == [minutes_before_now(back) for back in (62, 61)]


@pytest.mark.parametrize("moved_s", [3600, -3600])
async def test_a_venue_whose_clock_is_set_anew_is_followed_ten_minutes_later(moved_s: int):
    clock, seen = Clock(), []
    async with history_of(clock=clock, seen=seen) as history:
        for market in (BINANCE, BYBIT):
            assert await history.closed_until_ms(market) == minutes_before_now(0)
        clock.venue_ahead_s += moved_s
        clock.now_s = 600
        assert await history.closed_until_ms(BINANCE) == minutes_before_now(-10)
        assert len(seen) == 2
        clock.now_s = 601
        for market in (BINANCE, BYBIT):
            assert await history.closed_until_ms(market) == minutes_before_now(-10) + 1000 * moved_s
        assert len(seen) == 4


async def test_the_time_that_the_venues_answer_takes_closes_no_minute_early():
    clock = Clock()

    def answer(request: httpx.Request) -> httpx.Response:
        clock.now_s += 30
        return httpx.Response(200, json={"serverTime": NOW_MS})

    history = History(
        settings.HistorySettings(), transport=httpx.MockTransport(answer), clock=clock, sleep=clock.sleep
    )
    async with history:
        assert await history.closed_until_ms(BINANCE) == minutes_before_now(0)
        clock.now_s += 20  # 13:47:35 there
        assert await history.closed_until_ms(BINANCE) == minutes_before_now(0)
        clock.now_s += 25
        assert await history.closed_until_ms(BINANCE) == minutes_before_now(-1)


async def test_a_minute_that_began_before_the_start_is_left_out():
    async with history_of(clock=Clock()) as history:
        pages = history.candles(BINANCE, "BTCUSDT", minutes_before_now(5) + 1, minutes_before_now(2))
        rows = await collected(pages)
    assert rows.ts_open_ms.tolist() == [minutes_before_now(back) for back in (4, 3)]


async def test_leaving_early_does_not_wait_for_the_pages_under_way():
    asked = 0

    async def answer(request: httpx.Request) -> httpx.Response:
        nonlocal asked
        if request.url.path.endswith("/time"):
            return httpx.Response(200, json={"serverTime": NOW_MS})
        asked += 1
        if asked > 2:
            await asyncio.sleep(3600)
        return httpx.Response(200, json=[kline(int(request.url.params["startTime"]))])

    async with History(settings.HistorySettings(timeout_s=3600), transport=httpx.MockTransport(answer)) as history:
        pages = history.candles(BINANCE, "BTCUSDT", minutes_before_now(50_000), NOW_MS)
        async with asyncio.timeout(60):
            await anext(pages)
            await anext(pages)
            await pages.aclose()


async def test_a_forming_candle_sent_unasked_is_dropped():
    history, _ = scripted(
        said(content=[kline(FIRST_MS), kline(FIRST_MS + MINUTE_MS), kline(FIRST_MS + 2 * MINUTE_MS)])
    )
    assert (await two_minutes(history)).ts_open_ms.tolist() == [FIRST_MS, FIRST_MS + MINUTE_MS]


@every_market
async def test_the_years_before_a_listing_are_skipped(market):
    seen: list[httpx.Response] = []
    history = history_of(clock=Clock(), seen=seen)
    listed_ms, _ = SOURCE.span_ms(market, "SOLUSDT")
    async with history:
        rows = await collected(history.candles(market, "SOLUSDT", listed_ms - 900 * DAY_MS, listed_ms + DAY_MS))
    assert rows.ts_open_ms[[0, -1]].tolist() == [listed_ms, listed_ms + DAY_MS - MINUTE_MS]
    assert len(rows) == 1440
    assert len(seen) < 10


@every_market
async def test_an_outage_longer_than_a_page_does_not_end_the_search(market):
    outage_ms = (minutes_before_now(9000), minutes_before_now(5500))
    source = Holes(SOURCE, outage_ms)
    async with history_of(source, clock=Clock()) as history:
        rows = await collected(
            history.candles(market, "BTCUSDT", outage_ms[0] - 3 * MINUTE_MS, outage_ms[1] + 3 * MINUTE_MS)
        )
        from_within = await collected(
            history.candles(market, "BTCUSDT", outage_ms[0], outage_ms[1] + 3 * MINUTE_MS)
        )
    assert rows.ts_open_ms[3] == outage_ms[1]
    assert len(rows) == 6
    assert from_within.ts_open_ms.tolist() == rows.ts_open_ms[3:].tolist()


async def test_a_venue_that_names_a_wrong_first_candle_costs_requests_but_no_candle():
    def answer(request: httpx.Request) -> httpx.Response:
        start_ms, asked = int(request.url.params["startTime"]), request.url.params
        if "endTime" not in asked:
            return httpx.Response(200, json=[kline(minutes_before_now(1))])
        known = [minutes_before_now(back) for back in (1500, 1499, 2, 1)]
        return httpx.Response(200, json=[kline(ts) for ts in known if start_ms <= ts <= int(asked["endTime"])])

    history, _ = scripted(answer)
    async with history:
        rows = await collected(history.candles(BINANCE, "BTCUSDT", minutes_before_now(4000), NOW_MS))
    assert rows.ts_open_ms.tolist() == [minutes_before_now(back) for back in (1500, 1499, 2, 1)]


async def test_leaving_early_stops_the_pages_under_way():
    async with history_of(clock=Clock()) as history:
        pages = history.candles(BINANCE, "BTCUSDT", minutes_before_now(50_000), NOW_MS)
        async for _ in pages:
            break
        await pages.aclose()
        assert len(asyncio.all_tasks()) == 1


@every_market
async def test_instruments_come_in_order_with_what_is_closed(market):
    async with history_of(clock=Clock()) as history:
        found = await history.instruments(market)
    symbols = [instrument.symbol for instrument in found]
    assert symbols == sorted(symbols)
    assert {"BTCUSDT", "DOGEUSDT"} <= set(symbols)
    assert {instrument.market_id for instrument in found} == {market.market_id}


async def test_of_an_instrument_that_was_closed_and_listed_again_the_listing_that_trades_counts():
    def answer(request: httpx.Request) -> httpx.Response:
        entry = {
            "symbol": "BTCUSDT",
            "contractType": "LinearPerpetual",
            "settleCoin": "USDT",
            "status": request.url.params.get("status", "Trading"),
            "baseCoin": "BTC",
            "quoteCoin": "USDT",
            "lotSizeFilter": {"qtyStep": "0.001"},
            "priceFilter": {"tickSize": "0.1"},
        }
        return httpx.Response(200, json={"result": {"list": [entry], "nextPageCursor": ""}, "retCode": 0})

    history, _ = scripted(answer)
    async with history:
        (listed,) = await history.instruments(BYBIT)
    assert (listed.status, listed.is_tradable) == ("Trading", True)


async def test_an_endless_listing_is_given_up():
    entry = {"result": {"list": [], "nextPageCursor": "again"}, "retCode": 0}
    history, _ = scripted(said(content=entry))
    async with history:
        with pytest.raises(ExchangeError, match="more than 100 pages"):
            await history.instruments(BYBIT)


@every_market
async def test_an_unknown_symbol_is_answered_with_the_nearest(market):
    async with history_of(clock=Clock()) as history:
        with pytest.raises(NotFound, match=r"no symbol 'BTCUSD'.*did you mean 'BTCUSDT'"):
            await collected(history.candles(market, "BTCUSD", minutes_before_now(10), NOW_MS))


# Trouble


@every_market
@pytest.mark.parametrize("kind", ["rate_limited", "unavailable", "html", "truncated"])
async def test_passing_trouble_costs_time_and_no_candle(market, kind):
    clock = Clock()
    async with history_of(faults=Faults(**{kind: 3, "retry_after_s": 4}), clock=clock) as history:
        rows = await collected(history.candles(market, "BTCUSDT", minutes_before_now(6000), minutes_before_now(1)))
    assert len(rows) == 5999
    assert len(np.unique(rows.ts_open_ms)) == 5999
    assert clock.slept


@pytest.mark.parametrize(
    "trouble", [httpx.ConnectError("refused"), httpx.ReadTimeout("slow"), httpx.RemoteProtocolError("cut")]
)
async def test_a_network_error_is_tried_again(trouble):
    history, clock = scripted(trouble, trouble, FINE)
    assert len(await two_minutes(history)) == 2
    assert len(clock.slept) == 2


async def test_attempts_are_bounded_and_further_and_further_apart():
    history, clock = scripted(said(503), config=settings.HistorySettings(max_attempts=5))
    with pytest.raises(
        ExchangeError, match=r"binance-spot GET /api/v3/klines of BTCUSDT: HTTP 503.*gave up after 5 attempts"
    ):
        await two_minutes(history)
    assert len(clock.slept) == 4
    assert all(0.25 * 2**turn <= slept <= 0.5 * 2**turn for turn, slept in enumerate(clock.slept))


@pytest.mark.parametrize("status", [429, 418])
async def test_retry_after_is_kept(status):
    refusal = said(status, {"code": -1003, "msg": "Too many requests queued."}, Retry_After="17")
    history, clock = scripted(refusal, FINE)
    assert len(await two_minutes(history)) == 2
    assert sum(clock.slept) >= 17


async def test_a_ban_longer_than_anyone_waits_is_reported_at_once():
    history, clock = scripted(said(418, {"code": -1003, "msg": "IP banned"}, Retry_After="7200"))
    with pytest.raises(RateLimited, match=r"IP banned.*asks to wait 7200 s"):
        await two_minutes(history)
    assert not clock.slept


async def test_bybits_http_200_is_no_success():
    refusal = said(content={"retCode": 10006, "retMsg": "Too many visits!", "result": {}})
    history, _ = scripted(refusal)
    with pytest.raises(RateLimited, match=r"retCode 10006: Too many visits!.*gave up after 6 attempts"):
        await two_minutes(history, BYBIT)


async def test_a_rejection_is_final_and_says_what_the_exchange_said():
    history, clock = scripted(said(451, {"code": 0, "msg": "Service unavailable from a restricted location"}))
    with pytest.raises(ExchangeError, match="HTTP 451, 0: Service unavailable from a restricted location"):
        await two_minutes(history)
    assert not clock.slept


@pytest.mark.parametrize(
    ("answer", "what"),
    [
        (said(content={"symbols": 1}), "rows are a dict"),
        (said(content=[[1, 2]]), "rows have 2 cells"),
        (said(content=[[*kline(FIRST_MS)[:3], 7.5, *kline(FIRST_MS)[4:]]]), "low is not decimal text"),
        (said(content=[kline(FIRST_MS - MINUTE_MS)]), "1 candles out of the window"),
        (said(content=[kline(2**62)]), "candles out of the window"),
        (said(body=b" " * 4_000_001), "larger than 4,000,000 bytes"),
        (said(body=b"<html>blocked</html>"), "not JSON: blocked"),
        (said(body=b"[" * 100_000), "not JSON"),
        (said(body=b'[[1,"2'), "not JSON"),
        (said(302, Location="http://elsewhere/"), "HTTP 302"),
    ],
)
async def test_a_hostile_answer_is_named_with_its_place(answer, what):
    history, _ = scripted(answer)
    with pytest.raises(ExchangeError, match=f"binance-spot GET /api/v3/klines of BTCUSDT: .*({what})"):
        await two_minutes(history)


@pytest.mark.parametrize("address", ["not a url", "http://", "ftp://host", "http://host:port"])
async def test_an_address_that_is_none_is_named(address):
    told = re.escape(f"the address of binance-spot is {address!r}, which is none like http://host:9900")
    with pytest.raises(ValidationError, match=told):
        settings.HistorySettings(base_urls={"binance-spot": address})
    unchecked = settings.HistorySettings().model_copy(update={"base_urls": {"binance-spot": address}})
    history, _ = scripted(FINE, config=unchecked)
    with pytest.raises(InvalidInput, match=told):
        await two_minutes(history)


async def test_an_address_of_ours_that_does_not_answer_is_named_without_its_password():
    config = settings.HistorySettings(base_urls={"binance-spot": "http://me:secret@127.0.0.1:9"}, max_attempts=1)
    for failure, told in ((httpx.ConnectError("refused"), "refused"), (TimeoutError(), "no answer within 15 s")):
        history, _ = scripted(failure, config=config)
        with pytest.raises(ExchangeError, match=f": {told} from http://127.0.0.1:9; gave up after 1 attempt$"):
            await two_minutes(history)


async def test_the_address_of_a_market_can_be_replaced():
    asked: list[str] = []

    def answer(request: httpx.Request) -> httpx.Response:
        asked.append(f"{request.url.scheme}://{request.url.host}:{request.url.port}{request.url.path}")
        return FINE(request)

    config = settings.HistorySettings(base_urls={"binance-spot": "http://127.0.0.1:9900/venue/"})
    assert config.base_urls["binance-spot"] == "http://127.0.0.1:9900/venue", "as a backfill's --url is compared"
    history, _ = scripted(answer, config=config)
    await two_minutes(history)
    assert asked == ["http://127.0.0.1:9900/venue/api/v3/klines"]


# Pace


async def test_the_venues_budget_is_never_overrun():
    clock, seen = Clock(), []
    async with history_of(clock=clock, with_limits=True, seen=seen) as history:
        for _ in range(300):  # 20 of 6000 each
            await history.instruments(BINANCE)
    assert {response.status_code for response in seen} == {200}
    assert 59 <= clock.now_s <= 61
    assert max(int(response.headers["x-mbx-used-weight-1m"]) for response in seen) <= 5400


async def test_a_market_is_asked_so_many_things_at_once_however_many_ask():
    under_way, most = 0, 0

    async def answer(request: httpx.Request) -> httpx.Response:
        nonlocal under_way, most
        under_way += 1
        most = max(most, under_way)
        await asyncio.sleep(0)
        under_way -= 1
        return httpx.Response(200, json={"serverTime": NOW_MS} if request.url.path.endswith("/time") else [])

    history = History(settings.HistorySettings(concurrency=3), transport=httpx.MockTransport(answer))
    async with history:
        series = (history.candles(BINANCE, "BTCUSDT", minutes_before_now(9_000), NOW_MS) for _ in range(5))
        await asyncio.gather(*(collected(pages) for pages in series))
    assert most == 3


async def test_a_window_is_filled_at_once_and_then_waits_for_its_end():
    clock = Clock()
    limiter = RateLimiter(RateBudget(weight=100, window_s=60), clock, clock.sleep)
    for _ in range(9):
        await limiter.spend(10)
    assert clock.now_s == 0
    await limiter.spend(10)
    assert clock.now_s == 60


async def test_weight_that_others_spent_counts_too():
    clock = Clock()
    limiter = RateLimiter(RateBudget(weight=100, window_s=60), clock, clock.sleep)
    await limiter.correct(85)
    await limiter.spend(10)
    assert clock.now_s == 60


async def test_a_pause_holds_everyone_back():
    clock = Clock()
    limiter = RateLimiter(RateBudget(weight=100, window_s=60), clock, clock.sleep)
    await limiter.pause(30)
    await asyncio.gather(limiter.spend(1), limiter.spend(1))
    assert clock.now_s == 30
