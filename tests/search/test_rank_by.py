"""Searches ranked by any metric: in the order of the full reports of all variants, by the numbers in these."""

from __future__ import annotations

import math
from functools import cache
from typing import Any

import pytest

from candleray.backtests.metrics import METRICS, Better, Metric
from candleray.backtests.phase import Phase
from candleray.backtests.rank_by import RANKABLE, score_of, value_of
from candleray.backtests.request import BacktestRequest
from candleray.backtests.result import BacktestResult, RankedVariant
from candleray.errors import GuardExceeded, InvalidInput
from candleray.indicators.request_models import get_request_models
from candleray.jobs.checkpoint import Checkpoint
from candleray.search import engine
from candleray.search.estimate import needs_measuring, require_in_time
from candleray.search.phases import stage_a, stage_b
from candleray.search.stop_tables import shortlisted
from candleray.search.sweep import Sweep
from candleray.search.variants import VariantGrid, request_hash, resolve
from candleray.settings import ApiSettings, BacktestSettings
from tests.support.sample_search import CANDLES, RSI, SMA, WARMUP, by_hand, numbers_of
from tests.support.sample_search import resolved as resolved_indicators
from tests.support.searches import bars_over, search_over

STOPS = {"risk": {"sl_pct": {"values": [0.2, 0.5]}, "tp_pct": {"values": [0.3, 1]}}}
SIGNALS: dict[str, Any] = {
    "let": {
        "fast": {"id": "ema", "params": {"window": {"values": [5, 10, 40]}}},
        "slow": {"id": "ema", "params": {"window": {"values": [20, 50, 300]}}},
    },
    "signals": {
        "long_entry": {"cross_above": ["fast", "slow"]},
        "long_exit": {"cross_below": ["fast", "slow"]},
        "short_entry": {"cross_below": ["fast", "slow"]},
    },
}
SEARCHES: dict[str, dict[str, Any]] = {
    "both directions": {},
    "long": {"direction": "long-only", "exit_on": "neutral"},
    "short, under stops": {"direction": "short-only", **STOPS},
    "both directions, under stops": {**STOPS},
    "locked profits": {"sizing": {"mode": "strategy_compound_profit_lock", "safe_profit_percent": 20}},
    "signals": SIGNALS,
    "signals, under stops": {**SIGNALS, **STOPS},
}
RANKED = [metric for metric in METRICS if metric.better is not Better.NEITHER]


def resolved(**changes: Any) -> BacktestRequest:
    if "signals" not in changes:
        return resolved_indicators(**changes)
    kept = resolved_indicators().model_dump(mode="json", include={"instrument", "timeframe", "time_range"})
    return resolve(get_request_models().validated_request({**kept, **changes}), BacktestSettings())


def run(**changes: Any) -> BacktestResult:
    return search_over(CANDLES, resolved(**changes), WARMUP)


@cache
def whole(name: str) -> BacktestResult:
    """Every variant of a search, ranked by total return."""
    return run(**SEARCHES[name], preselect="all", top_k=1000, trades_for=1000)


def value_in(row: RankedVariant, metric: Metric) -> float | int | None:
    """The metric of a variant's report; where that has it not, from the variant's trades and the report."""
    if metric.name in row.metrics:
        return row.metrics[metric.name]
    assert row.trades is not None
    if metric.id == "return_over_drawdown":
        fall = row.metrics["Max. Drawdown [%]"]
        return row.total_return_pct / fall if fall else None
    assert metric.id == "profit_factor"
    won = sum(trade.pnl_quote for trade in row.trades if trade.pnl_quote > 0)
    lost = sum(trade.pnl_quote for trade in row.trades if trade.pnl_quote < 0)
    return won / -lost if lost else None


def in_order(rows: tuple[RankedVariant, ...], metric: Metric) -> list[RankedVariant]:
    sign = 1 if metric.better is Better.LOWER else -1

    def place(row: RankedVariant) -> tuple[bool, float, int]:
        value = value_in(row, metric)
        return (value is None, 0.0 if value is None else sign * value, row.variant_index)

    return sorted(rows, key=place)


@pytest.mark.parametrize("metric", RANKED, ids=lambda metric: metric.id)
@pytest.mark.parametrize("name", SEARCHES)
def test_the_ranking_is_the_full_reports_of_all_variants_sorted(name: str, metric: Metric):
    wanted = in_order(whole(name).top, metric)
    result = run(**SEARCHES[name], rank_by=metric.id, top_k=1000, trades_for=1000)
    assert [row.variant_index for row in result.top] == [row.variant_index for row in wanted]
    for row, other in zip(result.top, wanted, strict=True):
        assert row.metrics[metric.name] == value_in(other, metric)
        assert {**row.metrics, **other.metrics} == row.metrics
        assert (row.trades, row.strategy, row.total_return_pct) == (
            other.trades,
            other.strategy,
            other.total_return_pct,
        )


