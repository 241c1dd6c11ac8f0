"""The books of the paper exchange in Postgres: a line for each order that it has taken."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any
from uuid import UUID

from candleray.databases.postgres import Postgres
from candleray.execution.paper_fills import PaperLine


class PaperLedger:
    """The books of one account: a session of a run has its own."""

    def __init__(self, postgres: Postgres, run_id: UUID, session: int) -> None:
        self._postgres = postgres
        self._account = run_id, session

    async def add(
        self, client_order_id: str, line_behind: Callable[[PaperLine | None], PaperLine]
    ) -> PaperLine | None:
        """Take an order, once: None where it is there already. Others of the account wait meanwhile.

        Args:
            line_behind: makes the line that follows the account's last one, or raises.
        """
        async with self._postgres.transaction() as transaction:
            await transaction.fetch("lock_paper_account", *self._account)
            if await transaction.fetch_one("paper_order", *self._account, client_order_id) is not None:
                return None
            last = await transaction.fetch_one("last_of_paper_ledger", *self._account)
            line = line_behind(_line(last) if last else None)
            fields = [getattr(line, name) for name in PaperLine.model_fields]
            await transaction.fetch("add_to_paper_ledger", *self._account, *fields)
        return line

    async def find(self, client_order_id: str) -> PaperLine | None:
        row = await self._postgres.fetch_one("paper_order", *self._account, client_order_id)
        return _line(row) if row else None

    async def since(self, at_ms: int) -> Sequence[PaperLine]:
        return [_line(row) for row in await self._postgres.fetch("paper_fills_since", *self._account, at_ms)]

    async def last(self) -> PaperLine | None:
        row = await self._postgres.fetch_one("last_of_paper_ledger", *self._account)
        return _line(row) if row else None


def _line(row: dict[str, Any]) -> PaperLine:
    return PaperLine(**{name: row[name] for name in PaperLine.model_fields})
