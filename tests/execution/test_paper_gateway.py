"""The gateway to the paper exchange: the rules of every gateway, and a backtest's own prices, fees and equity."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from decimal import Decimal
from random import Random
from uuid import UUID

import numpy as np
import pytest

from candleray.databases.postgres import Postgres
from candleray.errors import InvalidInput, OrderRejected, OutcomeUnknown, StatementRefused
from candleray.execution.gateway import VALIDITY_MS
from candleray.execution.orders import OrderRequest, OrderType, Side
from candleray.execution.paper_fills import ClosedBar, PaperLine, PaperTerms, executed
from candleray.markets import Instrument
from kernels.simulation import accounts
from kernels.simulation.accounts import Rules
from tests.support.execution.conformance import GatewayContract, placed
from tests.support.execution.paper_venue import BAR, PaperVenue
from tests.support.execution.venue_account import order_request


@pytest.fixture
def venue(postgres: Postgres, user_id: UUID) -> PaperVenue:
    return PaperVenue(postgres, user_id)


class TestPaperGateway(GatewayContract):
    """The rules that an exchange without a book of orders can keep."""

    fee_asset = "quote"
    fills_of_an_order = 1
    refused: Sequence[dict[str, object]] = (
        {"type": OrderType.LIMIT, "limit_price": Decimal(1000)},
        {"type": OrderType.STOP, "stop_price": Decimal(1000)},
        {"quantity": Decimal(100_000)},
    )


async def test_the_same_order_again_is_in_doubt_and_has_no_second_effect(venue: PaperVenue):
    gateway, request = await venue.open(), order_request(venue, "0.1")
    until_ms = await gateway.now_ms() + VALIDITY_MS
    twice = await asyncio.gather(
        *(each.place(request, until_ms) for each in (gateway, venue.gateway())), return_exceptions=True
    )
    assert sorted(type(one).__name__ for one in twice) == ["OrderReport", "OutcomeUnknown"]
    with pytest.raises(OutcomeUnknown, match="already"):
        await gateway.place(request, until_ms)
    assert (await gateway.position(venue.instrument)).quantity == Decimal("0.1")
    assert len(await gateway.fills_since(venue.instrument, 0)) == 1


async def test_its_books_are_there_for_the_next_process_and_never_change(venue: PaperVenue, postgres: Postgres):
    report = await placed(await venue.open(), order_request(venue))
    assert await venue.gateway().order(venue.instrument, report.client_order_id) == report
    with pytest.raises(StatementRefused, match="restrict violation"):
        async with postgres.connection() as connection:
            await connection.execute("UPDATE paper_ledger SET price = 1")


async def test_its_clock_stands_at_the_close_of_the_bar_and_runs_on_from_there(venue: PaperVenue):
    gateway = await venue.open()
    venue.clock.now_s += 3
    gateway.show(BAR)
    assert await gateway.now_ms() == BAR.at_ms + 3_000
    later = ClosedBar(BAR.at_ms + 60_000, 61_000.0)
    gateway.show(later)
    assert await gateway.now_ms() == later.at_ms
    await placed(gateway, order_request(venue))
    [fill] = await gateway.fills_since(venue.instrument, later.at_ms)
    assert (fill.price, fill.at_ms) == (Decimal(repr(61_000.0 * (1 + 0.0005))), later.at_ms)


async def test_it_knows_one_instrument(venue: PaperVenue):
    gateway, other = await venue.open(), Instrument(market_id=2, symbol="ETHUSDT")
    with pytest.raises(InvalidInput, match="ETHUSDT is not"):
        await gateway.position(other)


AT_100 = ClosedBar(0, 100.0)


def request_of(side: str, quantity: str, number: int) -> OrderRequest:
    return OrderRequest(
        run_id=UUID(int=1),
        signal_bar_ms=0,
        intent=f"increase-{number}",
        instrument=Instrument(market_id=1, symbol="BTCUSDT"),
        side=Side(side),
        quantity=Decimal(quantity),
    )


def test_an_order_that_turns_a_position_closes_it_and_opens_the_rest():
    terms = PaperTerms(1_000.0, fee=0.01, slippage=0.0)
    first = executed(request_of("buy", "2", 1), None, terms, AT_100, 0)
    turned = executed(request_of("sell", "3", 2), first, terms, ClosedBar(0, 110.0), 0)
    assert (turned.position, turned.entry_price) == (Decimal(-1), Decimal(110))
    assert turned.balance == 1_000 + 20 - 2 - Decimal("3.3")
    more = executed(request_of("sell", "1", 3), turned, terms, ClosedBar(0, 90.0), 0)
    assert (more.position, more.entry_price) == (Decimal(-2), Decimal(100))
    with pytest.raises(OrderRejected, match="is more than the"):
        executed(request_of("sell", "9", 4), more, terms, AT_100, 0)


def test_who_has_lost_more_than_there_is_owes_nothing():
    terms = PaperTerms(100.0, fee=0.0, slippage=0.0)
    short = executed(request_of("sell", "1", 1), None, terms, AT_100, 0)
    assert executed(request_of("buy", "1", 2), short, terms, ClosedBar(0, 250.0), 0).balance == 0


def test_an_entry_that_is_taken_back_has_cost_nothing():
    terms = PaperTerms(1_000.0, fee=0.01, slippage=0.01)
    entry = executed(request_of("sell", "2", 1), None, terms, AT_100, 0)
    back = executed(request_of("buy", "2", 2), entry, terms, AT_100._replace(takes_back=True), 0)
    assert (back.position, back.price, back.balance) == (0, entry.price, 1_000)


def test_prices_are_the_backtests_to_the_bit_and_fees_and_equity_to_1e_12():
    draw = Random(3)
    rules = Rules.of("long-short", "opposite", fee_pct=0.07, slippage_pct=0.03, init_cash_quote=9_000.0)
    terms = PaperTerms(rules.init_cash_quote, rules.fee, rules.slippage)
    equity, number = rules.init_cash_quote, 0
    last: PaperLine | None = None
    for _ in range(300):
        side = draw.choice([1.0, -1.0])
        entry, exit_ = (draw.lognormvariate(3, 0.01) for _ in range(2))
        position = accounts.enter(side, entry, equity, rules)
        ended = accounts.leave(position, exit_, rules)
        for name, close, expected in (("buy", entry, position), ("sell", exit_, ended)):
            number += 1
            way = name if side > 0 else {"buy": "sell", "sell": "buy"}[name]
            last = executed(
                request_of(way, repr(position.quantity), number % 999 + 1), last, terms, ClosedBar(0, close), 0
            )
            assert float(last.price) == expected.fill
            np.testing.assert_allclose(float(last.fee), expected.fee, rtol=1e-12)
        equity += ended.profit
        assert last is not None
        assert last.position == 0
        np.testing.assert_allclose(float(last.balance), equity, rtol=1e-12)
