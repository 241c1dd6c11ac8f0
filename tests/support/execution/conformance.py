"""Rules that every gateway of orders keeps, whatever it sends them to.

A test module names `venue`, a fixture of a `VenueAccount` or of what stands for one, and inherits from
`VenueContract`; from `GatewayContract` where orders neither wait nor fill in part, and need no key.
"""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal

import pytest

from candleray.errors import Forbidden, OrderNotTaken, OrderRejected, OutcomeUnknown
from candleray.execution.gateway import VALIDITY_MS, Gateway, require_harmless_key
from candleray.execution.orders import OrderReport, OrderRequest, OrderState, OrderType, Side, TimeInForce
from tests.support.execution.venue_account import VenueAccount, order_request


async def placed(gateway: Gateway, request: OrderRequest) -> OrderReport:
    """Place an order; return what became of it, which a venue need not tell at once."""
    await gateway.place(request, await gateway.now_ms() + VALIDITY_MS)
    found = await gateway.order(request.instrument, request.client_order_id)
    assert found is not None
    return found


class GatewayContract:
    fee_asset = "USDT"
    fills_of_an_order = 2
    refused: Sequence[dict[str, object]] = (
        {"quantity": Decimal("0.0000001")},
        {"quantity": Decimal("0.00001")},
        {"type": OrderType.LIMIT, "limit_price": Decimal("60000.005")},
        {"quantity": Decimal(100_000)},
    )
    """Orders that nobody may make."""

    async def test_a_market_order_fills_and_its_fills_make_its_position(self, venue: VenueAccount):
        gateway, request = await venue.open(), order_request(venue)
        since_ms = await gateway.now_ms()
        report = await placed(gateway, request)
        assert (report.state, report.filled) == (OrderState.FILLED, request.quantity)
        fills = await gateway.fills_since(venue.instrument, since_ms)
        assert len(fills) == self.fills_of_an_order
        assert sum(fill.quantity for fill in fills) == request.quantity
        assert {fill.venue_order_id for fill in fills} == {report.venue_order_id}
        assert all(
            fill.fee > 0 and fill.fee_asset == self.fee_asset and fill.liquidity == "taker" for fill in fills
        )
        assert (await gateway.position(venue.instrument)).quantity == request.quantity

    async def test_fees_leave_the_balance(self, venue: VenueAccount):
        gateway = await venue.open()
        (before,) = await gateway.balances()
        await placed(gateway, order_request(venue))
        fees = sum(fill.fee for fill in await gateway.fills_since(venue.instrument, 0))
        (after,) = await gateway.balances()
        assert before.total - after.total == fees > 0

    async def test_an_order_that_nobody_made_is_absent(self, venue: VenueAccount):
        gateway = await venue.open()
        assert await gateway.order(venue.instrument, order_request(venue).client_order_id) is None
        assert await gateway.open_orders(venue.instrument) == []
        assert await gateway.fills_since(venue.instrument, 0) == []
        assert (await gateway.position(venue.instrument)).quantity == 0

    async def test_an_order_that_may_only_reduce_never_opens(self, venue: VenueAccount):
        gateway = await venue.open()
        reducing = {"side": Side.SELL, "reduce_only": True}
        with pytest.raises(OrderRejected):
            await placed(gateway, order_request(venue, **reducing))
        await self.filled(gateway, venue)
        await placed(gateway, order_request(venue, "5", **reducing))
        assert (await gateway.position(venue.instrument)).quantity == 0

    async def test_what_breaks_a_rule_is_refused_for_good(self, venue: VenueAccount):
        gateway = await venue.open()
        for fields in self.refused:
            request = order_request(venue, **fields)
            with pytest.raises(OrderRejected):
                await placed(gateway, request)
            assert await gateway.order(venue.instrument, request.client_order_id) is None

    async def test_what_arrives_after_its_time_has_no_effect(self, venue: VenueAccount):
        gateway, request = await venue.open(), order_request(venue)
        until_ms = await gateway.now_ms() + VALIDITY_MS
        venue.clock.now_s += (VALIDITY_MS + 1) / 1000
        with pytest.raises(OrderNotTaken):
            await gateway.place(request, until_ms)
        assert await gateway.order(venue.instrument, request.client_order_id) is None

    async def test_what_arrives_at_the_last_moment_has_its_effect(self, venue: VenueAccount):
        gateway, request = await venue.open(), order_request(venue)
        until_ms = await gateway.now_ms() + VALIDITY_MS
        venue.clock.now_s += VALIDITY_MS / 1000
        await gateway.place(request, until_ms)
        assert await gateway.order(venue.instrument, request.client_order_id) is not None

    async def filled(self, gateway: Gateway, venue: VenueAccount) -> list:
        await placed(gateway, order_request(venue))
        return list(await gateway.fills_since(venue.instrument, 0))


