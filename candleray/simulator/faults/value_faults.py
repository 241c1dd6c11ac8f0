"""Faults of candles: revised, different by REST, without a trade, never made or made late."""

from __future__ import annotations

import numpy as np

from candleray.candles import CandleRows
from candleray.simulator.faults.alterations import HOUR_MS, change_closed, copies_of_closed, drop, within, without
from candleray.simulator.faults.fault import Fault, FaultKind, Look
from candleray.simulator.stream_dialect import Candle, KlineFrame
from candleray.timeframes import MINUTE_MS

_REVISED_AFTER_MS = 7_000
_LATE_ONE_OF = 3
"""One minute in so many of an outage appears after all."""


def _first_version(candle: Candle) -> Candle:
    """The candle before its revision: the last trades are missing, so it closes at its open."""
    return candle._replace(close=candle.open, trades=max(1.0, candle.trades - 1))


def _send_first_version(fault: Fault, frames: list[KlineFrame]) -> list[KlineFrame]:
    return change_closed(fault, frames, lambda frame: {"candle": _first_version(frame.candle)})


def _send_both_versions(fault: Fault, frames: list[KlineFrame]) -> list[KlineFrame]:
    again = copies_of_closed(fault, frames, lambda frame: {"at_ms": frame.at_ms + _REVISED_AFTER_MS, "version": 2})
    return _send_first_version(fault, frames) + again


def _show_first_version(fault: Fault, rows: CandleRows, now_ms: int, look: Look) -> CandleRows:
    """REST shows the second version from when the websocket does."""
    early = within(fault, rows) & (now_ms < rows.ts_open_ms + MINUTE_MS + _REVISED_AFTER_MS)
    if not early.any():
        return rows
    values, trades = rows.values.copy(), rows.trades.copy()
    values[3, early] = values[0, early]
    trades[early] = np.maximum(1.0, trades[early] - 1)
    return CandleRows(rows.ts_open_ms, values, rows.quote_volume, trades)


def _flatten(fault: Fault, rows: CandleRows, now_ms: int, look: Look) -> CandleRows:
    quiet = within(fault, rows)
    first = look(fault.first_minute_ms)
    if first is None or not quiet.any():
        return rows
    values, quote_volume, trades = rows.values.copy(), rows.quote_volume.copy(), rows.trades.copy()
    values[:4, quiet], values[4, quiet] = first.open, 0.0
    quote_volume[quiet] = trades[quiet] = 0.0
    return CandleRows(rows.ts_open_ms, values, quote_volume, trades)


def _lose(fault: Fault, rows: CandleRows, now_ms: int, look: Look) -> CandleRows:
    """Some minutes of an outage appear an hour after its end, the others never."""
    appears = (rows.ts_open_ms // MINUTE_MS) % _LATE_ONE_OF == 0
    return without(rows, within(fault, rows) & ~(appears & (now_ms >= fault.end_ms + HOUR_MS)))


REVISED = FaultKind(
    "revised",
    18,
    "the closed frame comes again seconds later, with other values",
    is_of_symbol=True,
    change_frames=_send_both_versions,
    change_rows=_show_first_version,
)
REST_DIFFERS = FaultKind(
    "rest_differs",
    19,
    "REST has other values than the websocket",
    is_of_symbol=True,
    change_frames=_send_first_version,
)
NO_TRADES = FaultKind(
    "no_trades",
    20,
    "minutes without a trade: no frame, a flat candle by REST",
    lasts_ms=10 * MINUTE_MS,
    is_of_symbol=True,
    change_frames=drop,
    change_rows=_flatten,
)
OUTAGE = FaultKind(
    "outage",
    21,
    "minutes that neither websocket nor REST has; some appear an hour later",
    lasts_ms=35 * MINUTE_MS,
    change_frames=drop,
    change_rows=_lose,
)
