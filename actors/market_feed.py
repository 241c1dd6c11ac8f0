"""The actors that ingest live candles, one a venue, for as long as the cluster lives.

The work runs in a thread that starts with the process, so a restarted actor goes on by itself: it compares the
last two hours with the store and completes the streams. At rest, with nothing subscribed, it has not even imported
what it would need.
"""

from __future__ import annotations

import asyncio
import os
import threading
import time
from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

import ray
from ray.actor import ActorHandle

from actors.answering import answer_as
from actors.options import ON_HEAD, market_feed_options
from candleray.errors import CandlerayError
from candleray.logs import configure_logs, get_logger
from candleray.markets import MARKETS, Instrument, find_market
from candleray.settings import IdentitySettings, Settings

if TYPE_CHECKING:
    from candleray.feeds.feed_state import FeedState
    from candleray.feeds.venue_ingestion import VenueIngestion

log = get_logger("feeds")

LOOK_S = 2.0


class MarketFeedActor:
    def __init__(self, venue: str, settings: Settings) -> None:
        configure_logs(settings.log_level)
        answer_as(f"{venue} feed")
        self._venue = venue
        self._settings = settings
        threading.Thread(target=self._live, name=f"{venue} feed", daemon=True).start()

    def ping(self) -> None:
        """Answer, to show that the actor is alive."""

    def _live(self) -> None:
        try:
            asyncio.run(self._run())
        except BaseException:
            log.exception("feed_failed", venue=self._venue)
        os._exit(1)  # Ray starts it again

    async def _run(self) -> None:
        wanted = Subscribed(self._venue, self._settings)
        while True:
            if await wanted.is_anything():
                break
            await asyncio.sleep(LOOK_S)
        ingestion = _ingestion(self._venue, self._settings, wanted)
        log.info("feed_begins", venue=self._venue)
        await ingestion.run()


class Subscribed:
    """The venue's instruments that are to be followed; while Postgres is away, the last known ones."""

    def __init__(self, venue: str, settings: Settings) -> None:
        self._market_ids = [market.market_id for market in MARKETS.values() if market.exchange == venue]
        self._settings = settings

    async def __call__(self) -> Sequence[Instrument]:
        named = self._settings.live.subscriptions.items()
        found = [
            Instrument(market_id=find_market(name).market_id, symbol=symbol)
            for name, symbols in named
            for symbol in symbols
        ]
        return [one for one in found if one.market_id in self._market_ids]

    async def is_anything(self) -> bool:
        try:
            return bool(await self())
        except CandlerayError as error:
            log.warning("feed_waits", step="subscriptions", reason=error.message)
            return False


class _Opened:
    """A service that is opened by the first call that reaches it."""

    def __init__(self, open_it: Any) -> None:
        self._open, self._service = open_it, None
        self._turn = asyncio.Lock()

    async def __call__(self) -> Any:
        async with self._turn:
            if self._service is None:
                self._service = await self._open()
            return self._service


def _ingestion(venue: str, settings: Settings, wanted: Subscribed) -> VenueIngestion:
    # Imported here: at rest the actor has none of it in memory.
    from actors.candle_store import ActorCall
    from actors.market_feed_metrics import MarketFeedMetrics
    from candleray.databases.postgres import Postgres
    from candleray.databases.valkey import Valkey
    from candleray.feeds import websocket
    from candleray.feeds.feed_store import FeedStore
    from candleray.feeds.hole_store import HoleStore
    from candleray.feeds.rest_questions import rest_client
    from candleray.feeds.venue_ingestion import Services, VenueIngestion
    from candleray.market_data.candle_store_client import CandleStoreClient

    services = settings.services
    postgres = _Opened(partial(Postgres.open, _url(services.postgres_url), max_connections=2))

    async def holes() -> HoleStore:
        return HoleStore(await postgres())

    metrics = MarketFeedMetrics()

    async def keep_states(states: Sequence[FeedState]) -> None:
        metrics.observe(states, time.time())
        await FeedStore(await postgres()).keep(states)

    return VenueIngestion(
        venue,
        settings.live,
        rest_client(settings.history, settings.live),
        Services(
            store=CandleStoreClient(ActorCall(settings)),
            wanted=wanted,
            holes=holes,
            valkey=_Opened(partial(Valkey.open, _url(services.redis_url))),
            keep_states=keep_states,
        ),
        websocket.connect if websocket.is_available() else None,
    )


def _url(secret: Any) -> str:
    return secret.get_secret_value() if secret is not None else ""


def market_feed(settings: Settings, venue: str) -> ActorHandle:
    """The handle of a venue's feed, started if it is not there."""
    # What guards identities is nothing for a process that talks to strangers.
    known = settings.model_copy(update={"identity": IdentitySettings()})
    return ray.remote(**market_feed_options(venue), **ON_HEAD)(MarketFeedActor).remote(venue, known)
