"""The course of a portfolio's backtest over bars that are read: what members would do, then one walk."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from candleray.backtests.rules.sizing import AllIn
from candleray.candles import FloatArray, IntArray
from candleray.portfolio.courses import Course, Member, course_of, daily_returns_of
from candleray.portfolio.market import Trading
from candleray.portfolio.portfolio_performance import PortfolioPerformance
from candleray.portfolio.portfolio_request import AllocationMode, PortfolioLimits, PortfolioRequest
from candleray.portfolio.shares import rebalance_times, shares_of
from candleray.settings import BacktestSettings
from kernels.portfolio.ledger import Ledger
from kernels.portfolio.plans import (
    AT_CLOSE,
    ENTRIES,
    EXITS,
    NO_LIMIT,
    REBALANCES,
    Funds,
    Limits,
    Members,
    Plan,
    event_keys,
)
from kernels.portfolio.walk import walk

THREADS = 2
"""Members that are traced at once: kernels leave the interpreter to others. Their order is that of the request."""


@dataclass(frozen=True)
class Walked:
    """A portfolio after its walk."""

    request: PortfolioRequest
    members: Sequence[Member]
    trading: Trading
    ledger: Ledger
    shares: FloatArray
    rebalances_ms: IntArray
    init_cash_quote: float
    entry_ms: IntArray
    """Entry time of every trade of the plan."""

    @property
    def deals(self) -> NDArray[np.void]:
        """The trades that were made, in the order of their exits."""
        deals: NDArray[np.void] = self.ledger.deals[: int(self.ledger.counts[0])]
        return deals

    def performance(self) -> PortfolioPerformance:
        entry_ms = self.entry_ms[self.deals["trade"]]
        cash, benchmark = self.init_cash_quote, self._benchmark()
        return PortfolioPerformance(self.ledger, self.deals, entry_ms, self.trading, cash, benchmark)

    def _benchmark(self) -> float:
        """Last close / first close of all instruments, in proportion to the first shares."""
        closes = [self.trading.finest[place].close for place in self.trading.places.tolist()]
        grown = np.array([close[-1] / close[0] for close in closes])
        shares = self.shares[0]
        if len(grown) == 1 or not shares.sum() > 0.0:
            return float(grown[0])
        return float((grown * shares).sum() / shares.sum())


def walked(
    request: PortfolioRequest, members: Sequence[Member], init_cash_quote: float, defaults: BacktestSettings
) -> Walked:
    """Walk a portfolio over bars that are read."""
    trading = Trading.of(members)
    rebalances_ms = rebalance_times(request.rebalance, trading.start_ms, int(trading.marks_ms[-1]))
    looks_back = request.allocation.mode is AllocationMode.INVERSE_VOLATILITY and rebalances_ms.size > 0
    returns = [daily_returns_of(one.request, one.bars, defaults, AllIn()) for one in members] if looks_back else []
    shares = shares_of(request.allocation, len(members), trading.start_ms, rebalances_ms, returns)
    with ThreadPoolExecutor(THREADS) as pool:
        courses = list(pool.map(lambda member: course_of(member, defaults), members))
    ledger = walk(
        plan_of(courses),
        members_of(members, trading),
        trading.market(),
        limits_of(request.limits),
        Funds(init_cash_quote, shares),
        events_of(courses, rebalances_ms),
    )
    entry_ms = np.concatenate([course.entry_ms for course in courses])
    return Walked(request, members, trading, ledger, shares, rebalances_ms, init_cash_quote, entry_ms)


def plan_of(courses: Sequence[Course]) -> Plan:
    firsts = np.concatenate(([0], np.cumsum([course.trades.size for course in courses]))).astype(np.int64)
    names = ("side", "entry_fill", "exit_fill", "exit_reason")
    side, entry, left, reasons = (np.concatenate([course.trades[name] for course in courses]) for name in names)
    shares = np.concatenate([course.shares for course in courses])
    return Plan(firsts, side.astype(np.float64), entry, left, reasons, shares)


def members_of(members: Sequence[Member], trading: Trading) -> Members:
    def share_of(percents: Iterator[float | None]) -> FloatArray:
        return np.array([float(percent or 0.0) / 100.0 for percent in percents])

    return Members(
        share_of(member.request.fee_pct for member in members),
        share_of(member.request.slippage_pct for member in members),
        np.array([member.fixed_quote for member in members], np.float64),
        trading.places,
    )


def limits_of(limits: PortfolioLimits) -> Limits:
    """Return the limits in the kernel's types: shares, and what nothing reaches where there is none."""
    none = float("inf")
    return Limits(
        limits.max_gross_exposure or none,
        limits.max_net_exposure or none,
        limits.max_positions or NO_LIMIT,
        limits.max_per_instrument or NO_LIMIT,
        (limits.daily_loss_limit_pct or none) / 100.0,
        (limits.max_drawdown_pct or none) / 100.0,
    )


def events_of(courses: Sequence[Course], rebalances_ms: IntArray) -> IntArray:
    """Return all entries, exits and rebalances in their order."""
    keys = [event_keys(rebalances_ms, AT_CLOSE, REBALANCES, 0)]
    for at, course in enumerate(courses):
        keys.append(event_keys(course.exit_ms, course.exit_phases, EXITS, at))
        keys.append(event_keys(course.entry_ms, course.entry_phase, ENTRIES, at))
    return np.sort(np.concatenate(keys))
