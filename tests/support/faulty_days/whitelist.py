"""The list of what is followed, changed while ingestion runs: new symbols are added and taken away again."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Mapping
from uuid import UUID

from candleray.databases.postgres import Postgres
from candleray.feeds.subscription_store import SubscriptionStore
from candleray.markets import Instrument, find_market
from candleray.settings import LiveSettings
from candleray.timeframes import MINUTE_MS
from tests.support.faulty_days.comparison import Followed
from tests.support.users import new_user_id

_HOUR_MS = 60 * MINUTE_MS
_FOLLOWED_MS = 2 * _HOUR_MS
"""A new symbol is listed for six hours; of those these must be there."""
_KEPT_MS = 2 * _HOUR_MS
"""Time for which it is followed beyond that: what an outage holds back comes an hour after its end."""
_DELISTED_MS = 6 * _HOUR_MS
"""Age at which nobody can be asked for it any more."""


class Whitelist:
    """`until_ms` is the end of the days: no minute after it is looked for."""

    def __init__(self, postgres_url: str, until_ms: int) -> None:
        self._url, self._until_ms = postgres_url, until_ms
        self.followed: dict[str, Followed] = {}
        self._left: set[str] = set()
        self.too_late: set[str] = set()
        """Symbols that were delisted before a busy machine had come to ask for all of them."""
        self._user_id: UUID = asyncio.run(self._with_postgres(new_user_id))
        self.changes = 0

    def add_listed(self, symbols_of: Mapping[str, Iterable[str]], now_ms: int) -> None:
        """Follow what the exchanges list and the settings do not name."""
        for market_name, symbols in symbols_of.items():
            for symbol in symbols:
                one = Instrument(market_id=find_market(market_name).market_id, symbol=symbol)
                if symbol.startswith("NEW") and one.key not in self.followed:
                    self._add(one, now_ms // MINUTE_MS * MINUTE_MS)

    def take_away_old(self, now_ms: int, is_whole: Callable[[Followed], bool]) -> None:
        """Take away what has been followed long enough and is whole, and what is delisted."""
        for key, one in self._old(now_ms):
            if not (whole := is_whole(one)) and one.start_ms + _DELISTED_MS < now_ms:
                self.too_late.add(key)
            if whole or key in self.too_late:
                asyncio.run(self._with_postgres(lambda postgres, one=one: self._remove(postgres, one.instrument)))
                self._left.add(key)
                self.changes += 1

    def is_behind(self, now_ms: int) -> bool:
        """A symbol that will be delisted is not whole yet."""
        return bool(self._old(now_ms))

    @property
    def present(self) -> list[Followed]:
        """Symbols that were added and not taken away yet."""
        return [one for key, one in self.followed.items() if key not in self._left]

    @property
    def in_time(self) -> list[Followed]:
        """Symbols that could be asked for long enough."""
        return [one for key, one in self.followed.items() if key not in self.too_late]

    def _old(self, now_ms: int) -> list[tuple[str, Followed]]:
        return [
            (key, one)
            for key, one in self.followed.items()
            if key not in self._left and one.end_ms + _KEPT_MS < now_ms
        ]

    def _add(self, one: Instrument, now_ms: int) -> None:
        async def add(postgres: Postgres) -> None:
            await SubscriptionStore(postgres, LiveSettings()).add(self._user_id, one.market, [one.symbol])

        asyncio.run(self._with_postgres(add))
        self.followed[one.key] = Followed(one, now_ms, min(now_ms + _FOLLOWED_MS, self._until_ms))
        self.changes += 1

    async def _remove(self, postgres: Postgres, one: Instrument) -> None:
        await SubscriptionStore(postgres, LiveSettings()).remove(self._user_id, one)

    async def _with_postgres(self, work: Callable[[Postgres], Awaitable[UUID | None]]) -> UUID | None:
        postgres = await Postgres.open(self._url, max_connections=1)
        try:
            return await work(postgres)
        finally:
            await postgres.close()
