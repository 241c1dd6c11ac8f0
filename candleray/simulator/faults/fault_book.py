"""The faults of a simulation: those of its schedule and those asked for, and which of them something met."""

from __future__ import annotations

from bisect import bisect_left, insort
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Sequence
from itertools import count

from candleray.markets import Market
from candleray.simulator.faults.fault import Fault, FaultKind
from candleray.simulator.faults.fault_schedule import FaultSchedule
from candleray.timeframes import DAY_MS


class FaultBook:
    """`symbols` names what a market serves; the days of a schedule begin at `start_ms`."""

    def __init__(
        self, start_ms: int, symbols: Callable[[Market], Sequence[str]], schedule: FaultSchedule | None = None
    ) -> None:
        self._start_ms, self._symbols, self.schedule = start_ms, symbols, schedule
        self._faults: defaultdict[int, list[Fault]] = defaultdict(list)
        self._longest_ms: Counter[int] = Counter()
        self._days: Counter[int] = Counter()
        self._numbers = count(1)
        self._met: set[int] = set()
        self.begun: Counter[str] = Counter()
        self.met: Counter[str] = Counter()

    def reschedule(self, now_ms: int, schedule: FaultSchedule | None) -> None:
        """Forget what has not begun, and go on by another schedule from now."""
        for market_id, faults in self._faults.items():
            self._faults[market_id] = [fault for fault in faults if fault.start_ms <= now_ms]
        self._start_ms, self.schedule = now_ms, schedule
        self._days.clear()

    def add(
        self,
        kind: FaultKind,
        market: Market,
        symbol: str | None,
        start_ms: int,
        *,
        lasts_ms: int | None = None,
        variant: int = 0,
    ) -> Fault:
        lasts_ms = kind.lasts_ms if lasts_ms is None else lasts_ms
        return self._keep(Fault(kind, market, symbol, start_ms, lasts_ms, variant % kind.variants))

    def _keep(self, fault: Fault) -> Fault:
        numbered = Fault(
            fault.kind,
            fault.market,
            fault.symbol,
            fault.start_ms,
            fault.lasts_ms,
            fault.variant,
            next(self._numbers),
        )
        market_id = fault.market.market_id
        insort(self._faults[market_id], numbered, key=_start)
        self._longest_ms[market_id] = max(self._longest_ms[market_id], fault.lasts_ms)
        return numbered

    def prepare(self, market: Market, until_ms: int) -> None:
        """Draw the days of the schedule up to that time."""
        while self.schedule and self._start_ms + self._days[market.market_id] * DAY_MS <= until_ms:
            day = self._days[market.market_id]
            for fault in self.schedule.day(market, self._symbols(market), self._start_ms, day):
                self._keep(fault)
            self._days[market.market_id] += 1

    def over(self, market: Market, start_ms: int, end_ms: int) -> list[Fault]:
        """The faults whose minutes reach into `[start_ms, end_ms)`, in order of their beginning."""
        return [fault for fault in self._near(market, start_ms, end_ms) if _reaches(fault, start_ms, end_ms)]

    def on(self, market: Market, now_ms: int) -> list[Fault]:
        """The faults that last at that time."""
        return [fault for fault in self._near(market, now_ms, now_ms + 1) if fault.is_on(now_ms)]

    def beginning(self, market: Market, start_ms: int, end_ms: int) -> list[Fault]:
        """The faults that begin in `[start_ms, end_ms)`; they count as begun."""
        faults = self._faults[market.market_id]
        found = faults[bisect_left(faults, start_ms, key=_start) : bisect_left(faults, end_ms, key=_start)]
        self.begun.update(fault.kind.name for fault in found)
        return found

    def all_of(self, market: Market, kind: FaultKind) -> list[Fault]:
        return [fault for fault in self._faults[market.market_id] if fault.kind is kind]

    def _near(self, market: Market, start_ms: int, end_ms: int) -> Iterator[Fault]:
        faults = self._faults[market.market_id]
        first = bisect_left(faults, start_ms - self._longest_ms[market.market_id] - DAY_MS // 720, key=_start)
        for at in range(first, len(faults)):
            if faults[at].start_ms >= end_ms:
                return
            yield faults[at]

    def meet(self, fault: Fault) -> None:
        """Note that a client met the fault, once."""
        if fault.number not in self._met:
            self._met.add(fault.number)
            self.met[fault.kind.name] += 1


def _start(fault: Fault) -> int:
    return fault.start_ms


def _reaches(fault: Fault, start_ms: int, end_ms: int) -> bool:
    return fault.first_minute_ms < end_ms and start_ms < fault.end_minute_ms
