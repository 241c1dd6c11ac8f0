"""The market of a portfolio: the closes of its instruments, and the times at which its equity is marked."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from candleray.candles import FloatArray, IntArray
from candleray.errors import invalid
from candleray.portfolio.courses import Member
from candleray.search.bars import Bars
from candleray.timeframes import DAY_MS, iso
from kernels.portfolio.plans import Market
from kernels.simulation.equity_curve import ReportedBars


@dataclass(frozen=True)
class Trading:
    """The bars of all members together."""

    places: IntArray
    """The instrument of each member, as a place in `finest`."""
    finest: tuple[Bars, ...]
    """The finest bars of each instrument."""
    marks_ms: IntArray
    start_ms: int
    """Opening of the first bar of any member."""
    bar_ms: int
    """The length of the finest bar."""

    @classmethod
    def of(cls, members: Sequence[Member]) -> Trading:
        finest: dict[tuple[int, str], Bars] = {}
        for member in members:
            known = finest.get(member.instrument)
            if known is None or member.bars.bar_ms < known.bar_ms:
                finest[member.instrument] = member.bars
        places = {instrument: place for place, instrument in enumerate(finest)}
        series = {(member.instrument, member.bars.bar_ms): member.bars for member in members}
        return cls(
            np.array([places[member.instrument] for member in members], np.int64),
            tuple(finest.values()),
            _union([closed_ms(bars) for bars in series.values()]),
            min(int(member.bars.ts_open_ms[0]) for member in members),
            min(member.bars.bar_ms for member in members),
        )

    def bars_of(self, equity: FloatArray) -> ReportedBars:
        """Return the marks as bars whose closes are the equity."""
        return ReportedBars.of(equity, self.marks_ms - self.bar_ms, self.bar_ms)

    def market(self) -> Market:
        sizes = [bars.count for bars in self.finest]
        days = (self.marks_ms - 1) // DAY_MS
        return Market(
            np.concatenate(([0], np.cumsum(sizes))).astype(np.int64),
            np.concatenate([closed_ms(bars) for bars in self.finest]),
            np.concatenate([bars.close for bars in self.finest]),
            self.marks_ms,
            np.append(np.flatnonzero(days[1:] != days[:-1]), days.size - 1),
        )


def _union(times: Sequence[IntArray]) -> IntArray:
    """Return all times once, ascending; where instruments have the same, millions need no sorting."""
    marks = times[0]
    for others in times[1:]:
        if not np.array_equal(marks, others):
            marks = np.union1d(marks, others)
    return marks


def closed_ms(bars: Bars) -> IntArray:
    return bars.ts_open_ms + bars.bar_ms


def require_shared_time(members: Sequence[Member]) -> None:
    """
    Raises:
        InvalidInput: the candles of one member end before those of another begin.
    """
    last = max(members, key=lambda member: int(member.bars.ts_open_ms[0]))
    first = min(members, key=lambda member: int(closed_ms(member.bars)[-1]))
    begins, ends = int(last.bars.ts_open_ms[0]), int(closed_ms(first.bars)[-1])
    if begins >= ends:
        raise invalid(
            "members",
            "nothing_shared",
            f"the candles of {first.name} end at {iso(ends)}, before those of {last.name} begin at {iso(begins)}: "
            "choose a time_range in which all members have candles, or leave one out",
        )