@pytest.mark.parametrize("metric", RANKED, ids=lambda metric: metric.id)
@pytest.mark.parametrize("name", ["long", "signals, under stops"])
def test_of_few_rows_the_ranking_is_the_beginning_of_that_of_all(name: str, metric: Metric):
    wanted = in_order(whole(name).top, metric)[:5]
    few = run(**SEARCHES[name], rank_by=metric.id, top_k=5, trades_for=1000).top
    assert [row.variant_index for row in few] == [row.variant_index for row in wanted]
    assert [row.trades for row in few] == [row.trades for row in wanted]


@pytest.mark.parametrize("name", ["both directions", "signals, under stops"])
@pytest.mark.parametrize("metric_id", ["sharpe_ratio", "max_drawdown", "profit_factor", "num_trades"])
def test_any_cut_and_a_checkpoint_in_the_middle_give_the_same_ranking(name: str, metric_id: str):
    request = resolved(**SEARCHES[name], rank_by=metric_id, top_k=7)
    grid, bars = VariantGrid(request), bars_over(CANDLES, request, WARMUP)
    planes = engine.Planes.over([engine.planes_of(bars, grid, 0, grid.planes, WARMUP)])
    sweep = stage_b(grid) if grid.has_stops else stage_a(grid)
    ranges = [(at, min(at + 5, sweep.total)) for at in range(0, sweep.total, 5)]
    tables = engine.all_tables(bars, grid, planes) if grid.has_stops else None

    def add(sweep: Sweep, first: int, last: int) -> None:
        if tables is None:
            sweep.add(first, last, engine.rank_variants(bars, grid, planes, first, last))
            return
        bases, _ = shortlisted(grid, sweep.ranking)
        sweep.add(first, last, engine.rank_under_stops(bars, grid, planes, tables, bases, first, last))

    for span in ranges[::2]:
        add(sweep, *span)
    kept = Checkpoint.from_bytes(Checkpoint("candles", "engine", (sweep,), {Phase.PLANES: 1.0}).to_bytes())
    sweep = kept.sweeps[0]
    for span in reversed(ranges[1::2]):
        add(sweep, *span)
    assert sweep.is_complete
    top = search_over(CANDLES, request, WARMUP).top
    assert sweep.ranking.index.tolist() == [row.variant_index for row in top]
    assert sweep.ranking.scores is not None
    values = [value_of(grid.ranked_by, score) for score in sweep.ranking.scores.tolist()]
    assert values == [row.metrics[grid.ranked_by.name] for row in top]
    assert sweep.ranking.total_return_pct.tolist() == [row.total_return_pct for row in top]


def test_what_is_undefined_comes_last_by_its_index_and_the_answer_says_so():
    # An average of 300 of 60 bars never gives a signal, nor one of 200; the others lose and win.
    sma = {"id": "sma", "params": {"window": {"values": [2, 200, 3, 300]}}}
    closes = [100.0, 110, 90, 120, 80, 130, 90, 120, 140, 100] * 6
    result = by_hand(closes, indicators=[sma], rank_by="profit_factor")
    assert [row.variant_index for row in result.top][2:] == [2, 3]
    assert [row.metrics["Profit Factor"] is None for row in result.top] == [False, False, True, True]
    assert "; ranked by Profit Factor, the highest first, 2 of 4 without one last" in str(result)


