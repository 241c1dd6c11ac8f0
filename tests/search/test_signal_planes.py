"""Planes of conditions: against the naive evaluator, on drawn trees and on cases by hand."""

from __future__ import annotations

import sys
from itertools import pairwise
from typing import Any

import numpy as np
import pytest

from candleray.backtests.request import BacktestRequest
from candleray.candles import Candles
from candleray.errors import GuardExceeded, InvalidInput
from candleray.indicators.request_models import get_request_models
from candleray.search.engine import planes_in, planes_of
from candleray.search.estimate import compute_bytes
from candleray.search.plane_ranges import plane_ranges
from candleray.search.signals import evaluator as evaluator_module
from candleray.search.signals import leaf_planes
from candleray.search.signals.evaluator import Evaluator
from candleray.search.signals.expressions import SourceKey
from candleray.search.signals.things import ExpressionBuilder
from candleray.search.variants import VariantGrid, request_hash, resolve
from candleray.settings import BacktestSettings
from candleray.timeframes import MINUTE_MS
from kernels.bits import unpack, words
from tests.support.oracles.signal_comparison import Case
from tests.support.sample_search import CANDLES, START_MS, WARMUP, walk
from tests.support.searches import bars_over

TREES_AT_ONCE = 50


@pytest.mark.parametrize("first", range(0, 300, TREES_AT_ONCE))
def test_drawn_trees_equal_the_naive_evaluator_and_do_not_see_the_future(first: int):
    wrong = {seed: found for seed in range(first, first + TREES_AT_ONCE) if (found := Case(seed).mismatches())}
    assert not wrong


def requested(signals: dict[str, Any], **changes: Any) -> BacktestRequest:
    content = {
        "instrument": {"market_id": 1, "symbol": "BTCUSDT"},
        "timeframe": "1m",
        "time_range": {"start": "2025-01-01T05:00:00Z", "end": "2025-01-03T12:00:00Z"},
        "signals": signals,
        **changes,
    }
    return resolve(get_request_models().validated_request(content), BacktestSettings())


def ema(window: Any) -> dict[str, Any]:
    return {"id": "ema", "params": {"window": window}}


def bars_of(condition: dict[str, Any], closes: list[float], **changes: Any) -> str:
    """The bars of a condition over closes by hand: T, F, and a dot where it is neither."""
    prices = np.array(closes, float)
    candles = Candles(START_MS + np.arange(prices.size) * MINUTE_MS, np.ascontiguousarray([prices] * 5))
    request = requested(
        {"long_entry": condition},
        time_range={"start": "2025-01-01", "end": "2025-01-02"},
        allow_gaps=True,
        **changes,
    )
    bars = bars_over(candles, request, WARMUP)
    pair = Evaluator(bars, WARMUP).plane(ExpressionBuilder(request).signals["long_entry"])
    holds, fails = unpack(pair, bars.count)
    return "".join("T" if one else "F" if other else "." for one, other in zip(holds, fails, strict=True))


CLOSE = {"price": "close"}
BEFORE = {"price": "close", "shift": 1}


@pytest.mark.parametrize(
    ("condition", "bars"),
    [
        ({"above": [CLOSE, 2]}, "FFTTFF"),
        ({"below": [CLOSE, 2]}, "TFFFFT"),
        ({"between": [CLOSE, 2, 3]}, "FTTFTF"),
        ({"cross_above": [CLOSE, 2]}, "FFTFFF"),
        ({"cross_below": [CLOSE, 2]}, ".FFFFT"),
        ({"cross_above": [2, CLOSE]}, ".FFFFT"),
        ({"above": [CLOSE, BEFORE]}, ".TTTFF"),
        ({"not": {"above": [CLOSE, BEFORE]}}, ".FFFTT"),
        ({"rising": [CLOSE, 2]}, "..TTFF"),
        ({"held_for": [{"above": [CLOSE, 1]}, 2]}, "FFTTTF"),
        ({"within_last": [{"above": [CLOSE, 3]}, 2]}, ".FFTTF"),
        ({"earlier": [{"above": [CLOSE, 2]}, 2]}, "..FFTT"),
        ({"not": {"earlier": [{"held_for": [{"above": [CLOSE, 1]}, 2]}, 1]}}, ".TTFFF"),
        ({"all": [{"above": [CLOSE, 1]}, {"above": [CLOSE, BEFORE]}]}, "FTTTFF"),
        ({"any": [{"above": [CLOSE, 3]}, {"above": [CLOSE, BEFORE]}]}, ".TTTFF"),
        ({"above": [{"over": [CLOSE, {"minus": [CLOSE, 2]}]}, 3]}, "F.FF.F"),
    ],
)
def test_each_condition_on_six_bars(condition: dict[str, Any], bars: str):
    assert bars_of(condition, [1, 2, 3, 4, 2, 1]) == bars


