"""The client's methods about what runs say and do: events as they come, trades, signals, equity, orders, fills."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, TypeVar
from uuid import UUID

from pydantic import BaseModel

from candleray.live.events import EventKind, StrategyEvent
from candleray.live.order_records import FillPage, OrderPage, RunFill
from candleray.live.records import EquityCurve, EquityPage, EventPage, RunSignal, RunTrade, SignalPage, TradePage
from candleray.sdk.connection import Sender, read
from candleray.sdk.event_stream import EventReader, OnCut, OnStandings
from candleray.sdk.references import RUN, find_id

_PAGE = 1000

PageT = TypeVar("PageT", bound=BaseModel)


class RunEventMethods(Sender):
    """Events, signals, trades, equity, orders and fills of live runs."""

    def events(
        self,
        after: int | None = None,
        *,
        for_s: float | None = None,
        on_standings: OnStandings | None = None,
        on_cut: OnCut | None = None,
    ) -> Iterator[StrategyEvent]:
        """Everything that your runs say from now on, as it comes: in order, each once, for ever.

        After a cut it goes on behind the last event, by itself.

        Args:
            after: begin behind the event of this number; 0 for the first.
            for_s: end after so many seconds; 0 tells what there is.
            on_standings: called with how the runs stand, about every ten seconds; the newest of each counts.
            on_cut: called with the reason whenever the connection is lost.

        Raises:
            Unauthenticated: the token is good no more.
            InvalidInput: there is no event of that number yet.

        >>> run = client.start_run(strategy.strategy_id)
        >>> [event.body.kind.value for event in client.events(after=0, for_s=0) if event.run_id == run.run_id]
        ['state']
        """
        return EventReader(self._connection, after, for_s, on_standings, on_cut).events()

    def run_events(
        self,
        run_id: UUID | str,
        *,
        kind: str | Iterable[str] | None = None,
        session: int | None = None,
        after: int = 0,
        follow: bool = False,
    ) -> Iterator[StrategyEvent]:
        """Everything one run has said, from the first on; of some kinds, of one session.

        Args:
            kind: `signal`, `entry`, `exit`, `annulled`, `order`, `fill`, `halt`, `gap`, `late_candle`, `wait` or
                `state`, or some of them.
            session: the number of the run's event that started it.
            after: only events behind this number.
            follow: go on with what it says from now on, for ever.

        Raises:
            NotFound: you have no such run.

        >>> run = client.start_run(strategy.strategy_id)
        >>> [event.body.to_state.value for event in client.run_events(run.run_id, kind="state")]
        ['starting']
        """
        kinds = None if kind is None else [EventKind(one) for one in ([kind] if isinstance(kind, str) else kind)]
        names = None if kinds is None else [one.value for one in kinds]
        found = find_id(self, RUN, run_id)
        for page in self._pages(EventPage, found, "events", {"session": session, "kind": names, "after": after}):
            for event in page.events:
                after = event.number
                yield event
        if follow:
            for event in self.events(after):
                is_chosen = (kinds is None or event.body.kind in kinds) and session in (None, event.session)
                if event.run_id == found and is_chosen:
                    yield event

    def run_signals(self, run_id: UUID | str, *, session: int | None = None) -> list[RunSignal]:
        """The changes of a run's final signal, the oldest first.

        >>> run = client.start_run(strategy.strategy_id)
        >>> client.run_signals(run.run_id)
        []
        """
        pages = self._pages(SignalPage, find_id(self, RUN, run_id), "signals", {"session": session})
        return [one for page in pages for one in page.signals]

    def run_trades(self, run_id: UUID | str, *, session: int | None = None) -> list[RunTrade]:
        """A run's trades on paper, the oldest first; one that is open comes last. Annulled entries are none.

        >>> run = client.start_run(strategy.strategy_id)
        >>> client.run_trades(run.run_id)
        []
        """
        pages = self._pages(TradePage, find_id(self, RUN, run_id), "trades", {"session": session})
        return [one for page in pages for one in page.trades]

    def run_equity(self, run_id: UUID | str, *, session: int | None = None) -> EquityPage:
        """The equity of a run's paper account after each trade, and what each session began with; one page of all.

        >>> run = client.start_run(strategy.strategy_id)
        >>> equity = client.run_equity(run.run_id)
        >>> [one.init_cash_quote for one in equity.sessions], equity.points
        ([10000.0], ())
        """
        pages = list(self._pages(EquityPage, find_id(self, RUN, run_id), "equity", {"session": session}))
        points = tuple(one for page in pages for one in page.points)
        return pages[-1].model_copy(update={"points": points})

    def run_equity_curve(
        self, run_id: UUID | str, *, session: int | None = None, points: int = 1000
    ) -> EquityCurve:
        """The equity at the closes of a session's bars, computed anew from the candles that it has received.

        Args:
            session: the last one by default.
            points: closes to tell of at most, spread over all bars.

        >>> run = client.start_run(strategy.strategy_id)
        >>> client.run_equity_curve(run.run_id).note
        'the session has taken no bar yet'
        """
        found = find_id(self, RUN, run_id)
        params = {"session": session, "points": points}
        return read(EquityCurve, self.send("GET", f"/runs/{found}/equity-curve", params=params))

    def run_orders(self, run_id: UUID | str, *, session: int | None = None) -> OrderPage:
        """The orders of a run in mode `paper`, the oldest first, and why it makes none any more; one page of all.

        >>> run = client.start_run(strategy.strategy_id, mode="paper")
        >>> client.run_orders(run.run_id).orders
        ()
        """
        pages = list(self._pages(OrderPage, find_id(self, RUN, run_id), "orders", {"session": session}))
        return pages[-1].model_copy(update={"orders": tuple(one for page in pages for one in page.orders)})

    def run_fills(self, run_id: UUID | str, *, session: int | None = None) -> list[RunFill]:
        """The fills of a run in mode `paper`, the oldest first, each with position and balance after it.

        >>> run = client.start_run(strategy.strategy_id, mode="paper")
        >>> client.run_fills(run.run_id)
        []
        """
        pages = self._pages(FillPage, find_id(self, RUN, run_id), "fills", {"session": session})
        return [one for page in pages for one in page.fills]

    def _pages(self, kind: type[PageT], run_id: UUID, what: str, query: dict[str, Any]) -> Iterator[PageT]:
        next_after: int | None = query.pop("after", 0)
        while next_after is not None:
            params = {**query, "after": next_after, "limit": _PAGE}
            page: Any = read(kind, self.send("GET", f"/runs/{run_id}/{what}", params=params))
            yield page
            next_after = page.next_after
