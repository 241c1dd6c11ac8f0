"""A sweep over numbered variants: which are ranked, and the best of them so far."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator, Sequence
from itertools import pairwise

from candleray.backtests.phase import Phase
from candleray.search.rankings import Ranking


class Intervals:
    """A set of indices as disjoint half-open ranges, ascending, neighbours joined.

    Its size follows the holes, not the indices.
    """

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
            ValueError: a part of it is there already; its variants would count twice.
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
        """Return the ranges of `[0, total)` that are not in the set."""
        edges = [0, *(edge for pair in self for edge in pair), total]
        return [(first, last) for first, last in zip(edges[::2], edges[1::2], strict=True) if first < last]

    def __contains__(self, index: int) -> bool:
        at = bisect_right(self._starts, index)
        return at > 0 and index < self._stops[at - 1]


class Sweep:
    """One ranking phase: the best `k` of the variants `0 … total-1` that are covered so far."""

    def __init__(
        self, phase: Phase, total: int, k: int, covered: Intervals | None = None, ranking: Ranking | None = None
    ) -> None:
        self.phase = phase
        self.total = total
        self.k = k
        self.covered = covered or Intervals()
        self._merged = ranking or Ranking.empty()
        self._recent = Ranking.empty()

    def add(self, first: int, last: int, answer: Ranking) -> None:
        """Merge the ranking of `[first, last)`; its order is total, so the order of merging cannot matter."""
        self.covered.add(first, last)
        # In two steps: sorting a shortlist of a million again for each of 2000 answers would take minutes.
        self._recent = self._recent.merged(answer, self.k)
        if len(self._recent) * 16 > self.k:
            self._settle()

    def left(self, cuts: Sequence[int]) -> Iterator[tuple[int, int]]:
        """Yield what is not covered yet, as ranges that end at these cuts at the latest."""
        for first, last in self.covered.gaps(self.total):
            inner = cuts[bisect_right(cuts, first) : bisect_left(cuts, last)]
            yield from pairwise([first, *inner, last])

    @property
    def ranking(self) -> Ranking:
        """The best so far."""
        self._settle()
        return self._merged

    def _settle(self) -> None:
        self._merged, self._recent = self._merged.merged(self._recent, self.k), Ranking.empty()

    @property
    def done(self) -> int:
        return self.covered.count

    @property
    def is_complete(self) -> bool:
        return self.done == self.total


def newest_ranked(sweeps: Iterable[Sweep]) -> Sweep | None:
    """Return the last sweep that has ranked variants: before Stage B has, that is the one without stops."""
    of_variants = [sweep for sweep in sweeps if sweep.phase is not Phase.LUCK]
    return next((sweep for sweep in reversed(of_variants) if len(sweep.ranking)), None)
