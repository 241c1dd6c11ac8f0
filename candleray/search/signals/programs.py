"""Signals as programs over planes: conditions joined by `all` and `any`, with `not` moved down to the conditions.

What a program joins word by word are its leaves: comparisons, crossings, spells, rules. Each leaf has a pair of
planes in every variant, which `kernels.pairs` describes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from candleray.search.signals.expressions import Every, Expression, Negation, Some, slots_of
from kernels.pairs import FAILS, HOLDS
from kernels.simulation.programs import AND, LEAF, OR

SIGNALS = ("long_entry", "short_entry", "long_exit", "short_exit")
"""The order of a program's roots."""


ALWAYS = 1 << 62
"""A bit for no axis: every node is made for the first variant."""


@dataclass
class ProgramBuilder:
    """Joins the signals of a request; equal leaves and equal joins are there once."""

    leaves: list[Expression] = field(default_factory=list)
    nodes: list[tuple[int, int, int]] = field(default_factory=list)
    roots: list[int] = field(default_factory=list)

    @classmethod
    def of(cls, signals: Mapping[str, Expression]) -> ProgramBuilder:
        program = cls()
        for name in SIGNALS:
            signal = signals.get(name)
            program.roots.append(-1 if signal is None else program._join(signal, negated=False))
        return program

    def _join(self, condition: Expression, negated: bool) -> int:
        if isinstance(condition, Negation):
            return self._join(condition.part, not negated)
        if isinstance(condition, Every | Some):
            joins_all = isinstance(condition, Every) != negated
            # The parts that change most rarely first: what they give together is kept from variant to variant.
            parts = sorted(condition.parts, key=lambda part: max(slots_of(part), default=-1))
            nodes = [self._join(part, negated) for part in parts]
            joined = nodes[0]
            for node in nodes[1:]:
                joined = self._node(AND if joins_all else OR, joined, node)
            return joined
        if condition not in self.leaves:
            self.leaves.append(condition)
        return self._node(LEAF, self.leaves.index(condition), FAILS if negated else HOLDS)

    def _node(self, kind: int, left: int, right: int) -> int:
        node = (kind, left, right)
        if node not in self.nodes:
            self.nodes.append(node)
        return self.nodes.index(node)

    def masks(self, axes_of_leaves: Sequence[int]) -> list[int]:
        """Return, for each node, a bit for each axis that it depends on."""
        masks: list[int] = []
        for kind, left, right in self.nodes:
            masks.append(axes_of_leaves[left] if kind == LEAF else masks[left] | masks[right])
        return masks

    @property
    def kept_rows(self) -> list[tuple[int, ...]]:
        """The rows of each leaf's pairs that are kept: the one that is read, or both where some leaf needs both.

        A row is 66 KB a year of minutes: 10,000 crossings took 1.3 GB with both, and take 0.66 with one.
        """
        read = [
            {row for kind, at, row in self.nodes if (kind, at) == (LEAF, leaf)} for leaf in range(len(self.leaves))
        ]
        single = all(len(rows) == 1 for rows in read)
        return [tuple(rows) if single else (HOLDS, FAILS) for rows in read]

    def node_rows(self, axes_of_leaves: Sequence[int]) -> np.ndarray[tuple[int, int], np.dtype[np.int64]]:
        kept, rows = self.kept_rows, []
        for (kind, left, right), mask in zip(self.nodes, self.masks(axes_of_leaves), strict=True):
            row = kept[left].index(right) if kind == LEAF else right
            rows.append((kind, left, row, mask | ALWAYS))
        return np.array(rows, np.int64).reshape(-1, 4)
