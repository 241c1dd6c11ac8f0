"""Steps from row to row, which tell candles of other intervals: hourly ones and seconds open on the minute too."""

from __future__ import annotations

import math
from collections import Counter

import numpy as np

from candleray.candles import IntArray
from candleray.errors import BadFile
from candleray.market_data.screening import YEAR_2009_MS, YEAR_2100_MS
from candleray.timeframes import DAY_MS, MINUTE_MS

_ENOUGH_STEPS = 10
"""The fewest steps that tell a spacing: of fewer an odd one may come from holes or single bad rows."""

_INTERVALS_MS = (
    *(minutes * MINUTE_MS for minutes in (3, 5, 15, 30, 60, 120, 240, 360, 480, 720)),
    *(days * DAY_MS for days in (1, 3, 7)),
)
"""Intervals of the exchanges' candles beside the minute."""


def seconds_text(ms: float) -> str:
    return f"{ms / 1000:,.15g}"


def are_minutes(steps: Counter[int]) -> bool:
    return steps.total() >= _ENOUGH_STEPS and steps[MINUTE_MS] * 2 > steps.total()


def wrong_steps(steps: Counter[int]) -> str | None:
    """Return the fault that the steps of a whole file, in ms, show, as the rest of a sentence about it."""
    if not steps or steps[MINUTE_MS] * 2 >= steps.total():
        return None
    common, divisor = math.gcd(*steps), min(steps)
    if steps.total() < _ENOUGH_STEPS:
        known = steps.total() > 1 or common in _INTERVALS_MS
        return _of_interval(common) if _is_longer(common) and common == divisor and known else None
    (usual, count), *_ = steps.most_common(1)
    if usual > MINUTE_MS and (count * 2 > steps.total() or common > MINUTE_MS):
        return _of_interval(usual)
    median = float(np.median(np.repeat(list(steps), list(steps.values()))))
    if median < MINUTE_MS or divisor > MINUTE_MS:
        return f"has rows {seconds_text(median)} s apart"
    return None


def require_minutes(ts_open_ms: IntArray) -> None:
    """Refuse rows all of whose steps are multiples of one interval that is longer than a minute.

    Milder than with a whole file, because they may be the last rows of many: two rows say nothing, and minutes
    between the others speak for minutes. Times that no candle has are left to `screening`.

    Raises:
        BadFile: with the interval, and how minutes that lie far apart are sent.
    """
    sane = (ts_open_ms >= YEAR_2009_MS) & (ts_open_ms < YEAR_2100_MS)
    found, counts = np.unique(np.diff(np.unique(ts_open_ms[sane])), return_counts=True)
    if counts.sum() < 2 or not _is_longer(common := int(np.gcd.reduce(found))):
        return
    if len(found) == 1 or counts.sum() >= _ENOUGH_STEPS:
        raise BadFile(
            f"what was sent {_of_interval(int(found[np.argmax(counts)]))}, which are multiples of "
            f"{seconds_text(common)} s; only candles of one minute are stored: send minutes that lie so far apart "
            "together with those between them"
        )


def _is_longer(common_ms: int) -> bool:
    return common_ms > MINUTE_MS and common_ms % MINUTE_MS == 0


def _of_interval(ms: int) -> str:
    return f"has candles of {seconds_text(ms)} s by its steps"
