"""The walk of a portfolio: worked by hand, then against a slow simulator.

`pytest tests/portfolio/test_walk.py --oracle-cases 30000` draws 1,000 portfolios; an ordinary run draws 50.
"""

from __future__ import annotations

from typing import Any

import pytest

from tests.support.oracles.drawn_portfolios import STEP_MS, differences, drawn_portfolio, ledger_of
from tests.support.oracles.naive_portfolio import NaiveMember, NaivePortfolio, NaiveTrade

LIMITS = (
    "max_gross_exposure",
    "max_net_exposure",
    "max_positions",
    "max_per_instrument",
    "daily_loss_limit_pct",
    "max_drawdown_pct",
)


def member(*trades: tuple[int, int, float, float], side: int = 1, place: int = 0) -> NaiveMember:
    """A member of trades `(entry hour, exit hour, entry fill, exit fill)`."""
    made = [
        NaiveTrade((entry * STEP_MS, 0), (left * STEP_MS, 0), side, entry_fill, exit_fill)
        for entry, left, entry_fill, exit_fill in trades
    ]
    return NaiveMember(made, place, 0.0, 0.0)


def portfolio(
    members: list[NaiveMember],
    closes: list[list[float]],
    shares: list[list[float]] | None = None,
    rebalances: list[int] | None = None,
    **limits: Any,
) -> NaivePortfolio:
    """A portfolio of 1,000 over closes at every hour from the first on."""
    series = [[((hour + 1) * STEP_MS, close) for hour, close in enumerate(one)] for one in closes]
    marks = sorted({time for one in series for time, _ in one})
    equal = [[1.0 / len(members)] * len(members)] * (1 + len(rebalances or []))
    times = [hour * STEP_MS for hour in rebalances or []]
    return NaivePortfolio(members, series, marks, 1000.0, shares or equal, times, dict.fromkeys(LIMITS) | limits)


def both(made: NaivePortfolio) -> NaivePortfolio:
    """Walk it by the kernel and slowly; they must agree."""
    ledger = ledger_of(made)
    made.run()
    assert differences(ledger, made) == []
    return made


def test_exits_come_before_entries_on_one_instant():
    first, second = member((1, 2, 100.0, 110.0)), member((2, 3, 110.0, 121.0))
    made = both(portfolio([first, second], [[100.0, 110.0, 121.0]], max_positions=1))
    assert (first.refused, second.refused) == ({}, {})
    assert made.equity == pytest.approx([1000.0, 1050.0, 1100.0])


def test_entries_come_in_the_order_of_the_members():
    first, second = member((1, 2, 100.0, 110.0)), member((1, 2, 100.0, 110.0))
    both(portfolio([first, second], [[100.0, 110.0]], max_positions=1))
    assert (first.refused, second.refused) == ({}, {"max_positions": 1})


def test_a_loss_of_the_day_halts_until_the_next():
    """The position goes on; what would enter on that day is refused, at midnight it is not."""
    closes = [100.0, 94.0, 97.0, *[97.0] * 20, 97.0, 98.0]
    one = member((1, 3, 100.0, 97.0), (4, 5, 97.0, 97.0), (24, 25, 97.0, 98.0))
    made = both(portfolio([one], [closes], daily_loss_limit_pct=5.0))
    assert made.halts == [(2 * STEP_MS, "daily_loss_limit")]
    assert one.refused == {"daily_loss_limit": 1}
    assert made.equity[2] == pytest.approx(970.0)
    assert made.equity[-1] == pytest.approx(970.0 * 98 / 97)


def test_a_drawdown_closes_everything_and_halts_for_good():
    """A peak of 1,200 falls by 10 % at the close of 107: nothing opens again, on any day."""
    one = member((1, 5, 100.0, 300.0), (30, 31, 100.0, 200.0))
    made = both(portfolio([one], [[100.0, 120.0, 107.0, 200.0, 300.0, *[100.0] * 26]], max_drawdown_pct=10.0))
    assert made.halts == [(3 * STEP_MS, "max_drawdown")]
    assert made.profits == [(0, 3 * STEP_MS, pytest.approx(70.0))]
    assert one.refused == {"max_drawdown": 1}
    assert made.equity[-1] == pytest.approx(1070.0)


def test_a_rebalance_moves_cash_to_the_shares_and_touches_no_position():
    """500 each; the first doubles and closes, the second holds: of 1,500 each may have 750."""
    first, second = member((1, 2, 100.0, 200.0), (25, 26, 200.0, 200.0)), member((1, 26, 50.0, 50.0), place=1)
    made = both(portfolio([first, second], [[100.0, *[200.0] * 25], [50.0] * 26], rebalances=[24]))
    assert made.moved == [pytest.approx(250.0)]
    assert (first.available, second.available) == (pytest.approx(750.0), pytest.approx(750.0))


def test_an_exposure_is_cut_to_what_the_limit_leaves():
    first, second = member((1, 3, 100.0, 100.0)), member((2, 3, 100.0, 100.0))
    made = both(portfolio([first, second], [[100.0] * 3], max_gross_exposure=0.6))
    assert (made.gross, second.shrunk) == ([500.0, 600.0, 0], {"max_gross_exposure": 1})


def test_a_net_exposure_leaves_room_for_the_other_side():
    long, other, short = (
        member((1, 4, 100.0, 100.0)),
        member((2, 4, 100.0, 100.0)),
        member((3, 4, 100.0, 100.0), side=-1),
    )
    limit = 1000.0 / 3.0 / 1000.0
    made = both(portfolio([long, other, short], [[100.0] * 4], max_net_exposure=limit))
    assert (long.shrunk, other.refused, short.shrunk) == ({}, {"max_net_exposure": 1}, {})
    assert made.net == pytest.approx([1000 / 3, 1000 / 3, 0.0, 0.0])


def test_one_instrument_has_as_many_positions_as_its_limit():
    first, second, third = (
        member((1, 3, 100.0, 100.0)),
        member((1, 3, 100.0, 100.0)),
        member((1, 3, 50.0, 50.0), place=1),
    )
    both(portfolio([first, second, third], [[100.0] * 3, [50.0] * 3], max_per_instrument=1))
    assert (first.refused, second.refused, third.refused) == ({}, {"max_per_instrument": 1}, {})


def test_a_ruin_takes_what_was_bound_and_nothing_else():
    """A short of 300 loses its 300; the rest of its pocket and the other's stay."""
    ruined = NaiveMember(
        [NaiveTrade((STEP_MS, 0), (2 * STEP_MS, 0), -1, 100.0, 250.0, is_ruin=True)], 0, 0.0, 0.0, fixed=300.0
    )
    made = both(portfolio([ruined, member()], [[100.0, 250.0]]))
    assert made.equity == pytest.approx([1000.0, 700.0])


def test_drawn_portfolios_equal_the_slow_simulator(oracle_cases: int):
    for seed in range(max(1, oracle_cases // 30)):
        drawn = drawn_portfolio(seed)
        ledger = ledger_of(drawn.naive)
        drawn.naive.run()
        assert differences(ledger, drawn.naive) == [], f"seed {seed}"
