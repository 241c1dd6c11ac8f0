"""Histories of chance: the moments of the candles that they stand for, and nothing to find."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from candleray.backtests.chance.luck import History
from candleray.backtests.request import BacktestRequest
from candleray.candles import Candles
from candleray.search.bars import Bars
from candleray.search.nulls.histories import block_bars, history
from candleray.search.variants import resolve
from candleray.settings import BacktestSettings
from candleray.timeframes import iso
from tests.support.api.in_process_api import START_MS, random_walk
from tests.support.searches import bars_over

MINUTES = 20 * 1440
KINDS = list(History)


def real_bars() -> Bars:
    walk = random_walk(MINUTES)
    walk.values[:4] *= np.linspace(1, 3, MINUTES)  # a trend
    request = {
        "instrument": {"market_id": 1, "symbol": "BTCUSDT"},
        "timeframe": "5m",
        "time_range": {"start": iso(START_MS + 2 * 86_400_000), "end": iso(START_MS + MINUTES * 60_000)},
        "indicators": [{"id": "sma"}],
    }
    return bars_over(walk, resolve(BacktestRequest.model_validate(request), BacktestSettings()), 200)


BARS = real_bars()


def moves(bars: Bars) -> np.ndarray:
    close = bars.candles.column("close")
    return np.asarray(close[1:] / close[:-1] - 1)


@pytest.mark.parametrize("kind", KINDS)
def test_a_history_is_that_of_its_seed_and_number(kind: History):
    one = history(BARS, kind, 3, 5)
    assert (history(BARS, kind, 3, 5).candles.values == one.candles.values).all()
    for other in (history(BARS, kind, 3, 6), history(BARS, kind, 4, 5), BARS):
        assert (moves(other) != moves(one)).mean() > 0.9
    assert (one.candles.ts_open_ms == BARS.candles.ts_open_ms).all()
    assert (one.start, one.coverage) == (BARS.start, BARS.coverage)


@pytest.mark.parametrize("kind", KINDS)
def test_high_and_low_hold_each_bar_and_it_begins_where_the_candles_do(kind: History):
    open_, high, low, close, _ = history(BARS, kind, 0, 0).candles.values
    assert (high >= np.maximum(open_, close) * (1 - 1e-12)).all()
    assert (low <= np.minimum(open_, close) * (1 + 1e-12)).all()
    assert (low > 0).all()
    assert open_[0] == pytest.approx(BARS.candles.values[0, 0], rel=1e-3)


def test_a_walk_moves_as_far_as_the_candles_and_in_no_direction():
    size = np.sqrt((moves(BARS) ** 2).mean())
    found = np.concatenate([moves(history(BARS, History.WALK, 1, number)) for number in range(40)])
    assert np.sqrt((found**2).mean()) == pytest.approx(size, rel=0.01)
    assert abs(found.mean()) < 3 * size / np.sqrt(found.size)
    kurtosis = ((found / found.std()) ** 4).mean()
    assert 2.5 < kurtosis < 3.1  # sums of four uniform numbers: 2.7
    assert abs(np.corrcoef(found[1:], found[:-1])[0, 1]) < 3 / np.sqrt(found.size)
    heights = history(BARS, History.WALK, 1, 0).candles.values
    assert (heights[1] / heights[2]).mean() == pytest.approx(
        (BARS.candles.values[1] / BARS.candles.values[2]).mean(), rel=0.05
    )


def test_a_shuffle_has_the_moves_of_the_candles_in_days_and_their_trend():
    assert block_bars(BARS) == min(288, len(BARS.candles) // 20)
    made, block = history(BARS, History.BLOCKS, 1, 0), block_bars(BARS)
    before, after = moves(BARS), moves(made)
    assert np.sort(after)[::97] == pytest.approx(np.sort(before)[::97], abs=1e-3)
    assert made.candles.values[3, -1] == pytest.approx(BARS.candles.values[3, -1], rel=1e-9)
    assert sorted(made.candles.values[4]) == sorted(BARS.candles.values[4])
    # The second bar of each block follows the same first bar as before.
    known = {round(float(volume), 9): at for at, volume in enumerate(BARS.candles.values[4])}
    places = [known[round(float(volume), 9)] for volume in made.candles.values[4]]
    steps = np.diff(places)
    assert (steps != 1).sum() <= len(places) // block + 1
    assert places != sorted(places)


def test_a_block_is_a_day_but_five_bars_of_long_ones():
    days = np.arange(200) * 86_400_000
    daily = replace(BARS, candles=Candles(days, np.ones((5, 200))), bar_ms=86_400_000)
    assert block_bars(daily) == 5
    few = replace(daily, candles=Candles(days[:10], np.ones((5, 10))))
    assert block_bars(few) == 1


@pytest.mark.parametrize(
    ("kind", "closes"),
    [
        (History.WALK, [95.55174055081831, 94.75295318829654]),
        (History.BLOCKS, [95.39036226257228, 95.12565846416777]),
    ],
)
def test_a_history_has_the_same_bits_on_every_machine(kind: History, closes: list[float]):
    assert history(BARS, kind, 7, 0).candles.values[3, [0, 1]].tolist() == closes
