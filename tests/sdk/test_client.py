"""The SDK against an API: typed answers, and wrong requests refused with the API's errors."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime

import numpy as np
import pytest

from candleray import (
    Client,
    InvalidInput,
    NotFound,
    PayloadTooLarge,
    ServiceUnavailable,
)
from candleray.backtests.parameters import parameters, varied
from candleray.backtests.request import BacktestRequest
from candleray.backtests.result import BacktestResult
from candleray.candles import COLUMNS, CandleRows
from candleray.errors import BadFile
from candleray.markets import MARKETS, InstrumentReference
from candleray.sdk.market_data import ClientSink
from candleray.simulator.generated_candles import GeneratedCandles
from candleray.timeframes import DAY_MS, MINUTE_MS
from tests.support.api.served import served_api

pytestmark = pytest.mark.usefixtures("no_waiting")

START_MS = 1_735_689_600_000  # 2025-01-01
SYMBOL = "SDKUSDT"
REQUEST = {
    "instrument": {"market_id": 1, "symbol": SYMBOL},
    "timeframe": "5m",
    "time_range": {"start": "2025-01-02", "end": "2025-01-08"},
    "indicators": [
        {
            "id": "sma",
            "inputs": {"source": ["close", "hlc3"]},
            "params": {"window": {"start": 10, "stop": 40, "step": 10}},
        },
        {"id": "ema", "params": {"window": {"values": [20, 50]}}},
    ],
    "top_k": 12,
    "trades_for": 2,
}


async def fails() -> None:
    raise ServiceUnavailable("no")


@pytest.fixture(scope="module")
def rows() -> CandleRows:
    return GeneratedCandles().candles(MARKETS[1], "BTCUSDT", START_MS, START_MS + 8 * DAY_MS)


@pytest.fixture(scope="module")
def api_url(embedded_store) -> Iterator[str]:
    with served_api(embedded_store) as url:
        yield url


@pytest.fixture(scope="module")
def client(api_url, rows) -> Iterator[Client]:
    with Client(api_url) as client:
        client.put_candles("binance-spot", SYMBOL, rows)
        yield client


def test_what_was_put_comes_back_bar_by_bar(client, rows):
    table = client.candles("binance-spot", SYMBOL, start="2025-01-01", end="2025-01-09")
    assert np.array_equal(table["ts_open"].cast("int64").to_numpy(), rows.ts_open_ms)
    assert all(np.array_equal(table[name].to_numpy(), rows.values[row]) for row, name in enumerate(COLUMNS))


def test_bars_are_fetched_page_by_page_up_to_the_limit(client, rows, monkeypatch):
    monkeypatch.setattr("candleray.sdk.market_data.PAGE_BARS", 1000)
    whole = client.candles(1, SYMBOL, start="2025-01-01")
    assert np.array_equal(whole["ts_open"].cast("int64").to_numpy(), rows.ts_open_ms)
    assert len(client.candles(1, SYMBOL, start="2025-01-01", limit=2500)) == 2500
    assert len(client.candles(1, SYMBOL)) == 1000
    newest = client.candles(1, SYMBOL, limit=3).to_pandas()
    assert str(newest["ts_open"].iloc[-1]) == "2025-01-08 23:59:00+00:00"


def test_hours_are_derived_from_minutes(client):
    hours = client.candles("binance-spot", SYMBOL, timeframe="1h", start="2025-01-03", end="2025-01-04")
    assert len(hours) == 24


def test_rows_in_several_requests_are_counted_as_one_insert_and_refused_by_their_own_number(
    api_url, rows, monkeypatch
):
    monkeypatch.setattr("candleray.sdk.market_data.INSERT_ROWS", 500)
    broken = rows.take(np.arange(1200))
    broken.values[3, 700] = np.nan
    with Client(api_url) as client:
        report = client.put_candles("bybit-spot", SYMBOL, broken)
        again = client.put_candles("bybit-spot", SYMBOL, broken)
    assert (report.received, report.written, report.refused_count) == (1200, 1199, 1)
    assert report.refused[0].first_example.startswith("row 701: ")
    assert (again.written, again.unchanged) == (0, 1199)


def test_rows_of_more_months_than_one_insert_may_touch_go_in_several(client, rows):
    many = rows.take(np.arange(150))
    scattered = replace(many, ts_open_ms=many.ts_open_ms - np.arange(150) * 31 * 1440 * MINUTE_MS)
    scattered.ts_open_ms[::3] += MINUTE_MS
    assert client.put_candles("bybit-spot", "MONTHSUSDT", scattered).written == 150


def test_a_frame_of_candles_of_another_interval_is_refused_whole(client, rows):
    hours = replace(rows.take(np.arange(24)), ts_open_ms=rows.ts_open_ms[0] + np.arange(24) * 60 * MINUTE_MS)
    with pytest.raises(BadFile, match="has candles of 3,600 s by its steps"):
        client.put_candles("bybit-spot", "HOURSUSDT", hours)
    assert not [one for one in client.coverage("bybit-spot") if one.symbol == "HOURSUSDT"]


def test_rows_to_come_are_refused_by_the_instance_whoever_sends_them(client, rows):
    ahead = rows.take(np.arange(3))
    now_ms = time.time_ns() // 60_000_000_000 * MINUTE_MS
    report = client.put_candles(
        "bybit-spot", "AHEADUSDT", replace(ahead, ts_open_ms=now_ms + (np.arange(3) - 25) * MINUTE_MS)
    )
    assert (report.written, report.refused_count) == (3, 0)
    report = client.put_candles(
        "bybit-spot", "AHEADUSDT", replace(ahead, ts_open_ms=now_ms + (np.arange(3) + 5) * MINUTE_MS)
    )
    assert (report.written, [(one.reason, one.count) for one in report.refused]) == (0, [("not closed yet", 3)])


def test_coverage_and_missing_minutes(client, rows):
    first, last = int(rows.ts_open_ms[0]), int(rows.ts_open_ms[-1]) + MINUTE_MS
    covered = next(one for one in client.coverage("binance-spot") if one.symbol == SYMBOL)
    assert (covered.candles, covered.missing_minutes) == (len(rows), 0)
    sink = ClientSink(client)
    before, after = first - 10 * MINUTE_MS, last + 5 * MINUTE_MS
    assert sink.missing(1, SYMBOL, before, after) == [(before, first), (last, after)]
    assert sink.missing(1, SYMBOL, first, first) == []
    assert sink.put(1, SYMBOL, rows.take(np.arange(10))).unchanged == 10


def test_instruments_go_in_and_come_out_page_by_page(client, monkeypatch):
    monkeypatch.setattr("candleray.sdk.market_data.PAGE_INSTRUMENTS", 2)
    references = [
        InstrumentReference(market_id=4, symbol=f"PAGED{number}USDT", status="Trading") for number in range(5)
    ]
    assert client.put_instruments(references).received == 5
    assert client.instruments("bybit-futures", "PAGED") == references
    assert client.instruments("bybit-futures", "PAGED", limit=3) == references[:3]


def test_indicators_are_typed(client):
    sma = client.indicator("sma")
    assert sma in client.indicators()
    assert sma.params[0].name == "window"


def test_an_indicator_over_the_last_bars_as_a_frame(client, rows):
    series = client.compute(
        {
            "instrument": {"market_id": 1, "symbol": SYMBOL},
            "indicator": {"id": "sma", "params": {"window": 20}},
            "last": 5,
        }
    )
    frame = series.to_pandas()
    assert list(frame.columns) == ["sma"]
    assert frame["sma"].iloc[-1] == pytest.approx(rows.values[3, -20:].mean(), rel=1e-12)
    assert (
        frame.index[-1].value // 10**6 == rows.ts_open_ms[-1]
        or str(frame.index[-1]) == "2025-01-08 23:59:00+00:00"
    )


def test_markets_and_readiness(client):
    assert client.markets() == list(MARKETS.values())
    client.health()
    assert set(client.ready()) == {"clickhouse"}


def test_a_service_that_is_down_is_named(embedded_store):
    with served_api(embedded_store, probes={"postgres": fails}) as url, Client(url) as client:
        client.health()
        with pytest.raises(ServiceUnavailable) as caught:
            client.ready()
    assert [problem.field for problem in caught.value.problems] == ["postgres"]


def test_a_backtest_is_ranked_and_typed(client):
    result = client.backtest(REQUEST)
    assert isinstance(result, BacktestResult)
    assert (result.variants_total, len(result.top)) == (16, 12)
    assert client.backtest(BacktestRequest.model_validate(REQUEST)).top == result.top
    assert client.backtest(result.top[3].strategy).top[0].metrics == result.top[3].metrics


def test_the_ranked_table_has_a_row_a_variant_with_its_parameters_and_metrics(client):
    result = client.backtest(REQUEST)
    frame = result.to_pandas()
    assert list(frame["rank"]) == list(range(1, 13))
    assert list(frame["total_return_pct"]) == [one.total_return_pct for one in result.top]
    assert list(frame["sma.window"]) == [parameters(one.strategy)["sma.window"] for one in result.top]
    assert {"sma.source", "ema.window", "Sharpe Ratio", "variant_index"} <= set(frame.columns)
    assert str(frame["Start"].dtype) == "datetime64[ms, UTC]"
    assert str(frame["Duration"].dtype) == "timedelta64[ms]"
    assert frame["Duration"].iloc[0].days == 6


def test_trades_are_a_frame_where_they_were_asked_for(client):
    result = client.backtest(REQUEST)
    trades = result.trades(rank=2)
    assert len(trades) == result.top[1].metrics["Num. Trades"]
    assert (trades["exit_time"] > trades["entry_time"]).all()
    with pytest.raises(NotFound, match="trades_for of 3 or more"):
        result.trades(rank=3)
    with pytest.raises(NotFound, match="ranks 1 to 12"):
        result.trades(rank=13)


def test_a_result_shows_itself_as_a_table_of_what_varies(client):
    result = client.backtest(REQUEST)
    text, html = str(result), result._repr_html_()
    assert repr(result) == text
    assert varied(result.request) == ["ema.window", "sma.source", "sma.window"]
    assert all(
        name in text and name in html for name in ("ema.window", "sma.source", "sma.window", "Sharpe Ratio")
    )
    assert text.splitlines()[-2].endswith("10 of 12 shown")
    assert text.splitlines()[-1].startswith("verdict: ")
    assert html.count("<tr>") == 11


def test_parameters_of_an_indicator_that_stands_twice_are_told_apart():
    strategy = {"indicators": [{"id": "sma", "params": {"window": 5}}, {"id": "sma", "params": {"window": 9}}]}
    assert parameters(strategy) == {"sma.window": 5, "sma_2.window": 9}


def test_a_wrong_request_is_the_same_error_as_in_the_api_with_every_problem(client):
    wrong = {**REQUEST, "indicators": [{"id": "smaa"}], "feepct": 1}
    with pytest.raises(InvalidInput) as caught:
        client.backtest(wrong)
    assert [problem.field for problem in caught.value.problems] == ["feepct", "indicators.0"]
    assert "did you mean 'sma'?" in caught.value.problems[1].message


def test_nan_in_a_request_is_named_by_its_field(client):
    with pytest.raises(InvalidInput) as caught:
        client.backtest({**REQUEST, "fee_pct": float("nan")})
    assert caught.value.problems[0].field == "fee_pct"


def test_numpy_values_and_dates_can_stand_in_a_request(client):
    windows = {"values": np.arange(10, 50, 10)}
    request = {**REQUEST, "indicators": [{"id": "sma", "params": {"window": windows}}], "top_k": np.int64(2)}
    assert client.backtest(request).variants_total == 4


@pytest.mark.parametrize("time", ["9999-12-31T23:59:59-12:00", "0001-01-01T00:00:00+14:00", datetime.max])
def test_a_time_beyond_our_years_is_refused_with_its_field_before_it_is_sent(client, time):
    with pytest.raises(InvalidInput, match="as_of: a time in the years 1970 to 2199 is needed, got "):
        client.candles("binance-spot", SYMBOL, as_of=time)


def test_an_unknown_symbol_and_an_unknown_market_are_not_found(client):
    with pytest.raises(NotFound, match=f"did you mean '{SYMBOL}'"):
        client.candles("binance-spot", "SDKUSD")
    with pytest.raises(NotFound, match="did you mean 'binance-spot'"):
        client.candles("binancespot", SYMBOL)


def test_a_body_over_the_limit_is_refused_with_the_limit(client):
    with pytest.raises(PayloadTooLarge, match="limit of 1000000 bytes"):
        client.backtest({**REQUEST, "indicators": ["x" * 2**21]})