def test_a_day_is_seen_when_it_is_closed_and_a_hole_in_it_makes_the_condition_neither():
    minutes = walk(4 * 1440)
    there = np.ones(4 * 1440, bool)
    there[1440 + 7] = False
    candles = Candles(minutes.ts_open_ms[there], np.ascontiguousarray(minutes.values[:, there]))
    day = {"price": "close", "timeframe": "1d"}
    span = {"start": "2025-01-01T12:00:00Z", "end": "2025-01-04"}
    request = requested({"long_entry": {"above": [day, 0]}}, timeframe="1h", time_range=span, allow_gaps=True)
    bars = bars_over(candles, request, WARMUP)
    evaluator = Evaluator(bars, WARMUP)
    holds = unpack(evaluator.plane(ExpressionBuilder(request).signals["long_entry"]), bars.count)[0]
    closes_h = (bars.ts_open_ms + bars.bar_ms - START_MS) // 3_600_000
    assert closes_h[holds].tolist() == [24, *range(26, 48), 72]
    assert evaluator.missing(SourceKey(1, "BTCUSDT", "1d")) == (~holds).sum()


def test_a_name_is_one_axis_wherever_it_stands():
    fast, slow = ema({"values": [5, 10, 20]}), ema({"values": [30, 60]})
    both = {"cross_above": ["fast", "slow"]}, {"above": [CLOSE, "fast"]}
    grid = VariantGrid(requested({"long_entry": {"all": list(both)}}, let={"fast": fast, "slow": slow}))
    assert grid.radix.sizes == (3, 2)
    in_place = VariantGrid(
        requested({"long_entry": {"all": [{"cross_above": [fast, slow]}, {"above": [CLOSE, fast]}]}})
    )
    assert in_place.radix.sizes == (3, 2, 3)


def test_combinations_that_break_a_constraint_have_no_number():
    let = {"fast": ema({"values": [5, 10, 20, 30]}), "slow": ema({"values": [10, 20]})}
    request = requested(
        {"long_entry": {"cross_above": ["fast", "slow"]}}, let=let, where=[["fast.window", "<", "slow.window"]]
    )
    grid = VariantGrid(request)
    windows = [
        tuple(strategy["let"][name]["params"]["window"] for name in ("fast", "slow"))
        for strategy in map(grid.strategy, range(grid.size))
    ]
    assert windows == [(5, 10), (5, 20), (10, 20)]
    assert grid.planes == 3


def test_series_are_made_once_for_the_planes_of_a_grid():
    fast, slow = ema({"start": 5, "stop": 23, "step": 2}), ema({"start": 30, "stop": 120, "step": 10})
    request = requested({"long_entry": {"cross_above": ["fast", "slow"]}}, let={"fast": fast, "slow": slow})
    grid = VariantGrid(request)
    bars = bars_over(CANDLES, request, WARMUP)
    evaluator = Evaluator(bars, WARMUP)
    planes_of(bars, grid, 0, grid.planes, WARMUP, evaluator)
    assert (grid.planes, evaluator.series_made) == (100, 20)


CROSSING = {"cross_above": ["fast", "slow"]}
CROSSING_BACK = {"cross_below": ["fast", "slow"]}


def averages(fast: int, slow: int) -> dict[str, Any]:
    return {
        "fast": ema({"start": 5, "stop": 4 + fast, "step": 1}),
        "slow": ema({"start": 100, "stop": 99 + slow, "step": 1}),
    }


