"""The ends of entries under choices of levels: of several kinds that close alike, the earliest end is the one.

The kinds that hold back losses or time make one list of choices, those that take profits another, so that a walk
asks for two ends of an entry however many kinds there are.
"""

from __future__ import annotations

import numpy as np

from kernels.jit import inline
from kernels.simulation.exits import KINDS, LOSING_KINDS


@inline
def is_joint(counts):
    """Tell if a list of choices has several kinds of levels; else its rows are those of its only kind."""
    losing = profits = 0
    for kind in range(KINDS):
        if counts[kind] > 0 and kind < LOSING_KINDS:
            losing += 1
        elif counts[kind] > 0:
            profits += 1
    return max(losing, profits) > 1


@inline
def _copy_row(ends, exits, row, joined, fills, at):
    for place in range(joined.shape[1]):
        joined[at, place], fills[at, place] = ends[row, place], exits[row, place]


@inline
def _keep_earlier(ends, exits, row, sides, favour, joined, fills, at):
    """Keep the earlier of two ends. Of two levels of one time and reason the nearer one was reached first.

    Args:
        favour: 1 where the nearer one is the better for the position, as of stop-losses, else -1.
    """
    for place in range(joined.shape[1]):
        end, fill = ends[row, place], exits[row, place]
        nearer = favour * sides[place] * (fill - fills[at, place]) > 0.0
        if end < joined[at, place] or (end == joined[at, place] and nearer):
            joined[at, place], fills[at, place] = end, fill


@inline
def _join_kinds(ends, exits, sides, counts, first, stop, joined, fills):
    """Write a row for each choice of a level of these kinds, to which all rows given belong."""
    favour = 1.0 if first == 0 else -1.0
    for choice in range(joined.shape[0]):
        left, behind, is_begun = choice, ends.shape[0], False
        for kind in range(stop - 1, first - 1, -1):
            if counts[kind] == 0:
                continue
            left, level = divmod(left, counts[kind])
            behind -= counts[kind]
            if is_begun:
                _keep_earlier(ends, exits, behind + level, sides, favour, joined, fills, choice)
            else:
                _copy_row(ends, exits, behind + level, joined, fills, choice)
                is_begun = True


@inline
def join_ends(ends, exits, sides, counts, joined, fills):
    """Write the ends and fills of all choices: by the signal, of losses, of profits; see `stops.end_rows`.

    Args:
        ends: `(1 + levels, entries)`, as `entries.gather` writes them, and `exits` their fills.
    """
    _copy_row(ends, exits, 0, joined, fills, 0)
    levels, rows = np.int64(1), np.int64(1)
    for kind in range(LOSING_KINDS):
        if counts[kind] > 0:
            levels, rows = levels + counts[kind], rows * counts[kind]
    split = 1 + rows if levels > 1 else 1
    _join_kinds(ends[1:levels], exits[1:levels], sides, counts, 0, LOSING_KINDS, joined[1:split], fills[1:split])
    _join_kinds(ends[levels:], exits[levels:], sides, counts, LOSING_KINDS, KINDS, joined[split:], fills[split:])
