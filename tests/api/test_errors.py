"""Wrong requests: each gets its clear answer in the one payload, always the same bytes, and breaks nothing."""

from __future__ import annotations

import io
import json
import time
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from candleray.errors import CandlerayError, ServiceUnavailable, StatementRefused
from candleray.identity.vault import CannotOpen
from candleray.logs import configure_logs
from candleray.market_data.arrow_stream import ARROW
from candleray.market_data.candle_store import CandleStore
from serve_apps.http.errors import INTERNAL, error_payload
from tests.support.api.in_process_api import backend, serving, stored_walk
from tests.support.canaries import watch_logs

JSON = {"Content-Type": "application/json"}
GOOD: dict[str, Any] = {
    "instrument": {"market_id": 1, "symbol": "ERRUSDT"},
    "timeframe": "1m",
    "time_range": {"start": "2025-01-01T12:00:00Z", "end": "2025-01-02T00:00:00Z"},
    "indicators": [{"id": "sma", "params": {"window": {"values": [5, 10]}}}],
}


@pytest.fixture
async def api(embedded_store: CandleStore) -> AsyncIterator[httpx.AsyncClient]:
    stored_walk(embedded_store, "ERRUSDT")
    async with serving(backend(embedded_store)) as client:
        yield client


def changed(path: str, value: Any) -> dict[str, Any]:
    """The good request with the value at that dotted path replaced."""
    request = json.loads(json.dumps(GOOD))
    place, keys = request, path.split(".")
    for key in keys[:-1]:
        place = place[int(key)] if isinstance(place, list) else place.setdefault(key, {})
    place[int(keys[-1]) if isinstance(place, list) else keys[-1]] = value
    return request


def error_of(answer: httpx.Response) -> dict[str, Any]:
    body = answer.json()
    assert set(body) == {"error"}
    assert set(body["error"]) == {"code", "message", "problems"}
    assert all(set(problem) == {"field", "code", "message"} for problem in body["error"]["problems"])
    return body["error"]


# Values ----------------------------------------------------------------------------------------------------------

WRONG_VALUES = [
    ("indicators.0.id", "smaa", "indicators.0", "did you mean 'sma'?"),
    ("indicators.0.id", ["sma"], "indicators.0", "unknown indicator"),
    ("indicators.0.params.window", 1, "indicators.0.params.window", "1 is outside 2 to"),
    ("indicators.0.params.window", 7.5, "indicators.0.params.window", "whole number"),
    ("indicators.0.params.windw", 7, "indicators.0.params.windw", "did you mean 'window'?"),
    ("indicators.0.inputs.source", "clos", "indicators.0.inputs.source", "did you mean 'close'?"),
    (
        "indicators.0.params.window",
        {"start": 5, "stop": 9, "step": 0},
        "indicators.0.params.window",
        "step must be above 0",
    ),
    ("time_range.end", "2025-01-01T00:00:00Z", "time_range", "must be before end"),
    ("time_range.start", 1735689600000, "time_range.start", "not a number, got 1735689600000"),
    (
        "time_range.start",
        "0001-01-01T00:00:00+14:00",
        "time_range.start",
        "1970 to 2199 is needed, got 0001-01-01T00:00:00+14:00",
    ),
    ("time_range.end", "9999-12-31T23:59:59-12:00", "time_range.end", "1970 to 2199"),
    ("instrument.market_id", 9, "instrument.market_id", "got 9"),
    ("instrument.symbol", "btc/usdt", "instrument.symbol", "got 'btc/usdt'"),
    ("timeframe", "2m", "timeframe", "got '2m'"),
    ("directoin", "long-only", "directoin", "did you mean 'direction'?"),
    ("fee_pct", -1, "fee_pct", "got -1"),
    ("top_k", 0, "top_k", "got 0"),
    ("risk.sl_pct", 0, "risk.sl_pct", "above 0"),
    ("indicators", [], "indicators", "at least 1"),
]


@pytest.mark.parametrize(("path", "value", "field", "words"), WRONG_VALUES, ids=lambda part: str(part)[:30])
async def test_a_wrong_value_is_answered_with_its_field(api, path, value, field, words):
    answer = await api.post("/backtests", json=changed(path, value))
    assert answer.status_code == 422
    error = error_of(answer)
    assert [problem["field"] for problem in error["problems"]] == [field]
    assert words in error["problems"][0]["message"]
    assert words in error["message"]


