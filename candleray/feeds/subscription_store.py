"""Subscriptions in Postgres, with those of the settings; every write is an event of the audit trail."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from typing import Any
from uuid import UUID

from candleray.databases.postgres import Postgres, Transaction
from candleray.errors import Conflict, GuardExceeded, NotFound, Problem, nearest
from candleray.exchanges.discovery import exchange_of
from candleray.feeds.subscriptions import (
    RequestState,
    Subscription,
    SubscriptionRequest,
    SubscriptionRequestPage,
    SubscriptionsReport,
    require_streams,
)
from candleray.identity.audit_store import record
from candleray.markets import MARKETS, Instrument, Market, find_market
from candleray.paging import PagePosition, cursor_of
from candleray.settings import LiveSettings

_TAKEN_OUT = (
    "take it out there, in CANDLERAY_LIVE__SUBSCRIPTIONS or the settings' file, and start the instance again; "
    "where neither names any and the exchanges are simulated, simulator.symbols does"
)


class SubscriptionStore:
    def __init__(self, postgres: Postgres, limits: LiveSettings) -> None:
        self._postgres = postgres
        self._limits = limits

    async def wanted(self, market_ids: Sequence[int] = tuple(MARKETS)) -> list[Subscription]:
        """The instruments to ingest, those that are not traded too, with the reason; in order."""
        rows = await self._postgres.fetch("subscriptions_of_markets", list(market_ids))
        found = {(row["market_id"], row["symbol"]): Subscription(source="operator", **row) for row in rows}
        named = [(market_id, symbol) for market_id in market_ids for symbol in self._named(market_id)]
        if named:
            noticed = await self._postgres.fetch("notices_of_markets", list(market_ids))
            notices = {(row["market_id"], row["symbol"]): row["notice"] for row in noticed}
            for market_id, symbol in named:
                notice = notices.get((market_id, symbol))
                found[market_id, symbol] = Subscription(
                    market_id=market_id, symbol=symbol, source="settings", notice=notice
                )
        return [found[key] for key in sorted(found)]

    async def require_room(self, market: Market, symbols: Sequence[str]) -> None:
        """
        Raises:
            GuardExceeded: the market would have more subscriptions than it may.
        """
        there = {one.symbol for one in await self.wanted([market.market_id])}
        self._new(market, there, symbols)

    async def add(self, user_id: UUID, market: Market, symbols: Sequence[str]) -> SubscriptionsReport:
        """Subscribe to instruments that the market trades; who has asked for them is answered.

        Raises:
            GuardExceeded: the market would have more than it may.
        """
        async with self._postgres.transaction() as transaction:
            await transaction.fetch("lock_subscriptions")
            report, _ = await self._add(transaction, user_id, market, symbols)
            if report.added:
                await record(
                    transaction,
                    user_id,
                    "subscriptions_added",
                    market=market.name,
                    symbols=", ".join(report.added),
                )
        return report

    async def _add(
        self, transaction: Transaction, user_id: UUID, market: Market, symbols: Sequence[str]
    ) -> tuple[SubscriptionsReport, list[SubscriptionRequest]]:
        """Subscribe, and accept the wishes for these instruments.

        The transaction has locked the subscriptions, and that before any wish: in one order everywhere.
        """
        rows = await transaction.fetch("subscriptions_of_markets", [market.market_id])
        there = {row["symbol"] for row in rows} | set(self._named(market.market_id))
        new = self._new(market, there, symbols)
        await transaction.fetch("add_subscriptions", market.market_id, new, user_id)
        accepted = await transaction.fetch("accept_subscription_requests", market.market_id, list(symbols))
        already = [symbol for symbol, times in Counter(symbols).items() if times > 1 or symbol in there]
        report = SubscriptionsReport(added=tuple(new), already=tuple(already))
        return report, [SubscriptionRequest(**row) for row in accepted]

    async def remove(self, user_id: UUID, instrument: Instrument, force: bool = False) -> None:
        """
        Args:
            force: remove it although active runs read it, which wait then.

        Raises:
            Conflict: the settings name it, or active runs read it.
            NotFound: it is not subscribed.
        """
        market, symbol = instrument.market, instrument.symbol
        if symbol in self._named(market.market_id):
            raise Conflict(f"{market.name} {symbol} stands in the setting live.subscriptions: {_TAKEN_OUT}")
        async with self._postgres.transaction() as transaction:
            if not await transaction.fetch("remove_subscriptions", market.market_id, [symbol]):
                rows = await transaction.fetch("subscriptions_of_markets", [market.market_id])
                there = [*(row["symbol"] for row in rows), *self._named(market.market_id)]
                remedy = nearest(symbol, there) if there else "nothing of that market is"
                raise NotFound(f"{market.name} {symbol} is not subscribed; {remedy}")
            if not force:
                await _require_unread(transaction, instrument)
            await record(transaction, user_id, "subscription_removed", market=market.name, symbol=symbol)

    async def keep_notices(self, market: Market, notices: Mapping[str, str]) -> None:
        """Replace what is told of the market's instruments, by symbol."""
        symbols = sorted(notices)
        async with self._postgres.transaction() as transaction:
            await transaction.fetch("forget_notices", market.market_id, symbols)
            told = [notices[symbol] for symbol in symbols]
            await transaction.fetch("keep_notices", market.market_id, symbols, told)

    async def ask(self, user_id: UUID, instrument: Instrument) -> SubscriptionRequest:
        """Keep a user's wish for an instrument; asked again while it waits, it is the same one.

        Raises:
            Conflict: the instrument is subscribed.
            GuardExceeded: too many wishes of this user wait.
        """
        market_id, symbol = instrument.market_id, instrument.symbol
        if any(one.symbol == symbol for one in await self.wanted([market_id])):
            raise Conflict(f"{instrument.market.name} {symbol} is subscribed already")
        async with self._postgres.transaction() as transaction:
            await transaction.fetch("lock_user", user_id)
            row = await transaction.fetch_one("waiting_request", user_id, market_id, symbol)
            if row is None:
                counted = await transaction.fetch_one("count_waiting_requests", user_id)
                self._require_few((counted or {})["waiting"])
                row = await transaction.fetch_one("add_subscription_request", market_id, symbol, user_id)
                details = {"market": instrument.market.name, "symbol": symbol}
                await record(transaction, user_id, "subscription_asked", **details)
        return _request(row)

    async def requests(
        self, user_id: UUID | None, state: RequestState | None, after: PagePosition | None, limit: int
    ) -> SubscriptionRequestPage:
        """Wishes of one user, or of all; the newest first, those after the position."""
        place = after or (None, None)
        rows = await self._postgres.fetch("subscription_requests", user_id, state, *place, limit + 1)
        requests = tuple(_request(row) for row in rows[:limit])
        if len(rows) <= limit:
            return SubscriptionRequestPage(requests=requests)
        last = PagePosition(requests[-1].asked_at, requests[-1].request_id)
        return SubscriptionRequestPage(requests=requests, next_cursor=cursor_of(last))

    async def waiting_request(self, request_id: UUID) -> SubscriptionRequest:
        """
        Raises:
            NotFound: there is no such request.
            Conflict: it is decided.
        """
        rows = await self._postgres.fetch("subscription_request", request_id)
        return _waiting(rows[0] if rows else None, request_id)

    async def accept(self, user_id: UUID, request_id: UUID) -> SubscriptionRequest:
        """Subscribe to what was asked for; whoever else waits for it is answered too.

        Raises:
            NotFound: there is no such request.
            Conflict: it is decided.
            GuardExceeded: the market would have more subscriptions than it may.
        """
        async with self._postgres.transaction() as transaction:
            await transaction.fetch("lock_subscriptions")
            asked = await _lock_waiting(transaction, request_id)
            _, accepted = await self._add(transaction, user_id, asked.market, [asked.symbol])
            await record(transaction, user_id, "subscription_accepted", **_told(asked))
        return next(one for one in accepted if one.request_id == request_id)

    async def refuse(self, user_id: UUID, request_id: UUID, reason: str) -> SubscriptionRequest:
        """
        Raises:
            NotFound: there is no such request.
            Conflict: it is decided.
        """
        async with self._postgres.transaction() as transaction:
            asked = await _lock_waiting(transaction, request_id)
            row = await transaction.fetch_one("refuse_subscription_request", request_id, reason)
            await record(transaction, user_id, "subscription_refused", **_told(asked), reason=reason)
        return _request(row)

    def _named(self, market_id: int) -> tuple[str, ...]:
        return self._limits.subscriptions.get(find_market(market_id).name, ())

    def _new(self, market: Market, there: Collection[str], symbols: Sequence[str]) -> list[str]:
        """The symbols that are not there yet; raises GuardExceeded where they are too many."""
        new = [symbol for symbol in dict.fromkeys(symbols) if symbol not in there]
        streams = exchange_of(market).streams[market.market_type].max_topics
        require_streams(market, len(there), len(new), streams, self._limits.connections_per_market)
        return new

    def _require_few(self, waiting: int) -> None:
        most = self._limits.max_requests_per_user
        if waiting >= most:
            message = f"{waiting} of your requests wait for an operator, at most {most} may: wait for an answer"
            raise GuardExceeded(message, [Problem("symbol", "over_the_limit", message)])


