"""The simulator without stops against hand-worked examples and the per-bar oracle."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from candleray.backtests.metrics import report
from candleray.search.performance import performance_of
from kernels.bits import pack, plane_addresses
from kernels.simulation import accounts
from kernels.simulation.equity_curve import ReportedBars
from kernels.simulation.exits import EXIT_REASONS
from kernels.simulation.outcomes import Outcomes
from kernels.simulation.plane_grid import PlaneGrid
from kernels.simulation.prices import Prices
from kernels.simulation.without_stops import rank_range, trades_of
from tests.support.oracles import oracle
from tests.support.oracles.drawn_cases import cases
from tests.support.oracles.oracle_comparison import assert_close, kernel_rules, signal_flags


def run(close: list[float], *signals: str, **rules: object):
    """Trades as records by name, total return and conflicts of one variant, as the kernel sees it."""
    terms = kernel_rules(oracle.Rules(**rules))
    prices = Prices.over(np.array(close, float), terms.slippage)
    chunk = np.stack([pack(signal_flags(signal)) for signal in signals])
    planes = PlaneGrid.of_variant(plane_addresses([chunk]))
    trades, conflicts = trades_of(planes, prices, terms)
    outcomes = rank(planes, prices, terms)
    assert (outcomes.trades[0], outcomes.conflicts[0]) == (trades.size, conflicts)
    return trades, outcomes.total_return_pct[0], conflicts


def rank(planes: PlaneGrid, prices: Prices, rules: accounts.Rules, first: int = 0, last: int | None = None):
    outcomes = Outcomes.for_variants((planes.variants if last is None else last) - first)
    rank_range(planes, first, prices, rules, outcomes)
    return outcomes


def plane_grid(chunks: list[np.ndarray]) -> PlaneGrid:
    """The planes of some indicators, each a chunk, which must stay alive."""
    sizes = np.array([len(chunk) for chunk in chunks])
    return PlaneGrid(plane_addresses(chunks), np.cumsum([0, *sizes[:-1]]), sizes)


# Hand-worked examples ------------------------------------------------------------------------------------------


def test_a_long_trade_pays_fee_and_slippage_on_both_fills():
    trades, total, _ = run([100, 110, 120], "L.S", fee_pct=1, slippage_pct=1, init_cash_quote=1010)
    # 1010 buys a notional of 1000 and its fee of 10 at 101; the sale at 118.8 pays 1 % again.
    quantity = 1000 / 101
    proceeds = quantity * 118.8
    assert trades["entry_fill"] == pytest.approx([101])
    assert trades["exit_fill"] == pytest.approx([118.8])
    assert trades["pnl_quote"] == pytest.approx([proceeds * 0.99 - 1010])
    assert total == pytest.approx((proceeds * 0.99 / 1010 - 1) * 100)


def test_a_short_trade_gains_what_the_price_falls():
    trades, total, _ = run([100, 90, 80], "S.L", fee_pct=1, slippage_pct=1, init_cash_quote=1010)
    # Sold for 1000 at 99, bought back at 80.8, 1 % fee on both.
    cost = 1000 / 99 * 80.8
    assert trades["side"].tolist() == [-1]
    assert trades["pnl_quote"] == pytest.approx([1000 - cost - 10 - cost * 0.01])
    assert total == pytest.approx((1000 - cost * 1.01 - 10) / 1010 * 100)


def test_a_reversal_is_two_trades_on_one_bar_and_pays_twice():
    trades, total, _ = run([100, 100, 100, 100], "LLSS", fee_pct=1, init_cash_quote=10_000)
    assert trades["entry_bar"].tolist() == [0, 2]
    assert trades["exit_bar"].tolist() == [2, 3]
    assert trades["side"].tolist() == [1, -1]
    # At a flat price a trade costs (1 - f) / (1 + f) as a long, and 1 - 2 f / (1 + f) as a short: the same.
    assert total == pytest.approx(((0.99 / 1.01) * (1 - 0.02 / 1.01) - 1) * 100)


def test_conflicting_signals_are_counted_and_are_neutral():
    trades, _, conflicts = run([100, 101, 102, 103], "XLX.", exit_on="neutral")
    assert conflicts == 2
    assert trades["entry_bar"].tolist() == [1]
    assert trades["exit_bar"].tolist() == [2]


def test_a_conflict_needs_every_indicator_on_both_sides():
    trades, _, conflicts = run([100, 101, 102], "XX.", "LX.")
    assert conflicts == 1
    assert trades["entry_bar"].tolist() == [0]


def test_only_a_fresh_signal_enters():
    # In long-only the short signal closes; the long level that follows without a break in it is a fresh one.
    trades, _, _ = run([100] * 7, "LLSLLS.", direction="long-only")
    assert trades["entry_bar"].tolist() == [0, 3]
    assert trades["exit_bar"].tolist() == [2, 5]


def test_neutral_keeps_a_position_that_exits_on_the_opposite():
    trades, _, _ = run([100, 101, 102, 103, 104], "L..L.")
    assert trades["entry_bar"].tolist() == [0]
    assert trades["exit_bar"].tolist() == [4]


def test_a_position_closes_on_the_last_bar_with_costs():
    trades, total, _ = run([100, 100], "LL", fee_pct=1)
    assert [EXIT_REASONS[code] for code in trades["exit_reason"]] == ["last_bar"]
    assert total == pytest.approx((0.99 / 1.01 - 1) * 100)


@pytest.mark.parametrize("direction", ["long-only", "long-short"])
def test_a_position_that_its_signal_closed_is_not_closed_again_at_the_end(direction: str):
    trades, _, _ = run([100, 101, 102, 103, 104], "LL...", direction=direction, exit_on="neutral")
    assert trades["exit_bar"].tolist() == [2]
    assert [EXIT_REASONS[code] for code in trades["exit_reason"]] == ["signal"]


def test_a_position_that_the_opposite_closed_is_not_closed_again_at_the_end():
    trades, _, _ = run([100, 101, 102, 103, 104], "L.S..", direction="long-only")
    assert trades["exit_bar"].tolist() == [2]
    assert [EXIT_REASONS[code] for code in trades["exit_reason"]] == ["signal"]


def test_thousands_of_trades_are_all_listed():
    closes = [100.0 + t % 7 for t in range(4_001)]
    trades, _, _ = run(closes, "LS" * 2_000 + ".")  # `run` holds their number against that of the ranking
    assert trades.size == 4_000
    assert trades["exit_bar"].tolist() == list(range(1, 4_001))


def test_nothing_is_entered_on_the_last_bar():
    trades, total, _ = run([100, 101, 102], "..L")
    assert (trades.size, total) == (0, 0.0)


def test_a_reversal_on_the_last_bar_only_closes():
    trades, _, _ = run([100, 101, 102], "L.S")
    assert trades["exit_bar"].tolist() == [2]
    assert [EXIT_REASONS[code] for code in trades["exit_reason"]] == ["signal"]


def test_a_short_is_ruined_at_twice_its_fill_and_trades_no_more():
    trades, total, conflicts = run([100, 150, 200, 50, 50, 50], "S..LSX", fee_pct=0.1)
    assert trades["exit_bar"].tolist() == [2]
    assert [EXIT_REASONS[code] for code in trades["exit_reason"]] == ["ruin"]
    assert trades["equity_quote"].tolist() == [0.0]
    assert total == -100.0
    assert conflicts == 1


def test_a_short_that_its_exit_costs_ruin_ends_at_nothing():
    trades, total, _ = run([100, 199.9, 199.9], "SL.", fee_pct=1)
    assert [EXIT_REASONS[code] for code in trades["exit_reason"]] == ["ruin"]
    assert total == -100.0


def test_without_any_bar_to_trade_between_nothing_happens():
    trades, total, conflicts = run([100], "L", "L")
    assert (trades.size, total, conflicts) == (0, 0.0, 0)


def test_locked_profit_is_not_spent_again():
    trades, total, _ = run(
        [100, 200, 200, 100],
        "LSL.",
        direction="long-only",
        sizing="strategy_compound_profit_lock",
        safe_profit_percent=50,
        init_cash_quote=1000,
    )
    # A gain of 1000, half of it locked: 1500 are bought again and halve to 750, beside 500 in safe.
    assert trades["entry_notional_quote"].tolist() == [1000, 1500]
    assert total == pytest.approx(25)


def test_a_fixed_notional_never_exceeds_what_is_available():
    trades, _, _ = run(
        [100, 50, 50, 60],
        "LSL.",
        direction="long-only",
        sizing="fixed_quote",
        fixed_quote=800,
        init_cash_quote=1000,
    )
    assert trades["entry_notional_quote"].tolist() == [800, 600]


def test_cash_outside_the_budget_lies_idle_and_counts():
    _, total, _ = run([100, 200, 200], "LS.", sizing="strategy_compound", budget_quote=100, init_cash_quote=1000)
    assert total == pytest.approx(10)


def stops(close: list[float], signal: str, **rules: object) -> list[tuple[int, int, str]]:
    """The oracle's trades under SL and TP: entry bar, exit bar, reason."""
    long, short = signal_flags(signal)
    trades = oracle.simulate([long], [short], close, oracle.Rules(**rules)).trades
    return [(trade.entry_bar, trade.exit_bar, trade.exit_reason) for trade in trades]


