"""Pruning: hand-worked examples, the per-bar oracle, and what a search says of it."""

from __future__ import annotations

import random
from dataclasses import asdict
from itertools import product
from typing import Any

import numpy as np
import pytest

from candleray.backtests.result import BacktestResult
from candleray.candles import Candles
from candleray.errors import InvalidInput
from candleray.indicators.request_models import get_request_models
from candleray.search import engine
from candleray.search.rankings import Ranking
from candleray.search.stop_tables import shortlisted
from candleray.search.variants import VariantGrid, request_hash, resolve
from candleray.settings import BacktestSettings
from candleray.timeframes import MINUTE_MS
from kernels.simulation.outcomes import Outcomes
from kernels.simulation.pruned.limits import KEPT, REASONS
from kernels.simulation.pruned.pruning import Pruning, deadlines, limits_of, no_deadlines
from kernels.simulation.without_stops import rank_range
from tests.support.oracles import oracle
from tests.support.oracles.drawn_cases import drawn_closes, drawn_rules, drawn_signal
from tests.support.oracles.oracle_comparison import Grid
from tests.support.sample_search import CANDLES, WARMUP, resolved, run
from tests.support.searches import bars_over, search_over

HOUR_MS = 3_600_000
FATES = (None, *REASONS)


def kernel_pruning(limits: oracle.Pruning, ts_open_ms: np.ndarray, bar_ms: int) -> Pruning:
    windows = {"window_trades", "window_days"}
    values = {name: value for name, value in asdict(limits).items() if name not in windows}
    terms = limits_of({**values, "loss_window": limits.window_trades})
    if limits.window_days is None:
        return Pruning(terms, no_deadlines(ts_open_ms.size))
    return Pruning(terms, deadlines(ts_open_ms, bar_ms, round(limits.window_days * oracle.DAY_MS)))


class PrunedGrid:
    """A grid under limits: what became of every variant, as the kernel says and as the oracle does."""

    def __init__(self, grid: Grid, limits: oracle.Pruning, stamps: list[int], bar_ms: int) -> None:
        self.grid, self.limits, self.stamps, self.bar_ms = grid, limits, stamps, bar_ms
        self._pruning = kernel_pruning(limits, np.array(stamps, np.int64), bar_ms)

    def rank(self, first: int = 0, last: int | None = None) -> Outcomes:
        """The outcomes by `rank_combinations`."""
        return self.grid.rank(first=first, last=last, pruning=self._pruning)

    def rank_without_stops(self) -> Outcomes:
        """The outcomes by `rank_range`, which knows no stops."""
        grid = self.grid
        outcomes = Outcomes.for_variants(grid.planes.variants)
        rank_range(grid.planes, 0, grid.prices, grid.terms, outcomes, self._pruning)
        return outcomes

    def oracle_fate(self, base: int, levels: tuple[float | None, float | None]) -> str | None:
        whole = self.grid.oracle_run(base, levels)
        return oracle.pruned_by(whole, self.stamps, self.bar_ms, self.grid.rules.init_cash_quote, self.limits)

    def check(self) -> list[str | None]:
        whole, pruned = self.grid.rank(), self.rank()
        wanted = [
            self.oracle_fate(base, levels)
            for base, levels in product(range(self.grid.sizes.prod()), self.grid.levels)
        ]
        assert [FATES[fate] for fate in pruned.fates] == wanted
        kept = pruned.fates == KEPT
        assert pruned.total_return_pct[kept].tobytes() == whole.total_return_pct[kept].tobytes()
        assert pruned.trades[kept].tolist() == whole.trades[kept].tolist()
        assert (pruned.trades <= whole.trades).all()
        if self.grid.levels == [(None, None)]:
            for got, same in zip(self.rank_without_stops(), pruned, strict=True):
                assert got.tobytes() == same.tobytes()
        return wanted


# Hand-worked examples ------------------------------------------------------------------------------------------


def fate(closes: list[float], signal: str, sl=None, tp=None, bar_ms: int = HOUR_MS, **changes: Any) -> str | None:
    """Return the fate of one variant, of which the oracle says the same."""
    names = set(oracle.Pruning.__dataclass_fields__)
    limits = oracle.Pruning(**{name: value for name, value in changes.items() if name in names})
    rules = oracle.Rules(**{name: value for name, value in changes.items() if name not in names})
    levels = [] if sl is None else [sl], [] if tp is None else [tp]
    grid = Grid(closes, [[signal]], rules, *levels)
    return PrunedGrid(grid, limits, [t * bar_ms for t in range(len(closes))], bar_ms).check()[0]


