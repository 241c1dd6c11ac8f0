"""A schedule of faults: each kind so many times a day, at moments that a seed draws.

The number counts all markets together. Faults of a market follow one another, with pauses between them; those of a
symbol lie where the market itself sends candles, and not two at once on one symbol.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from random import Random

from candleray.errors import invalid
from candleray.markets import Market
from candleray.simulator.faults.fault import Fault, FaultKind, fault_kinds, find_kind
from candleray.simulator.venues import simulated_markets
from candleray.timeframes import DAY_MS, MINUTE_MS

_MARGIN_MS = 2 * MINUTE_MS
_TRIES = 300
_LEFT_AT_THE_END = 15
"""Minutes of a day in which no fault of a symbol begins."""


@dataclass(frozen=True)
class FaultSchedule:
    """`times_a_day` names kinds of the table; the day begins with the simulation."""

    seed: int
    times_a_day: Mapping[str, int]

    def __post_init__(self) -> None:
        for name in self.times_a_day:
            find_kind(name)
        for market in simulated_markets():
            lasting_ms = sum(count * (kind.lasts_ms + _MARGIN_MS) for kind, count in self._of_market(market))
            if lasting_ms > DAY_MS:
                raise invalid(
                    "times_a_day",
                    "too_many_faults",
                    f"the faults of {market.name} would last {lasting_ms // MINUTE_MS} minutes, and a day has "
                    "1440: ask for fewer a day",
                )

    @staticmethod
    def of_all(seed: int, times: int) -> FaultSchedule:
        return FaultSchedule(seed, dict.fromkeys(fault_kinds(), times))

    def day(self, market: Market, symbols: Sequence[str], start_ms: int, day: int) -> list[Fault]:
        """The faults of a market in the day that begins `day` days after the start."""
        random = Random(f"{self.seed}/{market.name}/{day}")  # noqa: S311 - a schedule, not a secret
        day_ms = start_ms + day * DAY_MS
        faults = self._lay_out(random, market, day_ms)
        for kind, count in self._of_symbols(market):
            for turn in range(count):
                fault = self._place(random, kind, market, symbols, day_ms, turn, faults)
                if fault:
                    faults.append(fault)
        return sorted(faults, key=lambda fault: fault.start_ms)

    def _count(self, kind: FaultKind, market: Market) -> int:
        """The market's share of a kind's number, rounded up."""
        sharing = sum(kind.is_at(each) for each in simulated_markets())
        return -(-self.times_a_day.get(kind.name, 0) // sharing) if kind.is_at(market) else 0

    def _of_market(self, market: Market) -> list[tuple[FaultKind, int]]:
        return [(kind, self._count(kind, market)) for kind in fault_kinds().values() if not kind.is_of_symbol]

    def _of_symbols(self, market: Market) -> list[tuple[FaultKind, int]]:
        kinds = [kind for kind in fault_kinds().values() if kind.is_of_symbol]
        return [(kind, self._count(kind, market)) for kind in sorted(kinds, key=lambda kind: -kind.lasts_ms)]

    def _lay_out(self, random: Random, market: Market, day_ms: int) -> list[Fault]:
        """The faults of the market itself, in a random order, the day's remaining time between them."""
        turns = [(kind, turn) for kind, count in self._of_market(market) for turn in range(count)]
        random.shuffle(turns)
        free_ms = DAY_MS - sum(kind.lasts_ms + _MARGIN_MS for kind, _ in turns)
        pauses = sorted(random.randrange(max(1, free_ms)) for _ in turns)
        faults, taken_ms = [], 0
        for (kind, turn), pause_ms in zip(turns, pauses, strict=True):
            start_ms = day_ms + pause_ms + taken_ms + _MARGIN_MS
            faults.append(Fault(kind, market, None, start_ms, kind.lasts_ms, turn % kind.variants))
            taken_ms += kind.lasts_ms + _MARGIN_MS
        return faults

    def _place(
        self,
        random: Random,
        kind: FaultKind,
        market: Market,
        symbols: Sequence[str],
        day_ms: int,
        turn: int,
        others: Sequence[Fault],
    ) -> Fault | None:
        """A fault of a symbol at a free place, None where the day is full."""
        for _ in range(_TRIES if symbols else 0):
            symbol = random.choice(symbols)
            start_ms = day_ms + random.randrange(2, 1440 - _LEFT_AT_THE_END) * MINUTE_MS
            fault = Fault(kind, market, symbol, start_ms, kind.lasts_ms, turn % kind.variants)
            if not any(_meet(fault, other) for other in others):
                return fault
        return None


def _meet(fault: Fault, other: Fault) -> bool:
    """Two faults at once that would hide each other. Listing a new symbol hides nothing."""
    if fault.kind.change_frames is None and fault.kind.act is None:
        return False
    silences = other.symbol is None and (other.kind.change_frames or other.kind.act or other.kind.mutes_new)
    if not silences and (other.symbol != fault.symbol or other.kind.change_frames is None):
        return False
    return fault.start_ms < other.end_ms + _MARGIN_MS and other.start_ms < fault.end_ms + _MARGIN_MS
