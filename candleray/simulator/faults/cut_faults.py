"""Faults of connections: cuts, resets, silence, farewells, bytes that are no frame."""

from __future__ import annotations

from candleray.simulator.client_conduct import LIVED, NO_PONG, SILENT, TOO_MANY_FRAMES
from candleray.simulator.faults.fault import Act, Fault, FaultKind
from candleray.timeframes import MINUTE_MS

_GARBAGE: tuple[Act, ...] = ("bad_json", "half_frame", "binary", "huge")


def _cut(_: Fault) -> Act:
    return "cut"


def _resets_in_a_row(fault: Fault) -> int:
    """Twenty in a row, or three."""
    return 19 if fault.variant == 0 else 2


def _garbage(fault: Fault) -> Act:
    return _GARBAGE[fault.variant]


DAY_CUT = FaultKind(
    "day_cut",
    1,
    "the cut at 24 hours, now",
    act=_cut,
    cut=LIVED,
    lasts_ms=MINUTE_MS,
)
RESET = FaultKind(
    "reset",
    2,
    "TCP resets without a close frame, up to twenty in a row",
    lasts_ms=5 * MINUTE_MS,
    variants=4,
    act=lambda _: "reset",
    further=_resets_in_a_row,
)
DEAF = FaultKind(
    "deaf",
    3,
    "new connections are acknowledged and never hear a candle",
    lasts_ms=6 * MINUTE_MS,
    act=_cut,
    mutes_new=True,
)
STALL = FaultKind(
    "stall",
    4,
    "frames stop in mid-life, pings are answered",
    lasts_ms=6 * MINUTE_MS,
    act=lambda _: "mute",
)
FAREWELL = FaultKind(
    "farewell",
    6,
    "the notice of a restart, and the cut at once or two minutes later",
    lasts_ms=4 * MINUTE_MS,
    market_names=("binance-spot",),
    variants=2,
    act=lambda _: "farewell",
)
PONG_CUT = FaultKind(
    "pong_cut", 7, "the cut of a client that answered no ping", exchanges=("binance",), act=_cut, cut=NO_PONG
)
SILENCE_CUT = FaultKind(
    "silence_cut", 8, "the cut of a client that sent no ping", exchanges=("bybit",), act=_cut, cut=SILENT
)
FRAMES_CUT = FaultKind(
    "frames_cut",
    9,
    "the cut of a client that sent too many frames in a second",
    exchanges=("binance",),
    act=_cut,
    cut=TOO_MANY_FRAMES,
)
TOPIC_REFUSED = FaultKind(
    "topic_refused",
    10,
    "a symbol's topic is unknown, and fails every request that names it",
    lasts_ms=4 * MINUTE_MS,
    exchanges=("bybit",),
    is_of_symbol=True,
    act=_cut,
    refuses_topic=True,
)
GARBAGE = FaultKind(
    "garbage", 11, "bad JSON, half a frame, a binary frame, two megabytes", variants=len(_GARBAGE), act=_garbage
)
