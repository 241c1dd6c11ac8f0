"""A run's events beside a backtest's: what differs, and by which minute."""

from __future__ import annotations

from bisect import bisect_right
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import NamedTuple

import numpy as np

from candleray.candles import IntArray
from candleray.hashes import content_hash
from candleray.live.certificates.certificate import Cause, Comparison, EventDifference, MinuteDifference
from candleray.live.certificates.replay import Replay
from candleray.live.certificates.tape_differences import SessionTapes, Tapes, changed
from candleray.live.event_bodies import ON_ONE_BAR
from candleray.live.events import EventBody, EventKind
from candleray.timeframes import MINUTE_MS, from_ms, iso, to_ms

MAX_DIFFERENCES = 200
"""Differences that a comparison lists."""

MAX_TRIALS = 32
"""Replays in which the minutes behind a certificate's differences are looked for. Of what is left then, the last
minute that differs before it is named."""


class Place(NamedTuple):
    """The identity of an event within its session."""

    ts_open_ms: int
    kind: EventKind

    @property
    def order(self) -> tuple[int, int]:
        return self.ts_open_ms, _RANK[self.kind]


_RANK = {kind: rank for rank, kind in enumerate(ON_ONE_BAR)}
Events = Mapping[Place, EventBody]


def events_of(replay: Replay, start_ms: int) -> dict[Place, EventBody]:
    """The events of a replay from a bar on."""
    return {
        Place(event.ts_open_ms, event.body.kind): event.body
        for event in replay.events
        if event.ts_open_ms >= start_ms
    }


def events_hash(events: Events) -> str:
    """Name events by their content, whatever numbers they have."""
    return content_hash(
        [(iso(place.ts_open_ms), body.model_dump(mode="json")) for place, body in in_order(events)]
    )


def in_order(events: Events) -> list[tuple[Place, EventBody]]:
    return sorted(events.items(), key=lambda event: event[0].order)


def differing_places(run: Events, backtest: Events) -> list[Place]:
    differing = [place for place in run.keys() | backtest.keys() if run.get(place) != backtest.get(place)]
    return sorted(differing, key=lambda place: place.order)


Explain = Callable[[Place, bool], MinuteDifference | None]
"""Finds the minute behind a difference; where it is told to try, by trials."""


def nothing_explains(place: Place, may_try: bool) -> None:
    """Explain nothing: over the candles that it received, a run has no excuse."""


def compared(run: Events, run_hash: str, backtest: Events, explain: Explain) -> Comparison:
    """Compare a run's events, and their hash, with those of a backtest."""
    places = differing_places(run, backtest)
    minutes = [explain(place, at < MAX_DIFFERENCES) for at, place in enumerate(places)]
    listed = zip(places[:MAX_DIFFERENCES], minutes, strict=False)
    return Comparison(
        events=len(backtest),
        events_hash=events_hash(backtest) if places else run_hash,
        differing=len(places),
        causes=dict(sorted(Counter(map(_cause, minutes)).items())),
        differences=tuple(_difference(place, run, backtest, minute) for place, minute in listed),
        differences_cut=max(0, len(places) - MAX_DIFFERENCES),
    )


def _difference(place: Place, run: Events, backtest: Events, minute: MinuteDifference | None) -> EventDifference:
    return EventDifference(
        ts_open=from_ms(place.ts_open_ms),
        kind=place.kind,
        run=run.get(place),
        backtest=backtest.get(place),
        cause=_cause(minute),
        minute=minute,
    )


def _cause(minute: MinuteDifference | None) -> Cause:
    return Cause.NONE if minute is None else minute.cause


class Explanations:
    """The minutes behind the differences between a run and the backtest over the candles of today.

    Tapes that have the first of the differing minutes as they are today, and the others as received, lie between
    the two. The minute is looked for with which an event becomes that of today; before it, it is another one.
    """

    def __init__(
        self,
        tapes: SessionTapes,
        minutes: Sequence[MinuteDifference],
        replay: Callable[[Tapes, IntArray, int | None], Replay],
        received: Replay,
        canonical: Replay,
        run: Events,
    ) -> None:
        self._tapes, self._minutes, self._replay = tapes, minutes, replay
        self._run = run
        self._received, self._canonical = _by_place(received), _by_place(canonical)
        self._known_ms = _known_ms([received, canonical])
        self._closes_ms = [to_ms(minute.ts_open) + MINUTE_MS for minute in minutes]
        self._between: dict[int, Events] = {}
        differing = differing_places(run, self._canonical)[:MAX_DIFFERENCES]
        self._tried_ms = np.array([place.ts_open_ms for place in differing], np.int64)
        self._until_ms = self._first_common_after(received, canonical, differing)

    def __call__(self, place: Place, may_try: bool) -> MinuteDifference | None:
        """Return the minute behind the difference; None where there is none."""
        if self._run.get(place) != self._received.get(place):
            return None
        stop = bisect_right(self._closes_ms, self._known_ms[place])
        if not stop:
            return None
        wanted, first = self._canonical.get(place), 0
        while may_try and stop - first > 1:
            middle = (first + stop) // 2
            events = self._with_first(middle)
            if events is None:
                break
            if events.get(place) == wanted:
                stop = middle
            else:
                first = middle
        minute = self._minutes[stop - 1]
        return None if minute.cause is Cause.NONE else minute

    def _with_first(self, count: int) -> Events | None:
        """The events where so many of the minutes are those of today; None where there were too many trials."""
        if count not in self._between:
            if len(self._between) >= MAX_TRIALS:
                return None
            tapes = changed(self._tapes.received, self._minutes[:count])
            self._between[count] = _by_place(self._replay(tapes, self._tried_ms, self._until_ms))
        return self._between[count]

    def _first_common_after(self, received: Replay, canonical: Replay, differing: Sequence[Place]) -> int | None:
        """The end of the bars that a trial has to see: the batch does not look ahead.

        Behind the last event that is looked for, the first bar that both tapes have, and so every tape between
        them: by then it is known, whatever gaps lie before. None for all bars.
        """
        known_ms = max((self._known_ms[place] for place in differing if place in self._known_ms), default=0)
        common = np.intersect1d(received.bars.ts_open_ms, canonical.bars.ts_open_ms)
        at = int(np.searchsorted(common, known_ms))
        return int(common[at + 1]) if at + 1 < len(common) else None


def _by_place(replay: Replay) -> Events:
    return events_of(replay, 0)


def _known_ms(replays: Iterable[Replay]) -> dict[Place, int]:
    """The later moment at which each event is known."""
    known: dict[Place, int] = {}
    for replay in replays:
        for event in replay.events:
            place = Place(event.ts_open_ms, event.body.kind)
            known[place] = max(event.known_ms, known.get(place, 0))
    return known
