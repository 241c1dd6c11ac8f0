"""Checks before a run starts, so that it never waits in silence: traded, ingested, and with candles to warm up."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

from candleray.databases.postgres import Postgres
from candleray.errors import InvalidInput, Problem, ServiceUnavailable
from candleray.feeds.feed_state import FeedState
from candleray.feeds.feed_store import FeedStore
from candleray.feeds.subscription_store import SubscriptionStore
from candleray.feeds.traded import require_traded
from candleray.live.received.session_sources import sources_of
from candleray.live.run import FIRST_STATE, Run, RunMetadata
from candleray.live.sessions import LiveRun, Session, first_live_bar
from candleray.live.starting.runnable import require_runnable
from candleray.live.starting.warm_up import run_metadata
from candleray.live.starting.warm_up_candles import WarmUpCandles
from candleray.market_data.candle_store_client import CandleStoreClient
from candleray.markets import Instrument, Market, find_market
from candleray.settings import LiveSettings
from candleray.strategies.strategy import StrategySpec
from candleray.timeframes import MINUTE_MS, from_ms, to_ms

CLOCK_WITHIN_S = 15.0
"""A feed that begins tells its exchange's time within seconds."""
_LOOK_S = 0.3


class Starter(NamedTuple):
    """A user who starts a run."""

    user_id: UUID
    is_operator: bool


class CheckedStart(NamedTuple):
    metadata: RunMetadata
    at: datetime
    """The moment of the start by the exchange's clock."""
    notes: tuple[str, ...]
    """Remarks that do not keep the run from starting."""


class StartChecks:
    def __init__(
        self, candles: CandleStoreClient, postgres: Callable[[], Awaitable[Postgres]], live: LiveSettings
    ) -> None:
        self._candles = candles
        self._postgres = postgres
        self._live = live

    async def checked(
        self, starter: Starter, spec: StrategySpec, fixed: RunMetadata | None = None
    ) -> CheckedStart:
        """Let a run start, or say what it lacks; what is not ingested yet is subscribed to, where the user may.

        Args:
            fixed: the metadata of a run that starts again.

        Raises:
            InvalidInput: an instrument that the strategy reads is not traded, not ingested, or lacks candles; or
                its account would not be the backtest's.
            GuardExceeded: its market has as many subscriptions as it may.
            ServiceUnavailable: the exchange's time is not known.
        """
        market = spec.instrument.market
        require_runnable(spec)
        now = await self._venue_now(market)
        read = list(_sources(starter, spec, fixed or run_metadata(spec, now or from_ms(_our_ms()))))
        for one in read:
            await self._require_traded(spec, one)
        foreign = await self._not_ingested(read)
        self._require_may_subscribe(starter, spec, foreign)
        if now is None:
            await self._subscribe(starter, foreign)
            now = await self._venue_now_soon(market)
        metadata = fixed or run_metadata(spec, now)
        candles = WarmUpCandles(self._candles, to_ms(now), round(self._live.look_back_s * 1000))
        for instrument, first_ms in _sources(starter, spec, metadata).items():
            await candles.look_at(_path(spec, instrument), instrument, first_ms)
        candles.require()
        await self._subscribe(starter, foreign)
        begun = tuple(f"{_name(one)} is ingested from now on" for one in foreign)
        return CheckedStart(metadata, now, (*begun, *candles.notes))

    async def _require_traded(self, spec: StrategySpec, instrument: Instrument) -> None:
        try:
            path = _path(spec, instrument)
            await require_traded(self._candles, instrument.market, [instrument.symbol], path)
        except InvalidInput as error:
            raise InvalidInput(f"the strategy cannot run: {error.message}", error.problems) from None

    async def _not_ingested(self, read: Sequence[Instrument]) -> list[Instrument]:
        store = SubscriptionStore(await self._postgres(), self._live)
        wanted = await store.wanted(sorted({one.market_id for one in read}))
        there = {(one.market_id, one.symbol) for one in wanted}
        return [one for one in read if (one.market_id, one.symbol) not in there]

    def _require_may_subscribe(self, starter: Starter, spec: StrategySpec, foreign: Sequence[Instrument]) -> None:
        if not foreign or starter.is_operator or self._live.runs_subscribe:
            return
        problems = [Problem(_path(spec, one), "not_ingested", _not_ingested_words(one)) for one in foreign]
        raise InvalidInput(f"the run would wait for ever: {problems[0].message}", problems)

    async def _subscribe(self, starter: Starter, foreign: Sequence[Instrument]) -> None:
        store = SubscriptionStore(await self._postgres(), self._live)
        for market_id in sorted({one.market_id for one in foreign}):
            symbols = [one.symbol for one in foreign if one.market_id == market_id]
            await store.add(starter.user_id, find_market(market_id), symbols)

    async def _venue_now(self, market: Market) -> datetime | None:
        states = await FeedStore(await self._postgres()).states()
        (state,) = [one for one in states if one.market == market.name]
        now_ms = venue_now_ms(state, _our_ms(), self._live.clock_speed)
        return None if now_ms is None else from_ms(now_ms)

    async def _venue_now_soon(self, market: Market) -> datetime:
        give_up_at = time.monotonic() + CLOCK_WITHIN_S
        while time.monotonic() < give_up_at:
            if now := await self._venue_now(market):
                return now
            await asyncio.sleep(_LOOK_S)
        raise ServiceUnavailable(
            f"the time of {market.exchange} is not known: the feed of {market.name} has not told it within "
            f"{CLOCK_WITHIN_S:g} s; `candleray feeds` says why. Start the run again then"
        )


def venue_now_ms(state: FeedState, our_ms: int, speed: float) -> int | None:
    """The exchange's time by what its feed told last; None where it goes at another speed and told nothing."""
    if state.clock_ahead_ms is None or state.told_at is None:
        return our_ms if speed == 1 else None
    told_ms = to_ms(state.told_at) - state.clock_ahead_ms
    now_ms = told_ms + (state.told_ago_s or 0.0) * 1000 * speed
    # A fast clock was measured a while before it was told of; its newest candle has closed in any case.
    closed_ms = to_ms(state.last_candle) + MINUTE_MS if state.last_candle and speed != 1 else 0
    return max(round(now_ms), closed_ms)


def _sources(starter: Starter, spec: StrategySpec, metadata: RunMetadata) -> dict[Instrument, int]:
    now = from_ms(_our_ms())
    planned = Run(
        run_id=UUID(int=0),
        strategy_id=UUID(int=0),
        state=FIRST_STATE,
        state_since=now,
        metadata=metadata,
        created_at=now,
    )
    session = Session(1, first_live_bar(metadata), now)
    return sources_of(LiveRun(starter.user_id, planned, session), spec)


def _path(spec: StrategySpec, instrument: Instrument) -> str:
    return "strategy.instrument" if instrument == spec.instrument else "strategy.signals"


def _name(instrument: Instrument) -> str:
    return f"{instrument.market.name} {instrument.symbol}"


def _not_ingested_words(instrument: Instrument) -> str:
    ask = f"candleray subscriptions ask {instrument.symbol} --market {instrument.market.name}"
    return f"nobody ingests {_name(instrument)}; an operator may, and is asked by `{ask}`"


def _our_ms() -> int:
    return time.time_ns() // 1_000_000
