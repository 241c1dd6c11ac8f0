"""Ranges of a grid's planes for each task: planes that one comparison tells belong to one task."""

from __future__ import annotations

from candleray.search.variants import VariantGrid


def plane_ranges(grid: VariantGrid, first: int, last: int) -> list[tuple[int, int]]:
    """Return the planes that a part `[first, last)` of the work on all planes makes, as ranges, ascending.

    Of groups that are made together a part has the same numbers of each. Parts that cover the work cover
    all planes.
    """
    found: list[tuple[int, int]] = []
    offset = 0
    for together in grid.numbering.together:
        count = len(together)
        size: int = grid.groups[together[0]].size
        begin, end = (min(max(bound - offset, 0) // count, size) for bound in (first, last))
        offset += size * count
        if begin < end:
            found += [(grid.plane_offsets[at] + begin, grid.plane_offsets[at] + end) for at in together]
    return _joined(sorted(found))


def _joined(ranges: list[tuple[int, int]]) -> list[tuple[int, int]]:
    joined: list[tuple[int, int]] = []
    for begin, end in ranges:
        if joined and joined[-1][1] == begin:
            joined[-1] = (joined[-1][0], end)
        else:
            joined.append((begin, end))
    return joined