async def test_every_problem_is_told_at_once_and_sorted(api):
    request = changed("timeframe", "2m") | {"top_k": 0, "fee_pct": 99}
    error = error_of(await api.post("/backtests", json=request))
    assert [problem["field"] for problem in error["problems"]] == ["fee_pct", "timeframe", "top_k"]
    assert "(and 2 more)" in error["message"]


async def test_the_same_bad_request_gets_the_same_bytes(api):
    request = changed("timeframe", "2m") | {"nonsense": {"b": 1}, "top_k": -1}
    reordered = dict(reversed(request.items()))
    bodies = {(await api.post("/backtests", json=one)).content for one in (request, reordered, request)}
    assert len(bodies) == 1


async def test_too_many_problems_are_cut(api):
    unknown = {f"unknown_{number:02}": 1 for number in range(60)}
    request = changed("indicators.0.params", unknown) | unknown
    error = error_of(await api.post("/backtests", json=request))
    assert len(error["problems"]) == 100
    assert "(and 119 more)" in error["message"]


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("indicators.0.params.window", {"values": ["x"] * 200_000}),
        ("indicators", [{"id": "sma", "params": {"window": "x"}}] * 20_000),
        ("indicators.0.inputs.source", ["x"] * 150_000),
        ("indicators.0.id", "x" * 900_000),
        ("x" * 900_000, 1),
    ],
    ids=["values", "indicators", "columns", "id", "key"],
)
async def test_a_megabyte_of_nonsense_is_refused_quickly_and_briefly(api, path, value):
    request, started = changed(path, value), time.process_time()
    answer = await api.post("/backtests", json=request)
    assert answer.status_code == 422
    assert len(answer.content) < 2000
    # Minutes, where an error is made of every item.
    assert time.process_time() - started < 5


@pytest.mark.parametrize(("text", "shown"), [("NaN", "NaN"), ("Infinity", "Infinity"), ("1e999", "Infinity")])
async def test_what_is_no_number_is_named_with_its_field(api, text, shown):
    body = json.dumps(changed("init_cash_quote", 12345)).replace("12345", text)
    answer = await api.post("/backtests", content=body, headers=JSON)
    problem = error_of(answer)["problems"][0]
    assert (answer.status_code, problem["field"]) == (422, "init_cash_quote")
    assert f"got {shown}" in problem["message"]


async def test_an_unknown_symbol_is_answered_with_the_nearest(api):
    answer = await api.post("/backtests", json=changed("instrument.symbol", "ERUSDT"))
    assert answer.status_code == 404
    assert "did you mean 'ERRUSDT'?" in error_of(answer)["message"]


async def test_a_range_without_candles_is_answered_as_such(api):
    empty = {"start": "2020-01-01T00:00:00Z", "end": "2020-01-02T00:00:00Z"}
    answer = await api.post("/backtests", json=changed("time_range", empty))
    assert answer.status_code == 404
    assert "2020-01-01T00:00:00Z to 2020-01-02T00:00:00Z" in error_of(answer)["message"]


@pytest.mark.parametrize(
    ("guard", "problem"),
    [
        ({"max_variants": 1}, "variants 2 is over the limit of 1"),
        ({"max_top_k": 10}, "top_k 300 is over the limit of 10"),
    ],
)
async def test_a_request_over_a_guard_is_told_how_many_and_the_limit(embedded_store, guard, problem):
    stored_walk(embedded_store, "ERRUSDT")
    async with serving(backend(embedded_store, guards=guard)) as api:
        answer = await api.post("/backtests", json=GOOD)
    assert answer.status_code == 422
    assert error_of(answer)["code"] == "guard_exceeded"
    assert problem in error_of(answer)["message"]


async def test_an_axis_with_too_many_values_is_refused_before_it_is_counted_out(api):
    axis = {"start": 0, "stop": 1e12, "step": 0.001}
    answer = await api.post("/backtests", json=changed("indicators.0.params.window", axis))
    assert answer.status_code == 422
    assert "at most 100000" in error_of(answer)["message"]


