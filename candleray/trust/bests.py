"""The best of many by luck alone: its height, and the number of independent ones that it tells."""

from __future__ import annotations

import math
from functools import cache
from statistics import NormalDist

import numpy as np

from candleray.candles import FloatArray

NORMAL = NormalDist()
EULER = 0.5772156649015329

DIMENSIONS = 15
"""Sixteen blocks less their mean."""

_STEPS = 2000
_MOST = 1e12


def expected_best(variants: float) -> float:
    """Return how high the best of so many independent Sharpe ratios is expected, in their deviations; 0 of one.

    The false strategy theorem (Bailey, López de Prado 2014), in its approximation.
    """
    if variants <= 1:
        return 0.0
    high = NORMAL.inv_cdf(1 - 1 / variants)
    higher = NORMAL.inv_cdf(1 - 1 / (variants * math.e))
    return (1 - EULER) * high + EULER * higher


@cache
def _turned_law() -> FloatArray:
    """Return the distribution of a turned row in its own deviation, at `_STEPS` + 1 even places.

    A row of independent Gaussian blocks less its mean points anywhere in 15 dimensions with equal right: the
    turned one is √15 times the cosine of its angle to the signs, whose density goes with (1 − c²)⁶.
    """
    power = (DIMENSIONS - 3) // 2
    terms = [math.comb(power, k) * (-1) ** k / (2 * k + 1) for k in range(power + 1)]

    def integral(cosine: float) -> float:
        return math.fsum(term * math.pow(cosine, 2 * k + 1) for k, term in enumerate(terms))

    whole = integral(1.0)
    places = (2 * at / _STEPS - 1 for at in range(_STEPS + 1))
    return np.array([(integral(place) / whole + 1) / 2 for place in places])


def expected_turned_best(variants: float) -> float:
    """Return the mean over flips of the best of so many independent Gaussian rows, in their own deviations."""
    highest, law = math.sqrt(DIMENSIONS), _turned_law()
    beyond = 1 - np.clip(law, 0.0, 1.0) ** variants
    inner = float(beyond[1:-1].sum()) + float(beyond[0] + beyond[-1]) / 2
    return highest * (2 * inner / _STEPS - 1)


def independent_variants(turned_best: float) -> float:
    """Return of how many independent rows this is the mean best over flips; at least 1."""
    low, high = 0.0, math.log(_MOST)
    if turned_best <= expected_turned_best(1.0):
        return 1.0
    for _ in range(50):
        middle = (low + high) / 2
        if expected_turned_best(math.exp(middle)) < turned_best:
            low = middle
        else:
            high = middle
    return math.exp((low + high) / 2)
