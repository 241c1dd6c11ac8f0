"""Long holes in a search: positions before them, their count, and the names of what was computed."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from candleray.backtests.result import BacktestResult
from candleray.candles import Candles
from candleray.errors import GapsInRange
from candleray.indicators.request_models import get_request_models
from candleray.search.variants import engine_params_hash, request_hash, resolve
from candleray.settings import BacktestSettings
from candleray.timeframes import MINUTE_MS
from tests.support.sample_search import CANDLES, HAND, START_MS, WARMUP, numbers_of, resolved, run
from tests.support.searches import search_over

CLOSES = [100, 100, 110, 121, 133, 400, 300, 500, 510, 520]
GAP_AFTER = 4


def candles(hole_minutes: int = 2 * 1440) -> Candles:
    minutes = np.arange(len(CLOSES)) + np.where(np.arange(len(CLOSES)) > GAP_AFTER, hole_minutes, 0)
    return Candles(START_MS + minutes * MINUTE_MS, np.ascontiguousarray([np.array(CLOSES, float)] * 5))


def holed(hole_minutes: int = 2 * 1440, **changes: Any) -> BacktestResult:
    """One long-only variant whose position is open on the fifth bar, before a hole."""
    terms = {"fee_pct": 0, "slippage_pct": 0, "init_cash_quote": 1000, "direction": "long-only", "trades_for": 1}
    span = {"start": "2025-01-01", "end": "2025-01-10"}
    request = resolved(indicators=[HAND], time_range=span, **{**terms, "allow_gaps": True, **changes})
    return search_over(candles(hole_minutes), request, WARMUP)


def trades(result: BacktestResult) -> list[tuple[str, str, str]]:
    return [(t.entry_time[11:16], t.exit_time[11:16], t.exit_reason) for t in result.top[0].trades or ()]


@pytest.mark.parametrize("risk", [{}, {"sl_pct": 90}], ids=["without stops", "under stops"])
def test_a_position_is_closed_before_a_long_hole_and_counted(risk: dict[str, Any]):
    result = holed(risk=risk)
    # The signal of the first bar behind the hole is that of the bar before it; that of the third is fresh.
    assert trades(result) == [("00:03", "00:05", "gap"), ("00:08", "00:10", "last_bar")]
    assert result.top[0].closed_before_gaps == 1
    assert result.notes[2] == (
        "over_gaps: no position is held over the hole of more than 24 h; "
        "the variant of this answer closed 1 on the last bar before one"
    )


@pytest.mark.parametrize("risk", [{}, {"sl_pct": 90}], ids=["without stops", "under stops"])
def test_a_position_is_held_over_it_where_that_is_asked_for(risk: dict[str, Any]):
    result = holed(risk=risk, over_gaps="hold")
    assert trades(result)[0] == ("00:03", "00:07", "signal")
    assert result.top[0].closed_before_gaps == 0
    assert result.notes[2] == "over_gaps: positions are held over the hole of more than 24 h"
    assert "holes: 2,880 minutes are missing in 1 hole" in str(result)


def test_an_answer_without_variants_says_that_no_position_is_held_over_it():
    result = holed(min_trades=1000)
    assert result.top == ()
    assert result.notes[2] == "over_gaps: no position is held over the hole of more than 24 h"


def test_a_short_hole_closes_nothing():
    assert trades(holed(1440)) == trades(holed(over_gaps="hold"))


def test_a_long_hole_is_refused_unless_allowed():
    with pytest.raises(GapsInRange, match="2,880 minutes"):
        holed(allow_gaps=False)


@pytest.mark.parametrize("over_gaps", ["close", "hold"])
def test_a_variant_alone_gives_the_same_numbers(over_gaps: str):
    best = holed(over_gaps=over_gaps).top[0]
    assert best.strategy.get("over_gaps", "close") == over_gaps
    request = resolve(get_request_models().validated_request(best.strategy), BacktestSettings())
    assert search_over(candles(), request, WARMUP).top[0].metrics == best.metrics


def test_what_says_nothing_of_gaps_has_the_hashes_it_had():
    request, defaults = resolved(), BacktestSettings()
    assert request_hash(request) == request_hash(resolved(allow_gaps=False, over_gaps="close"))
    assert "gaps" not in request.model_dump_json()
    assert engine_params_hash(request, defaults) == engine_params_hash(request, BacktestSettings(max_gap_hours=1))
    allowed = resolved(allow_gaps=True)
    assert engine_params_hash(allowed, defaults) != engine_params_hash(allowed, BacktestSettings(max_gap_hours=1))


def test_allowing_gaps_changes_no_number_of_a_whole_range():
    assert run(allow_gaps=True).top[0].metrics == run().top[0].metrics
    assert "closed_before_gaps" not in numbers_of(search_over(CANDLES, resolved(allow_gaps=True), WARMUP))