def test_a_fall_of_more_than_the_limit_prunes_and_one_of_the_limit_does_not():
    # 100 to 75 is a fall of 25 %, exact in binary; it need not last to the exit.
    assert fate([100, 75, 100, 100], "LLL.", max_drawdown_pct=25) is None
    assert fate([100, 74.9, 100, 100], "LLL.", max_drawdown_pct=25) == "max_drawdown_pct"


def test_a_drawdown_is_taken_from_the_highest_equity_open_positions_marked():
    assert fate([100, 200, 150, 150], "LLL.", max_drawdown_pct=25) is None
    assert fate([100, 200, 149, 160], "LLL.", max_drawdown_pct=25) == "max_drawdown_pct"
    assert fate([100, 50, 76, 76], "SSS.", max_drawdown_pct=17) == "max_drawdown_pct"


def test_costs_alone_can_draw_down():
    assert fate([100, 100, 100], "L..", fee_pct=5, max_drawdown_pct=4) == "max_drawdown_pct"
    assert fate([100, 100, 100], "L..", fee_pct=5, max_drawdown_pct=10) is None


def test_a_fall_between_stop_and_signal_is_not_drawn_down():
    # The stop sells at 90; what the price does after that is nobody's loss.
    assert fate([100, 90, 10, 10], "LLL.", sl=5, max_drawdown_pct=20) is None
    assert fate([100, 90, 10, 10], "LLL.", max_drawdown_pct=20) == "max_drawdown_pct"


def test_trades_without_a_new_high_prune_once_so_many_have_closed():
    falling, signal = [100, 99, 99, 98, 98, 97, 97], "LSLSLS."
    options = {"direction": "long-only", "max_trades": 99}
    assert fate(falling, signal, window_trades=3, **options) == "loss_window"
    assert fate(falling, signal, window_trades=4, **options) is None


def test_the_last_trade_of_the_window_may_bring_the_new_high():
    # Two losses of a hundredth each, then a gain that makes more than both.
    closes, signal = [100, 99, 99, 98, 98, 105, 105], "LSLSLS."
    assert fate(closes, signal, window_trades=3, direction="long-only") is None
    assert fate(closes, signal, window_trades=2, direction="long-only") == "loss_window"


def test_a_high_while_a_trade_is_open_is_a_high():
    closes, signal = [100, 99, 99, 150, 98, 98], "LSLLS."
    assert fate(closes, signal, window_trades=2, direction="long-only") is None


def test_days_without_a_new_high_prune_also_where_nothing_is_traded():
    closes = [100.0] * 49
    assert fate(closes, "." * 49, window_days=2) == "loss_window"
    assert fate(closes[:47], "." * 47, window_days=2) is None
    # The 48th bar closes two days after the start.
    assert fate(closes[:48], "." * 48, window_days=2) == "loss_window"


def test_a_high_on_the_very_bar_on_which_the_days_are_over_is_in_time():
    assert fate([100, 100, 101, 101], "LLLL", window_days=3 / 24) is None
    assert fate([100, 100, 100, 101], "LLLL", window_days=3 / 24) == "loss_window"


def test_a_step_that_is_rounding_is_no_high():
    closes = [100.0, 100.0, 100.0 * (1 + 4e-13), 100.0]
    assert fate(closes, "LLLL", window_days=3 / 24) == "loss_window"


def test_too_few_trades_are_known_at_the_end():
    assert fate([100, 101, 102], "LS.", min_trades=2, direction="long-only") == "min_trades"
    assert fate([100, 101, 102], "LS.", min_trades=1, direction="long-only") is None
    assert fate([100, 101, 102], "...", min_trades=1) == "min_trades"


def test_one_entry_too_many_prunes():
    assert fate([100] * 5, "LSLS.", max_trades=3) == "max_trades"
    assert fate([100] * 5, "LSLS.", max_trades=4) is None


def test_a_trade_that_lasts_too_long_prunes():
    assert fate([100] * 5, "L..S.", max_trade_duration_bars=2, direction="long-only") == "max_trade_duration_bars"
    assert fate([100] * 5, "L..S.", max_trade_duration_bars=3, direction="long-only") is None
    assert fate([100] * 5, "L....", max_trade_duration_bars=3) == "max_trade_duration_bars"
    assert fate([100, 100, 90, 90, 90], "L....", sl=5, max_trade_duration_bars=2) is None