def test_variants_with_fewer_trades_do_not_rank_and_are_counted():
    everything = whole("both directions")
    counts = sorted(int(row.metrics["Num. Trades"] or 0) for row in everything.top)
    least = counts[len(counts) // 2]
    result = run(rank_by="sharpe_ratio", min_trades=least, top_k=1000)
    sharpe = next(metric for metric in METRICS if metric.id == "sharpe_ratio")
    kept = tuple(row for row in everything.top if (row.metrics["Num. Trades"] or 0) >= least)
    assert [row.variant_index for row in result.top] == [row.variant_index for row in in_order(kept, sharpe)]
    assert result.pruned == {"min_trades": len(everything.top) - len(kept)}
    assert 0 < len(kept) < len(everything.top)
    assert f"pruned {result.pruned['min_trades']}: {result.pruned['min_trades']} by min_trades" in str(result)
    assert numbers_of(run(rank_by="sharpe_ratio", pruning={"min_trades": least}, top_k=1000)) == numbers_of(result)


def test_the_default_is_one_request_however_it_is_said():
    plain = resolved()
    dump = plain.model_dump(mode="json")
    assert "rank_by" not in dump
    assert "min_trades" not in dump
    for said in ("total_return", "Total Return [%]", None):
        assert request_hash(resolved(rank_by=said)) == request_hash(plain)
    assert numbers_of(run(rank_by="total_return")) == numbers_of(run())
    assert request_hash(resolved(rank_by="Sharpe Ratio")) == request_hash(resolved(rank_by="sharpe_ratio"))
    assert request_hash(resolved(rank_by="sharpe_ratio")) != request_hash(plain)


@pytest.mark.parametrize(
    ("changes", "field", "words"),
    [
        ({"rank_by": "sharp_ratio"}, "rank_by", "unknown metric 'sharp_ratio'; did you mean 'sharpe_ratio'?"),
        ({"rank_by": 3}, "rank_by", "unknown metric '3'; known: "),
        ({"rank_by": "benchmark_return"}, "rank_by", "benchmark_return is the same for every variant"),
        ({"min_trades": 0}, "min_trades", "greater than or equal to 1, got 0"),
        (
            {"min_trades": 5, "pruning": {"min_trades": 6}},
            "min_trades",
            "min_trades 5 and pruning.min_trades 6 are the same limit: give one of them",
        ),
        (
            {"min_trades": 5, "pruning": {"max_trades": 4}},
            "min_trades",
            "min_trades 5 is above pruning.max_trades 4",
        ),
    ],
)
def test_what_cannot_rank_is_refused_in_words(changes: dict[str, Any], field: str, words: str):
    with pytest.raises(InvalidInput) as caught:
        resolved(**changes)
    (problem,) = caught.value.problems
    assert problem.field == field
    assert words in problem.message


def test_a_shortlist_by_total_return_is_refused_where_it_would_cut():
    with pytest.raises(InvalidInput, match="preselect 3 would keep the best of 72 base variants by total return"):
        run(**STOPS, rank_by="sharpe_ratio", preselect=3)
    asked = {**STOPS, "rank_by": "sharpe_ratio"}
    result = run(**asked)
    assert result.request.preselect == "all"
    assert result.shortlist is not None
    assert result.shortlist.exact
    assert [row.variant_index for row in run(**asked, preselect=1000).top] == [
        row.variant_index for row in result.top
    ]


def test_a_ranked_variant_alone_has_the_numbers_of_the_grid():
    for row in run(**STOPS, rank_by="profit_factor", min_trades=2, top_k=3).top:
        assert row.strategy.keys().isdisjoint({"rank_by", "min_trades", "pruning"})
        alone = run(**row.strategy, rank_by="profit_factor").top[0]
        assert alone.metrics == row.metrics


def test_the_short_table_shows_what_it_is_ranked_by_first_and_says_it():
    short = run(indicators=[SMA, RSI], rank_by="return_over_drawdown").headlines()
    first = next(place for place, name in enumerate(short.columns) if name[0].isupper())
    assert short.columns[first : first + 2] == ("Return Over Drawdown", "Total Return [%]")
    assert "; ranked by Return Over Drawdown, the highest first" in short.note
    lowest = run(rank_by="max_drawdown").headlines()
    assert lowest.columns.count("Max. Drawdown [%]") == 1
    assert "; ranked by Max. Drawdown [%], the lowest first" in lowest.note
    assert "ranked by" not in run().headlines().note
    assert "Return Over Drawdown" in run(rank_by="return_over_drawdown").to_arrow().column_names


def test_a_dear_ranking_is_refused_at_once_with_its_seconds():
    few, many = VariantGrid(resolved(rank_by="sharpe_ratio")), VariantGrid(resolved(rank_by="sqn", **_MANY))
    assert not needs_measuring(few)
    assert needs_measuring(many)
    assert not needs_measuring(VariantGrid(resolved(**_MANY)))
    require_in_time(many, 1.0, ApiSettings())
    words = "one synchronous answer ranked by sqn: seconds 900.5 is over the limit of 60"
    with pytest.raises(GuardExceeded, match=words):
        require_in_time(many, 900.5, ApiSettings(backtest_timeout_s=60))


_MANY = {"indicators": [{"id": "sma", "params": {"window": {"start": 2, "stop": 3000, "step": 1}}}]}


def test_a_score_is_higher_where_the_value_is_better_and_gives_it_back():
    for metric in RANKED:
        low, high = score_of(metric, 2), score_of(metric, 3)
        assert (low > high) is (metric.better is Better.LOWER)
        assert value_of(metric, high) == 3
        assert value_of(metric, score_of(metric, 0)) == 0
        assert math.copysign(1, value_of(metric, score_of(metric, 0)) or 0) == 1
        assert value_of(metric, score_of(metric, None)) is None
    assert set(RANKABLE) == {metric.id for metric in RANKED}
