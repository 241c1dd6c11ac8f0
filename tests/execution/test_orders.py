"""Orders, their ids, states and filters, and the one order that brings a run nearer to its target."""

from __future__ import annotations

from decimal import Decimal
from itertools import product
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from candleray.errors import Conflict, InvalidInput
from candleray.execution.client_order_ids import client_order_id, is_ours
from candleray.execution.intents import Plan, Standing, plan_towards
from candleray.execution.order_filters import OrderFilters
from candleray.execution.orders import (
    IN_FLIGHT,
    TRANSITIONS,
    Order,
    OrderRequest,
    OrderState,
    OrderType,
    Side,
    require_transition,
)
from candleray.markets import Instrument, InstrumentReference

RUN = UUID("5b3c7f0e-58a2-4f0e-9a53-0d6a3c1f7a11")
BTC = Instrument(market_id=2, symbol="BTCUSDT")
FILTERS = OrderFilters(tick=Decimal("0.1"), step=Decimal("0.001"))


def request(**changes: object) -> OrderRequest:
    fields = {
        "run_id": RUN,
        "signal_bar_ms": 1_750_600_020_000,
        "intent": "increase-1",
        "instrument": BTC,
        "side": Side.BUY,
        "quantity": Decimal("0.5"),
    }
    return OrderRequest.model_validate(fields | changes)


def standing(position: str, price: str = "60000", made: int = 0) -> Standing:
    return Standing(RUN, BTC, 1_750_600_020_000, Decimal(position), Decimal(price), made)


def order(side: Side, state: OrderState = OrderState.ACKNOWLEDGED) -> Order:
    return Order(request=request(side=side), state=state)


def test_an_order_has_one_id_however_often_it_is_made_and_another_order_has_another():
    assert request().client_order_id == request(quantity=Decimal(7)).client_order_id
    others = [request(signal_bar_ms=1_750_600_080_000), request(intent="reduce-1"), request(intent="increase-2")]
    ids = {one.client_order_id for one in [request(), *others]}
    assert len(ids) == 4
    assert all(is_ours(each) and len(each) == 32 for each in ids)


def test_the_id_of_an_order_never_changes_between_versions():
    """Orders of an older version are looked for by it."""
    assert client_order_id(RUN, 1_750_600_020_000, "increase-1") == "crd47164a5e5084c218c54de3adeac66"


@pytest.mark.parametrize("intent", ["increase", "increase-0", "increase-01", "buy-1", "reduce-1 ", "kill-12345"])
def test_an_intent_has_a_purpose_and_a_number(intent: str):
    with pytest.raises(ValidationError):
        request(intent=intent)


@pytest.mark.parametrize(
    "fields",
    [
        {"type": OrderType.LIMIT},
        {"type": OrderType.STOP, "limit_price": "60000"},
        {"limit_price": "60000"},
        {"quantity": "0"},
        {"quantity": "-1"},
        {"quantity": "NaN"},
        {"type": OrderType.LIMIT, "limit_price": "Infinity"},
    ],
)
def test_an_order_has_exactly_the_prices_of_its_type_and_a_quantity_above_zero(fields: dict[str, object]):
    with pytest.raises(ValidationError):
        request(**fields)


def test_an_order_that_is_over_stays_so_and_every_other_can_end():
    over = {OrderState.FILLED, OrderState.CANCELLED, OrderState.REJECTED, OrderState.EXPIRED}
    assert {state for state in OrderState if not TRANSITIONS[state]} == over
    assert set(IN_FLIGHT) == set(OrderState) - over
    for state in set(IN_FLIGHT) - {OrderState.NEW}:
        assert {OrderState.FILLED, OrderState.CANCELLED, OrderState.EXPIRED} <= TRANSITIONS[state]


def test_what_a_venue_has_seen_is_never_sent_again():
    allowed = {before for before, after in product(OrderState, OrderState) if after in TRANSITIONS[before]
               and after is OrderState.SENT}  # fmt: skip
    assert allowed == {OrderState.NEW, OrderState.UNKNOWN}
    assert {before for before in OrderState if OrderState.NEW in TRANSITIONS[before]} == {OrderState.SENT}


def test_a_transition_that_is_not_in_the_table_is_refused_with_those_that_are():
    require_transition(OrderState.SENT, OrderState.UNKNOWN)
    with pytest.raises(Conflict, match="filled does not become sent; allowed: nothing, it is over"):
        require_transition(OrderState.FILLED, OrderState.SENT)
    with pytest.raises(Conflict, match="new does not become filled; allowed: rejected, sent"):
        require_transition(OrderState.NEW, OrderState.FILLED)


def test_filters_are_the_decimals_that_the_exchange_wrote():
    reference = InstrumentReference(market_id=2, symbol="BTCUSDT", price_tick=0.1, quantity_step=1 / 10**5)
    assert OrderFilters.of(reference) == OrderFilters(Decimal("0.1"), Decimal("0.00001"))
    named = reference.model_copy(update={"min_notional": 100.0})
    assert OrderFilters.of(named).least_notional == 100
    with pytest.raises(InvalidInput, match="no price tick or no quantity step"):
        OrderFilters.of(reference.model_copy(update={"quantity_step": None}))


