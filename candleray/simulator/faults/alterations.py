"""Alterations of frames and rows that several faults make."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from candleray.candles import CandleRows
from candleray.simulator.faults.fault import Fault
from candleray.simulator.stream_dialect import KlineFrame
from candleray.timeframes import MINUTE_MS

HOUR_MS = 60 * MINUTE_MS

Changes: TypeAlias = Callable[[KlineFrame], dict[str, Any]]
"""The fields of a closed frame that change."""


def drop(fault: Fault, frames: list[KlineFrame]) -> list[KlineFrame]:
    return []


def change_closed(fault: Fault, frames: list[KlineFrame], changes: Changes) -> list[KlineFrame]:
    """The frames, the closed ones changed and named after the fault."""
    return [_changed(fault, frame, changes) if frame.is_closed else frame for frame in frames]


def copies_of_closed(fault: Fault, frames: list[KlineFrame], changes: Changes) -> list[KlineFrame]:
    """Another of each closed frame, changed and named after the fault."""
    return [_changed(fault, frame, changes) for frame in frames if frame.is_closed]


def _changed(fault: Fault, frame: KlineFrame, changes: Changes) -> KlineFrame:
    return replace(frame, fault=fault.kind.name, **changes(frame))


def within(fault: Fault, rows: CandleRows) -> NDArray[np.bool_]:
    """The rows whose minutes the fault concerns."""
    return (rows.ts_open_ms >= fault.first_minute_ms) & (rows.ts_open_ms < fault.end_minute_ms)


def without(rows: CandleRows, gone: NDArray[np.bool_]) -> CandleRows:
    return rows.take(np.flatnonzero(~gone)) if gone.any() else rows
