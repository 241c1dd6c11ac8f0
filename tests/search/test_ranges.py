"""Cuts of a search into parts that take equally long."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from candleray.backtests.phase import Phase
from candleray.search.ranges import by_part, cuts, even_shares, tapered_shares
from candleray.search.sweep import Intervals, Sweep


def flat(index):
    return np.ones(len(index))


@given(
    st.integers(1, 10**13), st.integers(1, 5000), st.integers(1, 300), st.lists(st.floats(0.001, 1000), min_size=1)
)
def test_cuts_rise_from_nothing_to_the_total_at_multiples_of_the_unit(total, unit, parts, weights):
    bounds = cuts(total, unit, even_shares(parts), by_part(weights, total))
    assert bounds[0] == 0
    assert bounds[-1] == total
    assert all(first < last for first, last in pairwise(bounds))
    assert all(at % unit == 0 for at in bounds[:-1])
    assert len(bounds) <= parts + 1


def test_equal_variants_are_cut_into_the_shares():
    assert cuts(1000, 1, even_shares(4), flat) == [0, 250, 500, 750, 1000]
    assert cuts(10**12, 1, even_shares(4), flat) == [0, 25 * 10**10, 50 * 10**10, 75 * 10**10, 10**12]
    assert cuts(1000, 1, np.array([0.5, 0.3, 0.2]), flat) == [0, 500, 800, 1000]


def test_a_part_of_dear_variants_is_cut_finer():
    """One quarter costs nine times as much as each other: it gets three quarters of the twelve parts."""
    bounds = cuts(1200, 1, even_shares(12), by_part((1.0, 9.0, 1.0, 1.0), 1200))
    dear = [last - first for first, last in pairwise(bounds) if first >= 300 and last <= 600]
    assert len(dear) == pytest.approx(9, abs=1)
    assert max(dear) <= 34


def test_fewer_units_than_parts_are_a_part_each():
    assert cuts(5, 2, even_shares(10), flat) == [0, 2, 4, 5]


@given(st.floats(0, 1e7), st.integers(1, 512), st.floats(0.01, 10), st.floats(0.001, 1), st.integers(1, 2000))
def test_tasks_taper_and_do_all_of_the_work(seconds, cores, longest_s, shortest_s, most):
    shares = tapered_shares(seconds, cores, longest_s, shortest_s, most)
    assert 1 <= len(shares) <= most
    assert shares.sum() == pytest.approx(1.0)
    assert (shares > 0).all()
    assert (np.diff(shares) <= 1e-12).all()


def test_the_first_tasks_are_as_long_as_wanted_and_the_last_ones_short():
    shares = tapered_shares(30.0, 2, 0.3, 0.1, 2000)
    assert shares[0] * 30.0 == pytest.approx(0.3)
    assert shares[-5:-1] * 30.0 == pytest.approx(0.1, rel=0.3)
    assert len(shares) == pytest.approx(30.0 / 0.3, rel=0.1)


def test_a_task_is_no_longer_than_it_must_be_for_their_number():
    shares = tapered_shares(5000.0, 2, 0.3, 0.1, 2000)
    assert len(shares) <= 2000
    assert shares[0] * 5000.0 == pytest.approx(5000.0 / 2000, rel=0.3)


def test_what_is_short_is_one_task():
    assert tapered_shares(0.05, 4, 0.3, 0.1, 2000).tolist() == [1.0]
    assert tapered_shares(0.0, 4, 0.3, 0.1, 2000).tolist() == [1.0]


@given(st.sets(st.integers(0, 99)), st.sets(st.integers(1, 99)))
def test_what_is_left_of_a_sweep_is_its_gaps_cut(covered, inner):
    done = Intervals()
    for at in covered:
        done.add(at, at + 1)
    bounds = [0, *sorted(inner), 100]
    left = list(Sweep(Phase.STAGE_A, 100, 1, done).left(bounds))
    assert sorted(at for first, last in left for at in range(first, last)) == sorted(set(range(100)) - covered)
    assert not any(first < cut < last for first, last in left for cut in bounds)
