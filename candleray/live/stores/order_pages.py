"""Pages of a run's orders and fills, read from Postgres; the caller has made sure whose the run is."""

from __future__ import annotations

from uuid import UUID

from candleray.databases.postgres import Postgres
from candleray.live.order_records import FillPage, OrderPage, RunFill, RunOrder


class OrderPages:
    def __init__(self, postgres: Postgres, run_id: UUID) -> None:
        self._postgres = postgres
        self._run_id = run_id

    async def orders(self, session: int | None, after: int, limit: int) -> OrderPage:
        """The first orders behind a number."""
        rows = await self._postgres.fetch("page_of_orders", self._run_id, session, after, limit + 1)
        halt = await self._postgres.fetch_one("halt_of_run", self._run_id)
        orders = tuple(RunOrder(**row) for row in rows[:limit])
        more = orders[-1].number if len(rows) > limit else None
        return OrderPage(orders=orders, halted=halt["reason"] if halt else None, next_after=more)

    async def fills(self, session: int | None, after: int, limit: int) -> FillPage:
        """The first fills behind a number."""
        rows = await self._postgres.fetch("page_of_fills", self._run_id, session, after, limit + 1)
        fills = tuple(RunFill(**row) for row in rows[:limit])
        return FillPage(fills=fills, next_after=fills[-1].number if len(rows) > limit else None)
