"""A backtest as pure steps: any cut gives the same answer, a variant alone the grid's numbers."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from candleray.candles import Candles
from candleray.errors import GuardExceeded, InvalidInput, NotFound
from candleray.indicators.request_models import get_request_models
from candleray.search import engine
from candleray.search.rankings import Ranking
from candleray.search.variants import VariantGrid, resolve
from candleray.settings import BacktestSettings
from candleray.timeframes import MINUTE_MS, iso
from kernels.indicators import INDICATORS
from tests.support.sample_search import CANDLES, START_MS, WARMUP, by_hand, numbers_of, resolved, run
from tests.support.searches import bars_over, search_over


def test_the_same_request_gives_the_same_bytes():
    assert numbers_of(run()) == numbers_of(run())


@pytest.mark.parametrize("parts", [1, 2, 7, 71])
def test_any_cut_of_the_grid_merged_in_any_order_gives_the_same_ranking(parts: int):
    request = resolved()
    grid = VariantGrid(request)
    bars = bars_over(CANDLES, request, WARMUP)
    cuts = [engine.planes_of(bars, grid, at, at + 1, WARMUP) for at in range(grid.planes)]
    planes = engine.Planes.over(cuts)
    whole = engine.rank_variants(bars, grid, planes, 0, grid.size)
    merged = Ranking.empty()
    order = np.random.default_rng(parts).permutation(parts)
    for part in order:
        first, last = part * grid.size // parts, (part + 1) * grid.size // parts
        merged = engine.rank_variants(bars, grid, planes, first, last).merged(merged, 20)
    assert merged.index.tolist() == whole.index.tolist()
    assert merged.total_return_pct.tobytes() == whole.total_return_pct.tobytes()


def test_equal_returns_are_ranked_by_index():
    flat = Candles(CANDLES.ts_open_ms, np.full((5, len(CANDLES)), 100.0))
    result = search_over(flat, resolved(), WARMUP)
    assert [row.variant_index for row in result.top] == list(range(20))
    assert {row.total_return_pct for row in result.top} == {0.0}


@pytest.mark.parametrize("timeframe", ["1m", "5m"])
def test_a_strategy_sent_back_alone_gives_the_numbers_of_the_grid(timeframe: str):
    for row in run(timeframe=timeframe).top:
        again = resolve(
            get_request_models().validated_request({**row.strategy, "trades_for": 1}), BacktestSettings()
        )
        alone = search_over(CANDLES, again, WARMUP)
        assert alone.variants_total == 1
        assert alone.top[0].metrics == row.metrics
        assert alone.top[0].trades == row.trades
        assert alone.top[0].strategy == row.strategy


# Bought at 110 and sold at 220 (the first close below its average after 242), bought again at 231, sold at 115.5.
SWINGS = [100, 110, 242, 220, 231, 115.5, 115.5]


@pytest.mark.parametrize(
    ("sizing", "notionals", "equities"),
    [
        # Everything doubles, then halves.
        ({"mode": "all_in"}, [1000, 2000], [2000, 1000]),
        # 400 gain 400, then 400 lose 200: what was gained lies idle.
        ({"mode": "fixed_quote", "quote": 400}, [400, 400], [1400, 1200]),
        # More than there is: the first takes all 1000, the second no more than its 1500.
        ({"mode": "fixed_quote", "quote": 1500}, [1000, 1500], [2000, 1250]),
        # 400 double to 800 and halve to 400, beside 600 that never move.
        ({"mode": "strategy_compound", "budget_quote": 400}, [400, 800], [1400, 1000]),
        # Of the 400 gained 100 are locked: 700 halve to 350, beside 600 + 100.
        (
            {"mode": "strategy_compound_profit_lock", "budget_quote": 400, "safe_profit_percent": 25},
            [400, 700],
            [1400, 1050],
        ),
    ],
    ids=lambda part: part["mode"] if isinstance(part, dict) else "",
)
def test_the_four_sizings_by_hand(sizing: dict[str, Any], notionals: list[float], equities: list[float]):
    best = by_hand(SWINGS, sizing=sizing).top[0]
    assert best.trades is not None
    assert [trade.entry_notional_quote for trade in best.trades] == pytest.approx(notionals)
    assert [trade.equity_quote for trade in best.trades] == pytest.approx(equities)
    assert best.total_return_pct == pytest.approx((equities[-1] / 1000 - 1) * 100)


@pytest.mark.parametrize(
    "sizing",
    [
        {"mode": "fixed_quote", "quote": 700},
        {"mode": "strategy_compound"},
        {"mode": "strategy_compound_profit_lock", "budget_quote": 900, "safe_profit_percent": 30},
    ],
    ids=lambda sizing: sizing["mode"],
)
def test_a_strategy_keeps_its_sizing(sizing: dict[str, Any]):
    row = run(sizing=sizing, top_k=1).top[0]
    again = resolve(get_request_models().validated_request({**row.strategy, "trades_for": 1}), BacktestSettings())
    alone = search_over(CANDLES, again, WARMUP).top[0]
    assert (alone.metrics, alone.trades, alone.strategy) == (row.metrics, row.trades, row.strategy)


def test_the_rank_and_the_report_agree_to_the_bit():
    for row in run().top:
        assert row.metrics["Total Return [%]"] == row.total_return_pct


def test_trades_are_listed_for_as_many_variants_as_asked():
    assert [row.trades is not None for row in run(trades_for=2, top_k=4).top] == [True, True, False, False]


def test_a_variant_is_warmed_up_by_its_own_lookback_and_not_by_the_grids():
    short = {"id": "ema", "params": {"window": 5}}
    with_long = run(indicators=[short, {"id": "sma", "params": {"window": {"values": [5, 295]}}}], top_k=2)
    alone = run(indicators=[short, {"id": "sma", "params": {"window": 5}}])
    same = next(row for row in with_long.top if row.strategy == alone.top[0].strategy)
    assert same.metrics == alone.top[0].metrics


def test_with_less_history_than_the_warmup_the_first_bar_there_is_begins():
    request = {"start": "2025-01-01T00:10:00Z", "end": "2025-01-02T00:00:00Z"}
    assert run(time_range=request).bars == 24 * 60 - 10


def test_only_bars_wholly_in_the_range_count():
    result = run(timeframe="1h", time_range={"start": "2025-01-01T05:30:00Z", "end": "2025-01-01T09:30:00Z"})
    assert result.bars == 3
    assert result.top[0].metrics["Start"] == START_MS + 6 * 60 * MINUTE_MS
    assert result.top[0].metrics["End"] == START_MS + 9 * 60 * MINUTE_MS


def test_an_hour_with_a_missing_minute_is_no_bar():
    kept = np.arange(len(CANDLES)) != 7 * 60 + 13
    holed = Candles(CANDLES.ts_open_ms[kept], np.ascontiguousarray(CANDLES.values[:, kept]))
    request = resolved(timeframe="1h", time_range={"start": "2025-01-01T05:00:00Z", "end": "2025-01-01T10:00:00Z"})
    assert search_over(holed, request, WARMUP).bars == 4


def test_no_bar_in_the_range_is_said():
    with pytest.raises(NotFound, match="no 1d bar of binance-spot BTCUSDT lies in 2025-01-01T05:00:00Z") as caught:
        run(timeframe="1d", time_range={"start": "2025-01-01T05:00:00Z", "end": "2025-01-02T05:00:00Z"})
    first_ms, last_ms = int(CANDLES.ts_open_ms[0]), int(CANDLES.ts_open_ms[-1])
    assert caught.value.message.endswith(f"; its candles are of {iso(first_ms)} to {iso(last_ms + MINUTE_MS)}")


def test_other_candles_are_another_hash():
    changed = Candles(CANDLES.ts_open_ms, CANDLES.values * 2)
    assert search_over(changed, resolved(), WARMUP).candles_hash != run().candles_hash


def test_one_bar_trades_nothing_and_reports_no_undefined_number():
    result = run(time_range={"start": "2025-01-01T05:00:00Z", "end": "2025-01-01T05:01:00Z"}, top_k=1)
    metrics = result.top[0].metrics
    assert metrics["Num. Trades"] == 0
    assert metrics["Win Rate [%]"] is None
    assert "NaN" not in numbers_of(result)


def test_a_window_longer_than_the_data_never_trades_and_the_answer_says_so():
    result = run(indicators=[{"id": "sma", "params": {"window": {"values": [20, 5000]}}}])
    silent = next(row for row in result.top if row.strategy["indicators"][0]["params"]["window"] == 5000)
    assert silent.metrics["Num. Trades"] == 0
    assert len(result.notes) == 1
    assert "sma: 1 of its 2 variants never give a signal: they need up to 4999 bars" in result.notes[0]


def test_enough_history_needs_no_note():
    assert run().notes == ()


def test_combinations_that_an_indicator_forbids_have_no_number():
    """A fast average slower than the slow one is no variant: it is neither counted nor ranked."""
    axes = {"fast": {"values": [5, 10, 20]}, "slow": {"values": [10, 20]}}
    result = run(indicators=[{"id": "macd", "params": axes}])
    pairs = {(p["fast"], p["slow"]) for p in (row.strategy["indicators"][0]["params"] for row in result.top)}
    assert result.variants_total == 3
    assert pairs == {(5, 10), (5, 20), (10, 20)}


def test_parameters_that_do_not_go_together_are_refused_in_words():
    with pytest.raises(InvalidInput, match="macd: fast 26 must be below slow 12"):
        run(indicators=[{"id": "macd", "params": {"fast": 26, "slow": 12}}])


def test_more_constrained_combinations_than_can_be_looked_at_are_refused():
    axes = {"fast": {"start": 2, "stop": 400, "step": 1}, "slow": {"start": 3, "stop": 400, "step": 1}}
    with pytest.raises(GuardExceeded, match="macd: 158802 combinations of its parameters, at most 50000"):
        run(indicators=[{"id": "macd", "params": axes}])


@pytest.mark.parametrize("volume", [0.0, float("inf")], ids=["no volume", "infinite volume"])
def test_a_volume_that_means_nothing_ranks_no_undefined_number(volume: float):
    values = CANDLES.values.copy()
    values[4, ::3] = volume
    odd = Candles(CANDLES.ts_open_ms, values)
    by_volume = [
        name
        for name, indicator in INDICATORS.items()
        if any("volume" in columns for columns in indicator.inputs.values())
    ]
    assert len(by_volume) > 5
    for name in by_volume:
        result = search_over(odd, resolved(indicators=[{"id": name}], trades_for=0), WARMUP)
        assert np.isfinite([row.total_return_pct for row in result.top]).all(), name
        assert len(result.top) == 1
