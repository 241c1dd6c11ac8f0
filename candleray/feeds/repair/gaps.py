"""Gaps of one market's stored candles, pure: what REST is to be asked for, and what became of it."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, replace

from candleray.candles import IntArray
from candleray.feeds.minutes import Verdict
from candleray.feeds.pace import Pace
from candleray.market_data.coverage import missing_ranges
from candleray.timeframes import MINUTE_MS

MOST = 5000
"""Gaps of a market that wait; of more the newest are taken, and the next scan finds the others again."""


@dataclass(frozen=True)
class Gap:
    """Minutes `[start_ms, end_ms)` of a symbol that the store lacks, before others that it has."""

    symbol: str
    start_ms: int
    end_ms: int
    ask_at_ms: int = 0
    first_asked_ms: int | None = None
    """The time of the first question at which REST had later minutes and none of these."""

    @property
    def minutes(self) -> int:
        return (self.end_ms - self.start_ms) // MINUTE_MS


class Gaps:
    """Gaps that wait for their question, the newest first."""

    def __init__(self, pace: Pace) -> None:
        self.closed = 0
        """Minutes that REST brought since this process began."""
        self.done = 0
        """Minutes that were brought or declared holes since there was no gap."""
        self.began_ms: int | None = None
        """The time since which there are gaps."""
        self._pace = pace
        self._waiting: list[Gap] = []
        self._asked: Gap | None = None

    @property
    def all(self) -> list[Gap]:
        return [*self._waiting, *([self._asked] if self._asked else [])]

    @property
    def minutes_left(self) -> int:
        return sum(gap.minutes for gap in self.all)

    def find(self, symbol: str, ranges: Iterable[tuple[int, int]], now_ms: int) -> int:
        """Take gaps that a scan has found; return the number of their minutes that were not known."""
        known = [(gap.start_ms, gap.end_ms) for gap in self.all if gap.symbol == symbol]
        room = max(0, MOST - len(self._waiting))
        left = without(ranges, known)
        new = [Gap(symbol, *one) for one in left[len(left) - min(room, len(left)) :]]
        if new and self.began_ms is None:
            self.began_ms, self.done = now_ms, 0
        self._waiting += new
        return sum(gap.minutes for gap in new)

    def forget(self, symbol: str) -> None:
        self._waiting = [gap for gap in self._waiting if gap.symbol != symbol]
        self._settle()

    def take(self, now_ms: int, page_ms: int) -> Gap | None:
        """The gap, or the first page of it, that is to be asked for now.

        One that a clock which was ahead has put into the future waits until its first minute is over.
        """
        due = [gap for gap in self._waiting if max(gap.ask_at_ms, gap.start_ms + MINUTE_MS) <= now_ms]
        if self._asked is not None or not due:
            return None
        gap = max(due, key=lambda one: one.end_ms)
        self._waiting.remove(gap)
        if gap.end_ms - gap.start_ms > page_ms:
            self._waiting.append(replace(gap, start_ms=gap.start_ms + page_ms))
            gap = replace(gap, end_ms=gap.start_ms + page_ms)
        self._asked = gap
        return gap

    def failed(self, gap: Gap, now_ms: int) -> None:
        """A question got no answer, or the store did not take it."""
        self._asked = None
        self._waiting.append(replace(gap, ask_at_ms=now_ms + self._pace.retry_ms))

    def answered(self, gap: Gap, stamps_ms: IntArray, asked_ms: int, now_ms: int) -> list[Verdict]:
        """Note what REST had, which the store has by now.

        Args:
            stamps_ms: of the whole answer, in order; one after the gap shows that the venue has later minutes.

        Returns:
            Minutes that REST did not have twice, far enough apart, although it had later ones.
        """
        self._asked = None
        last_ms = int(stamps_ms[-1]) if len(stamps_ms) else gap.start_ms - MINUTE_MS
        brought = int(((stamps_ms >= gap.start_ms) & (stamps_ms < gap.end_ms)).sum())
        verdicts: list[Verdict] = []
        for start_ms, end_ms in missing_ranges(stamps_ms, gap.start_ms, min(gap.end_ms, last_ms)).tolist():
            verdicts += self._miss(replace(gap, start_ms=start_ms, end_ms=end_ms), asked_ms)
        if last_ms + MINUTE_MS < gap.end_ms:  # nothing later: the venue may be behind
            again_ms = now_ms + self._pace.longest_fruitless_ms
            left = Gap(gap.symbol, max(gap.start_ms, last_ms + MINUTE_MS), gap.end_ms, again_ms)
            self._waiting.append(left)
        self.closed += brought
        self.done += brought + len(verdicts)
        self._settle()
        return verdicts

    def eta_ms(self, now_ms: int) -> int | None:
        """The time that is left at the pace so far; None before anything was done."""
        if self.began_ms is None or not self.done:
            return None
        fresh = sum(gap.minutes for gap in self.all if gap.first_asked_ms is None)
        paced_ms = fresh * max(now_ms - self.began_ms, 1) // self.done
        return max(paced_ms, *(gap.ask_at_ms - now_ms for gap in self.all), 0)

    def _miss(self, gap: Gap, asked_ms: int) -> list[Verdict]:
        first_ms = asked_ms if gap.first_asked_ms is None else gap.first_asked_ms
        if asked_ms - first_ms < self._pace.verdict_ms:
            again_ms = first_ms + self._pace.verdict_ms
            self._waiting.append(replace(gap, first_asked_ms=first_ms, ask_at_ms=again_ms))
            return []
        stamps = range(gap.start_ms, gap.end_ms, MINUTE_MS)
        return [Verdict(gap.symbol, ts_ms, first_ms, asked_ms) for ts_ms in stamps]

    def _settle(self) -> None:
        if not self.all:
            self.began_ms = None


def without(ranges: Iterable[tuple[int, int]], known: Iterable[tuple[int, int]]) -> list[tuple[int, int]]:
    """Ranges `[start, end)`, which do not overlap, less those that are known, in order."""
    left: list[tuple[int, int]] = []
    taken = deque(sorted(known))
    for range_start, end_ms in sorted(ranges):
        start_ms = range_start
        while taken and taken[0][0] < end_ms:
            known_start, known_end = taken[0]
            if start_ms < known_start:
                left.append((start_ms, known_start))
            start_ms = max(start_ms, known_end)
            if known_end > end_ms:
                break  # it may cover the next range too
            taken.popleft()
        if start_ms < end_ms:
            left.append((start_ms, end_ms))
    return left
