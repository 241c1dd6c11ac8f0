"""Standings of a shard's runs, for those users who are asked for: how far each is, what it waits for."""

from __future__ import annotations

import time
from collections.abc import Collection, Mapping, Sequence
from datetime import UTC, datetime
from uuid import UUID

from candleray.feeds.feed_state import FeedState
from candleray.feeds.feed_store import FeedStore
from candleray.feeds.silence import Silence, why_silent
from candleray.feeds.subscription_store import SubscriptionStore
from candleray.live.events import Wait
from candleray.live.runners.shard_state import AttachedRun, ShardState
from candleray.live.sessions import LiveRun
from candleray.live.standing import RunStanding
from candleray.live.stores.event_store import NewEvent
from candleray.live.stores.standings import asked_for
from candleray.markets import Instrument, find_market
from candleray.settings import LiveSettings
from candleray.timeframes import from_ms, iso

ASKED_EVERY_S = 1.0
"""Between two looks for whom standings are asked."""
OVERDUE_S = 180.0
"""Lateness of a minute, by its exchange's clock, from which on the owners of who waits for it are told why."""


class ShardStandings:
    def __init__(self, state: ShardState, live: LiveSettings) -> None:
        self._state = state
        self._live = live
        self._why: dict[Instrument, Silence] = {}
        self._told_s: dict[UUID, float] = {}
        """The users who are asked for, with the moment by our counter at which they were told last."""
        self._told: dict[UUID, int] = {}
        """Runs that have told the minute that they wait for."""

    async def tell(self) -> float:
        """Tell users who are asked for how their runs stand; return how long to pause before the next look."""
        every_s, now_s = self._state.limits.standing_every_s, time.monotonic()
        asked = await asked_for(await self._state.services.valkey())
        self._told_s = {one: at_s for one, at_s in self._told_s.items() if one in asked}
        due = {one for one in asked if now_s - self._told_s.get(one, -every_s) >= every_s}
        if due:
            await (await self._state.streams()).tell_standings(self.by_user(due))
            self._told_s |= dict.fromkeys(due, now_s)
        return min(ASKED_EVERY_S, every_s)

    async def find_waits(self) -> float:
        """Find out what runs wait for, and tell whom it is news; return how long to pause before the next time."""
        states = await FeedStore(self._state.services.postgres).states()
        ahead_ms = {
            find_market(one.market).market_id: one.clock_ahead_ms
            for one in states
            if one.clock_ahead_ms is not None
        }
        self._state.time.measured(ahead_ms)
        await self._find_reasons(states)
        await self._tell_waits()
        return self._state.limits.standing_every_s

    def by_user(self, user_ids: Collection[UUID]) -> dict[UUID, list[RunStanding]]:
        """The standings of these users' runs that are there, and of those that wait to be taken up."""
        found: dict[UUID, list[RunStanding]] = {}
        now, lags = datetime.now(UTC), self._lags_s()
        theirs = {run_id: run for run_id, run in self._state.attached.items() if run.live.user_id in user_ids}
        for standing in self._state.book.standings(theirs):
            known = theirs[standing.run_id]
            found.setdefault(known.live.user_id, []).append(self._of_run(standing, known, lags, now))
        for live, wait in self._state.to_come.values():
            if live.user_id not in user_ids:
                continue
            waits_for = wait.words + self._reason_words(wait.instrument)
            found.setdefault(live.user_id, []).append(
                RunStanding(
                    run_id=live.run.run_id,
                    session=live.last.session,
                    as_of=now,
                    equity_quote=wait.init_cash_quote,
                    return_pct=0.0,
                    waits_for=waits_for,
                )
            )
        return found

    def _of_run(
        self, standing: RunStanding, known: AttachedRun, lags: Mapping[Instrument, float], now: datetime
    ) -> RunStanding:
        last, lag_s = _furthest_behind(known, lags)
        waits_for = standing.waits_for
        if last is not None and lag_s is not None and lag_s > OVERDUE_S:
            since = iso(self._state.book.decided_ms(last) or 0)
            waits_for = f"minutes of {last.key} from {since} on{self._reason_words(last)}"
        return standing.model_copy(update={"lag_s": lag_s, "as_of": now, "waits_for": waits_for})

    def _reason_words(self, instrument: Instrument | None) -> str:
        why = None if instrument is None else self._why.get(instrument)
        return f": {why.words}" if why else ""

    def _lags_s(self) -> dict[Instrument, float]:
        """The lags of all instruments that are read, as far as they are known."""
        lags = {one: self._state.lag_s([one]) for one in self._state.book.reads}
        return {one: lag_s for one, lag_s in lags.items() if lag_s is not None}

    async def _find_reasons(self, states: Sequence[FeedState]) -> None:
        """Find out why minutes do not come, where they do not."""
        late = {one for one, lag_s in self._lags_s().items() if lag_s > OVERDUE_S}
        late |= {wait.instrument for _, wait in self._state.to_come.values() if wait.instrument is not None}
        self._why = {}
        if late:
            store = SubscriptionStore(self._state.services.postgres, self._live)
            subscribed = await store.wanted(sorted({one.market_id for one in late}))
            self._why = why_silent(late, subscribed, states)

    async def _tell_waits(self) -> None:
        """Tell runs of instruments whose minutes come no more, each once; a feed's own trouble is no event."""
        waits = self._waits() if any(why.is_its_own for why in self._why.values()) else {}
        new = {run_id: wait for run_id, wait in waits.items() if self._told.get(run_id) != wait[0]}
        if new:
            async with self._state.turn():
                self._state.commits.batch.events += [
                    NewEvent(live.user_id, live.run.run_id, live.last.session, from_ms(since_ms), body)
                    for since_ms, live, body in new.values()
                ]
                await self._state.commit()
            await self._state.commits.tell()
        self._told = {run_id: wait[0] for run_id, wait in waits.items()}

    def _waits(self) -> dict[UUID, tuple[int, LiveRun, Wait]]:
        found, lags = {}, self._lags_s()
        for run_id, run in self._state.attached.items():
            last, lag_s = _furthest_behind(run, lags)
            why = None if last is None else self._why.get(last)
            if last is not None and why and why.is_its_own and (lag_s or 0.0) > OVERDUE_S:
                since_ms = self._state.book.decided_ms(last) or 0
                found[run_id] = since_ms, run.live, Wait(instrument=last.key, reason=why.words)
        return found


def _furthest_behind(run: AttachedRun, lags: Mapping[Instrument, float]) -> tuple[Instrument | None, float | None]:
    """The instrument of the run with the greatest lag, and that lag."""
    last = max((one for one in run.seams_ms if one in lags), key=lambda one: lags[one], default=None)
    return last, None if last is None else lags[last]
