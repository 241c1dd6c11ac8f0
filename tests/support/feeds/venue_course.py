"""A venue's ingestion at 300 times its speed, whose venue and services tests take away."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any

from candleray.databases.valkey import Valkey
from candleray.errors import ServiceUnavailable
from candleray.feeds.feed_state import FeedState
from candleray.feeds.hole_store import HoleStore
from candleray.feeds.venue_ingestion import Services, VenueIngestion
from candleray.feeds.websockets import websocket
from candleray.feeds.websockets.websocket import Connection
from candleray.markets import Instrument
from candleray.timeframes import MINUTE_MS
from tests.support.feeds.memory_store import MemoryStore
from tests.support.feeds.played_venue import PlayedVenue, fast_settings
from tests.support.waiting import let_work_until

BTC, ETH, PERP = (
    Instrument(market_id=market_id, symbol=symbol)
    for market_id, symbol in ((1, "BTCUSDT"), (1, "ETHUSDT"), (2, "BTCUSDT"))
)


class Course:
    """A venue's ingestion with services that tests take away."""

    def __init__(
        self,
        venue: str,
        wanted: Sequence[Instrument],
        with_sockets: bool = True,
        own_stream: tuple[str, str] | None = None,
        **changes: Any,
    ) -> None:
        """
        Args:
            own_stream: a market and the address that the settings give its stream; it is opened over the wire.
        """
        self.played = PlayedVenue()
        self.store = MemoryStore()
        self.wanted = list(wanted)
        self.valkey: Valkey | None = None
        self.holes: HoleStore | None = None
        self.postgres_hangs = False
        self.states: list[FeedState] = []
        self.venue, self.with_sockets, self.changes = venue, with_sockets, changes
        if own_stream is not None:
            self.changes["stream_urls"] = dict([own_stream])
        self.ingestion = self.process()

    def process(self) -> VenueIngestion:
        """A new process: it knows nothing but what the services know."""
        services = Services(self.store, self._wanted, self._holes, self._valkey, self._keep_states)
        connect = self._connect if self.with_sockets else None
        return VenueIngestion(self.venue, fast_settings(**self.changes), self.played.rest(), services, connect)

    def _connect(self, url: str) -> AbstractAsyncContextManager[Connection]:
        return websocket.connect(url) if "127.0.0.1" in url else self.played.connect(url)

    async def _wanted(self) -> list[Instrument]:
        return self.wanted

    async def _holes(self) -> HoleStore:
        if self.postgres_hangs:
            await asyncio.Event().wait()
        if self.holes is None:
            raise ServiceUnavailable("Postgres does not answer")
        return self.holes

    async def _valkey(self) -> Valkey:
        if self.valkey is None:
            raise ServiceUnavailable("Valkey does not answer")
        return self.valkey

    async def _keep_states(self, states: Sequence[FeedState]) -> None:
        self.states = list(states)

    @asynccontextmanager
    async def running(self) -> AsyncIterator[Course]:
        task = asyncio.create_task(self.ingestion.run())
        try:
            yield self
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    async def has_all(self, *instruments: Instrument, minutes: int = 3) -> None:
        """Wait until the store has every minute up to some minutes from now."""
        until_ms = self.played.now_ms() // MINUTE_MS * MINUTE_MS + minutes * MINUTE_MS
        for one in instruments:
            await let_work_until(lambda one=one: self._is_whole(one, until_ms), what=f"{one.key} whole")

    def _is_whole(self, one: Instrument, until_ms: int) -> bool:
        stamps = self.store.stamps(one.market_id, one.symbol, 0, until_ms)
        return (
            len(stamps) >= 120
            and stamps[-1] == until_ms - MINUTE_MS
            and (stamps[1:] - stamps[:-1] == MINUTE_MS).all()
        )

    def hold(self) -> None:
        """Every stored value is the venue's, once."""
        for (market_id, symbol, ts_ms), versions in self.store.versions.items():
            market = Instrument(market_id=market_id, symbol=symbol).market
            rows = self.played.candles(market, symbol, ts_ms, ts_ms + MINUTE_MS)
            assert [values for _, values in versions] == [tuple(rows.values[:, 0].tolist())]

    def sources(self, one: Instrument) -> set[str]:
        return {
            version[0]
            for (market_id, symbol, _), versions in self.store.versions.items()
            for version in versions
            if (market_id, symbol) == (one.market_id, one.symbol)
        }
