"""The deepest drawdowns of an equity curve, with their dates."""

from __future__ import annotations

import numpy as np

from candleray.backtests.variant_report import DrawdownEpisode
from candleray.candles import FloatArray, IntArray
from candleray.timeframes import iso

MOST = 10
ROUNDING = 1e-12
"""A fall below this share of the peak is none, as in the metrics."""


def deepest_drawdowns(times_ms: IntArray, equity: FloatArray) -> tuple[DrawdownEpisode, ...]:
    """Return the deepest episodes, the deepest first, each from its peak to its recovery.

    Args:
        times_ms: the times of the points of the curve, the first of which is the initial cash.
    """
    peaks = np.maximum.accumulate(equity)
    below = equity < peaks * (1.0 - ROUNDING)
    edges = np.flatnonzero(np.diff(np.concatenate(([False], below, [False]))))
    firsts, stops = edges[::2], edges[1::2]
    if not firsts.size:
        return ()
    lowest = np.minimum.reduceat(np.append(equity, np.inf), edges)[::2]
    depths = 1.0 - lowest / peaks[firsts]
    # Of equally deep ones the earlier comes first.
    order = np.argsort(-depths, kind="stable")[:MOST]
    return tuple(_episode(times_ms, equity, int(firsts[at]), int(stops[at]), float(depths[at])) for at in order)


def _episode(times_ms: IntArray, equity: FloatArray, first: int, stop: int, depth: float) -> DrawdownEpisode:
    lowest = first + int(np.argmin(equity[first:stop]))
    is_over = stop < equity.size
    end_ms = int(times_ms[stop if is_over else stop - 1])
    peak_ms = int(times_ms[first - 1])
    return DrawdownEpisode(
        depth_pct=depth * 100.0,
        peak_time=iso(peak_ms),
        lowest_time=iso(int(times_ms[lowest])),
        recovery_time=iso(end_ms) if is_over else None,
        duration_ms=end_ms - peak_ms,
    )
