"""Where to cut a search so that its parts take equally long, though its variants do not."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from candleray.candles import FloatArray, IntArray

SAMPLES = 4096
"""Places at which the weight is looked up, however many variants there are."""


def even_cuts(total: int, unit: int, parts: int, weight: Callable[[IntArray], FloatArray]) -> list[int]:
    """Bounds from 0 to `total`, at multiples of `unit`, of at most `parts` ranges of about equal weight.

    Args:
        weight: of one index at each of these, above 0.
    """
    units = -(-total // unit)
    samples = min(units, SAMPLES)
    starts = np.arange(samples, dtype=np.int64) * units // max(1, samples)
    widths = np.diff(starts, append=units)
    until = np.cumsum(weight(starts * unit) * widths)
    wanted = np.arange(1, min(parts, units)) / min(parts, units) * until[-1]
    inner = np.interp(wanted, np.concatenate([[0.0], until]), np.append(starts, units)).round().astype(np.int64)
    return sorted({0, total, *(min(int(at) * unit, total) for at in inner)})


def by_part(weights: Sequence[float], size: int) -> Callable[[IntArray], FloatArray]:
    """The weight of an index below `size`, of as many equal parts as there are weights."""
    table = np.array(weights)
    return lambda index: np.asarray(table[index * len(table) // size])