def test_what_is_broken_first_is_the_reason():
    closes, signal = [100, 60, 60, 60, 60], "LLLS."
    assert fate(closes, signal, max_drawdown_pct=30, max_trade_duration_bars=2) == "max_drawdown_pct"
    assert fate(closes, signal, max_drawdown_pct=50, max_trade_duration_bars=2) == "max_trade_duration_bars"


def test_on_one_bar_duration_then_number_then_drawdown_then_window_is_the_reason():
    both = {"max_drawdown_pct": 30, "max_trade_duration_bars": 1, "window_days": 3 / 24}
    assert fate([100, 100, 60], "LLS", **both) == "max_trade_duration_bars"
    # The reversal on the bar of an exit that is too late is one too many as well.
    assert fate([100, 100, 60, 60], "LLSS", max_trades=1, **both) == "max_trade_duration_bars"
    assert fate([100, 100, 60, 60], "LLSS", max_trades=1, max_drawdown_pct=30) == "max_trades"
    assert fate([100, 100, 60, 60], "LLL.", max_drawdown_pct=30, window_days=3 / 24) == "max_drawdown_pct"
    assert fate([100, 100, 60, 60], "LLL.", max_drawdown_pct=50, window_days=3 / 24) == "loss_window"


def test_a_ruined_account_has_drawn_down_all_of_it():
    assert fate([100, 150, 200, 200], "S...", max_drawdown_pct=99) == "max_drawdown_pct"
    assert fate([100, 150, 200, 200], "S...", max_drawdown_pct=100) is None


def test_gaps_count_as_time():
    grid = Grid([100, 100, 100], [["..."]], oracle.Rules())
    limits = oracle.Pruning(window_days=1)
    assert PrunedGrid(grid, limits, [0, HOUR_MS, 2 * HOUR_MS], HOUR_MS).check() == [None]
    assert PrunedGrid(grid, limits, [0, HOUR_MS, 30 * HOUR_MS], HOUR_MS).check() == ["loss_window"]


# Against the oracle --------------------------------------------------------------------------------------------


def drawn_limits(draw: random.Random, days: float) -> oracle.Pruning:
    """Limits of which about half are set; none lies where closes of round numbers meet it exactly."""

    def maybe(values: list[Any]) -> Any:
        return draw.choice(values) if draw.random() < 0.45 else None

    return oracle.Pruning(
        max_drawdown_pct=maybe([0.0317, 0.777, 3.33, 11.1, 37.7, 71.3, 93.1]),
        window_trades=maybe([1, 2, 3, 5, 10]),
        window_days=maybe([days / 7.3, days / 3.1, days / 1.3]),
        min_trades=maybe([1, 2, 5, 10]),
        max_trades=maybe([1, 2, 5, 10]),
        max_trade_duration_bars=maybe([1, 2, 5, 20, 60, 64, 65, 100]),
    )


