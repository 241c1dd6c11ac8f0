"""Standings of a shard's runs, as their users are told them: how far each is, and what it waits for."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from uuid import UUID

from candleray.feeds.feed_state import FeedState
from candleray.feeds.feed_store import FeedStore
from candleray.feeds.silence import why_silent
from candleray.feeds.subscription_store import SubscriptionStore
from candleray.live.runners.shard_state import AttachedRun, ShardState
from candleray.live.standing import RunStanding
from candleray.markets import Instrument, find_market
from candleray.settings import LiveSettings
from candleray.timeframes import iso

OVERDUE_S = 180.0
"""Lateness of a minute, by its exchange's clock, from which on the owners of who waits for it are told why."""


class ShardStandings:
    def __init__(self, state: ShardState, live: LiveSettings) -> None:
        self._state = state
        self._live = live
        self._why: dict[Instrument, str] = {}

    async def tell(self) -> float:
        """Tell all users how their runs stand; return how long to pause before the next time."""
        states = await FeedStore(self._state.services.postgres).states()
        ahead_ms = {
            find_market(one.market).market_id: one.clock_ahead_ms
            for one in states
            if one.clock_ahead_ms is not None
        }
        self._state.time.measured(ahead_ms)
        await self._find_reasons(states)
        await (await self._state.streams()).tell_standings(self.by_user())
        return self._state.limits.standing_every_s

    def by_user(self) -> dict[UUID, list[RunStanding]]:
        """The standings of the runs that are there, and of those that wait to be taken up."""
        found: dict[UUID, list[RunStanding]] = {}
        now = datetime.now(UTC)
        for standing in self._state.book.standings():
            if known := self._state.attached.get(standing.run_id):
                found.setdefault(known.live.user_id, []).append(self._told(standing, known, now))
        for live, wait in self._state.to_come.values():
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

    def _told(self, standing: RunStanding, known: AttachedRun, now: datetime) -> RunStanding:
        lags = {one: lag_s for one in known.seams_ms if (lag_s := self._lag_s(one)) is not None}
        last = max(lags, key=lambda one: lags[one], default=None)
        waits_for = standing.waits_for
        if last is not None and lags[last] > OVERDUE_S:
            since = iso(self._state.book.decided_ms(last) or 0)
            waits_for = f"minutes of {last.key} from {since} on{self._reason_words(last)}"
        lag_s = None if last is None else lags[last]
        return standing.model_copy(update={"lag_s": lag_s, "as_of": now, "waits_for": waits_for})

    def _reason_words(self, instrument: Instrument | None) -> str:
        why = None if instrument is None else self._why.get(instrument)
        return f": {why}" if why else ""

    def _lag_s(self, instrument: Instrument) -> float | None:
        return self._state.lag_s([instrument])

    async def _find_reasons(self, states: Sequence[FeedState]) -> None:
        """Find out why minutes do not come, where they do not."""
        late = {one for one in self._state.book.reads if (self._lag_s(one) or 0.0) > OVERDUE_S}
        late |= {wait.instrument for _, wait in self._state.to_come.values() if wait.instrument is not None}
        self._why = {}
        if late:
            store = SubscriptionStore(self._state.services.postgres, self._live)
            subscribed = await store.wanted(sorted({one.market_id for one in late}))
            self._why = why_silent(late, subscribed, states)
