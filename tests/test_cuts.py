"""Cuts of a search into parts that take equally long."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from candleray.checkpoints import Sweep
from candleray.cuts import by_part, even_cuts
from candleray.intervals import Intervals


def flat(index):
    return np.ones(len(index))


@given(
    st.integers(1, 10**13), st.integers(1, 5000), st.integers(1, 300), st.lists(st.floats(0.001, 1000), min_size=1)
)
def test_cuts_rise_from_nothing_to_the_total_at_multiples_of_the_unit(total, unit, parts, weights):
    cuts = even_cuts(total, unit, parts, by_part(weights, total))
    assert cuts[0] == 0
    assert cuts[-1] == total
    assert all(first < last for first, last in pairwise(cuts))
    assert all(at % unit == 0 for at in cuts[:-1])
    assert len(cuts) <= parts + 1


def test_equal_variants_are_cut_into_equal_parts():
    assert even_cuts(1000, 1, 4, flat) == [0, 250, 500, 750, 1000]
    assert even_cuts(10**12, 1, 4, flat) == [0, 25 * 10**10, 50 * 10**10, 75 * 10**10, 10**12]


def test_a_part_of_dear_variants_is_cut_finer():
    """One quarter costs nine times as much as each other: it gets three quarters of the twelve parts."""
    cuts = even_cuts(1200, 1, 12, by_part((1.0, 9.0, 1.0, 1.0), 1200))
    dear = [last - first for first, last in pairwise(cuts) if first >= 300 and last <= 600]
    assert len(dear) == pytest.approx(9, abs=1)
    assert max(dear) <= 34


def test_fewer_units_than_parts_are_a_part_each():
    assert even_cuts(5, 2, 10, flat) == [0, 2, 4, 5]


@given(st.sets(st.integers(0, 99)), st.sets(st.integers(1, 99)))
def test_what_is_left_of_a_sweep_is_its_gaps_cut(covered, inner):
    done = Intervals()
    for at in covered:
        done.add(at, at + 1)
    cuts = [0, *sorted(inner), 100]
    left = list(Sweep("stage-a", 100, 1, done).left(cuts))
    assert sorted(at for first, last in left for at in range(first, last)) == sorted(set(range(100)) - covered)
    assert not any(first < cut < last for first, last in left for cut in cuts)