def test_the_oracle_stops_at_closes_and_at_the_level_itself():
    assert stops([100, 96, 95, 90], "L...", sl_pct=5, tp_pct=5) == [(0, 2, "stop_loss")]
    assert stops([100, 104, 105, 90], "L...", sl_pct=5, tp_pct=5) == [(0, 2, "take_profit")]
    assert stops([100, 104, 105, 90], "S...", sl_pct=5, tp_pct=5) == [(0, 2, "stop_loss")]
    assert stops([100, 96, 95, 90], "S...", sl_pct=5, tp_pct=5) == [(0, 2, "take_profit")]


def test_the_oracle_takes_stop_levels_off_the_entry_fill():
    assert stops([100, 96, 95, 95], "L...", sl_pct=5, slippage_pct=2) == [(0, 1, "stop_loss")]


def test_the_oracle_does_not_reopen_after_a_stop_what_is_not_fresh():
    assert stops([100, 90, 90, 90, 80], "LLLL.", sl_pct=5) == [(0, 1, "stop_loss")]
    assert stops([100, 90, 90, 90, 80], "LL.L.", sl_pct=5) == [(0, 1, "stop_loss"), (3, 4, "stop_loss")]


def test_the_oracle_may_enter_on_the_bar_of_a_stop_by_a_fresh_signal():
    assert stops([100, 90, 80, 80], "L.L.", sl_pct=15) == [(0, 2, "stop_loss"), (2, 3, "last_bar")]


