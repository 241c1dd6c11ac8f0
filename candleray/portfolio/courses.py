"""Courses of members: the trades of their own backtests without their money."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from candleray.backtests.request import BacktestRequest
from candleray.backtests.rules.sizing import (
    AccountFields,
    AllIn,
    FixedQuote,
    Sizing,
    StrategyCompound,
    VolatilityTarget,
    account_fields,
)
from candleray.candles import FloatArray, IntArray
from candleray.errors import invalid
from candleray.search.bars import Bars
from candleray.search.one_variant import OneVariant
from candleray.search.stop_tables import measured
from candleray.search.variant_reports import Traced
from candleray.search.variants import VariantGrid
from candleray.settings import BacktestSettings
from candleray.timeframes import DAY_MS
from kernels.portfolio.plans import AT_CLOSE, AT_OPEN
from kernels.portfolio.ruins import end_ruined
from kernels.simulation.exits import EXIT_SIGNAL
from kernels.simulation.levels.sizes import shares_of

_UNENDING_CASH = 1e200
"""So much beside an entry of 1 that no account ever ends: only what has no money in it is left of the trades."""


@dataclass(frozen=True)
class Member:
    """One member with its bars, which others may share."""

    name: str
    request: BacktestRequest
    """Resolved, one variant."""
    bars: Bars

    @property
    def fixed_quote(self) -> float:
        sizing = self.request.sizing
        return sizing.quote if isinstance(sizing, FixedQuote) else float("inf")

    @property
    def instrument(self) -> tuple[int, str]:
        return self.request.instrument.market_id, self.request.instrument.symbol


@dataclass(frozen=True)
class Course:
    """The trades of one member, in order, with the times at which they fill."""

    trades: NDArray[np.void]
    """Rows of `kernels.simulation.trades.TRADE`; what they say of money counts for nothing."""
    entry_ms: IntArray
    exit_ms: IntArray
    entry_phase: int
    exit_phases: IntArray
    shares: FloatArray
    """The notional of each as a share of what is available; infinite where its sizing does not measure risk."""


def course_of(member: Member, defaults: BacktestSettings) -> Course:
    """Trace what a member would do."""
    moneyless = {"sizing": _smallest(member.request.sizing), "init_cash_quote": _UNENDING_CASH}
    traced = _traced(member.request.model_copy(update=moneyless), member.bars, defaults)
    trades, retracing = traced.trades, traced.retracing
    end_ruined(trades, retracing.prices, retracing.rules.slippage)
    times = retracing.times(trades)
    waits = retracing.prices.fills.delay == 1
    at_opens = (trades["exit_reason"] == EXIT_SIGNAL) & waits
    phases = np.where(at_opens, AT_OPEN, AT_CLOSE)
    shares = np.empty(trades.size)
    size = measured(VariantGrid(member.request))
    shares_of(trades, *size, member.request.sizing.leverage, retracing.prices, retracing.rules, shares)
    return Course(trades, times.entry_ms, times.exit_ms, AT_OPEN if waits else AT_CLOSE, phases, shares)


def _smallest(sizing: Sizing) -> Sizing:
    """Return a sizing under which the same positions open, and none of them is felt."""
    if isinstance(sizing, VolatilityTarget):
        return UnfeltTarget(**dict(sizing))
    return FixedQuote(mode="fixed_quote", quote=1.0)


class UnfeltTarget(VolatilityTarget):
    """A target of volatility whose positions open when it is known, with a notional of 1."""

    def account_fields(self) -> AccountFields:
        return account_fields(fixed_quote=1.0)


@dataclass(frozen=True)
class DailyReturns:
    """The daily returns of a member's own backtest, alone."""

    days: IntArray
    """UTC days since the epoch, ascending."""
    returns: FloatArray

    def between(self, first: int, stop: int) -> FloatArray:
        return self.returns[np.searchsorted(self.days, first) : np.searchsorted(self.days, stop)]

    @cached_property
    def by_day(self) -> dict[int, float]:
        return dict(zip(self.days.tolist(), self.returns.tolist(), strict=True))


def daily_returns_of(
    request: BacktestRequest, bars: Bars, defaults: BacktestSettings, sizing: Sizing | None = None
) -> DailyReturns:
    """Return the daily returns of a strategy's own backtest.

    Args:
        sizing: in place of its own.
    """
    traced = _traced(request.model_copy(update={"sizing": sizing or request.sizing}), bars, defaults)
    reported = traced.retracing.reported
    values = traced.retracing.performance(traced.trades).daily_returns.values
    return DailyReturns(bars.ts_open_ms[reported.day_ends] // DAY_MS, values)


def _traced(request: BacktestRequest, bars: Bars, defaults: BacktestSettings) -> Traced:
    return Traced.over(OneVariant(request, request, 0), bars, defaults)


def require_sizing(at: int, request: BacktestRequest) -> None:
    """
    Raises:
        InvalidInput: the sizing is one that a portfolio has no room for.
    """
    if not request.sizing.parts_field and not isinstance(request.sizing, AllIn | FixedQuote | StrategyCompound):
        mode = getattr(request.sizing, "mode", "")
        raise invalid(
            f"members.{at}.sizing",
            "not_in_a_portfolio",
            f"a portfolio gives member {at} its share and knows no sizing {mode}: use all_in, strategy_compound, "
            "fixed_quote, risk_per_trade or volatility_target",
        )
