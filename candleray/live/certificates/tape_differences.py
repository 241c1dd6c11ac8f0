"""The minutes in which two tapes differ, and tapes that change from one to the other minute by minute."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import NamedTuple

import numpy as np

from candleray.candles import Candles, FloatArray
from candleray.live.certificates.certificate import CandleValues, Cause, MinuteDifference
from candleray.markets import Instrument
from candleray.timeframes import from_ms, to_ms

Tapes = Mapping[Instrument, Candles]


class SessionTapes(NamedTuple):
    """The minutes of the instruments that a session reads."""

    received: Tapes
    canonical: Tapes
    late_ms: Mapping[Instrument, Collection[int]]
    """The minutes of each that came after a verdict that there are none."""


def differing_minutes(tapes: SessionTapes) -> list[MinuteDifference]:
    """The minutes in which the tapes differ, in the order of time."""
    found = [
        each
        for instrument, received in tapes.received.items()
        for each in _differences(
            instrument, received, tapes.canonical[instrument], tapes.late_ms.get(instrument, ())
        )
    ]
    return sorted(found, key=lambda each: (each.ts_open, each.instrument.key))


def _differences(
    instrument: Instrument, received: Candles, canonical: Candles, late_ms: Collection[int]
) -> list[MinuteDifference]:
    stamps = np.union1d(received.ts_open_ms, canonical.ts_open_ms)
    one, other = _on(stamps, received), _on(stamps, canonical)
    # Bits, so that values that are no numbers count as what they are.
    differs = (one.view(np.int64) != other.view(np.int64)).any(axis=0)
    return [
        MinuteDifference(
            instrument=instrument,
            ts_open=from_ms(stamp),
            cause=_cause(first, second, stamp in late_ms),
            received=first,
            canonical=second,
        )
        for stamp, first, second in zip(
            stamps[differs].tolist(), _values(one[:, differs]), _values(other[:, differs]), strict=True
        )
    ]


def _on(stamps: np.ndarray[tuple[int], np.dtype[np.int64]], candles: Candles) -> FloatArray:
    """The candles on these minutes, NaN where there is none."""
    values = np.full((5, stamps.size), np.nan)
    values[:, np.searchsorted(stamps, candles.ts_open_ms)] = candles.values
    return values


def _values(values: FloatArray) -> list[CandleValues | None]:
    rows: list[tuple[float, ...]] = list(zip(*values.tolist(), strict=True))
    return [None if row[0] != row[0] else (row[0], row[1], row[2], row[3], row[4]) for row in rows]


def _cause(received: CandleValues | None, canonical: CandleValues | None, is_late: bool) -> Cause:
    if canonical is None:
        return Cause.NONE  # a store loses nothing
    if received is not None:
        return Cause.REVISED_MINUTE
    return Cause.LATE_MINUTE if is_late else Cause.HOLE_FILLED_LATER


def changed(
    tapes: Tapes, minutes: Sequence[MinuteDifference], to_received: bool = False
) -> dict[Instrument, Candles]:
    """Return tapes in which these minutes are those of today, or those that were received."""
    return {
        instrument: _with(candles, [each for each in minutes if each.instrument == instrument], to_received)
        for instrument, candles in tapes.items()
    }


def _with(candles: Candles, minutes: Sequence[MinuteDifference], to_received: bool) -> Candles:
    if not minutes:
        return candles
    changed_ms = np.array([to_ms(each.ts_open) for each in minutes], np.int64)
    kept = ~np.isin(candles.ts_open_ms, changed_ms)
    rows = [each.received if to_received else each.canonical for each in minutes]
    there = np.array([row is not None for row in rows])
    values = np.array([row for row in rows if row is not None]).reshape(-1, 5).T
    stamps = np.concatenate([candles.ts_open_ms[kept], changed_ms[there]])
    order = np.argsort(stamps)
    joined = np.concatenate([candles.values[:, kept], values], axis=1)[:, order]
    return Candles(stamps[order], np.ascontiguousarray(joined))
