"""Certificates of many runs over faulty days: equal as received, explained of today, and altered events found.

python -m tests.bench.live.certificates --runs 500 --days 30

Each run is a drawn strategy on bars of a minute, five or fifteen, taken by a runner's book over the tape that it
received: minutes are missing by verdict, some of these came late, holes of the warm-up were filled in, and others
were revised.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections import Counter
from collections.abc import Mapping
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field, fields
from itertools import repeat

import numpy as np

from candleray.live.certificates.certificate import Cause, Certificate, Verdict
from candleray.live.certificates.comparison import Place
from candleray.live.events import EventBody
from candleray.timeframes import minutes_of, to_ms
from tests.support.live.faulty_sessions import FaultySession

DAY_MINUTES = 1440
ALTERED_OF, TWICE_OF = 5, 10
"""One of so many runs is certified with an altered event, too, and one a second time."""


@dataclass
class Tally:
    verdicts: Counter[str] = field(default_factory=Counter)
    causes: Counter[str] = field(default_factory=Counter)
    minutes: int = 0
    events: int = 0
    wrong: list[str] = field(default_factory=list)
    altered: int = 0
    found: int = 0
    took_s: list[float] = field(default_factory=list)

    def add(self, other: Tally) -> None:
        for each in fields(self):
            ours, theirs = getattr(self, each.name), getattr(other, each.name)
            setattr(self, each.name, ours + theirs)

    def text(self) -> str:
        took_ms = np.array(self.took_s) * 1000
        median, most = np.percentile(took_ms, [50, 99])
        return (
            f"{self.events:,} events, {self.minutes:,} differing minutes: {_counts(self.verdicts)}; "
            f"{self.causes.total():,} differences of today ({_counts(self.causes)}); "
            f"a price changed by its last bit was found in {self.found:,} of {self.altered:,}; "
            f"a certificate takes {median:.0f} ms of CPU, {most:.0f} ms (p99), {took_ms.max():.0f} ms at most; "
            f"{len(self.wrong)} wrong"
        )


def _counts(counted: Counter[str]) -> str:
    return ", ".join(f"{count:,} {name}" for name, count in sorted(counted.items()))


def session_of(seed: int, days: int) -> FaultySession:
    timeframe = FaultySession(seed, bars=1).spec.timeframe
    # As many bars as these days have; the draw of the strategy is the same.
    return FaultySession(seed, days * DAY_MINUTES // minutes_of(timeframe), faults=max(1, days // 3))


def check(seed: int, days: int) -> Tally:
    """The tally of one run."""
    tally = Tally()
    session = session_of(seed, days)
    told = session.told()
    began = time.process_time()
    certificate = session.certificate(told)
    tally.took_s.append(time.process_time() - began)
    [certified] = certificate.sessions
    tally.verdicts[certificate.verdict] += 1
    tally.causes.update(certified.canonical.causes)
    tally.minutes += certified.differing_minutes
    tally.events += certified.events
    if certified.received.differing:
        tally.wrong.append(f"seed {seed}: {certified.received.differing} events differ as received")
    if not causes_are_right(session, certificate):
        tally.wrong.append(f"seed {seed}: a difference of today without its minute")
    if seed % TWICE_OF == 0 and session.certificate(told).canonical_bytes() != certificate.canonical_bytes():
        tally.wrong.append(f"seed {seed}: the second certificate has other bytes")
    if seed % ALTERED_OF == 0 and (altered := with_one_altered(session, told)):
        tally.altered += 1
        tally.found += session.certificate(altered).verdict is Verdict.BROKEN
    return tally


def causes_are_right(session: FaultySession, certificate: Certificate) -> bool:
    return all(
        difference.minute is not None
        and session.causes.get((difference.minute.instrument, to_ms(difference.minute.ts_open)))
        is difference.cause
        and difference.cause is not Cause.NONE
        for certified in certificate.sessions
        for difference in certified.canonical.differences
    )


def with_one_altered(session: FaultySession, told: Mapping[Place, EventBody]) -> dict[Place, EventBody]:
    """The events with one number of one of them changed by its last bit; nothing where no event has a price."""
    priced = [place for place, body in told.items() if "price" in type(body).model_fields]
    if not priced:
        return {}
    place = session.draw.choice(priced)
    body = told[place]
    price = float(np.nextafter(body.model_dump()["price"], np.inf))
    return {**told, place: body.model_copy(update={"price": price})}


def main(runs: int, days: int, first: int, processes: int) -> int:
    tally, began = Tally(), time.monotonic()
    with ProcessPoolExecutor(processes) as pool:
        for number, one in enumerate(pool.map(check, range(first, first + runs), repeat(days)), 1):
            tally.add(one)
            if number % 50 == 0:
                print(f"{number:,} of {runs:,}, {time.monotonic() - began:.0f} s", file=sys.stderr, flush=True)
    print(f"{runs:,} runs over {days} days: {tally.text()}; all in {time.monotonic() - began:,.0f} s")
    for line in tally.wrong[:20]:
        print(line)
    return 1 if tally.wrong or tally.found < tally.altered else 0


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=500)
    parser.add_argument("--days", type=int, default=30)
    parser.add_argument("--first", type=int, default=0, help="the first seed")
    parser.add_argument("--processes", type=int, default=2)
    given = parser.parse_args()
    sys.exit(main(given.runs, given.days, given.first, given.processes))
