"""The block returns of a variant: sixteen whole numbers, and what is made of them, in whole numbers again.

A row is the log of what the equity was multiplied by in each of sixteen equal blocks of the bars, in units of
2⁻²⁴. Sums of whole numbers do not depend on their order: so a search may be cut and merged in any way.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from kernels.jit import INT, INTS, INTS_OUT, SHORT_INT_ROWS, SHORT_INT_ROWS_OUT, inline, jit
from kernels.trust.winners import BLOCKS

UNIT = 2.0**-24
"""The log return of 1 in a row."""

LIMIT = (1 << 27) - 1
"""The largest number in a row, about 8 in logs: sixteen of them fit in 32 bits."""

SHARPE_UNIT = 2.0**-16
_SHARPE_LIMIT = float(1 << 20)


def weighted(rows: NDArray[np.int32], in_market: NDArray[np.int64], bars: int) -> NDArray[np.int32]:
    """Return the rows times √(bars / bars in the market).

    So variants that trade seldom and often are on one scale, and one that the outcome cannot flatter.
    """
    out = np.empty_like(rows)
    _weigh(rows, in_market, bars, out)
    return out


def standardized(rows: NDArray[np.int32]) -> NDArray[np.int32]:
    """Return the rows less their mean, in units of their own deviation times `UNIT`; zeros without a deviation."""
    out = np.empty_like(rows)
    _standardize(rows, out)
    return out


def sharpe_sums(rows: NDArray[np.int32]) -> NDArray[np.int64]:
    """Return how many rows have a deviation, and the sum and the sum of squares of their mean / deviation.

    The ratios are in units of `SHARPE_UNIT`.
    """
    out = np.zeros(3, np.int64)
    _sum_sharpes(rows, out)
    return out


@inline
def clipped(value):
    """The nearest whole number, half to even, within the limit."""
    return np.int32(min(max(np.rint(value), -float(LIMIT)), float(LIMIT)))


@inline
def _moments(rows, at):
    """The sum of a row, and 240 times its variance: whole numbers."""
    total, squares = np.int64(0), np.int64(0)
    for block in range(BLOCKS):
        number = np.int64(rows[at, block])
        total += number
        squares += number * number
    return total, BLOCKS * squares - total * total


@jit(SHORT_INT_ROWS, INTS, INT, SHORT_INT_ROWS_OUT)
def _weigh(rows, in_market, bars, out):
    for at in range(rows.shape[0]):
        weight = math.sqrt(bars / max(in_market[at], 1))
        for block in range(BLOCKS):
            out[at, block] = clipped(rows[at, block] * weight)


@jit(SHORT_INT_ROWS, SHORT_INT_ROWS_OUT)
def _standardize(rows, out):
    for at in range(rows.shape[0]):
        total, spread = _moments(rows, at)
        scale = 0.0 if spread == 0 else math.sqrt(240.0) / (math.sqrt(float(spread)) * UNIT * BLOCKS)
        for block in range(BLOCKS):
            out[at, block] = clipped((BLOCKS * np.int64(rows[at, block]) - total) * scale)


@jit(SHORT_INT_ROWS, INTS_OUT)
def _sum_sharpes(rows, out):
    for at in range(rows.shape[0]):
        total, spread = _moments(rows, at)
        if spread > 0:
            ratio = total / BLOCKS / (math.sqrt(float(spread)) / math.sqrt(240.0)) / SHARPE_UNIT
            number = np.int64(np.rint(min(max(ratio, -_SHARPE_LIMIT), _SHARPE_LIMIT)))
            out[0] += 1
            out[1] += number
            out[2] += number * number
