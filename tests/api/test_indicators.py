"""Indicators through the API: the list for a form, and one of them over candles."""

from __future__ import annotations

import math
from collections.abc import AsyncIterator
from typing import Any

import httpx
import numpy as np
import pytest

from candleray.market_data.candle_store import CandleStore
from kernels.indicators import INDICATORS
from kernels.rollup import rollup
from kernels.signals import compute
from tests.support.api.in_process_api import backend, random_walk, serving, stored_walk

MINUTES = 12_000


@pytest.fixture
async def api(embedded_store: CandleStore) -> AsyncIterator[httpx.AsyncClient]:
    stored_walk(embedded_store, "INDUSDT", MINUTES)
    async with serving(backend(embedded_store)) as client:
        yield client


def asked(indicator: dict[str, Any], **window: Any) -> dict[str, Any]:
    return {"instrument": {"market_id": 1, "symbol": "INDUSDT"}, "indicator": indicator, **window}


async def computed(api: httpx.AsyncClient, indicator: dict[str, Any], **window: Any) -> dict[str, Any]:
    answer = await api.post("/indicators/compute", json=asked(indicator, **window))
    assert answer.status_code == 200, answer.text
    return answer.json()


async def test_every_indicator_is_listed_and_found_by_its_id(api):
    listed = (await api.get("/indicators")).json()
    assert [one["id"] for one in listed] == list(INDICATORS)
    for one in listed:
        assert (await api.get(f"/indicators/{one['id']}")).json() == one
        assert all(param["min"] <= param["default"] <= param["max"] for param in one["params"])


async def test_an_unknown_indicator_is_answered_with_the_nearest(api):
    answer = await api.get("/indicators/smaa")
    assert answer.status_code == 404
    assert "did you mean 'sma'?" in answer.json()["error"]["message"]


async def test_sma_20_over_the_last_1000_candles(api):
    got = await computed(api, {"id": "sma", "params": {"window": 20}}, timeframe="1m", last=1000)
    walk = random_walk(MINUTES)
    assert got["ts_open_ms"] == walk.ts_open_ms[-1000:].tolist()
    close = walk.column("close")
    expected = [close[at - 19 : at + 1].mean() for at in range(MINUTES - 1000, MINUTES)]
    np.testing.assert_allclose(got["outputs"]["sma"], expected, rtol=1e-12)
    assert got["indicator"] == {"id": "sma", "inputs": {"source": "close"}, "params": {"window": 20}}


async def test_without_a_window_the_last_1000_bars_come(api):
    assert len((await computed(api, {"id": "sma"}))["ts_open_ms"]) == 1000


@pytest.mark.parametrize("name", list(INDICATORS))
async def test_every_indicator_starts_where_a_backtest_of_the_window_would_start_it(api, name):
    """Recursive indicators remember their first bar: it is max(200, look-back) bars before the window."""
    window = {"start": "2025-01-08T00:00:00Z", "end": "2025-01-08T06:00:00Z"}
    got = await computed(api, {"id": name}, timeframe="5m", time_range=window)
    walk, indicator = random_walk(MINUTES), INDICATORS[name]
    stamps, bars = rollup(walk.ts_open_ms, walk.values, 5)
    params = {key: param.default for key, param in indicator.params.items()}
    start, stop = np.searchsorted(stamps, [got["ts_open_ms"][0], got["ts_open_ms"][-1] + 1])
    first = start - max(200, indicator.lookback(**params))
    expected = compute(indicator, np.ascontiguousarray(bars[:, first:stop]), {}, params)
    assert stop - start == 72
    for output, values in got["outputs"].items():
        shown = [None if math.isnan(value) else value for value in expected[output][start - first :]]
        assert values == shown


async def test_bars_before_the_first_value_are_null(api):
    window = {"start": "2025-01-01T00:00:00Z", "end": "2025-01-01T00:30:00Z"}
    got = await computed(api, {"id": "sma", "params": {"window": 20}}, time_range=window)
    assert got["outputs"]["sma"][:19] == [None] * 19
    assert None not in got["outputs"]["sma"][19:]


async def test_a_window_off_the_bars_takes_those_that_lie_wholly_in_it(api):
    window = {"start": "2025-01-02T00:07:00Z", "end": "2025-01-02T00:59:30Z"}
    got = await computed(api, {"id": "sma"}, timeframe="15m", time_range=window)
    assert [stamp // 60_000 % 60 for stamp in got["ts_open_ms"]] == [15, 30]


async def test_the_same_request_gets_the_same_bytes(api):
    request = asked({"id": "rsi"}, timeframe="15m", last=100)
    bodies = {(await api.post("/indicators/compute", json=request)).content for _ in range(3)}
    assert len(bodies) == 1


@pytest.mark.parametrize(
    ("indicator", "window", "field", "words"),
    [
        ({"id": "smaa"}, {}, "indicator", "did you mean 'sma'?"),
        ({"id": "sma", "params": {"window": 1}}, {}, "indicator.params.window", "1 is outside 2 to"),
        ({"id": "sma", "params": {"window": {"values": [5]}}}, {}, "indicator.params.window", "valid number"),
        ({"id": "sma", "params": {"window": 2.5}}, {}, "indicator.params.window", "whole number"),
        ({"id": "sma", "inputs": {"source": "vwap"}}, {}, "indicator.inputs.source", "got 'vwap'"),
        ({"id": "rsi", "signal": {"long_threshold": 3}}, {}, "indicator.signal", "unknown field 'signal'"),
        ({"id": "sma"}, {"last": 0}, "last", "got 0"),
        (
            {"id": "sma"},
            {"last": 5, "time_range": {"start": "2025-01-01", "end": "2025-01-02"}},
            "",
            "either last or time_range",
        ),
        ({"id": "sma"}, {"last": 5001}, "bars", "5001 bars are over the limit of 5000"),
        (
            {"id": "sma"},
            {"time_range": {"start": "2025-01-01", "end": "2026-01-01"}},
            "bars",
            "12000 bars are over the limit of 5000",
        ),
    ],
)
async def test_a_wrong_request_is_answered_with_its_field(api, indicator, window, field, words):
    answer = await api.post("/indicators/compute", json=asked(indicator, **window))
    assert answer.status_code == 422, answer.text
    error = answer.json()["error"]
    assert [problem["field"] for problem in error["problems"]] == [field]
    assert words in error["message"]


async def test_a_window_without_bars_is_answered_as_such(api):
    window = {"start": "2020-01-01T00:00:00Z", "end": "2020-01-02T00:00:00Z"}
    answer = await api.post("/indicators/compute", json=asked({"id": "sma"}, time_range=window))
    assert answer.status_code == 404
    assert "no 1m bar of binance-spot INDUSDT lies in 2020-01-01T00:00:00Z" in answer.text
