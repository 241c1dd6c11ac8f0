"""Candles through the API: in, out, by pages, and which of them are there."""

from __future__ import annotations

import random
import string
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

import httpx
import numpy as np
import pyarrow as pa
import pytest

from candleray.candles import COLUMNS, CandleRows, Candles
from candleray.feeds.feed_state import FeedState
from candleray.feeds.feed_store import FeedStore
from candleray.market_data.arrow_stream import ARROW, decode_bars, encode_rows
from candleray.market_data.candle_store import CandleStore
from candleray.markets import MARKET_NAMES, MARKETS
from candleray.timeframes import MINUTE_MS
from tests.support.api.in_process_api import START_MS, backend, random_walk, serving, stored_walk

WALK = {"market_id": 1, "symbol": "MDAUSDT"}


@pytest.fixture
async def api(embedded_store: CandleStore) -> AsyncIterator[httpx.AsyncClient]:
    stored_walk(embedded_store, "MDAUSDT")
    async with serving(backend(embedded_store)) as client:
        yield client


async def put(api: httpx.AsyncClient, symbol: str, body: bytes, **more: Any) -> httpx.Response:
    query = {"market_id": 1, "symbol": symbol, **more}
    return await api.post("/market-data/candles", params=query, content=body, headers={"Content-Type": ARROW})


async def page(api: httpx.AsyncClient, **query: Any) -> dict[str, Any]:
    answer = await api.get("/market-data/candles", params=WALK | query)
    assert answer.status_code == 200, answer.text
    return answer.json()


# Out -------------------------------------------------------------------------------------------------------------


async def test_bars_come_as_columns_with_their_exact_values(api):
    walk = random_walk(3000)
    got = await page(api, start="2025-01-01T00:10:00Z", end="2025-01-01T00:20:00Z")
    assert got["ts_open_ms"] == walk.ts_open_ms[10:20].tolist()
    assert [got[name] for name in COLUMNS] == [walk.column(name)[10:20].tolist() for name in COLUMNS]
    assert got["next_start"] is None


async def test_without_a_start_the_newest_bars_come(api):
    walk = random_walk(3000)
    assert (await page(api, limit=5))["ts_open_ms"] == walk.ts_open_ms[-5:].tolist()
    before = await page(api, limit=5, end="2025-01-01T00:20:00Z")
    assert before["ts_open_ms"] == walk.ts_open_ms[15:20].tolist()


async def test_higher_bars_are_full_and_closed(api):
    got = await page(api, timeframe="1h", start="2025-01-01T00:30:00Z", end="2025-01-01T03:59:00Z")
    assert got["ts_open_ms"] == [START_MS + hour * 60 * MINUTE_MS for hour in (1, 2)]
    hour = random_walk(3000).values[:, 60:120]
    assert (got["high"][0], got["low"][0]) == (hour[1].max(), hour[2].min())