def drawn_case(seed: int) -> PrunedGrid:
    """The case of a seed: base variants of up to two signals, up to two levels a kind, some limits."""
    draw = random.Random(seed)
    n = draw.choice([1, 2, 3, 5, 10, 63, 64, 65, 128, 129, 250])
    axes = [[drawn_signal(draw, n) for _ in range(2)], [drawn_signal(draw, n)]][: draw.randint(1, 2)]
    levels = [0.1, 0.5, 1.0, 2.5, 5.0, 10.0, 50.0, 100.0, 250.0]
    chosen = (sorted(draw.sample(levels, draw.choice([0, 0, 1, 2]))) for _ in range(2))
    grid = Grid(drawn_closes(draw, n), axes, drawn_rules(draw), *chosen)
    bar_ms = draw.choice([MINUTE_MS, HOUR_MS, oracle.DAY_MS])
    gap = draw.choice([0, 0, 40])
    stamps = [(t + (gap if t > n // 2 else 0)) * bar_ms for t in range(n)]
    return PrunedGrid(grid, drawn_limits(draw, n * bar_ms / oracle.DAY_MS), stamps, bar_ms)


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_seeded_cases_are_pruned_as_the_oracle_says(oracle_cases: int):
    seen: set[str | None] = set()
    for seed in range(oracle_cases):
        try:
            seen.update(drawn_case(seed).check())
        except AssertionError as exc:
            raise AssertionError(f"the case of seed {seed} is not what the oracle says") from exc
    assert seen == set(FATES)


@pytest.mark.parametrize("seed", range(12))
def test_a_range_of_pruned_variants_is_a_slice_of_all(seed: int):
    case = drawn_case(1000 + seed)
    whole = case.rank()
    count, draw = whole.variants, random.Random(seed)
    first = draw.randint(0, count)
    last = draw.randint(first, count)
    for part, every in zip(case.rank(first, last), whole, strict=True):
        assert part.tobytes() == every[first:last].tobytes()


def test_tables_that_do_not_go_together_are_refused():
    case = drawn_case(2)
    short = case._pruning._replace(deadlines=case._pruning.deadlines[:-1])
    with pytest.raises(ValueError, match="deadlines for"):
        short.check(case.grid.close.size)


# In a search ---------------------------------------------------------------------------------------------------

SMA = {"id": "sma", "params": {"window": {"values": [5, 10, 30, 60, 120, 240]}}}
RSI = {"id": "rsi", "params": {"window": {"values": [7, 14]}}, "signal": {"long_threshold": {"values": [40, 60]}}}
SEARCH = {"indicators": [SMA, RSI], "top_k": 1000, "trades_for": 0}
RISK = {"sl_pct": {"values": [0.2, 0.5, 2]}, "tp_pct": {"start": 0.3, "stop": 0.6, "step": 0.3}}
LIMITS = {"max_drawdown_pct": 13, "min_trades": 2, "max_trades": 60, "loss_window": {"trades": 20, "days": 2.4}}


def kept_of(result: BacktestResult, keeps: Any) -> list[int]:
    return [row.variant_index for row in result.top if keeps(row.metrics)]


@pytest.mark.parametrize("risk", [{}, RISK], ids=["without stops", "under stops"])
def test_a_pruned_search_is_the_search_without_those_that_break_a_limit(risk: dict[str, Any]):
    whole = run(**SEARCH, risk=risk, preselect="all")
    limits = {"max_drawdown_pct": 13, "min_trades": 2, "max_trades": 60}
    pruned = run(**SEARCH, risk=risk, preselect="all", pruning=limits)
    kept = kept_of(whole, lambda metrics: metrics["Max. Drawdown [%]"] <= 13 and 2 <= metrics["Num. Trades"] <= 60)
    assert [row.variant_index for row in pruned.top] == kept
    assert 0 < len(kept) < len(whole.top)
    assert sum(pruned.pruned.values()) == len(whole.top) - len(kept)
    assert list(pruned.pruned) == list(limits)
    by_index = {row.variant_index: row for row in whole.top}
    for row in pruned.top:
        assert row.metrics == by_index[row.variant_index].metrics
        assert row.strategy == by_index[row.variant_index].strategy


def test_the_longest_trade_of_a_kept_variant_is_within_the_limit():
    whole = run(**SEARCH)
    pruned = run(**SEARCH, pruning={"max_trade_duration_bars": 2500})
    kept = kept_of(whole, lambda metrics: (metrics["Max. Trade Duration"] or 0) <= 2500 * MINUTE_MS)
    assert [row.variant_index for row in pruned.top] == kept
    assert pruned.pruned == {"max_trade_duration_bars": len(whole.top) - len(kept)}
    assert 0 < len(kept) < len(whole.top)


@pytest.mark.parametrize("parts", [1, 2, 5, 13])
@pytest.mark.parametrize("risk", [{}, RISK], ids=["without stops", "under stops"])
def test_any_cut_counts_the_same_whatever_is_merged_first(parts: int, risk: dict[str, Any]):
    request = resolved(**SEARCH, risk=risk, preselect="all", pruning=LIMITS)
    grid = VariantGrid(request)
    bars = bars_over(CANDLES, request, WARMUP)
    planes = engine.Planes.over([engine.planes_of(bars, grid, 0, grid.planes, WARMUP)])
    tables = engine.all_tables(bars, grid, planes)
    bases, _ = shortlisted(grid, Ranking.empty())
    merged = Ranking.empty()
    for part in np.random.default_rng(parts).permutation(parts):
        first, last = part * grid.size // parts, (part + 1) * grid.size // parts
        answer = (
            engine.rank_under_stops(bars, grid, planes, tables, bases, first, last)
            if risk
            else engine.rank_variants(bars, grid, planes, first, last)
        )
        merged = answer.merged(merged, 7)
    whole = search_over(CANDLES, request, WARMUP)
    assert merged.index.tolist() == [row.variant_index for row in whole.top[:7]]
    assert dict(zip(REASONS, merged.pruned.tolist(), strict=True)) == {
        **dict.fromkeys(REASONS, 0),
        **whole.pruned,
    }
    assert merged.between(0, 3).pruned.sum() == 0


def test_stage_a_prunes_nothing_where_stops_make_other_variants_of_its_own():
    # A narrow stop loses little at a time, but more often: other variants draw down too far than without it.
    request = {**SEARCH, "risk": {"sl_pct": 0.2}, "pruning": {"max_drawdown_pct": 12}}
    bases = run(**SEARCH, pruning={"max_drawdown_pct": 12})
    result = run(**request, preselect=12)
    assert result.shortlist is not None
    assert (result.shortlist.kept, result.shortlist.cut, result.shortlist.exact) == (12, 12, False)
    assert len(result.top) + result.pruned["max_drawdown_pct"] == 12
    unpruned = run(**{**request, "pruning": {}}, preselect=12)
    assert result.shortlist == unpruned.shortlist
    assert {row.variant_index for row in result.top} != {row.variant_index for row in bases.top}
    whole = run(**request, preselect="all")
    assert len(whole.top) + whole.pruned["max_drawdown_pct"] == 24


def test_a_search_of_which_all_is_pruned_has_an_empty_answer():
    result = run(**SEARCH, pruning={"min_trades": 1_000_000})
    assert result.top == ()
    assert result.pruned == {"min_trades": 24}
    assert "pruned 24: 24 by min_trades" in str(result)
    assert result.to_arrow().num_rows == 0


def test_without_limits_nothing_is_pruned_and_nothing_is_said():
    result = run(**SEARCH)
    assert result.pruned == {}
    assert "pruned" not in str(result)


def test_pruning_names_another_request_but_the_same_strategies():
    assert request_hash(resolved()) != request_hash(resolved(pruning={"max_trades": 5}))
    assert request_hash(resolved()) == request_hash(resolved(pruning={"max_trades": None}))
    row = run(**SEARCH, pruning=LIMITS).top[0]
    assert "pruning" not in row.strategy
    again = search_over(
        CANDLES, resolve(get_request_models().validated_request(row.strategy), BacktestSettings()), WARMUP
    )
    assert again.top[0].metrics == row.metrics


@pytest.mark.parametrize(
    ("pruning", "field", "words"),
    [
        ({"max_drawdown_pct": 0}, "pruning.max_drawdown_pct", "greater than or equal to 0.001, got 0"),
        ({"max_drawdown_pct": 101}, "pruning.max_drawdown_pct", "less than or equal to 100, got 101"),
        ({"loss_window": {}}, "pruning.loss_window", "needs trades, days or both"),
        ({"loss_window": {"trades": 0}}, "pruning.loss_window.trades", "got 0"),
        ({"loss_window": {"days": 0}}, "pruning.loss_window.days", "got 0"),
        ({"loss_window": {"hours": 1}}, "pruning.loss_window.hours", "unknown field 'hours'"),
        ({"min_trades": 3, "max_trades": 2}, "pruning", "min_trades 3 is above max_trades 2"),
        ({"max_trades": 1.5}, "pruning.max_trades", "got 1.5"),
        ({"max_trade_duration_bars": 10**30}, "pruning.max_trade_duration_bars", "less than or equal to"),
        ({"max_drawdown": 5}, "pruning.max_drawdown", "did you mean 'max_drawdown_pct'"),
    ],
)
def test_limits_that_cannot_be_are_refused(pruning: dict[str, Any], field: str, words: str):
    with pytest.raises(InvalidInput) as caught:
        resolved(pruning=pruning)
    assert [problem.field for problem in caught.value.problems] == [field]
    assert words in caught.value.problems[0].message


def test_only_numbers_rank_and_equal_ones_by_index():
    flat = Candles(CANDLES.ts_open_ms, np.full((5, len(CANDLES)), 100.0))
    request = resolved(**SEARCH, pruning={**LIMITS, "min_trades": None, "loss_window": None})
    result = search_over(flat, request, WARMUP)
    assert [row.variant_index for row in result.top] == list(range(24))
    assert {row.total_return_pct for row in result.top} == {0.0}
