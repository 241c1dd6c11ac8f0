"""Plateau: the neighbours of the best variant, against the reports of the whole grid."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from candleray.backtests.parameters import parameters
from candleray.backtests.result import BacktestResult
from candleray.backtests.verdict import Plateau, Verdict
from tests.support.sample_search import CANDLES, WARMUP, resolved
from tests.support.searches import search_over

AVERAGES = [
    {"id": "sma", "params": {"window": {"start": 5, "stop": 65, "step": 15}}},
    {"id": "wma", "params": {"window": {"values": [8, 30, 31, 50]}}},
]
STOPS = {"sl_pct": {"values": [1, 2, 5]}, "tp_pct": 3}
CROSS: dict[str, Any] = {
    "indicators": None,
    "let": {
        "fast": {"id": "sma", "params": {"window": {"values": [5, 10, 15]}}},
        "slow": {"id": "sma", "params": {"window": {"start": 10, "stop": 40, "step": 10}}},
    },
    "signals": {"long_entry": {"cross_above": ["fast", "slow"]}, "short_entry": {"cross_below": ["fast", "slow"]}},
    "where": [["fast.window", "<", "slow.window"]],
}
NAMES = ("sma.window", "wma.window", "sl_pct", "fast.window", "slow.window")


def answer(**changes: Any) -> BacktestResult:
    return search_over(CANDLES, resolved(**{"indicators": AVERAGES, "top_k": 500, **changes}), WARMUP)


def plateau_of(result: BacktestResult) -> Plateau:
    assert result.verdict.plateau is not None
    return result.verdict.plateau


def digits_of(result: BacktestResult) -> np.ndarray:
    """The places on each axis at which the variants of an answer stand."""
    flat = [parameters(one.strategy) for one in result.top]
    columns = [np.unique([row[name] for row in flat], return_inverse=True)[1] for name in NAMES if name in flat[0]]
    return np.array(columns).T


@pytest.mark.parametrize("changes", [{}, {"direction": "long-only"}, {"risk": STOPS, "preselect": "all"}, CROSS])
def test_the_score_is_that_of_the_whole_grid(changes: dict[str, Any]):
    result = answer(**changes)
    plateau, digits = plateau_of(result), digits_of(result)
    assert len(result.top) == result.variants_total
    totals = np.array([sum(one.trust.record.block_log_returns) for one in result.top])
    near = np.abs(digits - digits[0]).max(axis=1) == 1
    middle = np.median(totals)
    assert plateau.neighbours == near.sum()
    assert plateau.score == pytest.approx((np.median(totals[near]) - middle) / (totals[0] - middle), abs=1e-3)
    names = [name for name in NAMES if name in parameters(result.top[0].strategy)]
    ends = [name for name, column in zip(names, digits.T, strict=True) if column[0] in (0, column.max())]
    assert set(plateau.at_ends) == set(ends)


def test_where_the_best_stands_at_an_end_the_verdict_says_so():
    plateau = Plateau(score=0.4, neighbours=3, at_ends=("sma.window",))
    verdict = answer().verdict.model_copy(update={"plateau": plateau})
    assert verdict.text.endswith("The best stands at an end of sma.window: better ones may lie beyond.")
    assert plateau.model_copy(update={"at_ends": ()}).text == ""


def test_without_an_axis_of_numbers_there_is_no_plateau():
    alone = {"id": "sma", "inputs": {"source": ["close", "open"]}, "params": {"window": {"values": [20]}}}
    verdict = answer(indicators=[alone]).verdict
    assert verdict.plateau is None
    assert Verdict.model_validate(verdict.model_dump(mode="json")) == verdict
    assert "plateau" not in verdict.model_dump(mode="json")


def test_the_neighbours_are_those_of_the_widest_axes():
    two, three = {"values": [20, 21]}, {"values": [30, 31, 32]}
    axes = [
        {"id": "sma", "params": {"window": {"values": [5, 6]}}},
        *({"id": name, "params": {"window": three}} for name in ("sma", "ema", "wma")),
        {"id": "rsi", "params": {"window": two}, "signal": {"long_threshold": {"values": [40, 50, 60]}}},
    ]
    plateau = plateau_of(answer(indicators=axes, top_k=1))
    # Two of the axes have two values, one of which is left out, and the best stands anywhere on the others.
    assert plateau.neighbours in {2 * size - 1 for size in (16, 24, 36, 54, 81)}
