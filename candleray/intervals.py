"""Which of the indices `0 … total-1` are done: disjoint half-open ranges, ascending, neighbours joined."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator


class Intervals:
    """A set of indices that grows by ranges; its size follows the holes, not the indices."""

    def __init__(self, ranges: Iterable[tuple[int, int]] = ()) -> None:
        self._starts: list[int] = []
        self._stops: list[int] = []
        for first, last in ranges:
            self.add(first, last)

    def __iter__(self) -> Iterator[tuple[int, int]]:
        return zip(self._starts, self._stops, strict=True)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Intervals) and list(self) == list(other)

    def __repr__(self) -> str:
        return f"Intervals({list(self)})"

    @property
    def count(self) -> int:
        return sum(self._stops) - sum(self._starts)

    def add(self, first: int, last: int) -> None:
        """Join `[first, last)` to the set.

        Raises:
            ValueError: a part of it is there already, and what came of it would count twice.
        """
        if first >= last:
            return
        at = bisect_left(self._starts, first)
        if (at and self._stops[at - 1] > first) or (at < len(self._starts) and self._starts[at] < last):
            raise ValueError(f"a part of {first} to {last} is done already")
        joins_left = at > 0 and self._stops[at - 1] == first
        joins_right = at < len(self._starts) and self._starts[at] == last
        start = self._starts[at - 1] if joins_left else first
        stop = self._stops[at] if joins_right else last
        span = slice(at - joins_left, at + joins_right)
        self._starts[span] = [start]
        self._stops[span] = [stop]

    def gaps(self, total: int) -> list[tuple[int, int]]:
        """What of `[0, total)` is left."""
        edges = [0, *(edge for pair in self for edge in pair), total]
        return [(first, last) for first, last in zip(edges[::2], edges[1::2], strict=True) if first < last]

    def __contains__(self, index: int) -> bool:
        at = bisect_right(self._starts, index)
        return at > 0 and index < self._stops[at - 1]
