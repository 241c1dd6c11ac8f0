"""Events of runs as a runner writes them, without a runner."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from candleray.databases.postgres import Postgres
from candleray.live.events import Annulled, Entry, EventBody, Exit, SignalChange
from candleray.live.stores.event_store import NewEvent, append
from tests.support.live.saved_runs import SavedRun

FIRST_BAR = datetime(2026, 1, 5, 12, tzinfo=UTC)
"""Hours count from here."""

LONG = SignalChange(signal="long", before="none", close=100.5)


def at_hour(hour: int) -> datetime:
    return FIRST_BAR + timedelta(hours=hour)


def entry(equity: float = 10_000.0) -> Entry:
    return Entry(side="long", price=100.0, quantity=1.0, notional_quote=100.0, fee_quote=0.1, equity_quote=equity)


def exit_of(hour: int, equity: float) -> Exit:
    """The exit of the entry at that hour."""
    return Exit(
        reason="signal",
        side="long",
        entered=at_hour(hour),
        entry_price=100.0,
        price=101.0,
        quantity=1.0,
        fees_quote=0.2,
        pnl_quote=0.8,
        return_pct=0.8,
        equity_quote=equity,
    )


ANNULLED = Annulled(side="long", price=100.0, quantity=1.0, equity_quote=10_000.0)


async def said(
    postgres: Postgres, run: SavedRun, bodies: Sequence[tuple[int, EventBody]], session: int = 1
) -> list[int]:
    """The numbers of these events of a run, each on the bar of an hour."""
    new = [NewEvent(run.user_id, run.run_id, session, at_hour(hour), body) for hour, body in bodies]
    async with postgres.transaction() as transaction:
        return [event.number for event in await append(transaction, new)]
