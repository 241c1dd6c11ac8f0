"""The indices that are done: a checkpoint remembers them of a sweep."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from candleray.search.sweep import Intervals


@given(st.lists(st.integers(0, 40), min_size=0, max_size=40, unique=True))
def test_any_order_of_ranges_gives_the_same_set(order):
    done = Intervals((index, index + 1) for index in order)
    assert {index for index in range(41) if index in done} == set(order)
    assert done.count == len(order)
    left = {index for first, last in done.gaps(41) for index in range(first, last)}
    assert left == set(range(41)) - set(order)
    assert done == Intervals(list(done))


def test_neighbours_are_joined():
    done = Intervals([(0, 3), (5, 8), (3, 5)])
    assert list(done) == [(0, 8)]
    assert done.gaps(10) == [(8, 10)]


@pytest.mark.parametrize("again", [(2, 3), (0, 1), (4, 12), (9, 11)])
def test_what_is_done_is_not_done_twice(again):
    with pytest.raises(ValueError, match="done already"):
        Intervals([(0, 5), (10, 12)]).add(*again)


def test_an_empty_range_changes_nothing():
    assert list(Intervals([(3, 3)])) == []
