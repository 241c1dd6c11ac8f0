"""Searches with stop levels: numbering, Stage A, shortlist, Stage B."""

from __future__ import annotations

from itertools import product
from typing import Any

import numpy as np
import pytest

from candleray.backtests.result import BacktestResult
from candleray.candles import Candles
from candleray.errors import GuardExceeded, InvalidInput
from candleray.indicators.request_models import get_request_models
from candleray.search import engine
from candleray.search.estimate import check_guards
from candleray.search.rankings import Ranking
from candleray.search.stop_tables import shortlisted, stop_tables, table_parts
from candleray.search.variants import VariantGrid, resolve
from candleray.settings import BacktestSettings, GuardSettings
from tests.support.sample_search import CANDLES, START_MS, WARMUP, by_hand, numbers_of, resolved, run
from tests.support.searches import bars_over, search_over

SMA = {"id": "sma", "params": {"window": {"values": [10, 30, 60, 120]}}}
RSI = {
    "id": "rsi",
    "params": {"window": {"values": [7, 14]}},
    "signal": {"long_threshold": 55, "short_threshold": 45},
}
RISK = {"sl_pct": {"values": [0.2, 0.5, 2]}, "tp_pct": {"start": 0.3, "stop": 0.6, "step": 0.3}}
GRID = {"indicators": [SMA, RSI], "risk": RISK, "preselect": "all"}


def test_stop_levels_are_the_fastest_digits_of_an_index():
    grid = VariantGrid(resolved(**GRID))
    assert grid.size == 8 * 6
    risks = [grid.risk(index) for index in range(7)]
    assert [(risk["sl_pct"], risk["tp_pct"]) for risk in risks] == [
        *product([0.2, 0.5, 2], [0.3, 0.6]),
        (0.2, 0.3),
    ]
    assert grid.variant(5) == grid.variant(0) != grid.variant(6)


def test_every_variant_alone_gives_the_numbers_of_the_grid():
    whole = run(**GRID, top_k=48)
    assert sorted(row.variant_index for row in whole.top) == list(range(48))
    for row in whole.top:
        again = resolve(
            get_request_models().validated_request({**row.strategy, "trades_for": 1}), BacktestSettings()
        )
        alone = search_over(CANDLES, again, WARMUP)
        assert alone.variants_total == 1
        best = alone.top[0]
        assert (best.metrics, best.strategy) == (row.metrics, row.strategy)
        assert row.trades is None or row.trades == best.trades
        assert row.metrics["Total Return [%]"] == row.total_return_pct


def test_stops_end_trades_and_are_named():
    reasons = {trade.exit_reason for row in run(**GRID).top for trade in row.trades or ()}
    assert reasons >= {"stop_loss", "take_profit"}


@pytest.mark.parametrize("risk", [{"sl_pct": 0.5}, {"tp_pct": {"values": [0.5, 1]}}, {"sl_pct": 1, "tp_pct": 100}])
@pytest.mark.parametrize("direction", ["long-only", "short-only", "long-short"])
def test_one_kind_of_level_alone_and_each_direction(risk: dict[str, Any], direction: str):
    result = run(indicators=[SMA, RSI], risk=risk, direction=direction, top_k=3)
    assert result.shortlist is not None
    assert result.shortlist.exact
    for row in result.top:
        alone = search_over(
            CANDLES, resolve(get_request_models().validated_request({**row.strategy}), BacktestSettings()), WARMUP
        )
        assert alone.top[0].metrics == row.metrics


MANY_LEVELS = {"sl_pct": {"start": 0.1, "stop": 4, "step": 0.1}, "tp_pct": {"start": 0.2, "stop": 4, "step": 0.2}}


def test_more_levels_than_a_table_holds():
    whole = run(indicators=[{"id": "sma", "params": {"window": 30}}], risk=MANY_LEVELS, top_k=800)
    assert whole.variants_evaluated == 40 * 20
    for row in whole.top[::97]:
        again = resolve(get_request_models().validated_request(row.strategy), BacktestSettings())
        assert search_over(CANDLES, again, WARMUP).top[0].metrics == row.metrics