# Against the oracle --------------------------------------------------------------------------------------------


@settings(max_examples=400, deadline=None)
@given(cases())
def test_every_variant_equals_the_oracle(case):
    closes, axes, stamps, bar_ms, rules = case
    terms = kernel_rules(rules)
    prices = Prices.over(np.array(closes), terms.slippage)
    bars = ReportedBars.of(prices.close, np.array(stamps, np.int64), bar_ms)
    chunks = [np.stack([pack(signal_flags(signal)) for signal in axis]) for axis in axes]
    planes = plane_grid(chunks)
    totals, counts, conflicts, *_ = rank(planes, prices, terms)
    for index, digits in enumerate(np.ndindex(*planes.sizes)):
        chosen = [signal_flags(axis[digit]) for axis, digit in zip(axes, digits, strict=True)]
        expected = oracle.simulate([f[0] for f in chosen], [f[1] for f in chosen], closes, rules)
        trades, seen = trades_of(PlaneGrid.of_variant(planes.addresses[planes.offsets + digits]), prices, terms)
        metrics = report(performance_of(trades, bars, rules.init_cash_quote))

        assert metrics["Total Return [%]"] == totals[index]
        assert (trades.size, seen) == (counts[index], conflicts[index])
        assert (len(expected.trades), expected.conflicts) == (counts[index], conflicts[index])
        assert_close(totals[index], expected.total_return_pct, "total return")
        for row, trade in zip(trades, expected.trades, strict=True):
            assert EXIT_REASONS[row["exit_reason"]] == trade.exit_reason
            for name in trades.dtype.names[:-2]:
                assert_close(row[name].item(), getattr(trade, name), name)
        wanted = oracle.report(expected, closes, stamps, bar_ms, rules.init_cash_quote)
        assert list(metrics) == list(wanted)
        for name, value in wanted.items():
            assert_close(metrics[name], value, name)


