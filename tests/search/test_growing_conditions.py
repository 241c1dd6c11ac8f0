"""Conditions over bars in pieces: the planes over all bars at once, on drawn trees and on cases by hand."""

from __future__ import annotations

import random
from dataclasses import replace

import numpy as np
import pytest

from candleray.candles import Candles
from candleray.market_data.range_coverage import RangeCoverage
from candleray.search.bars import Bars
from candleray.search.signals.evaluator import Evaluator
from candleray.search.signals.expressions import (
    Chosen,
    Crosses,
    Earlier,
    Expression,
    IndicatorSeries,
    IsAbove,
    PriceSeries,
    RuleSide,
    SourceKey,
    Spell,
    Trend,
)
from candleray.search.signals.growing_conditions import GrowingConditions
from candleray.search.signals.things import ExpressionBuilder
from candleray.timeframes import MINUTE_MS, minutes_of
from kernels.bits import unpack
from tests.support.oracles.signal_comparison import Case
from tests.support.random_walk import random_walk

TREES_AT_ONCE = 20
ALL_THERE_IS = 10**9


def at_once(bars: Bars, conditions: list[Expression]) -> list[list[list[bool]]]:
    evaluator = Evaluator(replace(bars, start=0), ALL_THERE_IS)
    return [unpack(evaluator.plane(condition), bars.stop).tolist() for condition in conditions]


def in_pieces(bars: Bars, conditions: list[Expression], seed: int) -> list[list[list[bool]]]:
    """Each piece comes with the other candles that were closed when its last bar was."""
    draw = random.Random(seed)
    growing = GrowingConditions(conditions, bars.bar_ms)
    parts: list[list[np.ndarray]] = [[] for _ in conditions]
    first, given = 0, dict.fromkeys(growing.others, 0)
    while first < bars.stop:
        stop = min(bars.stop, first + draw.choice([1, 1, 1, 2, 5, 40]))
        now_ms = bars.candles.ts_open_ms[stop - 1] + bars.bar_ms
        others = {}
        for source in growing.others:
            candles = bars.others[source]
            closes = candles.ts_open_ms + minutes_of(source.timeframe) * MINUTE_MS
            closed = int((closes <= now_ms).sum())
            others[source] = piece_of(candles, given[source], closed)
            given[source] = closed
        planes = growing.advance(piece_of(bars.candles, first, stop), others)
        for part, plane in zip(parts, planes, strict=True):
            part.append(unpack(plane, stop - first))
        first = stop
    return [np.concatenate(part, axis=1).tolist() for part in parts]


def piece_of(candles: Candles, first: int, stop: int) -> Candles:
    return Candles(candles.ts_open_ms[first:stop], candles.values[:, first:stop])


@pytest.mark.parametrize("first", range(0, 100, TREES_AT_ONCE))
def test_drawn_trees_give_the_bits_of_all_bars_at_once(first: int):
    for seed in range(first, first + TREES_AT_ONCE):
        case = Case(seed)
        bars = case.bars()
        conditions = list(ExpressionBuilder(case.grid.request).signals.values())
        assert in_pieces(bars, conditions, seed) == at_once(bars, conditions), seed


def walked(count: int) -> Bars:
    values = random_walk(count, seed=3)
    values[:, 700:702] = np.nan
    stamps = np.arange(count) * MINUTE_MS
    coverage = RangeCoverage((0, 0), (0, 0), 0, np.empty((0, 4), np.int64), np.empty((0, 2), np.int64))
    return Bars(Candles(stamps, values), 0, MINUTE_MS, "", coverage)


def ema(window: int, shift: int = 0) -> IndicatorSeries:
    return IndicatorSeries(Chosen("ema", (("source", "close"),), (("window", window),)), "ema", None, shift)


LONGEST_CHANGE = (("long_delta_periods", 1_000), ("short_delta_periods", 1_000))
OVERSOLD = Chosen("rsi", (), (("window", 14),), (("long_threshold", 55), ("short_threshold", 60)))
BY_HAND = {
    "a cross of averages": Crosses(ema(5), ema(50)),
    "a cross of an average of earlier bars": Crosses(ema(5), ema(50, 30)),
    "a cross within the last bars": Spell(Crosses(PriceSeries("close", None, 0), ema(100)), 40, False),
    "a cross of some bars before": Earlier(Crosses(ema(5), ema(50)), 30),
    "an average that rose for a while": Trend(ema(20), 7, True),
    "a rule held for a while": Spell(RuleSide(OVERSOLD, "long", None), 9, True),
    "a change over a thousand bars": RuleSide(Chosen("atr", (), (("window", 14),), LONGEST_CHANGE), "short", None),
}


@pytest.mark.parametrize("condition", BY_HAND.values(), ids=BY_HAND.keys())
def test_conditions_that_read_earlier_outputs_give_the_bits_of_all_bars_at_once(condition: Expression):
    bars = walked(2_500)
    [[holds, fails]] = at_once(bars, [condition])
    assert any(holds)
    assert any(fails)
    assert in_pieces(bars, [condition], 1) == [[holds, fails]]


def test_candles_that_came_before_are_refused_and_change_nothing():
    bars = walked(400)
    hourly = SourceKey(1, "BTC/USDT", "1h")
    candles = Candles(np.arange(0, 400, 60) * MINUTE_MS, bars.candles.values[:, ::60])
    condition = IsAbove(PriceSeries("close", None, 0), PriceSeries("close", hourly, 0))
    [whole] = at_once(replace(bars, others={hourly: candles}), [condition])
    growing = GrowingConditions([condition], bars.bar_ms)
    [early] = growing.advance(piece_of(bars.candles, 0, 200), {hourly: piece_of(candles, 0, 3)})
    with pytest.raises(ValueError, match="candle 11940000 comes after candle 11940000"):
        growing.advance(piece_of(bars.candles, 199, 400), {})
    with pytest.raises(ValueError, match="candle 7200000 comes after candle 7200000"):
        growing.advance(piece_of(bars.candles, 200, 400), {hourly: piece_of(candles, 2, 6)})
    [late] = growing.advance(piece_of(bars.candles, 200, 400), {hourly: piece_of(candles, 3, 6)})
    assert np.concatenate([unpack(early, 200), unpack(late, 200)], axis=1).tolist() == whole


def test_what_no_next_bar_reads_is_forgotten():
    bars = walked(2_500)
    growing = GrowingConditions([Crosses(ema(5), ema(50, 30))], bars.bar_ms)
    for first in range(0, 2_500, 10):
        growing.advance(piece_of(bars.candles, first, first + 10), {})
    assert growing.kept_bars <= 40
