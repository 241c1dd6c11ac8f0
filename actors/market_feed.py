"""The actors that ingest live candles, one a venue, for as long as the cluster lives.

The work runs in a thread that starts with the process, so a restarted actor goes on by itself: it compares the
last two hours with the store and completes the streams. At rest, with nothing subscribed, it has not even imported
what it would need.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING, TypeAlias

import ray
from ray.actor import ActorHandle

from actors.loop_thread import LoopThread
from actors.options import ON_HEAD, market_feed_options
from candleray.databases.lazy_service import LazyService
from candleray.databases.postgres import Postgres
from candleray.errors import CandlerayError, in_words
from candleray.feeds.subscription_store import SubscriptionStore
from candleray.logs import configure_logs, get_logger
from candleray.markets import MARKETS, Instrument, find_market
from candleray.settings import IdentitySettings, LiveSettings, Settings

if TYPE_CHECKING:
    from candleray.feeds.feed_state import FeedState
    from candleray.feeds.venue_ingestion import VenueIngestion
    from candleray.market_data.candle_store_client import StoreCall

CourseParts: TypeAlias = "tuple[StoreCall, Callable[[Sequence[FeedState]], None]]"
"""The way to the candle store, and who is shown the states of the markets."""

log = get_logger("feeds")

LOOK_S = 2.0
WANTED_WITHIN_S = 5.0
"""A Postgres that hangs is not waited for: the last known instruments are followed."""


class MarketFeedActor:
    def __init__(self, venue: str, settings: Settings) -> None:
        configure_logs(settings.log_level)
        self._thread = LoopThread(f"{venue} feed", lambda: follow_venue(venue, settings, _of_cluster))
        self._thread.start()

    def ping(self) -> None:
        """Raise `ServiceUnavailable` where the loop stands still."""
        self._thread.require()


async def follow_venue(venue: str, settings: Settings, parts: Callable[[Settings], CourseParts]) -> None:
    """Ingest a venue's live candles until this task is cancelled.

    Args:
        parts: called once something is subscribed; before, this process has not imported what it would need.
    """
    postgres = LazyService(
        partial(Postgres.open, max_connections=2), settings.services.postgres_url, "postgres_url"
    )
    wanted = Subscribed(venue, settings.live, postgres)
    while True:
        if await wanted():
            break
        await asyncio.sleep(LOOK_S)
    ingestion = _ingestion(venue, settings, wanted, postgres, parts(settings))
    log.info("feed_begins", venue=venue)
    await ingestion.run()


class Subscribed:
    """The venue's instruments that are to be followed; while Postgres is away, the last known ones."""

    def __init__(self, venue: str, live: LiveSettings, postgres: LazyService[Postgres]) -> None:
        self._market_ids = [market.market_id for market in MARKETS.values() if market.exchange == venue]
        self._live = live
        self._postgres = postgres
        self._known: Sequence[Instrument] | None = None

    async def __call__(self) -> Sequence[Instrument]:
        try:
            async with asyncio.timeout(WANTED_WITHIN_S):
                store = SubscriptionStore(await self._postgres.get(), self._live)
                self._known = await store.wanted(self._market_ids)
        except (CandlerayError, TimeoutError) as error:
            log.warning("feed_waits", step="subscriptions", reason=in_words(error))
        return self._named() if self._known is None else self._known

    def _named(self) -> list[Instrument]:
        """The instruments of the settings, which are known before Postgres has answered."""
        named = [(find_market(name).market_id, symbols) for name, symbols in self._live.subscriptions.items()]
        return [
            Instrument(market_id=market_id, symbol=symbol)
            for market_id, symbols in named
            if market_id in self._market_ids
            for symbol in symbols
        ]


def _of_cluster(settings: Settings) -> CourseParts:
    from actors.candle_store import ActorCall
    from actors.market_feed_metrics import MarketFeedMetrics

    return ActorCall(settings), MarketFeedMetrics().observe


def _ingestion(
    venue: str, settings: Settings, wanted: Subscribed, postgres: LazyService[Postgres], parts: CourseParts
) -> VenueIngestion:
    # Imported here: at rest the actor has none of it in memory.
    from candleray.databases.valkey import Valkey
    from candleray.exchanges.shared_budget import MOST, SharedBudget
    from candleray.feeds.feed_store import FeedStore
    from candleray.feeds.hole_store import HoleStore
    from candleray.feeds.rest_questions import repair_client, rest_client
    from candleray.feeds.venue_ingestion import Services, VenueIngestion
    from candleray.feeds.websockets import websocket
    from candleray.market_data.candle_store_client import CandleStoreClient

    services = settings.services

    valkey = LazyService(Valkey.open, services.redis_url, "redis_url").get

    def budget(share: float) -> SharedBudget:
        return SharedBudget(valkey, share, settings.live.clock_speed)

    async def holes() -> HoleStore:
        return HoleStore(await postgres.get())

    call, observe = parts

    async def keep_states(states: Sequence[FeedState]) -> None:
        observe(states)
        await FeedStore(await postgres.get()).keep(states)

    return VenueIngestion(
        venue,
        settings.live,
        rest_client(settings.history, settings.live, budget(MOST)),
        Services(
            store=CandleStoreClient(call),
            wanted=wanted,
            holes=holes,
            valkey=valkey,
            keep_states=keep_states,
        ),
        websocket.connect if websocket.is_available() else None,
        repair_client(settings.history, settings.live, budget(MOST - settings.history.live_reserve)),
    )


def market_feed(settings: Settings, venue: str) -> ActorHandle:
    """The handle of a venue's feed, started if it is not there."""
    # What guards identities is nothing for a process that talks to strangers.
    known = settings.model_copy(update={"identity": IdentitySettings()})
    return ray.remote(**market_feed_options(venue), **ON_HEAD)(MarketFeedActor).remote(venue, known)
