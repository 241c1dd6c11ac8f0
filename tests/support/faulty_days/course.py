"""The course of faulty days: start, faults day by day, rest, and the comparison with what the exchanges have."""

from __future__ import annotations

import asyncio
import math
import random
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from candleray.databases.postgres import Postgres
from candleray.errors import CandlerayError, NotFound
from candleray.feeds.feed_state import FeedState
from candleray.feeds.feed_store import FeedStore
from candleray.timeframes import DAY_MS, MINUTE_MS
from cluster.machine.polls import polls
from cluster.machine.processes import is_running
from tests.support.faulty_days.comparison import Comparison, Difference, Followed
from tests.support.faulty_days.outages import OUTAGES, Outage
from tests.support.faulty_days.report import DaysReport, kind_reports
from tests.support.faulty_days.waits import patient_waits
from tests.support.faulty_days.whitelist import Whitelist
from tests.support.feeds.ingestion_rig import VENUES, IngestionRig, RigPlan
from tests.support.feeds.store_process import ask_store
from tests.support.waiting import wait_until

_LOOK_S = 0.2
_START_SPEED = 60.0
_SLOWER = 3.0
"""Divides the speed, no more: while REST is away, ingestion counts on at the usual speed, also in its waits."""
_REST_WITHIN_S, _SETTLED_WITHIN_S = 1800.0, 60.0
_SETTLED_LOOKS = 3
"""Comparisons that find the same, at the least: one of thirty days takes longer than the time above."""
_REST_MS = 110 * MINUTE_MS
"""The end of the last day, without new faults: the longest outage, the hour after which some of its minutes come,
and the next question for them."""
_BEHIND_MS, _CAUGHT_UP_MS = 100 * MINUTE_MS, 45 * MINUTE_MS
"""Ingestion that is so far behind, on a machine that is busy with others, is waited for at a slower clock: what is
listed for some hours could not be asked for any more."""


@dataclass(frozen=True)
class Plan:
    """`times` counts faults of each kind a day, over all markets; `own_times` those of our side.

    After `within_s` of real time the days end, however many they are.
    """

    days: float
    speed: float = 1200.0
    seed: int = 7
    times: int = 20
    own_times: int = 1
    symbols: tuple[str, ...] = ("BTCUSDT", "ETHUSDT", "SOLUSDT")
    within_s: float = math.inf

    @property
    def rig(self) -> RigPlan:
        return RigPlan(self.speed, self.symbols, patient_waits(self.speed), self.seed)


