"""The final signals of a variant whose signals are conditions: planes joined word by word.

A program is a list of nodes, each of which comes after those it joins. A node is made again where a digit that it
depends on has changed: neighbouring variants share the rest.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from kernels.bits import WORD_BYTES, row_at
from kernels.jit import INT_ROWS, INTS, inline, record_of

LEAF, AND, OR = range(3)
"""Kinds of nodes."""

ABSENT = -1
LAST_AXIS_BIT = 61
"""The bit of the axis of that number, and of all beyond it."""


class Program(NamedTuple):
    """Joins of the leaves of a grid; none where its final signals are the AND of its indicators."""

    nodes: NDArray[np.int64]
    """`(n, 4)`: kind, left, right and the axes that it depends on, a bit each. A leaf's left is its number, its
    right the row of its pair; others name two nodes."""
    roots: NDArray[np.int64]
    """The nodes of long entry, short entry, long exit, short exit; `ABSENT` for none."""
    places: NDArray[np.int64]
    """`(leaves, axes)`: the place in `steps` from which an axis's digits say how far the leaf's plane moves."""
    steps: NDArray[np.int64]

    @classmethod
    def none(cls) -> Program:
        return cls(
            np.empty((0, 4), np.int64), np.empty(0, np.int64), np.empty((0, 0), np.int64), np.empty(0, np.int64)
        )

    def check(self, n_planes: int, n_leaves: int, sizes: NDArray[np.int64]) -> None:
        """
        Raises:
            ValueError: for nodes, places or steps that do not go together with the planes of so many leaves.
        """
        nodes, axes = self.nodes, sizes.size
        if self.roots.size != 4 or self.places.shape != (n_leaves, axes) or not n_planes:
            raise ValueError(f"roots {self.roots.tolist()} and places {self.places.shape} for {n_leaves} leaves")
        joins = nodes[:, 0] != LEAF
        operands = nodes[:, 1:3].max(axis=1)
        if (operands[joins] >= np.arange(len(nodes))[joins]).any() or (nodes[~joins, 1] >= n_leaves).any():
            raise ValueError("a node of a program joins one that comes after it, or a leaf that is not there")
        for axis in range(axes):
            starts = self.places[:, axis]
            if starts.size and starts.max() + sizes[axis] > max(self.steps.size, sizes[axis] - 1):
                raise ValueError(f"{self.steps.size} steps do not hold the digits of axis {axis}")

    def of_variant(self) -> Program:
        """Return the program for a grid of one variant, one plane a leaf."""
        return self._replace(places=np.full((self.places.shape[0], 1), ABSENT), steps=np.empty(0, np.int64))


PROGRAM = record_of(Program, INT_ROWS, INTS, INT_ROWS, INTS)
"""The compiled type of `Program`."""


@inline
def has_exits(program):
    """Tell if some exit is a condition of its own."""
    return program.roots.size > 0 and (program.roots[2] != ABSENT or program.roots[3] != ABSENT)


@inline
def changed_axes(sizes, index, digits):
    """Write a variant's digits; return a bit for each axis whose digit has changed, all for the first variant."""
    changed = np.int64(0)
    for axis in range(sizes.size - 1, -1, -1):
        digit = index % sizes[axis]
        index //= sizes[axis]
        if digits[axis] < 0:
            changed = np.int64(-1)
        elif digit != digits[axis]:
            changed |= np.int64(1) << np.int64(min(axis, LAST_AXIS_BIT))
        digits[axis] = digit
    return changed


@inline
def row_of_leaf(planes, leaf, row, digits, n_words):
    """The address of the row of a leaf's planes in the variant of these digits."""
    place = planes.offsets[leaf]
    for axis in range(digits.size):
        start = planes.program.places[leaf, axis]
        if start != ABSENT:
            place += planes.program.steps[start + digits[axis]]
    return planes.addresses[place] + np.uint64(row * n_words * WORD_BYTES)


@inline
def join_nodes(planes, digits, changed, words, rows):
    """Make the nodes anew that depend on axes of `changed`, a bit each.

    Args:
        words: room for what each node joins.
        rows: the address of each node's bits, which are written here; those of a leaf stay where its plane is.
    """
    nodes, n_words = planes.program.nodes, words.shape[1]
    for node in range(nodes.shape[0]):
        kind, left, right = nodes[node, 0], nodes[node, 1], nodes[node, 2]
        if not nodes[node, 3] & changed:
            continue
        if kind == LEAF:
            rows[node] = row_of_leaf(planes, left, right, digits, n_words)
            continue
        out = words[node]
        rows[node] = out.ctypes.data
        one, other = row_at(rows[left], n_words), row_at(rows[right], n_words)
        if kind == AND:
            for word in range(out.size):
                out[word] = one[word] & other[word]
        else:
            for word in range(out.size):
                out[word] = one[word] | other[word]