# Queries ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("query", "field", "words"),
    [
        ("market_id=9&symbol=ERRUSDT", "market_id", "got '9'"),
        ("market_id=1", "symbol", "is required"),
        ("market_id=1&symbol=ERRUSDT&limt=5", "limt", "did you mean 'limit'?"),
        ("market_id=1&symbol=ERRUSDT&limit=0", "limit", "got '0'"),
        ("market_id=1&symbol=ERRUSDT&limit=5001", "limit", "over the limit of 5000"),
        ("market_id=1&symbol=ERRUSDT&start=yesterday", "start", "a time like 2025-01-01T00:00:00Z, "),
        ("market_id=1&symbol=ERRUSDT&start=yesterday", "start", "got 'yesterday'"),
        ("market_id=1&symbol=ERRUSDT&start=20250101", "start", "not a number, got '20250101'"),
        ("market_id=1&symbol=ERRUSDT&as_of=-1", "as_of", "not a number, got '-1'"),
        ("market_id=1&symbol=ERRUSDT&end=9999-12-31T23:59:59Z", "end", "1970 to 2199"),
        ("market_id=1&symbol=ERRUSDT&start=2025-01-02&end=2025-01-01", "", "must be before end"),
    ],
)
async def test_a_wrong_query_is_answered_with_its_field(api, query, field, words):
    answer = await api.get(f"/market-data/candles?{query}")
    assert answer.status_code == 422
    assert [problem["field"] for problem in error_of(answer)["problems"]] == [field]
    assert words in error_of(answer)["message"]


# Bodies ----------------------------------------------------------------------------------------------------------

MALFORMED = [
    (b'{"a": }', "expecting value at line 1, column 7"),
    (b'{"a": 1,\n "b" 2}', "line 2, column 6"),
    (b'{"a": 1', "line 1, column 8"),
    (b'{"a": 1, "a": 2}', "the key 'a' stands twice"),
    (b'{"a": "\xff"}', "byte 7 is not UTF-8"),
    (b"[" * 100_000, "nested too deeply"),
    (b'{"a": ' + b"1" * 5000 + b"}", "a number without end at character 6"),
    (b"{" + b",".join(b'"%d": 1' % key for key in range(1500)) + b"}", "1500 keys, at most 100"),
    (b"", "a JSON body is required"),
]


@pytest.mark.parametrize(("body", "words"), MALFORMED, ids=lambda part: str(part)[:20])
async def test_what_is_not_json_is_answered_with_its_place(api, body, words):
    answer = await api.post("/backtests", content=body, headers=JSON)
    assert answer.status_code == 422
    assert words in error_of(answer)["message"]


@pytest.mark.parametrize("body", [b"null", b"7", b'"text"', b"[]", b"[{}]"])
async def test_json_that_is_no_object_is_refused(api, body):
    answer = await api.post("/backtests", content=body, headers=JSON)
    assert answer.status_code == 422
    assert error_of(answer)["problems"]


@pytest.mark.parametrize("path", ["indicators.0.id", "instrument.symbol", "\ud800", "indicators.0.params.\ud800"])
async def test_half_a_surrogate_pair_is_refused_like_any_wrong_text(api, path):
    answer = await api.post("/backtests", content=json.dumps(changed(path, "\ud800")), headers=JSON)
    assert answer.status_code == 422
    assert error_of(answer)["problems"]


@pytest.mark.parametrize("kind", ["text/plain", "application/x-www-form-urlencoded", ""])
async def test_another_content_type_is_refused(api, kind):
    answer = await api.post("/backtests", content=json.dumps(GOOD), headers={"Content-Type": kind})
    assert answer.status_code == 415
    assert "application/json" in error_of(answer)["message"]


async def test_candles_are_taken_as_arrow_alone(api):
    answer = await api.post("/market-data/candles?market_id=1&symbol=ERRUSDT", json=[])
    assert answer.status_code == 415
    assert ARROW in error_of(answer)["message"]


async def test_a_body_that_declares_too_much_is_refused(api):
    answer = await api.post("/backtests", content=b" " * 1_000_001, headers=JSON)
    assert answer.status_code == 413
    assert "limit of 1000000 bytes" in error_of(answer)["message"]


