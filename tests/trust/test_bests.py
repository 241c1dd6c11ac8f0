"""The best of many by luck alone, against numbers worked by other means."""

from __future__ import annotations

import math

import numpy as np
import pytest

from candleray.trust.bests import NORMAL, expected_best, expected_turned_best, independent_variants
from candleray.trust.sharpe import Record, days_to_show, deflated, record_of

OF_2012 = Record(24, 3.6 / 7.9, -2.448, 10.164)
"""Twenty-four returns of Bailey and López de Prado: mean 3.6, deviation 7.9."""


def test_the_best_of_ten_is_that_of_the_theorem():
    assert expected_best(10) == pytest.approx(1.575, abs=0.001)
    assert expected_best(1) == 0.0


@pytest.mark.parametrize(
    ("variants", "best"), [(10, 1.52), (100, 2.34), (1000, 2.83), (10_000, 3.15), (100_000, 3.36)]
)
def test_sixteen_blocks_bound_the_best_of_many(variants: int, best: float):
    assert expected_turned_best(variants) == pytest.approx(best, abs=0.005)


def test_the_law_is_that_of_drawn_rows():
    draw = np.random.default_rng(5)
    rows = draw.standard_normal((4000, 20, 16))
    rows -= rows.mean(axis=2, keepdims=True)
    signs = np.repeat([1.0, -1.0], 8)
    bests = (rows @ signs / rows.std(axis=2, ddof=1) / 4).max(axis=1)
    assert bests.mean() == pytest.approx(expected_turned_best(20), abs=4 * bests.std() / math.sqrt(4000))


@pytest.mark.parametrize("variants", [1.5, 10.0, 140.0, 1e5])
def test_the_number_of_independent_variants_is_found_again(variants: float):
    assert independent_variants(expected_turned_best(variants)) == pytest.approx(variants, rel=1e-6)


def test_less_than_one_variant_there_is_not():
    assert independent_variants(-0.1) == 1.0


def test_the_published_example_of_a_probabilistic_sharpe_ratio():
    """24 returns are fewer than the least that a verdict takes: the formula is the same."""
    longer = OF_2012._replace(days=60)
    assert deflated(OF_2012, 0.0) is None
    scale = math.sqrt(23 / 59)
    assert NORMAL.cdf(NORMAL.inv_cdf(deflated(longer, 0.0)) * scale) == pytest.approx(0.913, abs=0.0005)
    assert days_to_show(OF_2012, 0.0) == pytest.approx(34.8, abs=0.05)


def test_no_length_of_record_shows_what_is_not_above_luck():
    assert days_to_show(OF_2012, OF_2012.sharpe) is None


def test_moments_are_those_of_the_returns():
    returns = np.array([0.01, -0.02, 0.03, 0.0, -0.01])
    record = record_of(float(np.mean(returns)), float(np.std(returns, ddof=1)), returns)
    spread = np.std(returns)
    assert record.kurtosis == pytest.approx(np.mean((returns - np.mean(returns)) ** 4) / spread**4)
    assert record.skewness == pytest.approx(np.mean((returns - np.mean(returns)) ** 3) / spread**3)
    assert record_of(0.0, 0.0, np.zeros(2)) is None
    assert record_of(0.0, 0.0, np.empty(0)) is None
