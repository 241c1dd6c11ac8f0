"""Screening of rows on their way into the store: the rules of a candle."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from candleray.candles import COLUMNS, CandleRows, IntArray
from candleray.market_data.insert_report import RefusedRows
from candleray.timeframes import MINUTE_MS, iso

YEAR_2009_MS = 1_230_768_000_000
YEAR_2100_MS = 4_102_444_800_000

NOT_CLOSED = "not closed yet"
HERE = "here"
"""The words for this machine's clock in a refusal."""


def screen(rows: CandleRows, now_ms: int, clock: str = HERE) -> tuple[CandleRows, list[RefusedRows]]:
    """Separate the candles, sorted and one a minute, from the rows that break a rule.

    A minute that has not ended at `now_ms` has no candle yet: what a source says of it changes every second, and
    once stored it would never be asked for again.

    An exact repetition of a row is dropped silently. Two rows of one minute whose values differ are both refused,
    because nothing says which is true.

    Args:
        clock: words that say whose time `now_ms` is.
    """
    sane = np.ones(len(rows), bool)
    refused: list[RefusedRows] = []
    for reason, bad in _rules(rows, now_ms):
        _note(refused, reason, rows, np.flatnonzero(bad & sane), now_ms, clock)
        sane &= ~bad
    candidates = np.flatnonzero(sane)
    unique, conflicting = _without_repetitions(rows.take(candidates))
    _note(refused, "two rows of one minute differ", rows, candidates[conflicting], now_ms, clock)
    return unique, refused


def screen_all(
    parts: Sequence[CandleRows], clocks: Sequence[tuple[int, str]]
) -> list[tuple[CandleRows, list[RefusedRows]]]:
    """`screen` of each part by its own clock: the time, and whose it is.

    Parts without a fault, in order of time, are told in one look at all of them: a thousand parts of one row take
    1 ms instead of 150.
    """
    joined = parts[0] if len(parts) == 1 else CandleRows.join(parts)
    owners = np.repeat(np.arange(len(parts)), [len(part) for part in parts])
    now_ms = np.array([clock_ms for clock_ms, _ in clocks], np.int64)[owners]
    faulty = np.logical_or.reduce([bad for _, bad in _rules(joined, now_ms)])
    faulty[1:] |= (np.diff(joined.ts_open_ms) <= 0) & (np.diff(owners) == 0)
    suspects = set(owners[faulty].tolist())
    return [screen(part, *clocks[at]) if at in suspects else (part, []) for at, part in enumerate(parts)]


def is_candle(ts_open_ms: int, values: tuple[float, float, float, float, float], now_ms: int) -> bool:
    """Tell if a single row breaks no rule; as arrays of one row the same rules take a hundred times as long."""
    open_, high, low, close, volume = values
    return (
        YEAR_2009_MS <= ts_open_ms < YEAR_2100_MS
        and ts_open_ms % MINUTE_MS == 0
        and ts_open_ms <= now_ms - MINUTE_MS
        and 0 < low <= open_ <= high < math.inf
        and low <= close <= high
        and 0 <= volume < math.inf
    )


def _note(
    refused: list[RefusedRows], reason: str, rows: CandleRows, indices: IntArray, now_ms: int, clock: str
) -> None:
    if indices.size:
        example = describe_row(rows, int(indices[0]))
        if reason == NOT_CLOSED:
            # A wrong clock must be seen here.
            example = f"{example}; it is {iso(now_ms // 1000 * 1000)} {clock}"
        refused.append(RefusedRows(reason=reason, count=int(indices.size), first_example=example))


def _rules(rows: CandleRows, now_ms: int | IntArray) -> list[tuple[str, NDArray[np.bool_]]]:
    open_, high, low, close, volume = rows.values
    prices = rows.values[:4]
    out_of_years = (rows.ts_open_ms < YEAR_2009_MS) | (rows.ts_open_ms >= YEAR_2100_MS)
    outside = (np.maximum(open_, close) > high) | (np.minimum(open_, close) < low)
    return [
        ("not a finite number", ~np.isfinite(rows.values).all(axis=0)),
        ("stamp out of the years 2009 to 2099", out_of_years),
        ("opens off the minute", rows.ts_open_ms % MINUTE_MS != 0),
        (NOT_CLOSED, rows.ts_open_ms > now_ms - MINUTE_MS),
        ("price not above zero", (prices <= 0).any(axis=0)),
        ("negative volume", volume < 0),
        ("high below low", high < low),
        ("open or close outside high and low", outside),
    ]


def _without_repetitions(rows: CandleRows) -> tuple[CandleRows, IntArray]:
    """The rows in order of time, one a minute, and the indices of rows whose minute has two values."""
    order = np.argsort(rows.ts_open_ms, kind="stable")
    stamps, values = rows.ts_open_ms[order], rows.values[:, order]
    repeats = stamps[1:] == stamps[:-1]
    differs = repeats & (values[:, 1:] != values[:, :-1]).any(axis=0)
    conflicting = np.isin(stamps, stamps[1:][differs])
    first_of_minute = np.concatenate(([True], ~repeats)) if len(rows) else np.zeros(0, bool)
    return rows.take(order[first_of_minute & ~conflicting]), np.sort(order[conflicting])


def describe_row(rows: CandleRows, index: int) -> str:
    """The row's number in its source, its time and its values."""
    ts_ms = int(rows.ts_open_ms[index])
    try:
        when = iso(ts_ms) if ts_ms else "unreadable time"
    except (ValueError, OverflowError, OSError):
        when = f"{ts_ms} ms"
    fields = " ".join(f"{name}={rows.values[row, index]:.15g}" for row, name in enumerate(COLUMNS))
    return f"row {rows.number(index)}: {when} {fields}"