@pytest.mark.parametrize("path", ["/backtests", "/market-data/candles?market_id=1&symbol=ERRUSDT"])
async def test_a_body_that_streams_too_much_is_cut_off_at_the_limit(api, path):
    sent = 0

    async def endless() -> AsyncIterator[bytes]:
        nonlocal sent
        while sent < 10_000_000:
            sent += 100_000
            yield b" " * 100_000

    kind = ARROW if "candles" in path else "application/json"
    answer = await api.post(path, content=endless(), headers={"Content-Type": kind})
    assert answer.status_code == 413
    assert error_of(answer)["code"] == "payload_too_large"
    assert sent <= 1_200_000


async def test_a_body_of_the_limit_is_read(api):
    answer = await api.post("/backtests", content=json.dumps(GOOD).ljust(1_000_000), headers=JSON)
    assert answer.status_code == 200


# Routes ----------------------------------------------------------------------------------------------------------


async def test_an_unknown_route_is_answered_with_the_nearest(api):
    answer = await api.get("/market-data/candle")
    assert answer.status_code == 404
    assert "did you mean /market-data/candles?" in error_of(answer)["message"]


@pytest.mark.parametrize("path", ["/indicators/", "/indicators//", "/backtests/1"])
async def test_nothing_redirects(api, path):
    assert (await api.get(path)).status_code == 404


async def test_a_wrong_method_is_answered_with_the_right_ones(api):
    answer = await api.delete("/market-data/candles")
    assert answer.status_code == 405
    assert answer.headers["Allow"] == "GET, HEAD, OPTIONS, POST"
    assert answer.headers["Allow"] in error_of(answer)["message"]


# Failures --------------------------------------------------------------------------------------------------------


class BrokenStore:
    def __init__(self, error: Exception) -> None:
        self.error = error

    def coverage(self, *arguments: Any) -> Any:
        raise self.error


async def test_a_failure_says_nothing_of_its_cause(embedded_store):
    store = BrokenStore(KeyError("postgresql://user:hunter2@host/db"))
    async with serving(backend(store)) as api:
        answer = await api.get("/market-data/coverage")
    assert answer.status_code == 500
    assert error_of(answer)["code"] == "internal"
    assert not any(word in answer.text for word in ("hunter2", "KeyError", "Traceback", ".py"))


@pytest.mark.parametrize("error", [StatementRefused, CannotOpen, CandlerayError])
async def test_a_failure_of_ours_that_has_a_name_says_nothing_either(error):
    async with serving(backend(BrokenStore(error("refused: SELECT hunter2")))) as api:
        answer = await api.get("/market-data/coverage")
    assert (answer.status_code, error_of(answer)["code"]) == (500, "internal")
    assert answer.content == error_payload(INTERNAL).encode()


async def test_a_statement_that_is_wrong_is_told_to_the_log_alone(postgres):
    postgres._statements = {**postgres._statements, "list_runs": "SELECT hunter2 FROM runs"}
    configure_logs("INFO", logged := io.StringIO())
    async with serving(backend(object(), postgres)) as api:
        answer = await api.get("/runs")
    watch_logs()
    assert (answer.status_code, answer.content) == (500, error_payload(INTERNAL).encode())
    assert r"column \"hunter2\" does not exist" in logged.getvalue()


async def test_a_service_that_does_not_answer_is_named():
    async with serving(backend(BrokenStore(ServiceUnavailable("the candle store does not answer")))) as api:
        answer = await api.get("/market-data/coverage")
    assert answer.status_code == 503
    assert error_of(answer)["message"] == "the candle store does not answer"


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)
paths = st.sampled_from([path for path, *_ in WRONG_VALUES] + ["instrument", "time_range", "indicators.0"])


@given(path=paths, value=json_values)
@hypothesis_settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
async def test_no_value_anywhere_breaks_the_api(api, path, value):
    answer = await api.post("/backtests", content=json.dumps(changed(path, value)), headers=JSON)
    if answer.status_code != 200:
        assert answer.status_code in (404, 422)
        error_of(answer)
