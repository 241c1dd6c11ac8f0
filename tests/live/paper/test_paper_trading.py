"""Runs on paper: their fills are the backtest's trades, whenever a process was killed, and each is told once.

`--paper-days 30` holds a month of minutes against its backtest.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import suppress
from random import Random

import numpy as np
import pytest

from candleray.databases.postgres import Postgres
from candleray.execution.store import OrderStore
from candleray.live.certificates.replay import Replay
from candleray.live.events import Annulled, Entry, EventKind, Exit, OrderFilled, OrderHalt
from candleray.live.order_records import RunFill
from candleray.live.paper.paper_events import events_to_act_on
from candleray.live.stores.event_store import StrategyEvents
from candleray.live.stores.order_pages import OrderPages
from tests.support.embedded import new_database
from tests.support.live.paper_sessions import Killed, MortalPostgres, PaperSession


@pytest.fixture
async def alone(postgres_url: str) -> AsyncIterator[Postgres]:
    """A database of its own: whoever trades on paper looks at every run there is."""
    postgres = await Postgres.open(await new_database(postgres_url), 3)
    yield postgres
    await postgres.close()


def require_trades_of_batch(fills: Sequence[RunFill], batch: Replay) -> int:
    """Hold each fill to the batch: side and quantity, price, fee, and the equity behind each exit."""
    events = [one.body for one in batch.events if isinstance(one.body, Entry | Exit | Annulled)]
    assert len(fills) == len(events)
    entry: Entry | None = None
    for fill, body in zip(fills, events, strict=True):
        is_buy = (body.side == "long") == isinstance(body, Entry)
        assert (fill.side.value, float(fill.quantity)) == ("buy" if is_buy else "sell", body.quantity)
        assert float(fill.price) == body.price
        if isinstance(body, Entry):
            entry, fee = body, body.fee_quote
        else:
            assert entry is not None
            fee = body.fees_quote - entry.fee_quote if isinstance(body, Exit) else -entry.fee_quote
            assert fill.position == 0
            np.testing.assert_allclose(float(fill.balance_quote), body.equity_quote, rtol=1e-12)
        np.testing.assert_allclose(float(fill.fee_quote), fee, rtol=1e-12, atol=1e-12)
    return sum(isinstance(one, Exit) for one in events)


async def test_trades_prices_fees_and_equity_on_paper_are_the_backtests_to_1e_12(
    alone: Postgres, paper_days: float
):
    session = PaperSession(alone, paper_days)
    await session.say(window=20 if paper_days < 3 else 200)  # else a month has 5,200 trades
    trading = session.trading()
    while await trading.look():
        pass
    assert await events_to_act_on(alone) == []
    batch = session.replayed()
    trades = require_trades_of_batch(await session.fills(), batch)
    assert trades == batch.trades.size > 20 * paper_days
    kinds = {one.body.kind for one in batch.events}
    assert {EventKind.GAP, EventKind.ANNULLED} <= kinds, "gaps and annulled entries are among them"
    print(f"{paper_days:g} days: {trades} trades on paper are those of the batch")


async def test_killed_before_or_after_any_statement_it_makes_and_tells_the_same(alone: Postgres):
    session, random, kills = PaperSession(alone, 0.06), Random(11), 0
    await session.say()
    mortal = MortalPostgres(alone, random, 0.02)
    trading = session.trading(mortal)
    while await events_to_act_on(alone):
        session.clock.now_s += 4.0
        with suppress(Killed):
            await trading.look()
            continue
        kills, trading = kills + 1, session.trading(mortal)
    assert kills > 10
    require_trades_of_batch(await session.fills(), session.replayed())
    events = await StrategyEvents(alone).of_run(session.run.user_id, session.run.run_id, limit=100_000)
    told = [one.body for one in events if isinstance(one.body, OrderFilled)]
    fills = await session.fills()
    assert [one.client_order_id for one in told] == [one.client_order_id for one in fills]
    orders = (await OrderPages(alone, session.run.run_id).orders(None, 0, 100_000)).orders
    assert {one.state.value for one in orders} == {"filled"}
    assert len(orders) == len(fills) == sum(one.body.kind is EventKind.ORDER for one in events)


async def test_two_processes_at_once_make_each_order_once(alone: Postgres):
    """Whichever is first: what the other makes of it is the same order."""
    session = PaperSession(alone, 0.06)
    await session.say()
    both = session.trading(), session.trading()
    while await events_to_act_on(alone):
        session.clock.now_s += 4.0
        await asyncio.gather(*(one.look() for one in both))
    require_trades_of_batch(await session.fills(), session.replayed())


async def test_a_halted_run_makes_no_order_and_says_so_once(alone: Postgres):
    session = PaperSession(alone, 0.1)
    await session.say()
    await OrderStore(alone).halt(session.run.run_id, "a person pulled it")
    trading = session.trading()
    while await trading.look():
        pass
    assert await session.fills() == ()
    events = await StrategyEvents(alone).of_run(session.run.user_id, session.run.run_id, limit=100_000)
    assert [one.body for one in events if isinstance(one.body, OrderHalt)] == [
        OrderHalt(reason="a person pulled it")
    ]
    page = await OrderPages(alone, session.run.run_id).orders(None, 0, 10)
    assert (page.orders, page.halted) == ((), "a person pulled it")


async def test_books_that_our_rows_do_not_make_halt_the_run_at_its_next_event(alone: Postgres):
    session = PaperSession(alone, 0.1)
    await session.say()
    await stray_line(alone, session, 1)
    trading = session.trading()
    while await trading.look():
        pass
    await require_halted(alone, session)


async def test_they_are_looked_over_without_an_event_too(alone: Postgres):
    session = PaperSession(alone, 0.1)
    await session.say()
    trading = session.trading()
    while await trading.look():
        pass
    await trading.look_over()
    assert await OrderStore(alone).halt_of(session.run.run_id) is None
    await stray_line(alone, session, 10_000)
    for _ in range(2):
        session.clock.now_s += 60.0
        await trading.look_over()
    await trading.look()
    await require_halted(alone, session)


async def stray_line(postgres: Postgres, session: PaperSession, number: int) -> None:
    """Write a line into the books that no order of ours explains."""
    async with postgres.connection() as connection:
        await connection.execute(
            "INSERT INTO paper_ledger VALUES ($1, 1, $3, 'cr-of-nobody', $2, 'buy', 1, 1, 1, 0, 0, 9, 1, 1e6)",
            session.run.run_id,
            session.spec.instrument.symbol,
            number,
        )


async def require_halted(postgres: Postgres, session: PaperSession) -> None:
    halt = await OrderStore(postgres).halt_of(session.run.run_id)
    assert halt is not None
    assert "our fills make" in halt.reason
    events = await StrategyEvents(postgres).of_run(session.run.user_id, session.run.run_id, kinds=[EventKind.HALT])
    assert [one.body for one in events] == [OrderHalt(reason=halt.reason)]
