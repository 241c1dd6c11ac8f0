"""The candles that there are of a time range, and its holes as the bars of a timeframe meet them."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np

from candleray.candles import IntArray
from candleray.errors import GapsInRange, Problem
from candleray.markets import Instrument
from candleray.timeframes import DAY_MS, MINUTE_MS, iso

HOUR_MS = 60 * MINUTE_MS
SHOWN_HOLES = 10
"""Holes that an error lists; of more, it says how many there are."""


class Hole(NamedTuple):
    """Missing minutes from `start_ms` to `end_ms` that no bar lies between."""

    start_ms: int
    end_ms: int
    minutes: int
    """Fewer than from start to end where single candles lie between, too few for a bar."""
    bars_before: int
    """The number of the range's bars before it."""

    @property
    def words(self) -> str:
        length = self.minutes * MINUTE_MS
        span = f"{length / DAY_MS:,.1f} days" if length >= 2 * DAY_MS else f"{length / HOUR_MS:,.1f} hours"
        long = f" ({span})" if length >= HOUR_MS else ""
        minutes = "1 minute" if self.minutes == 1 else f"{self.minutes:,} minutes"
        return f"{minutes}{long} from {iso(self.start_ms)} to {iso(self.end_ms)}"


@dataclass(frozen=True)
class RangeCoverage:
    """A range beside the candles there are: all that is answered lies in both."""

    asked: tuple[int, int]
    """`[start, end)` in ms, as are the others."""
    stored: tuple[int, int]
    bars: int
    """Closed and full bars that lie wholly in the range."""
    holes: IntArray
    """`(k, 4)`: the fields of `Hole`, in order of time."""
    before: IntArray
    """`(k, 2)`: the runs of missing minutes among the bars before the range that warm indicators up."""

    @classmethod
    def of(cls, missing: IntArray, asked: tuple[int, int], stored: tuple[int, int], bar_ms: int) -> RangeCoverage:
        """Return the coverage from the runs of minutes that are missing between the range's and the candles' ends.

        Args:
            missing: `(k, 2)`, of `coverage.missing_ranges` over `answered(asked, stored)`.
        """
        start_ms, end_ms = answered(asked, stored)
        firsts, lasts = np.append(start_ms, missing[:, 1]), np.append(missing[:, 0], max(start_ms, end_ms))
        # Bars that lie wholly in each stretch of candles.
        bars = np.maximum(0, lasts // bar_ms + -firsts // bar_ms)
        total = int(bars.sum())
        if not len(missing):
            return cls(asked, stored, total, np.empty((0, 4), np.int64), _NONE)
        begins = np.flatnonzero(np.append(1, bars[1:-1]))  # a stretch without a bar joins its neighbours
        minutes = np.add.reduceat((missing[:, 1] - missing[:, 0]) // MINUTE_MS, begins)
        ends = np.append(begins[1:], len(missing)) - 1
        before = np.cumsum(bars)[begins]
        holes = np.stack([missing[begins, 0], missing[ends, 1], minutes, before], axis=1)
        return cls(asked, stored, total, holes, _NONE)

    def warmed_up_over(self, missing: IntArray, first_ms: int) -> RangeCoverage:
        """Return the coverage with these missing minutes told as far as they lie behind the first warm-up bar."""
        # A minute that opens before the range is none of its minutes.
        stop_ms = -(-self.asked[0] // MINUTE_MS) * MINUTE_MS
        return replace(self, before=clipped(missing, first_ms, stop_ms))

    @property
    def minutes_asked(self) -> int:
        return (self.asked[1] - self.asked[0]) // MINUTE_MS

    @property
    def minutes_missing(self) -> int:
        """Missing minutes between the range's ends and those of the candles."""
        return int(self.holes[:, 2].sum())

    @property
    def minutes_there(self) -> int:
        start_ms, end_ms = answered(self.asked, self.stored)
        return max(0, end_ms - start_ms) // MINUTE_MS - self.minutes_missing

    def longer_than(self, hours: float) -> list[Hole]:
        """Return the holes that lack more minutes than so many hours have."""
        return [Hole(*row) for row in self.holes[self.holes[:, 2] > hours * 60].tolist()]

    @property
    def notes(self) -> tuple[str, ...]:
        """The missing part of the range in words; nothing where it is whole."""
        notes = []
        if self.minutes_there != self.minutes_asked:
            share = 100 * self.minutes_there / max(1, self.minutes_asked)
            notes.append(
                f"candles: there are {self.minutes_there:,} of the range's {self.minutes_asked:,} minutes "
                f"({share:.{2 if share < 99 else 4}f} %), which make {self.bars:,} bars{self._ends()}"
            )
        if len(self.holes):
            notes.append(f"holes: {_missing_in_words(self.holes)}")
        if len(self.before):
            minutes = (self.before[:, 1] - self.before[:, 0]) // MINUTE_MS
            runs = np.column_stack([self.before, minutes, np.zeros_like(minutes)])
            notes.append(f"warm-up: before the range {_missing_in_words(runs)}")
        return tuple(notes)

    def _ends(self) -> str:
        ends = []
        if self.asked[0] < self.stored[0]:
            ends.append(f"; they begin at {iso(self.stored[0])}, after the range does")
        if self.asked[1] > self.stored[1]:
            ends.append(f"; they end at {iso(self.stored[1])}, before the range does")
        return "".join(ends)

    def require_no_gap(self, instrument: Instrument, hours: float) -> None:
        """Refuse a range with a hole that lacks more minutes than so many hours have.

        Raises:
            GapsInRange: with each hole, and the command that fetches what is missing.
        """
        holes = self.longer_than(hours)
        if not holes:
            return
        longest = max(holes, key=lambda hole: hole.minutes)
        several = f"; {len(holes):,} holes are that long, with {sum(hole.minutes for hole in holes):,} minutes"
        raise GapsInRange(
            f"{instrument.market.name} {instrument.symbol} has no candles for {longest.words}: a hole of more "
            f"than {hours:g} h inside the range{several if len(holes) > 1 else ''}. Fetch the minutes with "
            f"`{backfill_command(instrument, holes[0].start_ms, holes[-1].end_ms)}`, "
            'or answer over the holes with "allow_gaps": true',
            [Problem("time_range", "gap", f"no candles for {hole.words}") for hole in holes[:SHOWN_HOLES]],
        )


_NONE: IntArray = np.empty((0, 2), np.int64)


def _missing_in_words(holes: IntArray) -> str:
    total = int(holes[:, 2].sum())
    minutes = "1 minute is" if total == 1 else f"{total:,} minutes are"
    within = "1 hole" if len(holes) == 1 else f"{len(holes):,} holes"
    return f"{minutes} missing in {within}; the longest is {Hole(*holes[np.argmax(holes[:, 2])].tolist()).words}"


def clipped(missing: IntArray, start_ms: int, end_ms: int) -> IntArray:
    """Return the parts of the runs that lie in `[start_ms, end_ms)`."""
    runs = np.clip(missing, start_ms, max(start_ms, end_ms))
    return runs[runs[:, 0] < runs[:, 1]]


def first_warmup_bar(
    missing: IntArray, history: tuple[int, int], start_ms: int, bar_ms: int, count: int
) -> tuple[int, int]:
    """Return the open of the first of the last `count` bars before a range, and how many there are up to it.

    Args:
        missing: `(k, 2)`, the runs of missing minutes of the history.
        history: `[first, end)` in ms of what was looked at, from before the range on.
    """
    stop_ms = min(-(-start_ms // bar_ms) * bar_ms, history[1])
    firsts = -(-np.append(history[0], missing[:, 1]) // bar_ms)
    lasts = np.minimum(np.append(missing[:, 0], history[1]), stop_ms) // bar_ms
    bars = np.maximum(0, lasts - firsts)
    there = int(bars.sum())
    if not min(there, count):
        return start_ms, 0
    behind = np.cumsum(bars[::-1])[::-1]
    stretch = int(np.flatnonzero((behind >= min(there, count)) & (bars > 0))[-1])
    return int(firsts[stretch] + behind[stretch] - min(there, count)) * bar_ms, min(there, count)


def answered(asked: tuple[int, int], stored: tuple[int, int]) -> tuple[int, int]:
    """Return the part of a range between the first and the last candle, in whole minutes: `[start, end)` in ms.

    Its end is at or before its start where there is none.
    """
    start_ms = -(-max(asked[0], stored[0]) // MINUTE_MS) * MINUTE_MS
    return start_ms, min(asked[1], stored[1]) // MINUTE_MS * MINUTE_MS


def backfill_command(instrument: Instrument, start_ms: int, end_ms: int) -> str:
    """Return the command that fetches the missing minutes of an instrument between two times."""
    return (
        f"candleray backfill --market {instrument.market.name} --symbol {instrument.symbol} "
        f"--start {iso(start_ms)} --end {iso(end_ms)}"
    )
