"""Axes and the lazy numbering of variants: a grid is never enumerated."""

from __future__ import annotations

import itertools
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from candleray.backtests.axes import Axis, Steps, Values, levels
from candleray.errors import InvalidInput
from candleray.search.indicator_grid import Radix
from candleray.search.ranges import ranges
from candleray.validation import Model, validated


class OneAxis(Model):
    axis: Axis


def values_of(content: object) -> list[float]:
    sequence = levels(validated(OneAxis, {"axis": content}).axis)
    return [sequence.at(index) for index in range(sequence.count)]


def problems_of(content: object) -> dict[str, str]:
    with pytest.raises(InvalidInput) as caught:
        validated(OneAxis, {"axis": content})
    return {problem.field: problem.message for problem in caught.value.problems}


def test_a_scalar_is_an_axis_of_one():
    assert values_of(14) == [14]


def test_values_are_numbered_in_ascending_order_however_they_are_given():
    assert values_of({"values": [21, 7, 14]}) == values_of({"values": [7, 14, 21]}) == [7, 14, 21]


@pytest.mark.parametrize(
    ("given", "shown"), [([5, 10], "[5, 10]"), ([1, 2, 3, 4, 5], "[1, 2, 3, 4, …]"), ([], "[…]")]
)
def test_a_list_is_refused_with_both_things_it_may_have_meant(given, shown):
    (message,) = problems_of(given).values()
    remedy = f'{{"values": {shown}}} tries these values alone, {{"start", "stop", "step"}} a range'
    assert message == f"a list is no axis: {remedy}"


def test_stop_is_included():
    assert values_of({"start": 5, "stop": 20, "step": 5}) == [5, 10, 15, 20]


def test_stop_off_the_steps_is_not_reached():
    assert values_of({"start": 5, "stop": 19, "step": 5}) == [5, 10, 15]


def test_decimal_steps_are_exact():
    assert values_of({"start": 0.1, "stop": 0.7, "step": 0.1}) == [0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7]


@given(st.integers(-1000, 1000), st.integers(1, 500), st.integers(0, 200), st.sampled_from([1, 10, 100]))
def test_every_step_is_the_nearest_float_of_its_decimal(start: int, step: int, count: int, scale: int):
    axis = Steps(start=start / scale, stop=(start + count * step) / scale, step=step / scale)
    expected = [float((Decimal(start) + k * step) / scale) for k in range(count + 1)]
    assert [axis.at(k) for k in range(axis.count)] == expected


def test_whole_numbers_have_one_spelling():
    assert Values(values=(5.0, 7)).model_dump_json() == '{"values":[5,7]}'


@pytest.mark.parametrize(
    ("content", "field", "words"),
    [
        ({"start": 1, "stop": 5, "step": 0}, "axis", "step must be above 0, got 0"),
        ({"start": 1, "stop": 5, "step": -1}, "axis", "step must be above 0, got -1"),
        ({"start": 5, "stop": 50, "step": 1e-300}, "axis", "step 1e-300 is too small to count from 5 to 50"),
        ({"start": 6, "stop": 5, "step": 1}, "axis", "start 6 is above stop 5"),
        ({"values": [1, 2, 1]}, "axis", "the value 1 stands twice"),
        ({"values": []}, "axis.values", "at least 1 item"),
        ({"start": 1, "stopp": 5, "step": 1}, "axis.stopp", "did you mean 'stop'?"),
        ("14", "axis", "valid number, got '14'"),
        (True, "axis", "valid number, got True"),
        (float("nan"), "axis", "finite number, got NaN"),
        ({"values": [1, float("inf")]}, "axis.values.1", "finite number, got Infinity"),
        (1e300, "axis", "less than or equal to"),
    ],
)
def test_what_is_no_axis_is_named(content: object, field: str, words: str):
    assert words in problems_of(content)[field]


@given(st.lists(st.integers(1, 7), min_size=1, max_size=5))
def test_decoding_is_the_order_of_the_product_with_the_last_axis_fastest(sizes: list[int]):
    radix = Radix(tuple(sizes))
    assert [radix.decode(index) for index in range(radix.size)] == list(itertools.product(*map(range, sizes)))


@given(st.lists(st.integers(1, 10**6), min_size=1, max_size=6), st.data())
def test_encoding_undoes_decoding_in_grids_too_large_to_hold(sizes: list[int], data: st.DataObject):
    radix = Radix(tuple(sizes))
    index = data.draw(st.integers(0, radix.size - 1))
    assert radix.encode(radix.decode(index)) == index


def test_an_index_outside_the_grid_is_an_error():
    with pytest.raises(IndexError, match="outside 0 to 5"):
        Radix((2, 3)).decode(6)


@given(st.integers(0, 10_000), st.integers(1, 300))
def test_ranges_cover_every_index_once_and_evenly(total: int, parts: int):
    cut = list(ranges(total, parts))
    assert [index for first, last in cut for index in range(first, last)] == list(range(total))
    lengths = [last - first for first, last in cut]
    assert not lengths or max(lengths) - min(lengths) <= 1
    assert len(cut) <= parts


@pytest.mark.parametrize(
    ("start", "stop", "step"), [(1, 1.0000000000000002, 1e-16), (1, 2, 1e-17), (0.001, 1e15, 0.01)]
)
def test_steps_that_are_lost_in_rounding_are_refused(start: float, stop: float, step: float):
    steps = {"start": start, "stop": stop, "step": step}
    (message,) = problems_of(steps).values()
    assert "is too small to count from" in message