class FaultyDays:
    def __init__(self, rig: IngestionRig, plan: Plan, say: Callable[[str], None] = print) -> None:
        self._rig, self._plan, self._say = rig, plan, say
        self._comparison = Comparison(rig)
        self._done: Counter[str] = Counter()
        self._memory: dict[str, list[int]] = {venue: [] for venue in VENUES}
        self._is_slow, self._slow_s, self._looked_s = False, 0.0, 0.0

    def run(self) -> DaysReport:
        began_s = time.monotonic()
        self._set_speed(min(_START_SPEED, self._plan.speed))
        begun_ms = self._now_ms() // MINUTE_MS * MINUTE_MS
        start_ms = self._start(begun_ms)
        self._set_speed(self._plan.speed)
        self._say(f"every instrument is followed after {time.monotonic() - began_s:.0f} s")
        until_ms = int(begun_ms + self._plan.days * DAY_MS) // MINUTE_MS * MINUTE_MS - _REST_MS
        whitelist = Whitelist(self._rig.postgres.url, until_ms)
        self._set_faults({"seeded": self._plan.seed, "times_a_day": self._plan.times})
        until_ms = self._pass_days(start_ms, until_ms, whitelist)
        counts = self._state()["fault_counts"]
        self._say(
            f"{(until_ms - start_ms) / DAY_MS:.2f} days of faults are over after "
            f"{time.monotonic() - began_s:.0f} s, {self._slow_s:.0f} s of them at a slower clock"
        )
        self._set_faults({})
        end_ms = until_ms + _REST_MS
        always = [Followed(one, start_ms, end_ms) for one in self._rig.instruments]
        difference = self._settle(end_ms, always, whitelist)
        followed = [*always, *whitelist.in_time]
        self._note_memory()
        return DaysReport(
            (end_ms - begun_ms) / DAY_MS,
            time.monotonic() - began_s,
            difference,
            kind_reports(counts, self._done, self._comparison.faults(), followed, difference),
            len(self._rig.said("feed_silent")),
            whitelist.too_late,
            self._memory,
        )

    def _start(self, begun_ms: int) -> int:
        """Begin ingestion; return the first minute from which on every instrument is followed."""
        self._rig.begin_all()
        first = [Followed(one, begun_ms, begun_ms + 2 * MINUTE_MS) for one in self._rig.instruments]
        wait_until(lambda: all(map(self._is_whole, first)), what="every instrument is followed", every_s=_LOOK_S)
        return self._now_ms() // MINUTE_MS * MINUTE_MS

    def _pass_days(self, start_ms: int, end_ms: int, whitelist: Whitelist) -> int:
        """Have the faults of our side come when they are due; return the end."""
        latest_s = time.monotonic() + self._plan.within_s
        due, day = self._outages(start_ms), 0
        while (now_ms := self._now_ms()) < end_ms and time.monotonic() < latest_s:
            self._require_alive()
            if due and due[0][0] <= now_ms:
                self._befall(due.pop(0)[1])
            whitelist.add_listed(self._state()["markets"], now_ms)
            self._wait_for_ingestion(now_ms, whitelist)
            if now_ms >= start_ms + (day + 1) * DAY_MS:
                day += 1
                self._note_memory()
                self._say(f"day {day} is over; MB of ingestion: {self._memory}")
            time.sleep(_LOOK_S)
        for due_ms, outage in due:
            if due_ms <= end_ms and due_ms <= now_ms:  # a busy machine is late with them
                self._befall(outage)
        return min(end_ms, now_ms // MINUTE_MS * MINUTE_MS)

    def _outages(self, start_ms: int) -> list[tuple[int, Outage]]:
        """The faults of our side, one after the other, at moments that the seed draws."""
        chance = random.Random(self._plan.seed)
        number = len(OUTAGES) * self._plan.own_times
        place_ms = (DAY_MS - 2 * _REST_MS) // number
        return [
            (start_ms + day * DAY_MS + at * place_ms + chance.randrange(place_ms // 2), outage)
            for day in range(max(1, math.ceil(self._plan.days)))
            for at, outage in enumerate(OUTAGES * self._plan.own_times)
        ]

    def _befall(self, outage: Outage) -> None:
        outage.befall(self._rig)
        self._done[outage.name] += 1

    def _wait_for_ingestion(self, now_ms: int, whitelist: Whitelist) -> None:
        """Slow the clock down while the store is far behind it, or lacks what is to be delisted soon."""
        whitelist.take_away_old(now_ms, self._is_whole)
        self._done["whitelist_changed"] = whitelist.changes
        if time.monotonic() - self._looked_s < 5 * _LOOK_S:
            return
        if self._is_slow:
            self._slow_s += time.monotonic() - self._looked_s
        self._looked_s = time.monotonic()
        always = [Followed(one, now_ms, now_ms) for one in self._rig.instruments[:: len(self._plan.symbols)]]
        behind_ms = max(now_ms - self._stored_until_ms(one, now_ms) for one in [*always, *whitelist.present])
        is_behind = behind_ms > (_CAUGHT_UP_MS if self._is_slow else _BEHIND_MS) or whitelist.is_behind(now_ms)
        if is_behind != self._is_slow:
            self._set_slow(is_behind)

    def _stored_until_ms(self, one: Followed, now_ms: int) -> int:
        instrument = one.instrument
        try:
            return int(ask_store(self._rig.store_path, "span", instrument.market_id, instrument.symbol)[1])
        except NotFound:
            return one.start_ms
        except CandlerayError:  # it was killed a moment ago
            return now_ms

    def _settle(self, end_ms: int, always: list[Followed], whitelist: Whitelist) -> Difference:
        """Begin ingestion anew, and compare until nothing differs, or all was looked through and nothing changes.

        A repair asks for every hole again, which takes a while; nothing needs to wait for that.
        """
        for venue in VENUES:
            self._rig.kill(venue)
            self._rig.begin(venue)
        self._pass_time(end_ms + 3 * MINUTE_MS, whitelist)
        least, changed_s, same, over_s = math.inf, time.monotonic(), 0, time.time()
        for _ in polls(_REST_WITHIN_S, 5 * _LOOK_S):
            self._require_alive()
            self._wait_for_ingestion(self._now_ms(), whitelist)
            difference = self._comparison.of([*always, *whitelist.in_time])
            if not (count := sum(difference.counts().values())):
                break
            if count < least or not all(_is_at_rest(state, over_s) for state in self._feeds()):
                self._say(f"{difference.counts()}")
                least, changed_s, same = min(count, least), time.monotonic(), 0
            else:
                same += 1
            if same >= _SETTLED_LOOKS and time.monotonic() - changed_s > _SETTLED_WITHIN_S:
                break
        return difference

    def _pass_time(self, until_ms: int, whitelist: Whitelist) -> None:
        while (now_ms := self._now_ms()) < until_ms:
            self._require_alive()
            self._wait_for_ingestion(now_ms, whitelist)
            time.sleep(_LOOK_S)

    def _feeds(self) -> list[FeedState]:
        async def states() -> list[FeedState]:
            postgres = await Postgres.open(self._rig.postgres.url, max_connections=1)
            try:
                return await FeedStore(postgres).states()
            finally:
                await postgres.close()

        return asyncio.run(states())

    def _is_whole(self, one: Followed) -> bool:
        try:
            return not self._comparison.lost(one)
        except CandlerayError:
            return False

    def _require_alive(self) -> None:
        for venue, process in self._rig.running.items():
            assert is_running(process), f"the ingestion of {venue} has ended: {self._last_words()}"

    def _last_words(self) -> str:
        return (self._rig.folder.path / "ingestion.log").read_text(errors="replace")[-2000:]

    def _note_memory(self) -> None:
        for venue, process in self._rig.running.items():
            self._memory[venue].append(int(process.memory_full_info().pss / 1e6))

    def _set_faults(self, faults: dict[str, Any]) -> None:
        self._rig.venue.put("/simulator/faults", json=faults).raise_for_status()

    def _set_slow(self, is_slow: bool) -> None:
        self._set_speed(self._plan.speed / (_SLOWER if is_slow else 1))
        self._is_slow = is_slow

    def _set_speed(self, speed: float) -> None:
        self._rig.venue.put("/simulator/clock", json={"speed": speed}).raise_for_status()

    def _now_ms(self) -> int:
        return int(self._state()["clock"]["now_ms"])

    def _state(self) -> Any:
        return self._rig.venue.get("/simulator").raise_for_status().json()


def _is_at_rest(state: FeedState, since_s: float) -> bool:
    """True where it was told since, after a scan of everything, and nothing is being repaired."""
    is_new = state.told_at is not None and state.told_at.timestamp() > since_s
    return is_new and state.scanned_at is not None and state.catch_up is None