class VenueContract(GatewayContract):
    """Rules of an exchange with a book of orders."""

    async def test_more_than_there_is_fills_in_part_and_the_rest_is_over(self, venue: VenueAccount):
        gateway, request = await venue.open(), order_request(venue, "90")
        report = await placed(gateway, request)
        assert report.state in (OrderState.EXPIRED, OrderState.CANCELLED)
        assert 0 < report.filled < request.quantity
        assert (await gateway.position(venue.instrument)).quantity == report.filled

    async def test_a_limit_order_waits_and_ends_when_it_is_cancelled(self, venue: VenueAccount):
        gateway = await venue.open()
        request = order_request(venue, type=OrderType.LIMIT, limit_price=Decimal(1000))
        assert (await placed(gateway, request)).state is OrderState.ACKNOWLEDGED
        assert [one.client_order_id for one in await gateway.open_orders(venue.instrument)] == [
            request.client_order_id
        ]
        await gateway.cancel(venue.instrument, request.client_order_id)
        ended = await gateway.order(venue.instrument, request.client_order_id)
        assert ended is not None
        assert (ended.state, ended.filled) == (OrderState.CANCELLED, 0)
        assert await gateway.open_orders(venue.instrument) == []
        venue.clock.now_s += 1
        with pytest.raises(OrderRejected):
            await gateway.cancel(venue.instrument, request.client_order_id)

    async def test_a_limit_order_that_is_reached_fills_as_a_maker_while_it_waits(self, venue: VenueAccount):
        gateway = await venue.open()
        (fill, *_) = await self.filled(gateway, venue)
        near = venue.filters.price(fill.price * Decimal("0.9995"), Side.BUY)
        request = order_request(venue, "0.3", type=OrderType.LIMIT, limit_price=near)
        assert (await placed(gateway, request)).state is OrderState.ACKNOWLEDGED
        venue.pass_minutes(600)
        report = await gateway.order(venue.instrument, request.client_order_id)
        assert report is not None
        assert report.state is OrderState.FILLED
        fills = [
            one
            for one in await gateway.fills_since(venue.instrument, 0)
            if one.venue_order_id == report.venue_order_id
        ]
        assert {(one.price, one.liquidity) for one in fills} == {(near, "maker")}

    async def test_a_stop_waits_for_its_price_and_takes_what_there_is(self, venue: VenueAccount):
        gateway = await venue.open()
        (fill, *_) = await self.filled(gateway, venue)
        below = venue.filters.price(fill.price * Decimal("0.999"), Side.SELL)
        request = order_request(
            venue, side=Side.SELL, type=OrderType.STOP, stop_price=below, reduce_only=True, intent="reduce-1"
        )
        assert (await placed(gateway, request)).state is OrderState.ACKNOWLEDGED
        venue.pass_minutes(600)
        report = await gateway.order(venue.instrument, request.client_order_id)
        assert report is not None
        assert report.state is OrderState.FILLED
        assert (await gateway.position(venue.instrument)).quantity == 0

    async def test_what_cannot_fill_at_once_ends_where_that_is_asked_for(self, venue: VenueAccount):
        gateway = await venue.open()
        request = order_request(
            venue, type=OrderType.LIMIT, limit_price=Decimal(1000), time_in_force=TimeInForce.IOC
        )
        report = await placed(gateway, request)
        assert report.state in (OrderState.EXPIRED, OrderState.CANCELLED)
        assert report.filled == 0

    async def test_the_same_order_again_is_in_doubt_and_has_no_second_effect(self, venue: VenueAccount):
        """Being there already is no refusal of it."""
        gateway = await venue.open()
        request = order_request(venue, type=OrderType.LIMIT, limit_price=Decimal(1000))
        await placed(gateway, request)
        venue.clock.now_s += 1
        with pytest.raises(OutcomeUnknown):
            await placed(gateway, request)
        assert len(await gateway.open_orders(venue.instrument)) == 1

    async def test_a_key_that_may_withdraw_or_may_not_trade_is_refused(self, venue: VenueAccount):
        gateway = await venue.open()
        await require_harmless_key(gateway)
        await venue.register(can_withdraw=True)
        with pytest.raises(Forbidden, match="may withdraw"):
            await require_harmless_key(gateway)
        await venue.register(can_trade=False)
        with pytest.raises(Forbidden, match="may not trade"):
            await require_harmless_key(gateway)
        with pytest.raises(OrderRejected):
            await placed(gateway, order_request(venue))
