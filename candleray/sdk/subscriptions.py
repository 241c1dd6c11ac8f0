"""The client's methods about subscriptions: which instruments are ingested as they close."""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

from candleray.feeds.subscriptions import (
    NewSubscriptions,
    RequestState,
    Subscription,
    SubscriptionRequest,
    SubscriptionRequestPage,
    SubscriptionsReport,
)
from candleray.markets import Instrument, find_market
from candleray.paging import collected
from candleray.sdk.connection import Sender, encoded, read, segment
from candleray.sdk.market_data import MarketNameOrId, market_id
from candleray.sdk.references import WISH, find_id
from candleray.validation import validated

_PAGE_REQUESTS = 500


class SubscriptionMethods(Sender):
    """Subscriptions of all users, and wishes for them."""

    def subscriptions(self, market: MarketNameOrId | None = None) -> list[Subscription]:
        """The instruments that are ingested as their candles close.

        >>> {subscription.source for subscription in client.subscriptions()} <= {"settings", "operator"}
        True
        """
        params = {"market_id": market_id(market)}
        return read(list[Subscription], self.send("GET", "/market-data/subscriptions", params=params))

    def subscribe(self, market: MarketNameOrId, symbols: Sequence[str]) -> SubscriptionsReport:
        """Ingest instruments: all of them or, where one may not be, none; an operator's right.

        Raises:
            Forbidden: you are no operator.
            InvalidInput: the market does not trade one of them.
            GuardExceeded: the market would have more than it may.

        >>> report = client.subscribe("bybit-spot", ["BTCUSDT"])
        >>> sorted(report.added + report.already)
        ['BTCUSDT']
        """
        wanted = {"market_id": find_market(market).market_id, "symbols": tuple(symbols)}
        body = encoded(validated(NewSubscriptions, wanted))
        return read(SubscriptionsReport, self.send("POST", "/market-data/subscriptions", content=body))

    def unsubscribe(self, market: MarketNameOrId, symbol: str, force: bool = False) -> None:
        """Ingest an instrument no more; its candles stay. An operator's right.

        Args:
            force: although active runs read it: they wait then, and tell their users why.

        Raises:
            Forbidden: you are no operator.
            NotFound: it is not subscribed.
            Conflict: the settings name it, or active runs read it.

        >>> _ = client.subscribe("bybit-spot", ["ETHUSDT"])
        >>> client.unsubscribe("bybit-spot", "ETHUSDT")
        """
        path = f"/market-data/subscriptions/{find_market(market).market_id}/{segment(symbol)}"
        self.send("DELETE", path, params={"force": "true"} if force else None)

    def ask_for_instrument(self, market: MarketNameOrId, symbol: str) -> SubscriptionRequest:
        """Ask the operators to ingest an instrument; the same wish again while it waits is one.

        Raises:
            InvalidInput: the market does not trade it.
            Conflict: it is ingested.
            GuardExceeded: too many wishes of yours wait.

        >>> client.ask_for_instrument("bybit-spot", "ADAUSDT").state
        'waiting'
        """
        body = encoded(Instrument(market_id=find_market(market).market_id, symbol=symbol))
        return read(SubscriptionRequest, self.send("POST", "/market-data/subscription-requests", content=body))

    def subscription_requests(
        self, state: RequestState | None = None, limit: int | None = None
    ) -> list[SubscriptionRequest]:
        """Your wishes for instruments, the newest first; to an operator, those of everybody.

        >>> wish = client.ask_for_instrument("bybit-spot", "ADAUSDT")
        >>> wish in client.subscription_requests("waiting")
        True
        """

        def read_page(size: int, cursor: str | None) -> tuple[Sequence[SubscriptionRequest], str | None]:
            params = {"state": state, "limit": size, "cursor": cursor}
            answer = self.send("GET", "/market-data/subscription-requests", params=params)
            page = read(SubscriptionRequestPage, answer)
            return page.requests, page.next_cursor

        return collected(read_page, limit, _PAGE_REQUESTS)

    def accept_subscription_request(self, request_id: str | UUID) -> SubscriptionRequest:
        """Ingest what was asked for; an operator's right.

        >>> wish = client.ask_for_instrument("bybit-spot", "SOLUSDT")
        >>> client.accept_subscription_request(wish.request_id).state
        'accepted'
        >>> client.unsubscribe("bybit-spot", "SOLUSDT")
        """
        path = f"/market-data/subscription-requests/{find_id(self, WISH, request_id)}/accept"
        return read(SubscriptionRequest, self.send("POST", path))

    def refuse_subscription_request(self, request_id: str | UUID, reason: str) -> SubscriptionRequest:
        """Refuse a wish, with the reason that its user reads; an operator's right.

        >>> wish = client.ask_for_instrument("bybit-spot", "XRPUSDT")
        >>> client.refuse_subscription_request(wish.request_id, "too little volume").reason
        'too little volume'
        """
        path = f"/market-data/subscription-requests/{find_id(self, WISH, request_id)}/refuse"
        return read(SubscriptionRequest, self.send("POST", path, content=encoded({"reason": reason})))