@pytest.mark.parametrize(("fast", "slow"), [(7, 3), (3, 7)])
@pytest.mark.parametrize("at_once", [3, 6, 100])
@pytest.mark.parametrize(
    "signals",
    [
        {"long_entry": CROSSING, "long_exit": CROSSING_BACK},
        {"long_entry": {"not": CROSSING}, "long_exit": {"not": {"above": ["fast", "slow"]}}},
        {"long_entry": CROSSING_BACK, "long_exit": {"any": [{"not": CROSSING_BACK}, {"below": ["fast", 170]}]}},
    ],
)
def test_planes_made_together_are_those_made_one_by_one(
    fast: int, slow: int, at_once: int, signals: dict[str, Any], monkeypatch: pytest.MonkeyPatch
):
    request = requested(signals, let=averages(fast, slow))
    grid, bars = VariantGrid(request), bars_over(CANDLES, request, WARMUP)
    monkeypatch.setattr(leaf_planes, "SERIES_BYTES", at_once * words(bars.count) * 512)
    together = planes_of(bars, grid, 0, grid.planes, WARMUP)
    evaluator = Evaluator(bars, WARMUP)
    rows = [list(leaf.rows) for leaf in grid.groups for _ in range(leaf.size)]
    for number in range(grid.planes):
        assert (together[number] == evaluator.plane(grid.plane(number))[rows[number]]).all()


def test_both_ways_of_a_crossing_read_the_same_series_and_keep_the_row_that_is_read():
    request = requested({"long_entry": CROSSING, "long_exit": CROSSING_BACK}, let=averages(9, 4))
    grid, bars = VariantGrid(request), bars_over(CANDLES, request, WARMUP)
    evaluator = Evaluator(bars, WARMUP)
    planes = planes_of(bars, grid, 0, grid.planes, WARMUP, evaluator)
    assert planes.shape == (72, 1, words(bars.count))
    assert evaluator.series_made == 13


