"""Planes of a grid's leaves: comparisons and crossings of series many at once, other conditions one by one."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from candleray.candles import IntArray
from candleray.search.signals.evaluator import Evaluator
from candleray.search.signals.expressions import Crosses, Expression
from candleray.search.signals.signal_grid import Leaf
from kernels.bits import WORD_BITS, words
from kernels.compared_blocks import READINGS
from kernels.compared_series import StayingSeries

SERIES_BYTES = 544 * 2**20
"""Series that are compared at once, with the codes of those that stay. The side that has fewer stays while the
others pass by, so up to 100 on that side, of a year of minutes, each series is made once."""
_PASSING_SHARE = 1 / 13
_STAYING_BYTES_A_BYTE = 1.25
"""A number takes eight bytes and its code two."""

PlaneArray = NDArray[np.uint64]


def leaf_planes(evaluator: Evaluator, leaves: Sequence[Leaf], numbers: IntArray, n_words: int) -> PlaneArray:
    """Return the planes of these numbers, ascending, the leaves' planes counted one after the other."""
    planes = np.empty((len(numbers), len(leaves[0].rows), n_words), np.uint64)
    compared: dict[object, _Comparisons] = {}
    offset = 0
    for leaf in leaves:
        begin, end = np.searchsorted(numbers, [offset, offset + leaf.size])
        own, places = numbers[begin:end] - offset, np.arange(begin, end)
        if len(own) > 1 and leaf.comparison:
            compared.setdefault(leaf.comparison, _Comparisons(leaf)).add(leaf, own, places)
        else:
            for number, place in zip(own.tolist(), places.tolist(), strict=True):
                planes[place] = evaluator.plane(leaf.at(number))[list(leaf.rows)]
        offset += leaf.size
    for comparisons in compared.values():
        comparisons.write(evaluator, planes)
    return planes


def compared_series(leaf: Leaf, n_bars: int) -> int:
    """Return how many series are made to compare all operands of a leaf."""
    few, many = sorted(leaf.most_forms_of(side) for side in (leaf.condition.left, leaf.condition.right))
    stay, _ = _at_once(words(n_bars), many)
    return few + many * -(-few // stay)


def _at_once(n_words: int, many: int) -> tuple[int, int]:
    """Return how many series stay at once, and how many of that many pass by together."""
    at_once = SERIES_BYTES / (n_words * WORD_BITS * 8)
    passing = min(many, max(1, int(at_once * _PASSING_SHARE)))
    return max(1, int((at_once - passing) / _STAYING_BYTES_A_BYTE)), passing


class _Comparisons:
    """The comparisons of the forms of two operands, either of which may be on the left: "crosses above" and
    "crosses below" of two averages read the same series, and are told by one comparison."""

    def __init__(self, leaf: Leaf) -> None:
        self._operands: tuple[Expression, Expression] = (leaf.condition.left, leaf.condition.right)
        self._before = int(isinstance(leaf.condition, Crosses))
        self._forms: tuple[dict[Expression, int], dict[Expression, int]] = ({}, {})
        self._wanted: list[IntArray] = []

    def add(self, leaf: Leaf, numbers: IntArray, places: IntArray) -> None:
        """Want these planes of a leaf that compares the two operands, at these places."""
        turned = int(leaf.condition.left != self._operands[0])
        columns = [
            _numbered(leaf, operand, numbers, forms)
            for operand, forms in zip(self._operands, self._forms, strict=True)
        ]
        for at, row in enumerate(leaf.rows):
            rows_of_planes = places * len(leaf.rows) + at
            readings = np.full(len(places), 2 * turned + row)
            self._wanted.append(np.stack([*columns, readings, rows_of_planes], axis=1))

    def write(self, evaluator: Evaluator, planes: PlaneArray) -> None:
        """Write the planes, some series at a time; those of the side that has fewer stay while others pass by."""
        out = planes.reshape(-1, planes.shape[2])
        few, many = sorted((0, 1), key=lambda side: len(self._forms[side]))
        sides, places = _by_pair(np.concatenate(self._wanted)[:, [few, many, 2, 3]])
        if few == 1:
            places = places[:, _TURNED]
        stay, pass_by = list(self._forms[few]), list(self._forms[many])
        staying_at_once, passing = _at_once(planes.shape[2], len(pass_by))
        for first, staying in _parts(stay, staying_at_once):
            series = StayingSeries([evaluator.series(form, self._before) for form in staying], self._before)
            for begin, others in _parts(pass_by, passing):
                inside = sides - (first, begin)
                chosen = ((inside >= 0) & (inside < (len(staying), len(others)))).all(axis=1)
                if chosen.any():
                    made = [evaluator.series(form, self._before) for form in others]
                    series.compare(made, inside[chosen], places[chosen], out)


_TURNED = [2, 3, 0, 1]
"""The readings of a comparison whose sides are swapped."""


def _by_pair(wanted: IntArray) -> tuple[IntArray, IntArray]:
    """Return the pairs of forms, and the row of planes that each reading of them is written to.

    Args:
        wanted: the two forms, a reading and its row. Where one reading of a pair is wanted several times, the pair
            is there as often.
    """
    order = np.lexsort(wanted[:, 2::-1].T)
    ordered = wanted[order]
    is_new = np.append(True, (ordered[1:, :3] != ordered[:-1, :3]).any(axis=1))
    at = np.arange(len(ordered))
    repeated = at - np.maximum.accumulate(np.where(is_new, at, 0))
    keys = np.column_stack([ordered[:, :2], repeated])
    pairs, of_pair = np.unique(keys, axis=0, return_inverse=True)
    places = np.full((len(pairs), READINGS), -1)
    places[of_pair.reshape(-1), ordered[:, 2]] = ordered[:, 3]
    return np.ascontiguousarray(pairs[:, :2]), places


def _parts(forms: list[Expression], size: int) -> Iterator[tuple[int, list[Expression]]]:
    for first in range(0, len(forms), size):
        yield first, forms[first : first + size]


def _numbered(leaf: Leaf, operand: Expression, numbers: IntArray, forms: dict[Expression, int]) -> IntArray:
    which, made = leaf.forms_of(operand, numbers)
    return np.array([forms.setdefault(form, len(forms)) for form in made])[which]
