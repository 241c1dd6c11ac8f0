"""Draws of chance, the same for the same seed, and the few of them that are shown."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from candleray.backtests.chance.percentiles import place_of
from candleray.backtests.robustness import SHOWN_PERCENTILES, Figures
from candleray.candles import FloatArray


class Drawn(NamedTuple):
    """The outcomes of some draws."""

    returns_pct: FloatArray
    """Total returns in the order of the draws."""
    figures: dict[int, Figures]
    """The figures of the draws that are shown, by their numbers."""


def uniform(words: NDArray[np.uint64]) -> FloatArray:
    """Return numbers in [-1, 1), each from one word, to the same bits on every machine."""
    numbers: FloatArray = (words >> np.uint64(11)).astype(np.float64) * 2.0**-52 - 1.0
    return numbers


def percentile(ordered: NDArray[np.int64], percent: int) -> int:
    """Return the draw at a percentile of draws in order, the nearest of them that is not below it."""
    return int(ordered[place_of(percent, ordered.size)])


def in_order(returns_pct: FloatArray) -> NDArray[np.int64]:
    """Return the numbers of the draws from the lowest return up; of equals the first comes first."""
    return np.argsort(returns_pct, kind="stable")


def chosen(returns_pct: FloatArray) -> list[int]:
    """Return the draws that are shown, one for each percentile of `SHOWN_PERCENTILES`."""
    ordered = in_order(returns_pct)
    return [percentile(ordered, percent) for percent in SHOWN_PERCENTILES]
