"""The table of faulty days, and the words on what is not as it must be."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from candleray.simulator.faults.fault import fault_kinds
from candleray.timeframes import MINUTE_MS
from tests.support.faulty_days.comparison import Difference, Followed
from tests.support.faulty_days.outages import OUTAGES

_SHOWN = 8


@dataclass
class KindReport:
    """A line of the table: of one kind of fault, its place in the note's table first."""

    number: int
    name: str
    begun: int = 0
    met: int = 0
    minutes: int = 0
    lost: int = 0


@dataclass
class DaysReport:
    days: float
    real_s: float
    difference: Difference
    kinds: list[KindReport]
    rebuilt: int
    """Sockets that were replaced because they brought nothing."""
    too_late: set[str]
    """New symbols that were delisted before a busy machine had come to ask for all of them."""
    memory: dict[str, list[int]] = field(default_factory=dict)
    """MB of each ingestion at the end of each day."""

    def faults(self, least_met: int) -> list[str]:
        """Words on everything that is not as it must be; empty where all is well."""
        found = [f"{count} minutes {name}" for name, count in self.difference.counts().items() if count]
        return found + [
            f"fault {kind.number} ({kind.name}) was met {kind.met} times, not {least_met}"
            for kind in self.kinds
            if kind.met < least_met
        ]

    def lines(self) -> Iterable[str]:
        yield "| table | fault | begun | met | minutes concerned | lost |"
        yield "|---|---|---|---|---|---|"
        for kind in self.kinds:
            cells = kind.number, f"`{kind.name}`", kind.begun, kind.met, f"{kind.minutes:,}", kind.lost
            yield f"| {' | '.join(map(str, cells))} |"
        counts = ", ".join(f"{count:,} {name}" for name, count in self.difference.counts().items())
        yield ""
        yield (
            f"{self.days:.2f} days in {self.real_s:,.0f} s: {self.difference.minutes:,} minutes, "
            f"{self.difference.versions:,} versions; {counts}; {self.rebuilt} silent sockets replaced"
        )
        yield f"new symbols that were delisted before they could be asked for: {sorted(self.too_late) or 'none'}"
        as_told = sum(map(len, self.difference.as_told.values()))
        yield f"{as_told} minutes as the websocket told them where REST differs (fault 19) and was not asked"
        for name, by_instrument in self.difference.kinds.items():
            for key, stamps in by_instrument.items():
                yield f"{name}: {key} {stamps[:_SHOWN]}{' ...' if len(stamps) > _SHOWN else ''}"
        yield from self.difference.told
        yield f"MB of ingestion by day: {self.memory}"


def kind_reports(
    counts: Mapping[str, Mapping[str, int]],
    done: Counter[str],
    faults: Iterable[Mapping[str, Any]],
    followed: Iterable[Followed],
    difference: Difference,
) -> list[KindReport]:
    """A line of each kind: `counts` is the simulator's own, `done` what was done on our side."""
    lines = {
        name: KindReport(kind.number, name, **{key: counts.get(name, {}).get(key, 0) for key in ("begun", "met")})
        for name, kind in fault_kinds().items()
    }
    symbols = Counter(one.instrument.market.name for one in followed)
    for fault in faults:
        line = lines[fault["kind"]]
        line.minutes += max(1, (fault["end_ms"] - fault["start_ms"]) // MINUTE_MS) * (
            1 if fault["symbol"] else symbols[fault["market"]]
        )
        line.lost += _lost_within(fault, followed, difference)
    ours = [(outage.number, outage.name) for outage in OUTAGES]
    for number, name in [*dict.fromkeys(ours), (35, "whitelist_changed")]:
        lines[name] = KindReport(number, name, done[name], done[name])
    return sorted(lines.values(), key=lambda line: (line.number, line.name))


def _lost_within(fault: Mapping[str, Any], followed: Iterable[Followed], difference: Difference) -> int:
    keys = {
        one.instrument.key
        for one in followed
        if one.instrument.market.name == fault["market"] and fault["symbol"] in (None, one.instrument.symbol)
    }
    return sum(
        fault["start_ms"] - MINUTE_MS <= ts_ms < fault["end_ms"] + MINUTE_MS
        for key in keys
        for ts_ms in difference.lost.get(key, ())
    )