async def _require_unread(transaction: Transaction, instrument: Instrument) -> None:
    market, symbol = instrument.market, instrument.symbol
    row = await transaction.fetch_one("count_runs_that_read", market.market_id, symbol)
    runs, users = (row["runs"], row["users"]) if row else (0, 0)
    if runs:
        who = f"{runs:,} active run{'s' * (runs > 1)} of {users:,} user{'s' * (users > 1)}"
        raise Conflict(
            f"{market.name} {symbol} is read by {who}, which would wait for ever: have them stopped first "
            "(`candleray run stop`, by their users), or remove it all the same by `--force`, `force=true`"
        )


async def _lock_waiting(transaction: Transaction, request_id: UUID) -> SubscriptionRequest:
    return _waiting(await transaction.fetch_one("lock_subscription_request", request_id), request_id)


def _waiting(row: dict[str, Any] | None, request_id: UUID) -> SubscriptionRequest:
    if row is None:
        raise NotFound(f"there is no request {request_id} for a subscription")
    if row["state"] != "waiting":
        raise Conflict(f"the request {request_id} is {row['state']} already")
    return _request(row)


def _request(row: dict[str, Any] | None) -> SubscriptionRequest:
    assert row is not None
    return SubscriptionRequest(**row)


def _told(asked: SubscriptionRequest) -> dict[str, str]:
    return {"market": asked.market.name, "symbol": asked.symbol, "request_id": str(asked.request_id)}
