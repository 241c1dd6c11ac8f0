"""Ranges of variants that take equally long, though the variants do not."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import numpy as np

from candleray.candles import FloatArray, IntArray

SAMPLES = 4096
"""Places at which the weight is looked up, however many variants there are."""


def even_shares(parts: int) -> FloatArray:
    return np.full(parts, 1.0 / parts)


def tapered_shares(seconds: float, cores: int, longest_s: float, shortest_s: float, most: int) -> FloatArray:
    """Return the share of that much work that each task does, the largest first, in all 1.

    Each takes half of what is left for its core. So there are few of them, and none is long when the others have
    ended: the cores end together although nobody knows exactly how long a task takes.
    """
    # A very large search takes longer tasks; this leaves a fifth of `most` for the short ones at its end.
    longest_s = max(longest_s, 1.25 * seconds / most)
    if seconds <= shortest_s:
        return even_shares(1)
    shortest_s = min(shortest_s, seconds / (3 * cores))
    sizes: list[float] = []
    left_s = seconds
    while left_s > 0 and len(sizes) < most:
        size_s = min(left_s, max(shortest_s, min(longest_s, left_s / (2 * cores))))
        sizes.append(size_s)
        left_s -= size_s
    return even_shares(most) if left_s > 0 else np.array(sizes) / seconds


def cuts(total: int, unit: int, shares: FloatArray, weight: Callable[[IntArray], FloatArray]) -> list[int]:
    """Return bounds from 0 to `total`, at multiples of `unit`, of ranges with about these shares of the weight.

    Args:
        shares: above 0, in all 1; where there are fewer units, they are the ranges.
        weight: of one index at each of these, above 0.
    """
    units = -(-total // unit)
    if len(shares) > units:
        shares = even_shares(units)
    samples = min(units, SAMPLES)
    starts = np.arange(samples, dtype=np.int64) * units // max(1, samples)
    widths = np.diff(starts, append=units)
    until = np.cumsum(weight(starts * unit) * widths)
    wanted = np.cumsum(shares)[:-1] * until[-1]
    inner = np.interp(wanted, np.concatenate([[0.0], until]), np.append(starts, units)).round().astype(np.int64)
    return sorted({0, total, *(min(int(at) * unit, total) for at in inner)})


def by_part(weights: Sequence[float], size: int) -> Callable[[IntArray], FloatArray]:
    """Return the weight of an index below `size`, of as many equal parts as there are weights."""
    table = np.array(weights)
    return lambda index: np.asarray(table[index * len(table) // size])


def ranges(total: int, parts: int) -> Iterator[tuple[int, int]]:
    """Cut `total` indices into at most `parts` contiguous half-open ranges whose lengths differ by one at most."""
    parts = max(1, min(parts, total))
    for part in range(parts if total else 0):
        yield part * total // parts, (part + 1) * total // parts