@pytest.mark.parametrize("parts", [1, 2, 5, 13, 48])
def test_any_cut_of_stage_b_merged_in_any_order_gives_the_same_ranking(parts: int):
    request = resolved(**GRID)
    grid = VariantGrid(request)
    bars = bars_over(CANDLES, request, WARMUP)
    planes = engine.Planes.over([engine.planes_of(bars, grid, 0, grid.planes, WARMUP)])
    tables = engine.all_tables(bars, grid, planes)
    bases, _ = shortlisted(grid, Ranking.empty())
    merged = Ranking.empty()
    for part in np.random.default_rng(parts).permutation(parts):
        first, last = part * grid.size // parts, (part + 1) * grid.size // parts
        answer = engine.rank_under_stops(bars, grid, planes, tables, bases, first, last)
        merged = answer.merged(merged, 20)
    assert [row.variant_index for row in run(**GRID, top_k=20).top] == merged.index.tolist()
    assert [row.total_return_pct for row in run(**GRID, top_k=20).top] == merged.total_return_pct.tolist()


@pytest.mark.parametrize("direction", ["long-only", "short-only", "long-short"])
@pytest.mark.parametrize("parts", [1, 2, 3, 7, 100])
def test_every_table_is_in_one_part(direction: str, parts: int):
    grid = VariantGrid(resolved(risk=MANY_LEVELS, direction=direction))
    cut = table_parts(grid, parts)
    assert sorted(number for part in cut for number in part) == list(range(len(stop_tables(grid))))
    assert 1 <= len(cut) <= parts


def test_two_parts_have_the_tables_of_one_pass_each():
    grid = VariantGrid(resolved(risk=MANY_LEVELS, direction="long-short"))
    tables = stop_tables(grid)
    down, up = ([tables[number] for number in part] for part in table_parts(grid, 2))
    assert {table.towards for table in down} == {-1.0}
    assert {table.towards for table in up} == {1.0}


def test_without_stop_levels_there_is_no_shortlist():
    result = run(indicators=[SMA, RSI], preselect=1)
    assert result.shortlist is None
    assert result.variants_evaluated == result.variants_total == 8


def test_with_everything_kept_the_answer_is_exact():
    shortlist = run(**GRID).shortlist
    assert shortlist is not None
    assert shortlist.model_dump() == {
        "base_variants": 8,
        "kept": 8,
        "cut": 0,
        "best_cut_return_pct": None,
        "worst_kept_return_pct": None,
        "exact": True,
    }
    assert (
        numbers_of(run(**{**GRID, "preselect": 8}, top_k=5)).split('"request_hash"')[1].split('"top"')[1]
        == (numbers_of(run(**GRID, top_k=5)).split('"request_hash"')[1].split('"top"')[1])
    )