@pytest.mark.parametrize("timeframe", ["1m", "15m"])
async def test_pages_follow_one_another_without_gap_or_overlap(api, timeframe):
    whole = await page(api, timeframe=timeframe, start="2025-01-01", limit=5000)
    stamps, start, pages = [], "2025-01-01T00:00:00Z", 0
    while start is not None:
        part = await page(api, timeframe=timeframe, start=start, limit=70)
        stamps += part["ts_open_ms"]
        start, pages = part["next_start"], pages + 1
    assert stamps == whole["ts_open_ms"]
    assert pages == -(-len(stamps) // 70)


async def test_a_page_steps_over_a_hole(api, embedded_store):
    walk = random_walk(3000, seed=8)
    kept = np.flatnonzero((np.arange(3000) < 10) | (np.arange(3000) >= 2990))
    embedded_store.insert(1, "MDHUSDT", CandleRows.of(walk.ts_open_ms, walk.values).take(kept))
    query = {"symbol": "MDHUSDT", "limit": 10}
    first = await page(api, start="2020-01-01", **query)
    assert first["ts_open_ms"] == walk.ts_open_ms[:10].tolist()
    second = await page(api, start=first["next_start"], **query)
    assert second["ts_open_ms"] == walk.ts_open_ms[2990:].tolist()
    assert second["next_start"] is None


async def test_a_range_without_candles_is_an_empty_page(api):
    got = await page(api, start="2020-01-01", end="2020-01-02")
    assert (got["ts_open_ms"], got["close"], got["next_start"]) == ([], [], None)


async def test_arrow_is_answered_where_it_is_asked_for(api):
    query = WALK | {"start": "2025-01-01", "limit": 10}
    answer = await api.get("/market-data/candles", params=query, headers={"Accept": ARROW})
    assert answer.headers["Content-Type"] == ARROW
    table, next_start = decode_bars(answer.content)
    walk = random_walk(3000)
    assert table["close"].to_pylist() == walk.column("close")[:10].tolist()
    assert next_start == "2025-01-01T00:10:00Z"


async def test_an_unknown_symbol_is_not_found(api):
    for path in ("candles", "coverage"):
        answer = await api.get(f"/market-data/{path}", params=WALK | {"symbol": "MDAUSD"})
        assert answer.status_code == 404
        assert "did you mean 'MDAUSDT'?" in answer.text


# The ledger ------------------------------------------------------------------------------------------------------


@pytest.fixture
async def changed(api) -> tuple[dict[str, Any], str, str]:
    """The place of ten minutes, of which the fourth and fifth were changed; the moment of either insert."""
    walk = random_walk(10, seed=11)
    symbol, rows = (
        "".join(random.choices(string.ascii_uppercase, k=12)),
        CandleRows.of(walk.ts_open_ms, walk.values),
    )
    for values, kind in ((rows.values, "api"), (rows.values * [[1], [1], [1], [1], [2]], "rest")):
        kept = replace(rows, values=values).take(np.arange(10) if kind == "api" else np.array([3, 4]))
        assert (await put(api, symbol, encode_rows(kept), source_kind=kind)).status_code == 200
    place = {"market_id": 1, "symbol": symbol}
    first, second, *_ = (await api.get("/market-data/revisions", params=place)).json()["versions"]
    return place, first["seen_at"], second["seen_at"]


async def test_as_of_a_moment_candles_are_what_was_known_then(api, changed):
    place, first_at, second_at = changed
    walk = random_walk(10, seed=11)
    before = await page(api, **place, as_of=first_at)
    assert before["volume"] == walk.column("volume").tolist()
    for as_of in ({"as_of": second_at}, {}):
        after = await page(api, **place, **as_of, start="2025-01-01", limit=5)
        assert after["volume"] == (walk.column("volume")[:5] * [1, 1, 1, 2, 2]).tolist()
        assert after["next_start"] == "2025-01-01T00:05:00Z"
    bar = await page(api, **place, as_of=first_at, timeframe="5m", limit=1, end="2025-01-01T00:05:00Z")
    assert bar["volume"] == [pytest.approx(walk.column("volume")[:5].sum())]


async def test_a_moment_yet_to_come_or_before_all_versions_is_refused_at_its_parameter(api, changed):
    place, first_at, _ = changed
    for as_of, cause in (
        ("2150-01-01", "2150-01-01T00:00:00Z is yet to come, it is 2"),
        ("2020-01-01", "before the first"),
    ):
        answer = await api.get("/market-data/candles", params=place | {"as_of": as_of})
        assert answer.status_code == 422
        problem = answer.json()["error"]["problems"][0]
        assert problem["field"] == "as_of"
        assert cause in problem["message"]
    assert first_at[:23] in problem["message"], "the bound"


async def test_revisions_tell_every_version_of_a_changed_minute_by_pages(api, changed):
    place, first_at, second_at = changed
    whole = (await api.get("/market-data/revisions", params=place)).json()
    assert whole["instrument"] == place
    told = [(one["ts_open"], one["version"], one["source"], one["seen_at"]) for one in whole["versions"]]
    assert told == [
        (f"2025-01-01T00:0{minute}:00Z", *version)
        for minute in (3, 4)
        for version in ((1, "api", first_at), (2, "rest", second_at))
    ]
    part, rest = {"next_cursor": "0-0"}, []
    while part["next_cursor"]:
        query = place | {"limit": 3, "cursor": part["next_cursor"]}
        part = (await api.get("/market-data/revisions", params=query)).json()
        rest += part["versions"]
    assert rest == whole["versions"]
    only = {"start": "2025-01-01T00:04:00Z", "end": "2025-01-01T00:05:00Z"}
    assert (await api.get("/market-data/revisions", params=place | only)).json()["versions"] == whole["versions"][
        2:
    ]


async def test_revisions_are_bounded_and_of_a_known_instrument(api, changed):
    place, *_ = changed
    for query, status, cause in (
        ({"limit": 5001}, 422, "over the limit of 5000 for one answer; the next page has the cursor next_cursor"),
        ({"cursor": "x"}, 422, "cursor"),
        ({"start": "2025-01-02", "end": "2025-01-01"}, 422, "must be before end"),
        ({"symbol": "MDAUSD"}, 404, "did you mean 'MDAUSDT'?"),
    ):
        answer = await api.get("/market-data/revisions", params=place | query)
        assert (answer.status_code, cause in answer.text) == (status, True), answer.text


async def test_what_comes_by_the_api_cannot_say_that_it_came_by_a_stream(api):
    answer = await put(api, "MDSUSDT", b"", source_kind="websocket")
    assert answer.status_code == 422
    assert "source_kind" in answer.text


# Coverage --------------------------------------------------------------------------------------------------------


@pytest.fixture
def holed(embedded_store) -> str:
    """A symbol of 98 candles, two minutes missing between them."""
    walk = random_walk(100, seed=9)
    rows = CandleRows.of(walk.ts_open_ms, walk.values)
    embedded_store.insert(1, "MDCUSDT", rows.take(np.delete(np.arange(100), [50, 51])))
    return "MDCUSDT"


async def test_coverage_and_missing_name_the_holes(api, holed):
    hole = {"start": "2025-01-01T00:50:00Z", "end": "2025-01-01T00:52:00Z", "minutes": 2}
    (coverage,) = (await api.get("/market-data/coverage", params={"market_id": 1, "symbol": holed})).json()
    assert (coverage["candles"], coverage["missing_minutes"]) == (98, 2)
    assert coverage["missing_runs"] == [hole]
    query = {"market_id": 1, "symbol": holed, "start": "2025-01-01T00:10:00Z", "end": "2025-01-01T01:00:00Z"}
    assert (await api.get("/market-data/missing", params=query)).json() == [hole]


async def test_counts_tell_raw_from_canonical(api, holed):
    counts = {one["symbol"]: one for one in (await api.get("/market-data/counts")).json()}
    assert (counts[holed]["raw"], counts[holed]["canonical"]) == (98, 98)


async def test_coverage_lists_every_instrument(api):
    symbols = {one["symbol"] for one in (await api.get("/market-data/coverage")).json()}
    assert "MDAUSDT" in symbols


# In --------------------------------------------------------------------------------------------------------------


async def test_candles_are_written_once(api):
    walk = random_walk(50, seed=10)
    body = encode_rows(CandleRows.of(walk.ts_open_ms, walk.values))
    first = (await put(api, "MDIUSDT", body)).json()
    assert first == {"received": 50, "written": 50, "changed": 0, "unchanged": 0, "refused": []}
    assert (await put(api, "MDIUSDT", body)).json()["unchanged"] == 50
    assert (await page(api, symbol="MDIUSDT"))["close"] == walk.column("close").tolist()


@pytest.mark.parametrize(("minutes", "seconds"), [(5, "300"), (60, "3,600"), (1440, "86,400")])
async def test_candles_of_another_interval_are_refused_whole(api, minutes, seconds):
    walk = random_walk(24)
    body = encode_rows(CandleRows.of(START_MS + np.arange(24) * minutes * MINUTE_MS, walk.values))
    answer = await put(api, "MDSUSDT", body)
    assert (answer.status_code, answer.json()["error"]["code"]) == (422, "bad_file")
    assert f"has candles of {seconds} s by its steps" in answer.json()["error"]["message"]
    assert (await api.get("/market-data/coverage", params={"symbol": "MDSUSDT"})).json() == []


async def test_rows_that_are_no_candles_are_refused_by_the_number_they_have_in_their_source(api):
    walk = random_walk(5, seed=11)
    walk.values[1, 3] = 1.0
    body = encode_rows(CandleRows.of(walk.ts_open_ms, walk.values))
    report = (await put(api, "MDRUSDT", body, first_row=101)).json()
    assert (report["received"], report["written"]) == (5, 4)
    (refused,) = report["refused"]
    assert (refused["reason"], refused["count"]) == ("high below low", 1)
    assert refused["first_example"].startswith("row 104: ")


async def test_ingested_rows_are_counted(embedded_store):
    walk = random_walk(20, seed=12)
    async with serving(backend(embedded_store)) as api:
        await put(api, "MDMUSDT", encode_rows(CandleRows.of(walk.ts_open_ms, walk.values)))
        told = (await api.get("/metrics")).text
    assert 'candleray_rows_ingested_total{market="binance-spot",replica="here"} 20.0' in told


def stream(table: pa.Table, compression: str | None = None) -> bytes:
    sink = pa.BufferOutputStream()
    options = pa.ipc.IpcWriteOptions(compression=compression)
    with pa.ipc.new_stream(sink, table.schema, options=options) as writer:
        writer.write_table(table)
    return sink.getvalue().to_pybytes()


def table_of(candles: Candles) -> pa.Table:
    return pa.table({"ts_open_ms": candles.ts_open_ms, **dict(zip(COLUMNS, candles.values, strict=True))})


GOOD = table_of(random_walk(100, seed=13))
HOSTILE = {
    "no bytes": (b"", "not a whole Arrow IPC stream"),
    "text": (b"time,open,high\n", "not a whole Arrow IPC stream"),
    "cut off": (stream(GOOD)[:-3000], "not a whole Arrow IPC stream"),
    "no volume": (stream(GOOD.drop_columns("volume")), "column volume is missing"),
    "another name": (stream(GOOD.append_column("colse", GOOD["close"])), "did you mean 'close'?"),
    "twice": (stream(GOOD.append_column("close", GOOD["close"])), "column close stands twice"),
    "text for a price": (
        stream(GOOD.set_column(4, "close", pa.array(["1"] * 100))),
        "column close is of type string, float64 is needed",
    ),
    "no stamp": (
        stream(GOOD.set_column(0, "ts_open_ms", pa.array([None] * 100, pa.int64()))),
        "ts_open_ms has 100 nulls",
    ),
    "zstd": (stream(GOOD, "zstd"), "send it uncompressed"),
    "lz4": (stream(GOOD, "lz4"), "send it uncompressed"),
}


@pytest.mark.parametrize(("body", "words"), HOSTILE.values(), ids=HOSTILE)
async def test_a_body_that_is_no_table_of_candles_is_refused(api, body, words):
    answer = await put(api, "MDXUSDT", body)
    assert answer.status_code == 422
    error = answer.json()["error"]
    assert error["code"] == "bad_file"
    assert words in error["message"]


async def test_no_damage_to_a_stream_breaks_the_api(api):
    whole, random = stream(GOOD), np.random.default_rng(3)
    for _ in range(150):
        damaged = bytearray(whole)
        for at in random.integers(0, 1000, 3):
            damaged[at] = random.integers(0, 256)
        answer = await put(api, "MDZUSDT", bytes(damaged[: random.integers(1, len(whole) + 1)]))
        assert answer.status_code in (200, 422), answer.text


# Instruments -----------------------------------------------------------------------------------------------------


async def test_every_market_is_listed_with_its_id(api):
    names = {market["market_id"]: market["name"] for market in (await api.get("/market-data/markets")).json()}
    assert names == {market_id: market.name for market_id, market in MARKETS.items()}


async def test_instruments_are_kept_and_found_by_pages(api):
    bodies = [{"market_id": 4, "symbol": f"PGE{number:02}USDT", "status": "Trading"} for number in range(25)]
    report = (await api.post("/market-data/instruments", json=bodies)).json()
    assert report == {"received": 25, "written": 25}
    assert (await api.post("/market-data/instruments", json=bodies)).json()["written"] == 0
    found, cursor = [], "0"
    while cursor is not None:
        query = {"market_id": 4, "q": "pge", "limit": 10, "cursor": cursor}
        answer = (await api.get("/market-data/instruments", params=query)).json()
        found += [one["symbol"] for one in answer["instruments"]]
        cursor = answer["next_cursor"]
    assert found == [body["symbol"] for body in bodies]


@pytest.mark.parametrize(
    ("body", "field"),
    [([], ""), ([{"market_id": 1}], "0.symbol"), ([{"market_id": 1, "symbol": "A B"}], "0.symbol")],
)
async def test_what_is_no_instrument_is_refused(api, body, field):
    answer = await api.post("/market-data/instruments", json=body)
    assert answer.status_code == 422
    assert [problem["field"] for problem in answer.json()["error"]["problems"]] == [field]


async def test_a_feed_that_has_told_of_itself_is_shown_and_one_that_has_not_is_idle(api, postgres):
    told = FeedState(market="bybit-spot", mode="polling", reason="refused", subscribed=3, filled=7)
    await FeedStore(postgres).keep([told])
    feeds = {feed["market"]: feed for feed in (await api.get("/market-data/feeds")).json()}
    assert list(feeds) == list(MARKET_NAMES)
    assert (feeds["bybit-futures"]["mode"], feeds["bybit-futures"]["told_at"]) == ("idle", None)
    assert feeds["bybit-spot"]["told_at"] is not None
    assert FeedState(**{**feeds["bybit-spot"], "told_at": None, "told_ago_s": None}) == told