def test_other_conditions_read_the_series_of_comparisons_while_these_are_there(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(evaluator_module, "KEPT_BYTES", 0)
    either = {"any": [{"above": [CLOSE, "slow"]}, {"rising": ["fast", 2]}]}
    signals = {"long_entry": {"all": [CROSSING, either]}, "long_exit": {"not": {"above": ["fast", "slow"]}}}
    let = {"fast": ema({"start": 5, "stop": 13, "step": 1}), "slow": ema({"start": 15, "stop": 18, "step": 1})}
    request = requested(signals, let=let)
    grid, bars = VariantGrid(request), bars_over(CANDLES, request, WARMUP)
    evaluator = Evaluator(bars, WARMUP)
    planes = planes_of(bars, grid, 0, grid.planes, WARMUP, evaluator)
    # The four stay for both comparisons, the nine pass by twice.
    assert evaluator.series_made == 4 + 2 * 9
    rows = [list(leaf.rows) for leaf in grid.groups for _ in range(leaf.size)]
    for number in range(grid.planes):
        assert (planes[number] == evaluator.plane(grid.plane(number))[rows[number]]).all()


def test_planes_that_one_comparison_tells_are_made_by_one_task():
    entry = {"all": [CROSSING, {"below": [{"id": "adx"}, {"values": [20, 25]}]}]}
    request = requested({"long_entry": entry, "long_exit": CROSSING_BACK}, let=averages(7, 3))
    grid, bars = VariantGrid(request), bars_over(CANDLES, request, WARMUP)
    tasks = [plane_ranges(grid, first, last) for first, last in pairwise([0, 15, 16, 33, grid.planes])]
    ranges = sorted(part for parts in tasks for part in parts)
    assert [number for part in ranges for number in range(*part)] == list(range(grid.planes))
    whole, crossings = planes_of(bars, grid, 0, grid.planes, WARMUP), [at for at in grid.plane_offsets if at != 21]
    for parts in tasks:
        made = planes_in(bars, grid, parts, WARMUP)
        assert [len(chunk) for chunk in made] == [last - first for first, last in parts]
        assert all((chunk == whole[first:last]).all() for chunk, (first, last) in zip(made, parts, strict=True))
        of_leaves = [
            {number - at for part in parts for number in range(*part) if at <= number < at + 21}
            for at in crossings
        ]
        assert of_leaves[0] == of_leaves[-1]


def test_what_is_wanted_twice_of_a_pair_is_written_twice():
    wanted = np.array([[0, 1, 0, 7], [0, 0, 3, 2], [0, 1, 0, 4], [0, 1, 2, 5]])
    pairs, places = leaf_planes._by_pair(wanted)
    assert pairs.tolist() == [[0, 0], [0, 1], [0, 1]]
    assert places.tolist() == [[-1, -1, -1, 2], [7, -1, 5, -1], [4, -1, -1, -1]]


def test_both_rows_are_kept_where_a_condition_and_its_opposite_are_read():
    either = {"long_entry": CROSSING, "long_exit": {"not": CROSSING}}
    request = requested(either, let=averages(2, 2))
    grid, bars = VariantGrid(request), bars_over(CANDLES, request, WARMUP)
    assert planes_of(bars, grid, 0, grid.planes, WARMUP).shape == (4, 2, words(bars.count))
    assert compute_bytes(grid, 6400) - compute_bytes(grid, 0) == 4 * 2 * 100 * 8 + 6400 * 6 * 8


def test_a_variant_taken_out_of_a_grid_has_the_planes_of_the_grid():
    let = {"fast": ema({"values": [5, 10]}), "slow": ema({"values": [30, 400]}), "n": {"values": [1, 3]}}
    signals = {"long_entry": {"held_for": [{"above": ["fast", "slow"]}, "n"]}}
    with pytest.raises(InvalidInput, match="n"):
        requested(signals, let=let)
    signals = {"long_entry": {"held_for": [{"above": ["fast", "slow"]}, {"values": [1, 3]}]}}
    request = requested(signals, let={"fast": let["fast"], "slow": let["slow"]})
    grid = VariantGrid(request)
    planes = planes_of(bars_over(CANDLES, request, WARMUP), grid, 0, grid.planes, WARMUP)
    for index in range(grid.size):
        alone = requested(**{key: grid.strategy(index)[key] for key in ("signals", "let")})
        one = VariantGrid(alone)
        assert one.size == 1
        (number,) = grid.numbering.plane_numbers(index)
        assert (planes_of(bars_over(CANDLES, alone, WARMUP), one, 0, 1, WARMUP)[0] == planes[number]).all()


def test_the_order_of_keys_does_not_change_the_hash():
    let = {"fast": ema(5), "slow": ema(30)}
    signals = {"long_entry": {"cross_above": ["fast", "slow"]}, "long_exit": {"cross_below": ["fast", "slow"]}}
    one = requested(signals, let=let)
    other = requested(dict(reversed(signals.items())), let=dict(reversed(let.items())))
    assert request_hash(one) == request_hash(other)


def test_a_timeframe_written_out_that_is_the_own_one_is_the_same_request():
    one = requested({"long_entry": {"above": [CLOSE, ema(5)]}})
    other = requested({"long_entry": {"above": [{**CLOSE, "timeframe": "1m"}, ema(5)]}})
    assert request_hash(one) == request_hash(other)


def test_ten_axes_of_100_000_values_are_numbered_without_listing_them():
    axes = [{"start": first, "stop": first + 99_999, "step": 1} for first in range(1, 11)]
    request = requested({"long_entry": {"all": [{"above": [CLOSE, axis]} for axis in axes]}})
    listed = 0

    def count(frame: Any, event: str, _: Any) -> None:
        nonlocal listed
        listed += event == "call"

    sys.setprofile(count)
    try:
        grid = VariantGrid(request)
    finally:
        sys.setprofile(None)
    assert grid.size == 100_000**10
    assert listed < 10_000


def test_more_combinations_than_planes_can_be_kept_of_are_refused():
    wide = {"start": 2, "stop": 5001, "step": 1}
    with pytest.raises(GuardExceeded, match="combinations of what one condition compares, at most"):
        VariantGrid(requested({"long_entry": {"cross_above": [ema(wide), ema(wide)]}}))
