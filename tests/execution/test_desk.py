"""The desk of a run at a simulated venue: from targets to positions, within limits, and what is on record."""

from __future__ import annotations

from decimal import Decimal
from uuid import UUID

import pytest

from candleray.databases.postgres import Postgres
from candleray.errors import Conflict, Forbidden, GuardExceeded
from candleray.execution.desk import Desk, Signal
from candleray.execution.limits import ExecutionLimits, LimitWatch
from candleray.execution.orders import Order
from candleray.execution.store import OrderStore, Place
from tests.support.execution.rows import new_run
from tests.support.execution.venue_account import EXCHANGES, SYMBOL, VenueAccount
from tests.support.simulated import NOW_MS

PRICE = Decimal(60_000)


@pytest.fixture(params=EXCHANGES)
def venue(request: pytest.FixtureRequest) -> VenueAccount:
    return VenueAccount(request.param)


@pytest.fixture
def store(postgres: Postgres) -> OrderStore:
    return OrderStore(postgres)


@pytest.fixture
async def desk(postgres: Postgres, store: OrderStore, user_id: UUID, venue: VenueAccount) -> Desk:
    gateway, run_id = await venue.open(), await new_run(postgres, user_id, venue.instrument)
    limits = LimitWatch(ExecutionLimits(symbols={SYMBOL}))
    return Desk(store, gateway, Place(user_id, venue.instrument), run_id, venue.filters, limits)


async def at_target(desk: Desk, venue: VenueAccount, target: str, bar: int) -> list[Order]:
    """Step until there is nothing more to do; return the orders that it took."""
    orders = []
    for _ in range(10):
        venue.pass_minutes(1)  # of each there is only so much to have
        order = await desk.step(Signal(NOW_MS + bar * 60_000, Decimal(target), PRICE))
        if order is None:
            return orders
        orders.append(order)
    raise AssertionError("it never arrives")


async def events(postgres: Postgres, user_id: UUID) -> list[tuple[str, str]]:
    async with postgres.connection() as connection:
        rows = await connection.fetch(
            "SELECT event, details FROM audit_events WHERE user_id = $1 ORDER BY number", user_id
        )
    return [(row["event"], row["details"].get("reason", "")) for row in rows if row["event"] != "user_created"]


async def test_a_run_opens_turns_and_closes_with_one_order_a_step(
    desk: Desk, store: OrderStore, user_id: UUID, venue: VenueAccount
):
    await desk.begin()
    place = Place(user_id, venue.instrument)
    for bar, (target, steps) in enumerate([("0.1", 1), ("-0.05", 2), ("-0.05", 0), ("0", 1)]):
        assert len(await at_target(desk, venue, target, bar)) == steps
        held = await venue.gateway().position(venue.instrument)
        assert held.quantity == await store.position(place) == Decimal(target)


async def test_what_fills_in_part_is_asked_for_again_as_another_order_of_the_bar(desk: Desk, venue: VenueAccount):
    first = await desk.step(Signal(NOW_MS, Decimal("0.16"), PRICE))
    assert first is not None
    orders = [first, *await at_target(desk, venue, "0.16", 0)]
    assert [order.request.intent for order in orders] == [f"increase-{n + 1}" for n in range(len(orders))]
    assert (await venue.gateway().position(venue.instrument)).quantity == Decimal("0.16")


async def test_an_order_beyond_a_limit_is_refused_and_on_record(
    desk: Desk, postgres: Postgres, store: OrderStore, user_id: UUID, venue: VenueAccount
):
    with pytest.raises(GuardExceeded, match="above the largest"):
        await desk.step(Signal(NOW_MS, Decimal("0.2"), PRICE))
    assert [event for event, _ in await events(postgres, user_id)] == ["order_refused"]
    assert await store.in_flight(Place(user_id, venue.instrument)) == []


async def test_a_key_that_may_withdraw_is_refused_and_on_record(
    desk: Desk, postgres: Postgres, user_id: UUID, venue: VenueAccount
):
    await venue.register(can_withdraw=True)
    with pytest.raises(Forbidden, match="may withdraw"):
        await desk.begin()
    ((event, reason),) = await events(postgres, user_id)
    assert event == "key_refused"
    assert "may withdraw" in reason


async def test_a_killed_run_makes_no_order_and_is_on_record_once(
    desk: Desk, postgres: Postgres, user_id: UUID, venue: VenueAccount
):
    await at_target(desk, venue, "0.1", 0)
    await desk.kill("a person pulled it")
    await desk.kill("and again")
    with pytest.raises(Conflict, match="a person pulled it"):
        await desk.step(Signal(NOW_MS + 60_000, Decimal(0), PRICE))
    assert await events(postgres, user_id) == [("run_halted", "a person pulled it")]
    assert (await venue.gateway().position(venue.instrument)).quantity == Decimal("0.1")
