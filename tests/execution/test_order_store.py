"""Orders in Postgres: what the database itself refuses, and the sender and reconciler on top of it."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from uuid import UUID

import pytest
from asyncpg import PostgresError

from candleray.databases.postgres import Postgres
from candleray.errors import Conflict, GuardExceeded, StatementRefused
from candleray.execution.fills import Fill
from candleray.execution.gateway import VALIDITY_MS
from candleray.execution.limits import ExecutionLimits, LimitWatch
from candleray.execution.orders import TRANSITIONS, Order, OrderRequest, OrderState, OrderType, Side
from candleray.execution.reconciler import SETTLING_MS, Reconciler
from candleray.execution.sender import Sender
from candleray.execution.simulated_gateway import SimulatedGateway
from candleray.execution.store import OrderStore, Place
from candleray.markets import Instrument
from tests.support.execution.rows import new_run
from tests.support.execution.venue_account import EXCHANGES, URL, VenueAccount, order_request


@pytest.fixture(params=EXCHANGES)
def venue(request: pytest.FixtureRequest) -> VenueAccount:
    return VenueAccount(request.param)


@pytest.fixture
def store(postgres: Postgres) -> OrderStore:
    return OrderStore(postgres)


@pytest.fixture
def binance() -> VenueAccount:
    return VenueAccount("binance")


@pytest.fixture
async def asked(postgres: Postgres, user_id: UUID, binance: VenueAccount) -> OrderRequest:
    run_id = await new_run(postgres, user_id, binance.instrument)
    return order_request(binance, run_id=run_id)


async def written(postgres: Postgres, statement: str, *arguments: object) -> None:
    """Write past all of our code."""
    async with postgres.connection() as connection, connection.transaction():
        await connection.execute(statement, *arguments)


def fill_of(request: OrderRequest, fill_id: str = "1", **changes: object) -> Fill:
    fields = {
        "fill_id": fill_id,
        "venue_order_id": "7",
        "client_order_id": "",
        "symbol": request.instrument.symbol,
        "side": request.side,
        "price": Decimal("60000.1"),
        "quantity": Decimal("0.004"),
        "fee": Decimal("0.1"),
        "fee_asset": "USDT",
        "liquidity": "taker",
        "at_ms": 1,
    }
    return Fill.model_validate(fields | changes)


async def test_the_database_has_the_table_of_states(postgres: Postgres):
    async with postgres.connection() as connection:
        rows = await connection.fetch("SELECT from_state, to_state FROM order_transitions")
    ours = {(before, after) for before, all_after in TRANSITIONS.items() for after in all_after}
    assert {(row["from_state"], row["to_state"]) for row in rows} == ours


async def test_an_order_is_kept_once_and_comes_back_as_it_was_asked_for(store: OrderStore, asked: OrderRequest):
    first = await store.add(asked)
    assert (first.request, first.state, first.filled) == (asked, OrderState.NEW, 0)
    assert await store.add(asked) == first
    with pytest.raises(Conflict, match="asks for something else"):
        await store.add(asked.model_copy(update={"quantity": Decimal(9)}))


async def test_one_order_of_a_run_and_side_is_in_flight(store: OrderStore, asked: OrderRequest):
    order = await store.add(asked)
    second = asked.model_copy(update={"intent": "increase-9999"})
    with pytest.raises(StatementRefused, match="unique violation"):
        await store.add(second)
    await store.move(order, OrderState.REJECTED, "refused")
    assert (await store.add(second)).state is OrderState.NEW


EVENT = (
    "INSERT INTO order_events (client_order_id, number, from_state, to_state, cause) VALUES ($1, $2, $3, $4, '')"
)
MOVE = "UPDATE orders SET state = $2, last_event = $3 WHERE client_order_id = $1"


@pytest.mark.parametrize(
    ("statement", "arguments"),
    [
        (EVENT, (2, "new", "filled")),  # not in the table
        (EVENT, (2, "sent", "filled")),  # in the table, and not where the order is
        (EVENT, (3, "new", "sent")),  # the one before it is missing
        (EVENT, (1, None, "sent")),
        (EVENT, (2, None, "new")),
        (MOVE, ("sent", 2)),  # without its event
        ("UPDATE orders SET quantity = 9, last_event = 2 WHERE client_order_id = $1", ()),
        ("UPDATE order_events SET to_state = 'sent' WHERE client_order_id = $1", ()),
        ("DELETE FROM order_events WHERE client_order_id = $1", ()),
        ("DELETE FROM orders WHERE client_order_id = $1", ()),
        ("INSERT INTO order_transitions VALUES ('new', $1)", ()),
        ("INSERT INTO order_transitions SELECT 'filled', 'sent' WHERE $1 > ''", ()),
    ],
)
async def test_a_transition_that_is_not_in_the_table_cannot_be_written(
    postgres: Postgres, store: OrderStore, asked: OrderRequest, statement: str, arguments: tuple[object, ...]
):
    await store.add(asked)
    with pytest.raises((StatementRefused, PostgresError)):
        await written(postgres, statement, asked.client_order_id, *arguments)
    assert (await store.get(asked.client_order_id)).state is OrderState.NEW


async def test_an_id_that_is_not_of_its_run_bar_and_intent_cannot_be_written(
    postgres: Postgres, store: OrderStore, asked: OrderRequest
):
    await store.add(asked)
    columns = "run_id, market_id, symbol, side, type, quantity, reduce_only, time_in_force, state, intent"
    with pytest.raises(StatementRefused, match="check violation"):
        await written(
            postgres,
            f"INSERT INTO orders (client_order_id, signal_bar_ms, {columns}) "
            f"SELECT client_order_id || 'x', signal_bar_ms + 1, {columns} FROM orders WHERE client_order_id = $1",
            asked.client_order_id,
        )


async def test_of_two_who_move_an_order_the_second_is_refused(store: OrderStore, asked: OrderRequest):
    order = await store.add(asked)
    await store.move(order, OrderState.SENT, "sent", valid_until_ms=5)
    with pytest.raises(Conflict, match="somebody else moved it"):
        await store.move(order, OrderState.SENT, "sent", valid_until_ms=6)


@pytest.fixture
async def acknowledged(store: OrderStore, asked: OrderRequest) -> Order:
    order = await store.move(await store.add(asked), OrderState.SENT, "sent", valid_until_ms=5)
    return await store.move(order, OrderState.ACKNOWLEDGED, "there", venue_order_id="7")


async def test_a_fill_counts_once_however_often_it_is_told(store: OrderStore, user_id: UUID, acknowledged: Order):
    request, place = acknowledged.request, Place(user_id, acknowledged.request.instrument)
    assert await store.add_fill(place, fill_of(request), request.client_order_id)
    assert not await store.add_fill(place, fill_of(request), request.client_order_id)
    with pytest.raises(Conflict, match="otherwise than before"):
        await store.add_fill(place, fill_of(request, quantity=Decimal("0.005")), request.client_order_id)
    assert await store.add_fill(place, fill_of(request, "2"), request.client_order_id)
    assert (await store.get(request.client_order_id)).filled == Decimal("0.008")
    assert await store.position(place) == Decimal("0.008")


@pytest.mark.parametrize(
    "changes", [{"quantity": Decimal("0.011")}, {"side": Side.SELL}, {"symbol": "ETHUSDT"}], ids=str
)
async def test_a_fill_that_is_none_of_its_order_cannot_be_written(
    store: OrderStore, user_id: UUID, acknowledged: Order, changes: dict[str, object]
):
    request = acknowledged.request
    instrument = request.instrument.model_copy(update={k: v for k, v in changes.items() if k == "symbol"})
    with pytest.raises(StatementRefused):
        await store.add_fill(Place(user_id, instrument), fill_of(request, **changes), request.client_order_id)


async def test_a_fill_of_another_user_cannot_be_written(store: OrderStore, stranger, acknowledged: Order):
    request = acknowledged.request
    with pytest.raises(StatementRefused):
        await store.add_fill(
            Place(stranger.user_id, request.instrument), fill_of(request), request.client_order_id
        )


async def test_a_halted_run_makes_no_order(store: OrderStore, asked: OrderRequest):
    await store.halt(asked.run_id, "a person said so")
    with pytest.raises(Conflict, match=r"sends no order since .*: a person said so"):
        await store.add(asked)


@pytest.fixture
async def desk(postgres: Postgres, store: OrderStore, user_id: UUID, venue: VenueAccount):
    """A sender and a reconciler at a venue, and an order for it."""
    gateway, run_id = await venue.open(), await new_run(postgres, user_id, venue.instrument)
    place = Place(user_id, venue.instrument)
    return Sender(store, gateway), Reconciler(store, gateway, place), order_request(venue, run_id=run_id)


async def test_an_order_is_over_when_its_fills_are_here(desk, store: OrderStore):
    sender, reconciler, request = desk
    assert (await sender.submit(request)).state is OrderState.ACKNOWLEDGED
    assert (await reconciler.reconcile()).is_settled
    order = await store.get(request.client_order_id)
    assert (order.state, order.filled) == (OrderState.FILLED, request.quantity)
    # Made again, it is the same: nothing is sent.
    assert await sender.submit(request) == order


class LateFills(SimulatedGateway):
    """A gateway whose venue tells of an order before it tells of its fills."""

    is_late = True

    async def fills_since(self, instrument: Instrument, since_ms: int) -> Sequence[Fill]:
        return [] if self.is_late else await super().fills_since(instrument, since_ms)


async def test_an_order_is_not_over_before_all_of_its_fills_are_here(
    desk, store: OrderStore, venue: VenueAccount, user_id: UUID
):
    sender, _, request = desk
    await sender.submit(request)
    gateway = LateFills(venue.market, URL, venue.credentials, transport=venue.transport)
    reconciler = Reconciler(store, gateway, Place(user_id, venue.instrument))
    assert not (await reconciler.reconcile()).is_settled
    assert (await store.get(request.client_order_id)).state is OrderState.ACKNOWLEDGED
    gateway.is_late = False
    assert (await reconciler.reconcile()).is_settled
    assert (await store.get(request.client_order_id)).filled == request.quantity


async def test_what_may_have_been_sent_is_not_sent_again_before_its_time_is_over(
    desk, store: OrderStore, venue: VenueAccount
):
    _, reconciler, request = desk
    until_ms = round(venue.clock.venue() * 1000) + VALIDITY_MS
    await store.move(await store.add(request), OrderState.SENT, "then it was killed", valid_until_ms=until_ms)
    venue.clock.now_s += (VALIDITY_MS + SETTLING_MS) / 1000
    assert not (await reconciler.reconcile()).is_settled
    assert (await store.get(request.client_order_id)).state is OrderState.UNKNOWN
    venue.clock.now_s += 0.001
    await reconciler.reconcile()
    assert (await reconciler.reconcile()).is_settled
    assert (await store.get(request.client_order_id)).state is OrderState.FILLED


async def test_what_was_never_sent_is_sent_and_what_a_filter_refuses_is_over(desk, store: OrderStore):
    _, reconciler, request = desk
    await store.add(request)
    await reconciler.reconcile()
    assert (await reconciler.reconcile()).is_settled
    bad = request.model_copy(update={"intent": "increase-9998", "quantity": Decimal("0.0000001")})
    await store.add(bad)
    await reconciler.reconcile()
    assert (await store.get(bad.client_order_id)).state is OrderState.REJECTED


async def test_the_kill_switch_ends_what_is_open_and_sends_nothing_that_is_not(
    desk, store: OrderStore, venue: VenueAccount
):
    sender, reconciler, request = desk
    waiting = request.model_copy(update={"type": OrderType.LIMIT, "limit_price": Decimal(1000)})
    selling = request.model_copy(update={"side": Side.SELL, "intent": "increase-9996"})
    await sender.submit(waiting)
    await store.add(selling)
    await store.halt(request.run_id, "the kill switch")
    await reconciler.reconcile()
    assert (await reconciler.reconcile()).is_settled
    assert (await store.get(waiting.client_order_id)).state is OrderState.CANCELLED
    assert (await store.get(selling.client_order_id)).state is OrderState.REJECTED
    assert (await venue.gateway().position(venue.instrument)).quantity == 0


async def test_what_may_have_been_sent_before_a_halt_is_not_sent_again(
    desk, store: OrderStore, venue: VenueAccount
):
    _, reconciler, request = desk
    until_ms = round(venue.clock.venue() * 1000) + VALIDITY_MS
    await store.move(await store.add(request), OrderState.SENT, "then it was killed", valid_until_ms=until_ms)
    await store.halt(request.run_id, "the kill switch")
    venue.clock.now_s += 60
    assert (await reconciler.reconcile()).is_settled
    assert (await store.get(request.client_order_id)).state is OrderState.REJECTED
    assert await venue.gateway().order(venue.instrument, request.client_order_id) is None


async def unexplained(reconciler: Reconciler, venue: VenueAccount) -> str:
    """Look until it is no longer a late answer."""
    assert (await reconciler.reconcile()).unexplained is None
    venue.clock.now_s += SETTLING_MS / 1000
    assert (await reconciler.reconcile()).unexplained is None
    venue.clock.now_s += 0.001
    told = (await reconciler.reconcile()).unexplained
    assert told is not None
    return told


async def test_an_open_order_that_nobody_made_halts_the_runs(desk, store: OrderStore, venue: VenueAccount):
    sender, reconciler, request = desk
    await sender.submit(request)
    await reconciler.reconcile()
    strange = order_request(venue, type=OrderType.LIMIT, limit_price=Decimal(1000), intent="increase-5")
    await venue.gateway().place(strange, round(venue.clock.venue() * 1000) + VALIDITY_MS)
    assert "none of ours" in await unexplained(reconciler, venue)
    assert "none of ours" in str(await store.halt_of(request.run_id))
    with pytest.raises(Conflict, match="sends no order"):
        await sender.submit(request.model_copy(update={"intent": "increase-9997"}))


async def test_a_position_that_our_fills_do_not_make_halts_the_runs(desk, store: OrderStore, venue: VenueAccount):
    sender, reconciler, request = desk
    await sender.submit(request)
    await reconciler.reconcile()
    by_hand = order_request(venue, "0.02", intent="increase-6")
    await venue.gateway().place(by_hand, round(venue.clock.venue() * 1000) + VALIDITY_MS)
    assert await unexplained(reconciler, venue) == "the exchange holds 0.03, our fills make 0.01"


def test_limits_refuse_what_is_too_large_too_often_or_elsewhere(binance: VenueAccount):
    watch, price = LimitWatch(ExecutionLimits(symbols={"BTCUSDT"}, orders_a_minute=2)), Decimal(60_000)
    with pytest.raises(GuardExceeded, match=r"worth 12000\.00 is above the largest, 10000"):
        watch.require(order_request(binance, "0.20"), price, 0)
    elsewhere = order_request(binance, instrument={"market_id": 2, "symbol": "ETHUSDT"})
    with pytest.raises(GuardExceeded, match="ETHUSDT is not among"):
        watch.require(elsewhere, price, 0)
    for now_ms in (0, 59_999):
        watch.require(order_request(binance), price, now_ms)
    with pytest.raises(GuardExceeded, match="2 orders were made within a minute"):
        watch.require(order_request(binance), price, 59_999)
    watch.require(order_request(binance), price, 60_000)
    # What reduces is let through: it is the way out.
    watch.require(order_request(binance, "9", reduce_only=True, intent="reduce-1"), price, 60_000)
