"""Walk-forward: each fold is a backtest of its own of the variant that was the best before it."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

from candleray.backtests.request import BacktestRequest
from candleray.backtests.result import BacktestResult
from candleray.backtests.verdict import Verdict, WalkForward
from candleray.candles import Candles
from candleray.search.variants import VariantGrid, resolve
from candleray.settings import BacktestSettings
from candleray.timeframes import MINUTE_MS, iso, to_ms
from kernels.simulation.marks import block_ends
from tests.support.sample_search import CANDLES, WARMUP, resolved
from tests.support.searches import search_over

AVERAGES = [
    {"id": "sma", "params": {"window": {"values": [5, 20, 60]}}},
    {"id": "wma", "params": {"window": {"values": [8, 30]}}},
]
"""Averages that read the last bars alone: a backtest that begins later has the same signals."""
STOPS = {"sl_pct": {"values": [1, 2]}, "tp_pct": {"values": [2, 4]}}
CROSS: dict[str, Any] = {
    "indicators": None,
    "let": {
        "fast": {"id": "sma", "params": {"window": {"values": [5, 10]}}},
        "slow": {"id": "sma", "params": {"window": {"values": [10, 40]}}},
    },
    "signals": {"long_entry": {"cross_above": ["fast", "slow"]}, "short_entry": {"cross_below": ["fast", "slow"]}},
    "where": [["fast.window", "<", "slow.window"]],
}
SHORTLIST = {"risk": STOPS, "preselect": 2}
ASKED: list[dict[str, Any]] = [
    {},
    {"direction": "long-only", "exit_on": "neutral"},
    {"risk": STOPS, "preselect": "all"},
    {"risk": {"sl_atr": {"values": [1, 3]}, "trail_pct": 2, "atr_window": 5}, "preselect": "all"},
    SHORTLIST,
    CROSS,
]


def answer(candles: Candles = CANDLES, **changes: Any) -> BacktestResult:
    return search_over(candles, resolved(**{"indicators": AVERAGES, **changes}), WARMUP)


def walk_of(result: BacktestResult) -> WalkForward:
    assert result.verdict.walk_forward is not None
    return result.verdict.walk_forward


def alone(result: BacktestResult, index: int, start: str, end: str, **changes: Any) -> BacktestRequest:
    """The request of one variant of a search over a time of its own."""
    strategy = VariantGrid(result.request).strategy(index)
    asked = {**strategy, "time_range": {"start": start, "end": end}, "verdict": False, **changes}
    return resolve(BacktestRequest.model_validate(asked), BacktestSettings())


@pytest.mark.parametrize("changes", ASKED)
def test_a_fold_is_the_backtest_of_its_variant_over_its_time(changes: dict[str, Any]):
    result = answer(**changes)
    walk = walk_of(result)
    assert len(walk.folds) == 12
    unstopped = {"risk": {}} if changes is SHORTLIST else {}
    each = VariantGrid(result.request).combinations.size if unstopped else 1
    for fold in walk.folds:
        span = iso(to_ms(fold.start)), iso(to_ms(fold.end))
        one = search_over(CANDLES, alone(result, fold.variant_index * each, *span, **unstopped), WARMUP)
        assert one.top[0].metrics["Num. Trades"] == fold.trades
        assert one.top[0].total_return_pct == pytest.approx(fold.return_pct, abs=1e-4)
    assert sum(fold.trades for fold in walk.folds) > 0


def test_a_fold_chooses_the_best_over_all_blocks_before_it():
    result = answer(direction="long-only")
    bars = result.bars
    end_ms = result.request.time_range.start_ms + int(block_ends(bars)[8] + 1) * MINUTE_MS
    before = [search_over(CANDLES, part, WARMUP).top[0] for part in _each_until(result, iso(end_ms))]
    best = max(before, key=lambda one: one.total_return_pct)
    fold = walk_of(result).folds[5]
    assert fold.variant_index == before.index(best)
    # The range went on: an open position is marked, where a backtest that ends there sells it.
    assert fold.chosen_return_pct == pytest.approx(best.total_return_pct, abs=0.2)


def _each_until(result: BacktestResult, end: str) -> list[BacktestRequest]:
    return [alone(result, at, iso(result.request.time_range.start_ms), end) for at in range(result.variants_total)]


def test_what_comes_after_a_fold_changes_nothing_in_it():
    later = CANDLES.values.copy()
    later[:, 2500:] *= np.random.default_rng(3).uniform(0.5, 1.5, later.shape[1] - 2500)
    folds, others = (walk_of(answer(candles)).folds for candles in (CANDLES, Candles(CANDLES.ts_open_ms, later)))
    until = CANDLES.ts_open_ms[2500]
    known = [at for at, fold in enumerate(folds) if to_ms(fold.end) <= until]
    assert len(known) >= 5
    assert [folds[at] for at in known] == [others[at] for at in known]
    assert folds[-1] != others[-1]


def test_the_folds_follow_one_another_with_an_embargo_between_them():
    result = answer()
    walk = walk_of(result)
    lengths = np.diff(block_ends(result.bars))
    assert walk.embargo_bars == lengths.min() // 4  # a day would be more than there is
    for before, after in zip(walk.folds[:-1], walk.folds[1:], strict=True):
        assert to_ms(after.start) - to_ms(before.end) == walk.embargo_bars * MINUTE_MS
    assert walk.folds[-1].end == result.request.time_range.end


def test_the_whole_is_what_the_folds_make_of_each_other():
    walk = walk_of(answer())
    assert walk.return_pct == pytest.approx(
        (math.prod(1 + fold.return_pct / 100 for fold in walk.folds) - 1) * 100, abs=1e-4
    )
    assert walk.profitable == sum(fold.return_pct > 0 for fold in walk.folds)
    assert walk.text == f"Walk-forward {walk.return_pct:+,.1f} %, {walk.profitable} of 12 blocks in profit."
    assert len(walk.table.splitlines()) == 13


def test_a_verdict_that_is_older_is_read_as_it_was():
    verdict = answer().verdict
    older = verdict.model_dump(mode="json")
    del older["walk_forward"]
    assert Verdict.model_validate(older).walk_forward is None
    assert "walk_forward" not in Verdict.model_validate(older).model_dump(mode="json")
    assert verdict.walk_forward.text in verdict.text
    assert Verdict.model_validate(verdict.model_dump(mode="json")) == verdict


def test_without_a_verdict_nothing_is_walked():
    few = {"time_range": {"start": "2025-01-01T05:00:00Z", "end": "2025-01-01T10:00:00Z"}}
    assert answer(**few).verdict.walk_forward is None
    assert answer(verdict=False).verdict is None
