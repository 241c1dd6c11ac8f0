"""Faults of frames: missing, late, in the wrong order, twice, broken, of something else. The candles are right."""

from __future__ import annotations

from typing import Any

from candleray.simulator.faults.alterations import change_closed, copies_of_closed, drop
from candleray.simulator.faults.fault import Fault, FaultKind
from candleray.simulator.stream_dialect import LEFT_OUT, KlineFrame
from candleray.timeframes import MINUTE_MS

_BROKEN: tuple[tuple[str, Any], ...] = (
    ("high", LEFT_OUT),
    ("close", None),
    ("volume", "NaN"),
    ("low", "-1.0"),
    ("high", "0.00000001"),
    ("open", "none"),
)
UNASKED_SYMBOL = "UNASKEDUSDT"
_UNASKED_MINUTES = 5
_LATE_MS, _AGAIN_MS = 30_000, 1_500


def _drop_closed(fault: Fault, frames: list[KlineFrame]) -> list[KlineFrame]:
    return [frame for frame in frames if not frame.is_closed]


def _break(fault: Fault, frames: list[KlineFrame]) -> list[KlineFrame]:
    return change_closed(fault, frames, lambda _: {"edits": (_BROKEN[fault.variant],)})


def _add_unasked(fault: Fault, frames: list[KlineFrame]) -> list[KlineFrame]:
    unasked = {"symbol": UNASKED_SYMBOL} if fault.variant == 0 else {"minutes": _UNASKED_MINUTES}
    return frames + copies_of_closed(fault, frames, lambda _: unasked)


def _delay(fault: Fault, frames: list[KlineFrame]) -> list[KlineFrame]:
    return change_closed(fault, frames, lambda frame: {"at_ms": frame.at_ms + _LATE_MS})


def _swap(fault: Fault, frames: list[KlineFrame]) -> list[KlineFrame]:
    """The frame that closes the first minute comes behind the one that closes the next."""
    firsts = [frame for frame in frames if frame.candle.ts_open_ms == fault.first_minute_ms]
    others = [frame for frame in frames if frame.candle.ts_open_ms != fault.first_minute_ms]
    return change_closed(fault, firsts, lambda frame: {"at_ms": frame.at_ms + MINUTE_MS + 3_000}) + others


def _repeat(fault: Fault, frames: list[KlineFrame]) -> list[KlineFrame]:
    return frames + copies_of_closed(fault, frames, lambda frame: {"at_ms": frame.at_ms + _AGAIN_MS})


def _misstamp(fault: Fault, frames: list[KlineFrame]) -> list[KlineFrame]:
    return change_closed(fault, frames, lambda frame: {"edits": (("ts_open", _wrong_stamp(fault, frame)),)})


def _wrong_stamp(fault: Fault, frame: KlineFrame) -> int:
    """Microseconds, or an open off the minute."""
    ts_open_ms = frame.candle.ts_open_ms
    return ts_open_ms * 1000 if fault.variant == 0 else ts_open_ms + 1_234


def _add_future(fault: Fault, frames: list[KlineFrame]) -> list[KlineFrame]:
    return frames + copies_of_closed(
        fault, frames, lambda frame: {"edits": (("ts_open", frame.candle.ts_open_ms + 3 * MINUTE_MS),)}
    )


SILENT_SYMBOL = FaultKind(
    "silent_symbol",
    5,
    "one symbol of many sends no frame",
    lasts_ms=3 * MINUTE_MS,
    is_of_symbol=True,
    change_frames=drop,
)
BAD_ROW = FaultKind(
    "bad_row",
    12,
    "a closed candle without a field, with null, NaN, a negative price, high below low, or a word",
    is_of_symbol=True,
    variants=len(_BROKEN),
    change_frames=_break,
)
UNASKED = FaultKind(
    "unasked",
    13,
    "a symbol or an interval that nobody asked for",
    is_of_symbol=True,
    variants=2,
    change_frames=_add_unasked,
)
NO_CLOSE = FaultKind(
    "no_close",
    14,
    "no frame closes the minute, the next one's come",
    is_of_symbol=True,
    change_frames=_drop_closed,
)
LATE_CLOSE = FaultKind(
    "late_close", 15, "the closed frame comes 30 seconds late", is_of_symbol=True, change_frames=_delay
)
SWAPPED = FaultKind(
    "swapped",
    16,
    "a minute is closed after the one behind it",
    lasts_ms=2 * MINUTE_MS,
    is_of_symbol=True,
    change_frames=_swap,
)
REPEATED = FaultKind(
    "repeated", 17, "the closed frame comes twice, with the same values", is_of_symbol=True, change_frames=_repeat
)
FUTURE_MINUTE = FaultKind(
    "future_minute", 24, "a closed candle of a minute to come", is_of_symbol=True, change_frames=_add_future
)
BAD_STAMP = FaultKind(
    "bad_stamp",
    25,
    "a closed candle stamped in microseconds, or off the minute",
    is_of_symbol=True,
    variants=2,
    change_frames=_misstamp,
)
