"""One history of a run's orders at a hostile venue: bars, targets, cancels, kills, and its end."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from decimal import Decimal
from random import Random
from typing import Any
from uuid import UUID

from candleray.databases.postgres import Postgres
from candleray.errors import CandlerayError, Conflict
from candleray.execution.intents import Standing, plan_towards
from candleray.execution.orders import OrderRequest, OrderState, OrderType
from candleray.execution.reconciler import Reconciled, Reconciler
from candleray.execution.sender import Sender
from candleray.execution.store import OrderStore, Place
from candleray.simulator.accounts.order_book import OrderBook
from tests.support.execution.hostile_wire import HostileWire, Killed
from tests.support.execution.rows import new_run
from tests.support.execution.venue_account import VenueAccount
from tests.support.simulated import NOW_MS, Clock

_KILLS = 0.012
"""Share of the calls of store and gateway at which the process dies, before or after."""


class Mortal:
    """A store or gateway whose process may die before or after each of its calls."""

    def __init__(self, inner: Any, random: Random, history: History) -> None:
        self._inner, self._random, self._history = inner, random, history

    def __getattr__(self, name: str) -> Any:
        call = getattr(self._inner, name)

        async def mortal(*args: Any, **options: Any) -> Any:
            self._die(f"before {name}")
            answer = await call(*args, **options)
            self._die(f"after {name}")
            return answer

        return mortal

    def _die(self, where: str) -> None:
        if not self._history.wire.is_calm and self._random.random() < _KILLS:
            self._history.kills.append(where)
            raise Killed(where)


@dataclass
class History:
    exchange: str
    seed: int
    postgres: Postgres
    user_id: UUID

    async def begin(self) -> History:
        self.random, self.clock, self.kills = Random(self.seed), Clock(), list[str]()
        self.venue = VenueAccount(self.exchange, self.clock, wrap=self._wrap)
        await self.venue.open()
        self.place = Place(self.user_id, self.venue.instrument)
        self.run_id = await new_run(self.postgres, self.user_id, self.venue.instrument)
        self.store = OrderStore(self.postgres)
        self._start()
        return self

    def _wrap(self, inner: Any) -> HostileWire:
        self.wire = HostileWire(inner, self.clock, Random(self.seed + 1))
        return self.wire

    def _start(self) -> None:
        """A process begins, with nothing but what is stored."""
        store, gateway = Mortal(self.store, self.random, self), Mortal(self.venue.gateway(), self.random, self)
        self.gateway: Any = gateway
        self.sender = Sender(store, gateway)  # type: ignore[arg-type]
        self.reconciler = Reconciler(store, gateway, self.place)  # type: ignore[arg-type]

    async def run(self) -> None:
        for bar in range(self.random.randint(2, 4)):
            unit = self.random.choice([Decimal("0.002"), Decimal("0.05"), Decimal(2)])
            target = self.random.randint(-3, 3) * unit
            for _ in range(self.random.randint(4, 12)):
                try:
                    await self._step(target, NOW_MS + bar * 60_000)
                except Killed:
                    self._start()
                except CandlerayError:
                    pass  # the venue does not answer, or another process was first: the next step is a new look
                self.clock.now_s += self.random.choice([0.0, 0.2, 1.0, 4.0, 9.0, 70.0])
        await self.end()

    async def _step(self, target: Decimal, bar_ms: int) -> None:
        await self.reconciler.reconcile()
        in_flight = await self.store.in_flight(self.place)
        position = await self.store.position(self.place)
        made = await self.store.made_for_bar(self.run_id, bar_ms)
        standing = Standing(self.run_id, self.venue.instrument, bar_ms, position, Decimal(60_000), made)
        plan = plan_towards(target, standing, in_flight, self.venue.filters)
        waiting = [one.request.client_order_id for one in in_flight if one.request.type is OrderType.LIMIT]
        for name in plan.cancel or (waiting if self.random.random() < 0.3 else ()):
            await self.gateway.cancel(self.venue.instrument, name)
        if plan.request is not None:
            await self.sender.submit(self._drawn(plan.request))

    def _drawn(self, request: OrderRequest) -> OrderRequest:
        """Some wait at a price, some break a filter."""
        draw = self.random.random()
        if draw < 0.05:
            return request.model_copy(update={"quantity": request.quantity + Decimal("0.0000001")})
        if draw < 0.4:
            price = self.venue.filters.price(Decimal(self.random.randint(20_000, 120_000)), request.side)
            return request.model_copy(update={"type": OrderType.LIMIT, "limit_price": price})
        return request

    async def end(self) -> None:
        """Let the storm pass, and look until all is settled."""
        self.wire.is_calm = True
        for _ in range(12):
            self.clock.now_s += 9
            result: Reconciled = await self.reconciler.reconcile()
            assert result.unexplained is None, self.told(result.unexplained)
            if result.is_settled:
                return
            for order in await self.store.in_flight(self.place):
                with suppress(CandlerayError, Conflict):
                    await self.gateway.cancel(self.venue.instrument, order.request.client_order_id)
        raise AssertionError(self.told("it never settles"))

    def told(self, what: str) -> str:
        return f"{self.exchange}, seed {self.seed}: {what}; kills: {self.kills}"

    async def verify(self) -> int:
        """Hold the venue's own books against our rows; return how many orders there were."""
        book = self.venue.app.state.simulator.accounts.book(self.exchange, self.venue.credentials.api_key)
        return await verify_books(book, self.postgres, self.run_id, self.told)


async def verify_books(book: OrderBook, postgres: Postgres, run_id: UUID, told: Callable[[str], str]) -> int:
    """Require one order a row that was not refused, each fill once, one position; return the number of rows."""
    rows = await OrderStore(postgres).of_run(run_id)
    made = [order.client_order_id for order in book.orders]
    assert len(made) == len(set(made)), told("an intent had two effects")
    effective = {row.request.client_order_id for row in rows if row.state is not OrderState.REJECTED}
    assert effective == set(made), told("an order without a row, or a row without its order")
    assert not any(row.is_in_flight for row in rows)
    assert {row.request.client_order_id: row.filled for row in rows if row.filled} == {
        order.client_order_id: order.filled for order in book.orders if order.filled
    }, told("a fill is lost, or there twice")
    async with postgres.connection() as connection:
        query = "SELECT fills.* FROM fills JOIN orders USING (client_order_id) WHERE run_id = $1"
        fills = await connection.fetch(query, run_id)
    kept = {row["fill_id"].removeprefix("e-") for row in fills}
    assert kept == {str(one.fill_id) for one in book.fills}, told("fills differ")
    held = sum(book.positions.values())
    ours = sum(row["quantity"] if row["side"] == "buy" else -row["quantity"] for row in fills)
    assert ours == held, told("the positions differ")
    return len(rows)
