"""Conditions that are never true, or always, on any bar of the range in any variant: what the planes say of them.

Mostly the first variant that is looked at shows that a condition is true on some bars and not on others.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import reduce

import numpy as np
from numpy.typing import NDArray

from candleray.backtests.sentences import SIDES, rule_of
from candleray.backtests.signals.conditions import ConditionNode
from candleray.backtests.signals.cross_references import roots, walk
from candleray.backtests.signals.nodes import Place
from candleray.backtests.signals.speech import Speech
from candleray.search.engine import Planes
from candleray.search.indicator_grid import Radix
from candleray.search.signals.expressions import Every, Expression, Negation, Some
from candleray.search.signals.signal_grid import SignalGrid
from candleray.search.variants import VariantGrid
from kernels import pairs
from kernels.pairs import FAILS, HOLDS

MAX_LOOKS = 200
"""Combinations of a condition that are looked at one by one; of more, what all of them together allow."""

Row = NDArray[np.uint64]


def constant_conditions(grid: VariantGrid, planes: Planes, bars: int) -> tuple[str, ...]:
    """Say each condition that is the same on every bar, whatever the variant."""
    signals = grid.numbering
    found = (
        _of_signals(grid, signals, planes, bars)
        if isinstance(signals, SignalGrid)
        else _of_indicators(grid, planes, bars)
    )
    everywhere = "" if grid.size == 1 else ", in any variant"
    return tuple(f"{path}, {words}: {told} of the range{everywhere}" for path, words, told in found)


def _of_indicators(grid: VariantGrid, planes: Planes, bars: int) -> Iterator[tuple[str, str, str]]:
    every = _every(bars)
    for at, (offset, group) in enumerate(zip(grid.plane_offsets, grid.groups, strict=True)):
        for row, side in enumerate(SIDES):
            if grid.request.direction.value in (f"{side}-only", "long-short"):
                rows = (planes.plane(number)[row] for number in range(offset, offset + group.size))
                if told := _constant(rows, every):
                    yield f"indicators.{at}", rule_of(grid.request, at, side).words(Speech()), told


def _of_signals(
    grid: VariantGrid, signals: SignalGrid, planes: Planes, bars: int
) -> Iterator[tuple[str, str, str]]:
    request = grid.request
    assert request.signals is not None
    speech, looks, told = Speech(request.let), _Looks(signals, planes, _every(bars)), set[Place]()
    for at, root in roots({}, request.signals):
        # The parts of a condition come before itself: what they explain is not said again.
        for place, node in reversed(list(walk(root, at))):
            explained = any(part[: len(place)] == place for part in told) and len(place) > 2
            # Of what is denied the planes that say `not` are kept, so the denial is told.
            if not isinstance(node, ConditionNode) or explained or "not" in place:
                continue
            if words := looks.constant(place):
                told.add(place)
                yield ".".join(map(str, place)), speech.condition(node), words


def _constant(rows: Iterator[Row], every: Row) -> str:
    """Say `true on no bar` or `true on every bar` where that is so of all rows; else nothing."""
    some = lacking = False
    for row in rows:
        some, lacking = some or bool(row.any()), lacking or bool((row != every).any())
        if some and lacking:
            return ""
    return "true on every bar" if some else "true on no bar"


def _every(bars: int) -> Row:
    row: Row = pairs.constant(True, False, bars)[HOLDS]
    return row


@dataclass(frozen=True)
class _Looks:
    """The planes of a grid's conditions, looked at."""

    signals: SignalGrid
    planes: Planes
    every: Row

    def constant(self, place: Place) -> str:
        """Say if the condition at a place is constant; nothing also of one within a spell, which has no planes."""
        condition = self.signals.conditions.get(place)
        leaves = None if condition is None else self._leaves(condition)
        if not leaves:
            return ""
        axes = sorted({axis for leaf in leaves for axis in self.signals.groups[leaf].axes})
        combinations = Radix(tuple(self.signals.axes[axis].size for axis in axes))
        looks = range(0, combinations.size, -(-combinations.size // MAX_LOOKS))
        told = _constant(
            (self._joined(condition, self._rows(axes, combinations.decode(at))) for at in looks), self.every
        )
        if not told or len(looks) == combinations.size:
            return told
        return self._bounded(condition, leaves, told)

    def _bounded(self, condition: Expression, leaves: Sequence[int], told: str) -> str:
        """Say the same of all combinations, if what each leaf allows in any of them leaves nothing else."""
        join = np.bitwise_or if told == "true on no bar" else np.bitwise_and
        rows = {leaf: self._over_all(leaf, join) for leaf in leaves}
        return told if _constant(iter([self._joined(condition, rows)]), self.every) == told else ""

    def _over_all(self, leaf: int, join: np.ufunc) -> Row:
        first = sum(group.size for group in self.signals.groups[:leaf])
        rows: Row = self.planes.plane(first).copy()
        for number in range(first + 1, first + self.signals.groups[leaf].size):
            join(rows, self.planes.plane(number), out=rows)
        return rows

    def _rows(self, axes: Sequence[int], chosen: Sequence[int]) -> Mapping[int, Row]:
        digits = [0] * len(self.signals.axes)
        for axis, digit in zip(axes, chosen, strict=True):
            digits[axis] = digit
        numbers = self.signals.plane_numbers(self.signals.radix.encode(digits))
        return {leaf: self.planes.plane(number) for leaf, number in enumerate(numbers)}

    def _leaves(self, condition: Expression) -> list[int]:
        """Return the leaves that a condition is joined of; none where it has no planes of its own."""
        if isinstance(condition, Negation):
            return self._leaves(condition.part)
        if isinstance(condition, Every | Some):
            found = [self._leaves(part) for part in condition.parts]
            return [leaf for leaves in found for leaf in leaves] if all(found) else []
        return [at for at, leaf in enumerate(self.signals.groups) if leaf.condition == condition]

    def _joined(self, condition: Expression, rows: Mapping[int, Row], negated: bool = False) -> Row:
        if isinstance(condition, Negation):
            return self._joined(condition.part, rows, not negated)
        if isinstance(condition, Every | Some):
            join = np.bitwise_and if isinstance(condition, Every) != negated else np.bitwise_or
            joined: Row = reduce(join, [self._joined(part, rows, negated) for part in condition.parts])
            return joined
        leaf = self._leaves(condition)[0]
        # Often the one row alone is kept that the program reads.
        plane: Row = rows[leaf][self.signals.groups[leaf].rows.index(FAILS if negated else HOLDS)]
        return plane
