"""The shares of a portfolio's members, at the start and at each rebalance."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from candleray.candles import FloatArray, IntArray
from candleray.portfolio.courses import DailyReturns
from candleray.portfolio.portfolio_request import Allocation, AllocationMode, Rebalance
from candleray.timeframes import DAY_MS, from_ms


def rebalance_times(rebalance: Rebalance, start_ms: int, last_mark_ms: int) -> IntArray:
    """Return the midnights after the start and before the last mark at which cash is moved."""
    days = np.arange(start_ms // DAY_MS + 1, (last_mark_ms - 1) // DAY_MS + 1) * DAY_MS
    return np.array([ms for ms in days.tolist() if _begins(rebalance, ms)], np.int64)


def _begins(rebalance: Rebalance, midnight_ms: int) -> bool:
    moment = from_ms(midnight_ms)
    if rebalance is Rebalance.WEEKLY:
        return moment.weekday() == 0
    if rebalance is Rebalance.MONTHLY:
        return moment.day == 1
    return rebalance is Rebalance.DAILY


def shares_of(
    allocation: Allocation,
    members: int,
    start_ms: int,
    times_ms: IntArray,
    returns: Sequence[DailyReturns],
) -> FloatArray:
    """Return a row of shares for the start, and one for each rebalance.

    Args:
        returns: of each member alone, where the allocation looks at them.
    """
    rows = 1 + times_ms.size
    if allocation.mode is AllocationMode.WEIGHTS:
        return np.tile(np.array(allocation.weights, np.float64), (rows, 1))
    equal = np.full((rows, members), 1.0 / members)
    if allocation.mode is AllocationMode.INVERSE_VOLATILITY:
        for row, day in enumerate((times_ms // DAY_MS).tolist(), start=1):
            if day - allocation.window >= start_ms // DAY_MS:
                equal[row] = _inverse(returns, day - allocation.window, day)
    return equal


def _inverse(returns: Sequence[DailyReturns], first: int, stop: int) -> FloatArray:
    """Return shares in proportion to 1 / volatility; those that did not move have an equal one."""
    samples = [one.between(first, stop) for one in returns]
    volatility = np.array([one.std(ddof=1) if one.size > 1 and np.ptp(one) > 0.0 else 0.0 for one in samples])
    shares = np.full(len(returns), 1.0 / len(returns))
    moved = volatility > 0.0
    if moved.any():
        inverse = 1.0 / volatility[moved]
        shares[moved] = inverse / inverse.sum() * (np.count_nonzero(moved) / len(returns))
    return shares
