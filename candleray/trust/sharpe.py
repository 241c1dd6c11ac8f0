"""Sharpe ratios held against those that the best of many reaches by luck.

Bailey, López de Prado 2012 and 2014. Ratios are of a day, never of a year; the kurtosis is the plain one, 3 of a
normal distribution; the variance is that at the ratio itself, as in 2014, which is the cautious one.
"""

from __future__ import annotations

import math
from typing import NamedTuple

from candleray.candles import FloatArray
from candleray.trust.bests import NORMAL

CONFIDENCE = 0.95

LEAST_DAYS = 60


class Record(NamedTuple):
    """The daily returns of one variant in four numbers."""

    days: int
    sharpe: float
    """Mean over deviation (ddof 1), a day."""
    skewness: float
    kurtosis: float
    """Fourth moment over the squared variance; 3 of a normal distribution."""

    @property
    def spread(self) -> float:
        """The variance of the ratio, times the days less one."""
        return 1 - self.skewness * self.sharpe + (self.kurtosis - 1) / 4 * self.sharpe**2


def record_of(mean: float, deviation: float, returns: FloatArray) -> Record | None:
    """Return the record of these daily returns; None without a deviation."""
    days, away = returns.size, returns - mean
    squares = away * away
    # Sums are exact: theirs would otherwise depend on the processor's width.
    spread, third, fourth = (math.fsum(each.tolist()) for each in (squares, squares * away, squares * squares))
    if days < 2 or deviation <= 0 or spread <= 0:
        return None
    spread /= days
    return Record(days, mean / deviation, third / days / spread**1.5, fourth / days / spread**2)


def deflated(record: Record, luck: float) -> float | None:
    """Return how sure the ratio is above that of luck, from 0 to 1; None where nothing can be said."""
    if record.days < LEAST_DAYS or record.spread <= 0:
        return None
    return NORMAL.cdf((record.sharpe - luck) * math.sqrt(record.days - 1) / math.sqrt(record.spread))


def days_to_show(record: Record, luck: float) -> float | None:
    """Return the days of record that would show this ratio to be above that of luck; None where none would."""
    if record.sharpe <= luck or record.spread <= 0:
        return None
    return 1 + record.spread * (NORMAL.inv_cdf(CONFIDENCE) / (record.sharpe - luck)) ** 2