def test_a_shortlist_keeps_the_best_base_variants_and_says_what_it_cut():
    bases = run(indicators=[SMA, RSI]).top
    result = run(**{**GRID, "preselect": 3}, top_k=48)
    shortlist = result.shortlist
    assert shortlist is not None
    assert (shortlist.kept, shortlist.cut, shortlist.exact) == (3, 5, False)
    assert shortlist.worst_kept_return_pct == bases[2].total_return_pct
    assert shortlist.best_cut_return_pct == bases[3].total_return_pct
    assert (result.variants_total, result.variants_evaluated) == (48, 18)
    assert {row.variant_index // 6 for row in result.top} == {row.variant_index for row in bases[:3]}


def test_a_winner_that_the_shortlist_cut_is_found_by_all():
    # The average of 2 buys at 120, sells at 100, and buys at 110 what ends at 150: 150 / 110 · 100 / 120. That of
    # 3 buys at 120 and sells at 100, no more: the worse without stops. With a take-profit of 20 % it leaves at 150
    # and stays out, while the other finds its signal fresh there and buys the fall.
    closes = [100.0, 120, 120, 150, 100, 110, 150]
    asked = {"indicators": [{"id": "sma", "params": {"window": {"values": [2, 3]}}}], "risk": {"tp_pct": 20}}
    cut, whole = by_hand(closes, **asked, preselect=1), by_hand(closes, **asked, preselect="all")

    assert [row.variant_index for row in cut.top] == [0]
    assert cut.shortlist is not None
    assert cut.shortlist.worst_kept_return_pct == pytest.approx((150 / 110 * 100 / 120 - 1) * 100)
    assert cut.shortlist.best_cut_return_pct == pytest.approx((100 / 120 - 1) * 100)
    assert not cut.shortlist.exact

    assert [row.variant_index for row in whole.top] == [1, 0]
    assert whole.top[0].total_return_pct == pytest.approx(25)
    assert whole.top[1].total_return_pct == pytest.approx(cut.top[0].total_return_pct)
    assert whole.shortlist is not None
    assert whole.shortlist.exact


def test_the_short_table_has_the_levels_that_vary_and_says_what_was_cut():
    short = run(**{**GRID, "preselect": 3}).headlines()
    assert short.columns[:5] == ("rank", "rsi.window", "sma.window", "sl_pct", "tp_pct")
    assert "18 of 48 variants" in short.note
    assert "not exact: of 8 base variants 5 were cut" in short.note
    whole = run(**{**GRID, "risk": {"sl_pct": 1}}).headlines()
    assert whole.columns[:4] == ("rank", "rsi.window", "sma.window", "Total Return [%]")
    assert "cut" not in whole.note


def test_a_take_profit_by_hand():
    # Bought at 110; 242 is a gain of 120 %, and the 231 after it a loss beside the 220 that the signal sells at.
    closes = [100, 110, 242, 220, 231, 115.5, 115.5]
    best = by_hand(closes, risk={"tp_pct": 100, "sl_pct": 100}).top[0]
    assert best.trades is not None
    assert [(trade.exit_fill, trade.exit_reason) for trade in best.trades] == [
        (242, "take_profit"),
        (115.5, "signal"),
    ]
    assert best.strategy["risk"] == {"sl_pct": 100, "tp_pct": 100}
    assert best.total_return_pct == pytest.approx((242 / 110 * 115.5 / 231 - 1) * 100)


@pytest.mark.parametrize(
    ("level", "words"),
    [
        (0, "above 0"),
        (-1, "above 0"),
        (1000.5, "at most 1000 percent"),
        ({"values": [0, 1]}, "got 0"),
        ({"start": 900, "stop": 1100, "step": 100}, "got 1100"),
    ],
)
def test_a_level_that_cannot_be_is_refused(level: Any, words: str):
    with pytest.raises(InvalidInput, match=words) as caught:
        resolved(risk={"tp_pct": level})
    assert [problem.field for problem in caught.value.problems] == ["risk.tp_pct"]


def test_the_guards_count_both_stages_and_the_tables():
    grid = VariantGrid(resolved(**{**GRID, "preselect": 3}))
    assert grid.simulations == 8 + 3 * 6
    with pytest.raises(GuardExceeded, match="variants 26 is over the limit of 25"):
        check_guards(grid, 525_600, GuardSettings(max_variants=25))
    # 4 + 2 planes of 8,213 words, 5 levels of 2 sides, 4 bytes a bar; 6 columns of bars.
    enough = 6 * 2 * 8213 * 8 + 5 * 2 * 4 * 525_600 + 6 * 8 * 525_600
    check_guards(grid, 525_600, GuardSettings(max_compute_bytes=enough))
    with pytest.raises(GuardExceeded, match=f"compute_bytes {enough} is over"):
        check_guards(grid, 525_600, GuardSettings(max_compute_bytes=enough - 1))


def flat(minutes: int, price: float = 100.0) -> Candles:
    return Candles(START_MS + np.arange(minutes) * 60_000, np.full((5, minutes), price))


@pytest.mark.parametrize("minutes", [1, 2, 500])
@pytest.mark.parametrize("price", [100.0, 1e-9])
def test_few_bars_and_flat_prices_rank_by_index(minutes: int, price: float):
    span = {"start": "2025-01-01T00:00:00Z", "end": "2025-01-02T00:00:00Z"}
    result: BacktestResult = search_over(flat(minutes, price), resolved(**GRID, time_range=span, top_k=48), WARMUP)
    assert [row.variant_index for row in result.top] == list(range(48))
    assert {row.total_return_pct for row in result.top} == {0.0}
    assert "NaN" not in numbers_of(result)
