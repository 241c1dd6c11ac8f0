"""The seal: what a request reserves, and what is refused because it would read that."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

import pytest

from candleray.backtests.request import BacktestRequest
from candleray.errors import InvalidInput, SealedCandles
from candleray.holdouts.holdout import Holdout
from candleray.holdouts.seal import SealedCalls, months_before, refuse_sealed, reserved
from candleray.search.variants import resolve
from candleray.settings import BacktestSettings
from candleray.timeframes import to_ms

OCTOBER, JANUARY = datetime(2025, 10, 1, tzinfo=UTC), datetime(2026, 1, 1, tzinfo=UTC)
HOLDOUT = Holdout.model_validate(
    {
        "holdout_id": uuid4(),
        "instrument": {"market_id": 1, "symbol": "BTCUSDT"},
        "time_range": {"start": OCTOBER, "end": JANUARY},
        "searched_before": 0,
        "created_at": JANUARY,
    }
)


def request(start: str = "2025-01-01", end: str = "2026-01-01", **changes: Any) -> BacktestRequest:
    content = {
        "instrument": {"market_id": 1, "symbol": "BTCUSDT"},
        "timeframe": "1h",
        "time_range": {"start": start, "end": end},
        "indicators": [{"id": "sma", "params": {"window": {"values": [5, 9]}}}],
    }
    return BacktestRequest.model_validate(content | changes)


@pytest.mark.parametrize(
    ("moment", "months", "earlier"),
    [
        ("2026-01-01T00:00", 3, "2025-10-01T00:00"),
        ("2025-05-31T12:30", 3, "2025-02-28T12:30"),
        ("2024-05-31T12:30", 3, "2024-02-29T12:30"),
        ("2025-01-15T00:00", 1, "2024-12-15T00:00"),
        ("2025-12-15T00:00", 12, "2024-12-15T00:00"),
        ("2025-12-15T00:00", 24, "2023-12-15T00:00"),
    ],
)
def test_months_are_of_the_calendar(moment: str, months: int, earlier: str):
    assert months_before(datetime.fromisoformat(moment), months) == datetime.fromisoformat(earlier)


def test_what_is_reserved_is_not_searched_and_nowhere_in_the_request():
    asked = reserved(request(holdout={"months": 3}))
    assert asked.holdout is not None
    assert (asked.holdout.start, asked.holdout.end) == (OCTOBER, JANUARY)
    assert asked.request == request(end="2025-10-01")
    assert "holdout" not in asked.request.model_dump_json()
    assert reserved(request()) == (request(), None)


def test_a_range_that_would_be_reserved_whole_is_refused():
    with pytest.raises(InvalidInput, match=r"the last 12 months of 2025-01-01.* leave nothing to search"):
        reserved(request(holdout={"months": 12}))


def test_whoever_searches_without_the_api_cannot_seem_to_reserve():
    with pytest.raises(InvalidInput, match="only the API seals candles"):
        resolve(request(holdout={"months": 3}), BacktestSettings())


@pytest.mark.parametrize(
    ("changes", "is_refused"),
    [
        ({}, True),
        ({"end": "2025-10-01T00:01:00Z"}, True),
        ({"end": "2025-10-01"}, False),
        ({"start": "2026-02-01", "end": "2026-03-01"}, True),  # its warm-up
        ({"instrument": {"market_id": 4, "symbol": "BTCUSDT"}}, True),
        ({"instrument": {"market_id": 1, "symbol": "ETHUSDT"}}, False),
        ({"timeframe": "1d"}, True),
    ],
)
def test_a_search_that_would_read_them_is_refused(changes: dict[str, Any], is_refused: bool):
    asked = request(**changes)
    if not is_refused:
        return refuse_sealed([HOLDOUT], asked, asked.time_range.end_ms)
    with pytest.raises(SealedCandles, match=r"end at 2025-10-01.* or open it, once"):
        refuse_sealed([HOLDOUT], asked, asked.time_range.end_ms)
    return None


async def test_calls_of_the_store_are_refused_where_they_overlap():
    async def call(method: str, *arguments: Any) -> Any:
        return method

    calls, first, last = SealedCalls(call, [HOLDOUT]), to_ms(OCTOBER), to_ms(JANUARY)
    for method in ("read", "read_as_of", "read_first", "revisions"):
        for start_ms, end_ms in ((first, first + 1), (0, first + 1), (last - 1, last + 5), (0, 2 * last)):
            with pytest.raises(SealedCandles):
                await calls(method, 3, "BTCUSDT", start_ms, end_ms, 7)
        assert await calls(method, 1, "BTCUSDT", 0, first, 7) == method
        assert await calls(method, 1, "BTCUSDT", last, 2 * last, 7) == method
        assert await calls(method, 1, "ETHUSDT", 0, 2 * last, 7) == method
    with pytest.raises(SealedCandles):
        await calls("read_versions", 1, ["ETHUSDT", "BTCUSDT"], first, last)
    assert await calls("span", 1, "BTCUSDT") == "span"
