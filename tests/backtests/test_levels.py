"""The levels of a request: what is refused, what is said of them, and what a run does with them."""

from __future__ import annotations

from typing import Any

import pytest

from candleray.backtests.parameters import varied
from candleray.backtests.sentences import sentences
from candleray.errors import InvalidInput
from candleray.live.starting.start_checks import require_runnable
from candleray.search.bars import warmup_bars
from candleray.search.variants import VariantGrid, engine_params_hash
from candleray.settings import BacktestSettings
from candleray.strategies.saving import name_of, spec_of
from candleray.strategies.strategy import StrategyDraft
from tests.support.sample_search import resolved

EVERY = {
    **{"sl_pct": 3, "sl_atr": {"values": [1, 2.5]}, "trail_pct": {"start": 1, "stop": 3, "step": 1}},
    **{"max_bars": {"values": [6, 50]}, "tp_pct": 9, "tp_atr": 4, "atr_window": 5},
}


@pytest.mark.parametrize(
    ("risk", "words"),
    [
        ({"trail_pct": 0}, "a trailing stop is above 0 and below 100 percent, got 0"),
        ({"trail_pct": {"values": [5, 100]}}, "a trailing stop is above 0 and below 100 percent, got 100"),
        ({"sl_atr": -1}, "a level is above 0 and at most 1000 average true ranges, got -1"),
        ({"tp_atr": 1001}, "a level is above 0 and at most 1000 average true ranges, got 1001"),
        ({"max_bars": 0}, "a time stop is above 0 and at most 1e+07 bars, got 0"),
        ({"max_bars": {"start": 1, "stop": 9, "step": 0.5}}, "a time stop counts whole bars, got 0.5"),
        ({"max_bars": {"values": [2, 2.5]}}, "a time stop counts whole bars, got 2.5"),
        ({"sl_atr": 1, "atr_window": 501}, "less than or equal to 500"),
        ({"trailing_stop": 5}, "trail_pct"),
    ],
)
def test_what_is_no_level_is_refused_with_its_value_and_its_bound(risk: dict[str, Any], words: str):
    with pytest.raises(InvalidInput) as refused:
        resolved(risk=risk)
    assert words in str(refused.value)


def test_a_request_without_them_has_the_bytes_it_had():
    assert resolved(risk={"sl_pct": 2}).model_dump(mode="json")["risk"] == {"sl_pct": 2, "tp_pct": None}
    usual = {"sl_atr": 2, "atr_window": 14}
    assert resolved(risk=usual).model_dump(mode="json")["risk"] == {"sl_pct": None, "tp_pct": None, "sl_atr": 2}


def test_each_is_an_axis_and_a_variant_says_its_own():
    grid = VariantGrid(resolved(risk=EVERY))
    assert grid.combinations.sizes == (1, 2, 3, 2, 1, 1)
    assert grid.risk(5) == {
        **{"sl_pct": 3, "tp_pct": 9, "sl_atr": 1, "tp_atr": 4, "trail_pct": 3, "max_bars": 50, "atr_window": 5}
    }
    assert {"sl_atr", "trail_pct", "max_bars"} < set(varied(grid.request))


def test_ranges_are_read_over_a_history_of_the_strategy_s_own():
    grid = VariantGrid(resolved(risk={"sl_atr": 2, "atr_window": 50}))
    assert warmup_bars(grid, 200) == 1000
    usual, ranged = (
        engine_params_hash(resolved(risk=risk), BacktestSettings()) for risk in ({"sl_pct": 2}, {"sl_atr": 2})
    )
    assert usual != ranged


def test_they_are_said_in_words_and_in_a_name():
    assert sentences(resolved(risk=EVERY))[-1] == (
        "Before that, a stop-loss of 3 %, a stop-loss of 1 or 2.5 times the average true range of 5 bars, a "
        "trailing stop of 1 to 3 by 1 %, a take-profit of 9 %, a take-profit of 4 times the average true "
        "range of 5 bars or the close 6 or 50 bars after the signal closes."
    )


def test_a_run_refuses_levels_that_it_does_not_look_at():
    request = resolved(risk={"trail_pct": 2, "max_bars": 5})
    content = VariantGrid(request).strategy(0)
    spec = spec_of(StrategyDraft.model_validate(content), BacktestSettings())
    assert name_of(spec)
    with pytest.raises(InvalidInput, match=r"trail_pct, max_bars: a run looks at sl_pct and tp_pct alone"):
        require_runnable(spec)