def test_prices_go_to_the_tick_and_quantities_to_the_step_never_to_the_worse():
    assert FILTERS.price(Decimal("60000.19"), Side.BUY) == Decimal("60000.1")
    assert FILTERS.price(Decimal("60000.11"), Side.SELL) == Decimal("60000.2")
    assert FILTERS.quantity(Decimal("0.0019")) == Decimal("0.001")


@pytest.mark.parametrize(
    ("fields", "refusal"),
    [
        ({"quantity": Decimal("0.0015")}, "0.0015 is no multiple of the step 0.001"),
        ({"type": OrderType.LIMIT, "limit_price": Decimal("60000.15")}, "no multiple of the tick 0.1"),
        ({"type": OrderType.LIMIT, "limit_price": Decimal("9"), "quantity": Decimal("0.5")}, "worth 4.5, below"),
    ],
)
def test_what_an_exchange_would_refuse_is_refused_before(fields: dict[str, object], refusal: str):
    with pytest.raises(InvalidInput, match=refusal):
        FILTERS.require(request(**fields), Decimal(60_000))


def test_what_reduces_a_position_may_be_smaller_than_the_least_notional():
    FILTERS.require(request(quantity=Decimal("0.001"), reduce_only=True, intent="reduce-1"), Decimal(100))


@pytest.mark.parametrize(
    ("position", "target", "side", "quantity", "intent"),
    [
        ("0", "0.5", Side.BUY, "0.5", "increase-1"),
        ("0", "-0.5", Side.SELL, "0.5", "increase-1"),
        ("0.2", "0.5", Side.BUY, "0.3", "increase-1"),
        ("0.5", "0", Side.SELL, "0.5", "reduce-1"),
        ("0.5", "0.2", Side.SELL, "0.3", "reduce-1"),
        # A position turns in two orders.
        ("0.5", "-0.5", Side.SELL, "0.5", "reduce-1"),
        ("-0.5", "0.5", Side.BUY, "0.5", "reduce-1"),
        # A part of a step is left.
        ("0", "0.5009", Side.BUY, "0.5", "increase-1"),
    ],
)
def test_a_run_goes_towards_its_target(position: str, target: str, side: Side, quantity: str, intent: str):
    asked = plan_towards(Decimal(target), standing(position), [], FILTERS).request
    assert asked is not None
    assert (asked.side, asked.quantity, asked.intent) == (side, Decimal(quantity), intent)
    assert asked.reduce_only == intent.startswith("reduce")


@pytest.mark.parametrize(
    ("position", "target", "price"),
    [
        ("0.5", "0.5", "60000"),
        ("0", "0.0009", "60000"),  # less than a step
        ("0", "0.001", "4999"),  # less than the least notional
    ],
)
def test_a_run_asks_for_nothing_where_nothing_can_be_had(position: str, target: str, price: str):
    assert plan_towards(Decimal(target), standing(position, price), [], FILTERS) == Plan()


def test_while_an_order_is_in_flight_there_is_no_other_and_a_contrary_one_is_cancelled_first():
    buy, sell = order(Side.BUY), order(Side.SELL, OrderState.UNKNOWN)
    assert plan_towards(Decimal(1), standing("0.5"), [buy], FILTERS) == Plan()
    cancels = Plan(cancel=(sell.request.client_order_id,))
    assert plan_towards(Decimal(1), standing("0.5"), [sell], FILTERS) == cancels
    # At the target, whatever is in flight leads away from it.
    assert plan_towards(Decimal("0.5"), standing("0.5"), [buy], FILTERS).cancel == (buy.request.client_order_id,)


amounts = st.integers(-5_000, 5_000).map(lambda steps: Decimal(steps) / 2000)


@given(position=amounts, target=amounts, price=st.integers(1, 90_000), share=st.integers(0, 1000))
def test_whatever_part_of_the_orders_fills_a_run_arrives_or_stops_within_what_filters_leave(
    position: Decimal, target: Decimal, price: int, share: int
):
    """No order leads past the target or opens the other side, all pass the filters, and few are needed."""
    position = FILTERS.quantity(position)
    for made in range(60):
        asked = plan_towards(target, standing(str(position), str(price), made), [], FILTERS).request
        if asked is None:
            break
        FILTERS.require(asked, Decimal(price))
        # The last of the fills takes all that is left, so that the walk ends.
        part = asked.quantity if made >= 20 else FILTERS.quantity(asked.quantity * share / 1000)
        after = position + asked.side.sign * part
        assert abs(target - after) <= abs(target - position)
        assert not asked.reduce_only or after * position >= 0
        position = after
    else:
        raise AssertionError("the run never arrives")
    assert abs(target - position) < FILTERS.step or abs(target - position) * price < FILTERS.least_notional + (
        FILTERS.step * price
    )
