"""Planes of a grid's leaves: comparisons and crossings of series many at once, other conditions one by one."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from candleray.candles import IntArray
from candleray.search.signals.evaluator import Evaluator
from candleray.search.signals.expressions import Crosses, Expression, parts_of
from candleray.search.signals.plane_memory import room_for
from candleray.search.signals.signal_grid import Leaf
from kernels.bits import WORD_BITS, words
from kernels.compared_blocks import READINGS
from kernels.compared_series import StayingSeries
from kernels.pairs import Series

SERIES_BYTES = 544 * 2**20
"""Series that are compared at once, with the codes of those that stay. The side that has fewer stays while the
others pass by, so up to 100 on that side, of a year of minutes, each series is made once."""
_PASSING_SHARE = 1 / 13
_STAYING_BYTES_A_BYTE = 1.25
"""A number takes eight bytes and its code two."""

PlaneArray = NDArray[np.uint64]


def leaf_planes(evaluator: Evaluator, leaves: Sequence[Leaf], numbers: IntArray, n_words: int) -> PlaneArray:
    """Return the planes of these numbers, ascending, the leaves' planes counted one after the other."""
    planes = room_for((len(numbers), len(leaves[0].rows), n_words))
    compared: dict[object, _Comparisons] = {}
    alone: list[_Alone] = []
    offset = 0
    for leaf in leaves:
        begin, end = np.searchsorted(numbers, [offset, offset + leaf.size])
        own, places = numbers[begin:end] - offset, np.arange(begin, end)
        if len(own) > 1 and _is_of_many(leaf):
            compared.setdefault(leaf.comparison, _Comparisons(leaf)).add(leaf, own, places)
        else:
            pairs = zip(own.tolist(), places.tolist(), strict=True)
            alone += [_Alone(leaf.at(number), leaf.rows, place) for number, place in pairs]
        offset += leaf.size
    series = _SharedSeries(evaluator, planes)
    for one in alone:
        series.wait(one, list(compared.values()))
    kept: dict[Expression, Series] = {}
    for comparisons in compared.values():
        kept = comparisons.write(series, planes, kept)
    series.write_rest()
    return planes


def _is_of_many(leaf: Leaf) -> bool:
    """Tell if both sides of a comparison take several forms; one series beside many is read once anyway."""
    return leaf.comparison is not None and _forms_of_sides(leaf)[0] > 1


def _forms_of_sides(leaf: Leaf) -> list[int]:
    """Return how many forms the sides of a comparison take at most, the fewer first."""
    return sorted(leaf.most_forms_of(side) for side in (leaf.condition.left, leaf.condition.right))


def compared_series(leaf: Leaf, n_bars: int) -> int:
    """Return how many series are made to compare all operands of a leaf."""
    few, many = _forms_of_sides(leaf)
    stay, _ = _at_once(words(n_bars), many)
    return few + many * -(-few // stay)


def _at_once(n_words: int, many: int) -> tuple[int, int]:
    """Return how many series stay at once, and how many of that many pass by together."""
    at_once = SERIES_BYTES / (n_words * WORD_BITS * 8)
    passing = min(many, max(1, int(at_once * _PASSING_SHARE)))
    return max(1, int((at_once - passing) / _STAYING_BYTES_A_BYTE)), passing


class _Alone(NamedTuple):
    """A plane that is made by itself."""

    condition: Expression
    rows: tuple[int, ...]
    place: int


class _SharedSeries:
    """The series that comparisons read, and the planes that are made one by one, each right after a series that it
    reads too: made anew for these, the series of a tree of eight nodes were 601, and are 301."""

    def __init__(self, evaluator: Evaluator, planes: PlaneArray) -> None:
        self._evaluator, self._planes = evaluator, planes
        self._waiting: dict[tuple[int, Expression] | None, list[_Alone]] = {}

    def wait(self, alone: _Alone, compared: Sequence[_Comparisons]) -> None:
        """Have a plane wait for a series of one of these comparisons, if it reads any."""
        read = set(parts_of(alone.condition))
        # A crossing reads a bar more, and an average that begins a bar earlier is another one.
        crosses = isinstance(alone.condition, Crosses)
        in_order = sorted(compared, key=lambda comparisons: (comparisons.before == 1) != crosses)
        # Those that pass by come later than those that stay, which are all there then.
        forms = ((each.before, form) for each in in_order for side in each.sides[::-1] for form in side)
        self._waiting.setdefault(next((one for one in forms if one[1] in read), None), []).append(alone)

    def series(self, form: Expression, before: int) -> Series:
        """Return a series, its planes written."""
        series = self._evaluator.series(form, before)
        self._write(self._waiting.pop((before, form), []))
        return series

    def write_rest(self) -> None:
        """Write the planes that wait for no series, or for one that no comparison read after all."""
        for waiting in self._waiting.values():
            self._write(waiting)

    def _write(self, waiting: Sequence[_Alone]) -> None:
        for alone in waiting:
            self._planes[alone.place] = self._evaluator.plane(alone.condition)[list(alone.rows)]


class _Comparisons:
    """The comparisons of the forms of two operands, either of which may be on the left: "crosses above" and
    "crosses below" of two averages read the same series, and are told by one comparison."""

    def __init__(self, leaf: Leaf) -> None:
        self._operands: tuple[Expression, Expression] = (leaf.condition.left, leaf.condition.right)
        self.before = int(isinstance(leaf.condition, Crosses))
        """The bars before the first that are read."""
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

    @property
    def sides(self) -> tuple[dict[Expression, int], dict[Expression, int]]:
        """The forms that stay, and those that pass by: the side that has fewer stays."""
        few, many = self._few_and_many
        return self._forms[few], self._forms[many]

    @property
    def _few_and_many(self) -> list[int]:
        return sorted((0, 1), key=lambda side: len(self._forms[side]))

    def write(
        self, series: _SharedSeries, planes: PlaneArray, kept: Mapping[Expression, Series]
    ) -> dict[Expression, Series]:
        """Write the planes, some series at a time; return the series that stayed last.

        Args:
            kept: series of other comparisons, which are not made again if they stay here.
        """
        out = planes.reshape(-1, planes.shape[2])
        few, many = self._few_and_many
        pairs, places = _by_pair(np.concatenate(self._wanted)[:, [few, many, 2, 3]])
        if few == 1:
            places = places[:, _TURNED]
        stay, pass_by = map(list, self.sides)
        staying_at_once, passing = _at_once(planes.shape[2], len(pass_by))
        left = {form: kept[form] for form in stay[:staying_at_once] if form in kept}
        del kept
        for first, forms in _parts(stay, staying_at_once):
            made = [self._taken(series, form, left) for form in forms]
            staying = StayingSeries(made, self.before)
            for begin, others in _parts(pass_by, passing):
                inside = pairs - (first, begin)
                chosen = ((inside >= 0) & (inside < (len(forms), len(others)))).all(axis=1)
                if chosen.any():
                    passed = [series.series(form, self.before) for form in others]
                    staying.compare(passed, inside[chosen], places[chosen], out)
        return dict(zip(forms, made, strict=True))

    def _taken(self, series: _SharedSeries, form: Expression, left: dict[Expression, Series]) -> Series:
        """Make a series, or find it in use; one that was kept is let go, for another may begin a bar earlier."""
        made = series.series(form, self.before)
        left.pop(form, None)
        return made


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
