"""The verdict in an answer: over all variants, the same however a search is cut, null where none may be given."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from candleray.backtests.result import BacktestResult
from candleray.backtests.verdict import Saying
from candleray.hashes import content_hash
from candleray.search import engine
from candleray.search.rankings import Ranking
from candleray.search.variants import VariantGrid, request_hash
from candleray.trust.evidence import Evidence
from tests.support.sample_search import CANDLES, WARMUP, resolved, run
from tests.support.searches import bars_over, search_over

STOPS = {"sl_pct": {"values": [1, 2, 5]}, "tp_pct": {"values": [2, 4]}}
FIVE_HOURS = {"start": "2025-01-01T05:00:00Z", "end": "2025-01-01T10:00:00Z"}


def answer(**changes: Any) -> BacktestResult:
    return search_over(CANDLES, resolved(**changes), WARMUP)


def same(one: Evidence, other: Evidence) -> bool:
    theirs = other.arrays()
    return all(np.array_equal(column, theirs[name]) for name, column in one.arrays().items())


def test_every_answer_has_a_verdict_and_each_of_its_variants_a_part():
    result = answer()
    verdict = result.verdict
    assert verdict.says is not None
    assert verdict.variants + verdict.never_traded == result.variants_total
    assert 1 <= verdict.independent_variants <= verdict.variants
    assert verdict.line in str(result)
    parts = [row.trust.luck_p for row in result.top if row.metrics["Num. Trades"]]
    assert len(parts) > 10
    assert all(verdict.luck_p <= part <= 1 for part in parts)
    assert all(row.trust.luck_p is None for row in result.top if not row.metrics["Num. Trades"])


def test_block_returns_of_a_variant_make_up_its_total_return():
    for row in answer().top:
        total = np.expm1(sum(row.trust.record.block_log_returns)) * 100
        assert total == pytest.approx(row.total_return_pct, abs=1e-3)
        assert row.metrics["Position Coverage [%]"] > 0 or row.trust.record.bars_in_market == 0


def test_the_rows_of_the_report_are_those_of_the_ranking():
    """Luck p of a variant is held against sums of the ranking: both must be the same whole numbers."""
    request = resolved()
    grid, bars = VariantGrid(request), bars_over(CANDLES, request, WARMUP)
    planes = engine.Planes.over([engine.planes_of(bars, grid, 0, grid.planes, WARMUP)])
    outcomes = engine.outcomes_of(bars, grid, planes.plane_grid(grid), 0, grid.size, engine.prices_of(bars, grid))
    for row in answer().top:
        rows = outcomes.rows[row.variant_index] * 2.0**-24
        assert row.trust.record.block_log_returns == pytest.approx(rows.tolist(), abs=2.0**-24)
        assert row.trust.record.bars_in_market == outcomes.in_market[row.variant_index]


def test_a_search_without_a_verdict_is_the_same_but_for_it():
    plain, judged = answer(verdict=False), answer()
    assert "verdict" not in plain.model_dump(mode="json")
    whole = judged.model_dump(mode="json", exclude={"elapsed_s", "verdict", "request_hash", "request"})
    for row in whole["top"]:
        assert row.pop("trust")
    assert whole == plain.model_dump(mode="json", exclude={"elapsed_s", "request_hash", "request"})


def test_a_request_keeps_its_hash():
    """Left out where it is wanted: so hashes stay those of before there were verdicts."""
    request = resolved()
    assert "verdict" not in request.model_dump(mode="json")
    assert (
        request_hash(request)
        == request_hash(resolved(verdict=True))
        == content_hash(request.model_dump(mode="json", exclude={"verdict"}))
    )
    assert request_hash(request) != request_hash(resolved(verdict=False))


@pytest.mark.parametrize("parts", [2, 7, 71])
def test_any_cut_in_any_order_leaves_the_same_evidence(parts: int):
    request = resolved()
    grid, bars = VariantGrid(request), bars_over(CANDLES, request, WARMUP)
    planes = engine.Planes.over([engine.planes_of(bars, grid, 0, grid.planes, WARMUP)])
    whole = engine.rank_variants(bars, grid, planes, 0, grid.size)
    merged = Ranking.empty()
    for part in np.random.default_rng(parts).permutation(parts):
        first, last = part * grid.size // parts, (part + 1) * grid.size // parts
        merged = engine.rank_variants(bars, grid, planes, first, last).merged(merged, 20)
    assert same(merged.evidence, whole.evidence)


def test_under_stops_all_combinations_are_judged():
    result = answer(risk=STOPS, preselect="all")
    assert result.verdict.variants + result.verdict.never_traded == result.variants_total
    assert result.verdict.about == "all variants"
    assert all(row.trust.luck_p is not None for row in result.top if row.metrics["Num. Trades"])


def test_a_shortlist_is_not_judged_but_all_that_it_was_chosen_from():
    result = answer(risk=STOPS, preselect=7)
    assert result.shortlist.cut
    assert result.verdict.variants + result.verdict.never_traded == result.shortlist.base_variants
    assert "without stops" in result.verdict.about
    assert result.verdict.best_sharpe is None
    assert all(row.trust is None for row in result.top)
    assert result.verdict.pbo == answer().verdict.pbo


def test_pruned_variants_leave_nothing_that_may_be_judged():
    verdict = answer(pruning={"max_drawdown_pct": 5}).verdict
    assert verdict.says is None
    assert "limits prune" in verdict.reason
    assert verdict.line == f"verdict: none, {verdict.reason}"


def test_few_bars_have_no_verdict():
    verdict = answer(time_range=FIVE_HOURS).verdict
    assert verdict.says is None
    assert verdict.reason == "300 bars are fewer than 320, which make sixteen blocks of 20"


def test_where_nothing_trades_there_is_nothing_to_judge():
    flat = CANDLES.values.copy()
    flat[:] = 100.0
    result = search_over(type(CANDLES)(CANDLES.ts_open_ms, flat), resolved(), WARMUP)
    assert (result.verdict.says, result.verdict.reason) == (None, "no variant traded")


def test_luck_on_a_random_walk_is_called_noise_or_not_proven():
    assert run().verdict.says in (Saying.NOISE, Saying.UNPROVEN)
