"""Refusals name what an assistant can do: a tool to call in place of a command, within four kilobytes."""

from __future__ import annotations

import pytest

from candleray.agents.answers import MOST_BYTES, size_of
from candleray.agents.refusals import refusal_of
from candleray.errors import GapsInRange, InvalidInput, NotFound, Problem
from candleray.market_data.range_coverage import HOUR_MS, RangeCoverage
from candleray.markets import Instrument
from candleray.timeframes import MINUTE_MS

START_MS = 1_735_689_600_000


def test_a_range_with_a_gap_names_the_tool_that_fetches_it_and_the_call():
    import numpy as np

    hole = np.array([[START_MS + HOUR_MS, START_MS + 9 * HOUR_MS]])
    both = (START_MS, START_MS + 24 * HOUR_MS)
    coverage = RangeCoverage.of(hole, both, both, MINUTE_MS)
    with pytest.raises(GapsInRange) as refused:
        coverage.require_no_gap(Instrument(market_id=1, symbol="SOLUSDT"), 1)
    told = refusal_of(refused.value)
    arguments = {
        "market": "binance-spot",
        "symbol": "SOLUSDT",
        "start": "2025-01-01T01:00:00Z",
        "end": "2025-01-01T09:00:00Z",
    }
    assert told["next"] == [{"tool": "backfill", "arguments": arguments, "why": "as the error says"}]
    assert "Fetch the minutes with the tool backfill with {" in told["error"]["message"]
    assert "candleray backfill" not in str(told)


def test_a_command_that_no_tool_has_is_the_person_s_to_run():
    told = refusal_of(NotFound("nobody ingests it: `candleray feeds` says why; `candleray backfill` fetches them"))
    expected = (
        "nobody ingests it: `candleray feeds` (in the person's terminal) says why; the tool backfill fetches them"
    )
    assert told["error"]["message"] == expected
    assert "next" not in told


def test_a_refusal_is_short_however_much_is_wrong():
    problems = [Problem(f"indicators.{n}.id", "unknown", "unknown indicator " * 5) for n in range(500)]
    told = refusal_of(InvalidInput("the request is not valid", problems))
    assert size_of(told) <= MOST_BYTES
    assert told["left_out"] == f"{500 - len(told['error']['problems'])} of problems"
    assert told["remedy"]
    assert size_of(refusal_of(InvalidInput("é" * 100_000))) <= MOST_BYTES
