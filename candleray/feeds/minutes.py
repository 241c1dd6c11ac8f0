"""The minutes of one instrument: which are settled, held, missing, absent at the venue, or declared a hole.

A minute is settled once the store has acknowledged it or a verdict has made it a hole. Between the two it is held
(received and not yet acknowledged), or else missing, and asked for by REST until it is one of them.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from candleray.exchanges.stream import LiveKline
from candleray.feeds.pace import Pace
from candleray.timeframes import MINUTE_MS

SILENT_MS = 3 * MINUTE_MS
_REMEMBERED = 16
"""Minutes whose values are remembered: repetitions within them cost the store nothing."""


@dataclass
class Absence:
    """A minute that REST did not have, in the past or before later ones; ask again at `ask_at_ms`."""

    first_asked_ms: int
    ask_at_ms: int


@dataclass(frozen=True)
class Verdict:
    """The venue does not have a minute: REST said so at both times, and the venue has later ones."""

    symbol: str
    ts_open_ms: int
    first_asked_ms: int
    last_asked_ms: int


class Minutes:
    def __init__(self, symbol: str, start_ms: int, pace: Pace, first_candle_ms: int = 0) -> None:
        self.symbol = symbol
        self.first_candle_ms = first_candle_ms
        """The first candle that is known: nothing before it is a hole, since the instrument may be younger."""
        self.settled_until_ms = start_ms
        """Every minute that is followed and opens before is settled."""
        self.holes: set[int] = set()
        self.is_asked = False
        """A question to REST is under way."""
        self._told_meanwhile: set[int] = set()
        """Minutes told since it was asked."""
        self.ask_after_ms = 0
        self.urgent_until_ms = 0
        """Minutes that open before are not waited for: the socket was away as they closed."""
        self.newest_ms = -1
        """The newest minute received."""
        self.doubted_ms: tuple[int, int] | None = None
        """Minutes `[start, end)` that may have been revised while nobody listened: REST is to tell them again."""
        self._pace = pace
        self.start_ms = start_ms
        self._looked_until_ms = start_ms
        """Every minute that is followed and opens before is held or settled."""
        self._fruitless = 0
        self._settled: set[int] = set()
        self._held: dict[int, int] = {}
        self._absent: dict[int, Absence] = {}
        self._remembered: dict[int, tuple[float, ...]] = {}

    def receive(self, kline: LiveKline) -> bool:
        """Hold a closed minute; False where it says what the last one of this minute said."""
        ts_ms = kline.ts_open_ms
        told = _told(kline)
        if self._remembered.get(ts_ms) == told:
            return False
        self._remember(ts_ms, told)
        if self.is_asked:
            self._told_meanwhile.add(ts_ms)
        self._held[ts_ms] = self._held.get(ts_ms, 0) + 1
        self.newest_ms = max(self.newest_ms, ts_ms)
        self.first_candle_ms = min(self.first_candle_ms, ts_ms)
        return True

    @property
    def hole_count(self) -> int:
        """The number of minutes that the venue lacks, of those since its first candle."""
        return sum(ts_ms >= self.first_candle_ms for ts_ms in self.holes)

    def acknowledge(self, ts_ms: int) -> bool:
        """Settle a held minute; True where it had been a hole."""
        self._release(ts_ms)
        self._absent.pop(ts_ms, None)
        was_hole = ts_ms in self.holes
        self.holes.discard(ts_ms)
        self._settle(ts_ms)
        return was_hole

    def lose(self, ts_ms: int) -> None:
        """Forget a held minute that was not kept: it is missing again unless it is settled."""
        self._release(ts_ms)
        self._remembered.pop(ts_ms, None)
        self._looked_until_ms = min(self._looked_until_ms, ts_ms)

    def declare_hole(self, ts_ms: int) -> None:
        self._absent.pop(ts_ms, None)
        if ts_ms not in self._held and not self.is_settled(ts_ms):
            self.holes.add(ts_ms)
            self._settle(ts_ms)

    def adopt_stored(self, missing_ms: Iterable[tuple[int, int]], end_ms: int) -> None:
        """Take over what the store has before `end_ms`, given the ranges `[start, end)` that it lacks."""
        at_ms = self.settled_until_ms
        for start_ms, until_ms in [*missing_ms, (end_ms, end_ms)]:
            for ts_ms in range(at_ms, min(start_ms, end_ms), MINUTE_MS):
                self._settle(ts_ms)
            at_ms = max(at_ms, until_ms)

    def adopt_holes(self, stamps_ms: Iterable[int]) -> None:
        """Take over the holes that were declared before this process; some may lie before what is followed.

        One that the store has came after all, and the process ended before it had said so: it is asked for again.
        """
        for ts_ms in stamps_ms:
            if ts_ms < self.start_ms or self.is_settled(ts_ms):
                self.holes.add(ts_ms)
            else:
                self.declare_hole(ts_ms)

    def doubt(self, from_ms: int, until_ms: int) -> None:
        """Have REST tell these minutes again, those among them that are followed."""
        if (from_ms := max(from_ms, self.start_ms)) < until_ms:
            known = self.doubted_ms or (from_ms, until_ms)
            self.doubted_ms = min(from_ms, known[0]), max(until_ms, known[1])

    def is_doubted(self, ts_ms: int) -> bool:
        return self.doubted_ms is not None and self.doubted_ms[0] <= ts_ms < self.doubted_ms[1]

    def missing_since(self, until_ms: int, now_ms: int) -> int | None:
        """The first minute before `until_ms` that is to be asked for now."""
        # While the store is away, the held grow in number, and this is asked of each instrument 20 times a second.
        ts_ms = self._looked_until_ms = max(self._looked_until_ms, self.settled_until_ms)
        while ts_ms < until_ms:
            is_there = ts_ms in self._held or ts_ms in self._settled
            if not is_there:
                absence = self._absent.get(ts_ms)
                if absence is None or absence.ask_at_ms <= now_ms:
                    return ts_ms
            elif ts_ms == self._looked_until_ms:
                self._looked_until_ms += MINUTE_MS
            ts_ms += MINUTE_MS
        return None

    def first_expected_ms(self) -> int:
        """The first minute that may still come: not settled, and the exchange has not said that it lacks it."""
        ts_ms = self.settled_until_ms
        while ts_ms in self._settled or ts_ms in self._absent:
            ts_ms += MINUTE_MS
        return ts_ms

    def silent_since_ms(self, now_ms: int) -> int | None:
        """The first minute of those that neither a socket nor REST has; None where the newest is not that old."""
        since_ms = max(self.newest_ms + MINUTE_MS, self.settled_until_ms)
        return since_ms if self._fruitless and now_ms - since_ms >= SILENT_MS + MINUTE_MS else None

    def is_wanted(self, ts_ms: int) -> bool:
        """Neither held nor settled, and followed."""
        return ts_ms >= self.start_ms and ts_ms not in self._held and not self.is_settled(ts_ms)

    def is_settled(self, ts_ms: int) -> bool:
        return ts_ms < self.settled_until_ms or ts_ms in self._settled

    def ask(self) -> None:
        """A question to REST begins."""
        self.is_asked = True
        self._told_meanwhile.clear()

    def was_told_meanwhile(self, ts_ms: int) -> bool:
        """A minute was told while the question was under way: the answer may be of an older version."""
        return ts_ms in self._told_meanwhile

    def differs(self, kline: LiveKline) -> bool:
        """A minute that is remembered was told otherwise."""
        known = self._remembered.get(kline.ts_open_ms)
        return known is not None and not _agree(known, _told(kline))

    def answered(
        self, start_ms: int, end_ms: int, klines: Iterable[LiveKline], asked_ms: int, now_ms: int
    ) -> list[Verdict]:
        """Note what an answer for `[start_ms, end_ms)` does not have; its rows are to be received before.

        Returns:
            Minutes that are holes once their verdict is kept (`declare_hole`).
        """
        had = {kline.ts_open_ms for kline in klines}
        if self.doubted_ms is not None and start_ms <= self.doubted_ms[0] < end_ms:
            self.doubted_ms = (end_ms, self.doubted_ms[1]) if end_ms < self.doubted_ms[1] else None
        last_ms = max(had, default=start_ms)
        # A page that lies in the past is looked through to its end, else an empty one would be asked for for ever.
        until_ms = end_ms if end_ms + self._pace.verdict_ms <= asked_ms else last_ms
        newest_ms = max(last_ms, self.newest_ms)
        known_absent, verdicts = len(self._absent), []
        for ts_ms in range(max(start_ms, self.settled_until_ms), until_ms, MINUTE_MS):
            if ts_ms not in had and self.is_wanted(ts_ms):
                verdicts += self._miss(ts_ms, asked_ms, has_later=ts_ms < newest_ms)
        brought_news = len(self._absent) > known_absent if until_ms > last_ms else False
        brought_news |= any(ts_ms in self._held for ts_ms in had)
        self._fruitless = 0 if brought_news else self._fruitless + 1
        pause_ms = self._pace.pause_ms(self._fruitless, self._pace.longest_fruitless_ms)
        self.ask_after_ms = now_ms if brought_news else now_ms + pause_ms
        return verdicts

    def _miss(self, ts_ms: int, asked_ms: int, *, has_later: bool) -> list[Verdict]:
        absence = self._absent.setdefault(ts_ms, Absence(asked_ms, asked_ms + self._pace.verdict_ms))
        if asked_ms - absence.first_asked_ms < self._pace.verdict_ms:
            return []
        absence.ask_at_ms = asked_ms + self._pace.verdict_ms
        if not has_later:
            return []
        return [Verdict(self.symbol, ts_ms, absence.first_asked_ms, asked_ms)]

    def _remember(self, ts_ms: int, told: tuple[float, ...]) -> None:
        self._remembered[ts_ms] = told
        if len(self._remembered) > _REMEMBERED:
            del self._remembered[min(self._remembered)]

    def _release(self, ts_ms: int) -> None:
        count = self._held.get(ts_ms, 0)
        if count > 1:
            self._held[ts_ms] = count - 1
        else:
            self._held.pop(ts_ms, None)

    def _settle(self, ts_ms: int) -> None:
        if ts_ms >= self.settled_until_ms:
            self._settled.add(ts_ms)
        while self.settled_until_ms in self._settled:
            self._settled.remove(self.settled_until_ms)
            self.settled_until_ms += MINUTE_MS


def _told(kline: LiveKline) -> tuple[float, ...]:
    """The values, with -1 for what is unknown: NaN differs from itself."""
    optional = (value if value == value else -1.0 for value in (kline.quote_volume, kline.trades))
    return *kline.values, *optional


def _agree(first: tuple[float, ...], second: tuple[float, ...]) -> bool:
    """The same but for what only one of the two knows."""
    optional = zip(first[5:], second[5:], strict=True)
    return first[:5] == second[:5] and all(one == other or -1.0 in (one, other) for one, other in optional)