@pytest.mark.parametrize("seed", range(12))
def test_positions_of_hundreds_of_bars_are_reported_as_by_the_oracle(seed):
    """Whole blocks of bars lie within a drawdown, others reach a new peak."""
    random = np.random.default_rng(seed)
    closes = (100 * np.exp(np.cumsum(random.normal(0.001, 0.01, 1500)))).tolist()
    signal = "".join(random.choice(["L", "S", "."], 1500, p=[0.004, 0.002, 0.994]))
    rules = oracle.Rules(fee_pct=0.05, slippage_pct=0.02)
    stamps = (np.arange(1500) * 60_000).tolist()
    longs, shorts = signal_flags(signal)
    expected = oracle.simulate([longs], [shorts], closes, rules)
    terms = kernel_rules(rules)
    prices = Prices.over(np.array(closes), terms.slippage)
    plane = pack(signal_flags(signal))[None]
    trades, _ = trades_of(PlaneGrid.of_variant(plane_addresses([plane])), prices, terms)
    assert (trades["exit_bar"] - trades["entry_bar"]).max() > 128
    metrics = report(
        performance_of(trades, ReportedBars.of(prices.close, np.array(stamps), 60_000), rules.init_cash_quote)
    )
    for name, value in oracle.report(expected, closes, stamps, 60_000, rules.init_cash_quote).items():
        assert_close(metrics[name], value, name)


@settings(max_examples=100, deadline=None)
@given(cases(), st.data())
def test_a_range_of_variants_is_a_slice_of_all(case, data):
    closes, axes, _, _, rules = case
    terms = kernel_rules(rules)
    prices = Prices.over(np.array(closes), terms.slippage)
    chunks = [np.stack([pack(signal_flags(signal)) for signal in axis]) for axis in axes]
    planes = plane_grid(chunks)
    whole = rank(planes, prices, terms)
    first = data.draw(st.integers(0, planes.variants))
    last = data.draw(st.integers(first, planes.variants))
    part = rank(planes, prices, terms, first, last)
    for got, every in zip(part, whole, strict=True):
        assert got.tobytes() == every[first:last].tobytes()


def test_ranges_outside_the_grid_and_uneven_outcomes_are_refused():
    chunk = np.stack([pack(signal_flags("LS."))])
    planes, terms = plane_grid([chunk]), kernel_rules(oracle.Rules())
    prices = Prices.over(np.array([1.0, 2.0, 3.0]), terms.slippage)
    with pytest.raises(ValueError, match=r"variants \[0, 2\) of 1"):
        rank_range(planes, 0, prices, terms, Outcomes.for_variants(2))
    with pytest.raises(ValueError, match=r"variants \[1, 2\) of 1"):
        rank_range(planes, 1, prices, terms, Outcomes.for_variants(1))
    with pytest.raises(ValueError, match=r"equally many variants, got \[1, 2\]"):
        rank_range(planes, 0, prices, terms, Outcomes.for_variants(1)._replace(trades=np.empty(2, np.int64)))
    with pytest.raises(ValueError, match="do not hold"):
        rank_range(planes._replace(offsets=planes.sizes), 0, prices, terms, Outcomes.for_variants(1))
    with pytest.raises(ValueError, match="no bars"):
        Prices.over(prices.close[:0], terms.slippage)
