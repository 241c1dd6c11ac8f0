"""Planes of a grid's leaves: comparisons and crossings of series many at once, other conditions one by one."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from candleray.candles import IntArray
from candleray.search.signals.evaluator import Evaluator
from candleray.search.signals.expressions import Crosses, Expression, IsAbove
from candleray.search.signals.signal_grid import Leaf
from kernels.bits import WORD_BITS, words
from kernels.compared_series import compare_series

SERIES_BYTES = 384 * 2**20
"""Series that are compared at once: 95 of a year of minutes. Those of the side that has fewer are kept while the
others pass by, so up to 64 on that side each series is made once."""

PlaneArray = NDArray[np.uint64]


def leaf_planes(evaluator: Evaluator, leaves: Sequence[Leaf], numbers: IntArray, n_words: int) -> PlaneArray:
    """Return the planes of these numbers, ascending, the leaves' planes counted one after the other."""
    planes = np.empty((len(numbers), len(leaves[0].rows), n_words), np.uint64)
    compared: dict[object, _Comparisons] = {}
    offset = 0
    for leaf in leaves:
        begin, end = np.searchsorted(numbers, [offset, offset + leaf.size])
        own, places = numbers[begin:end] - offset, np.arange(begin, end)
        if len(own) > 1 and isinstance(leaf.condition, Crosses | IsAbove):
            kind, sides = type(leaf.condition), frozenset((leaf.condition.left, leaf.condition.right))
            compared.setdefault((kind, sides, leaf.rows), _Comparisons(leaf)).add(leaf, own, places)
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
    at_once = max(2, SERIES_BYTES // (n_words * WORD_BITS * 8))
    passing = min(many, max(1, at_once // 3))
    return max(1, at_once - passing), passing


class _Comparisons:
    """The comparisons of the forms of two operands, either of which may be on the left: "crosses above" and
    "crosses below" of two averages read the same series."""

    def __init__(self, leaf: Leaf) -> None:
        self._operands: tuple[Expression, Expression] = (leaf.condition.left, leaf.condition.right)
        self._before = int(isinstance(leaf.condition, Crosses))
        self._rows = leaf.rows
        self._forms: tuple[dict[Expression, int], dict[Expression, int]] = ({}, {})
        self._wanted: list[IntArray] = []

    def add(self, leaf: Leaf, numbers: IntArray, places: IntArray) -> None:
        """Want these planes of a leaf that compares the two operands, at these places."""
        turned = int(leaf.condition.left != self._operands[0])
        columns = [
            _numbered(leaf, operand, numbers, forms)
            for operand, forms in zip(self._operands, self._forms, strict=True)
        ]
        self._wanted.append(np.stack([*columns, places, np.full(len(places), turned)], axis=1))

    def write(self, evaluator: Evaluator, planes: PlaneArray) -> None:
        """Write the planes, some series at a time; those of the side that has fewer stay while others pass by."""
        wanted = np.concatenate(self._wanted)
        few, many = sorted((0, 1), key=lambda side: len(self._forms[side]))
        stay, pass_by = list(self._forms[few]), list(self._forms[many])
        staying_at_once, passing = _at_once(planes.shape[2], len(pass_by))
        for first, staying in _parts(stay, staying_at_once):
            kept = [evaluator.series(form, self._before) for form in staying]
            for begin, others in _parts(pass_by, passing):
                inside = (wanted[:, few] - first, wanted[:, many] - begin)
                chosen = (
                    (inside[0] >= 0) & (inside[0] < len(staying)) & (inside[1] >= 0) & (inside[1] < len(others))
                )
                if not chosen.any():
                    continue
                series = kept + [evaluator.series(form, self._before) for form in others]
                sides = np.stack([inside[0], inside[1] + len(kept)], axis=1)[chosen]
                # A pair of columns is few, many; the left of a condition is the first operand, unless turned.
                backwards = (wanted[chosen, 3] == 1) != (few == 1)
                sides[backwards] = sides[backwards][:, ::-1]
                compare_series(series, sides, self._before, planes, wanted[chosen, 2], self._rows)


def _parts(forms: list[Expression], size: int) -> Iterator[tuple[int, list[Expression]]]:
    for first in range(0, len(forms), size):
        yield first, forms[first : first + size]


def _numbered(leaf: Leaf, operand: Expression, numbers: IntArray, forms: dict[Expression, int]) -> IntArray:
    which, made = leaf.forms_of(operand, numbers)
    return np.array([forms.setdefault(form, len(forms)) for form in made])[which]
