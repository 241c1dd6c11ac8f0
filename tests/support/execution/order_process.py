"""Processes of a run's desk that may be killed at any moment.

`python -m tests.support.execution.order_process` imports what a desk needs, then forks a process for each line of
its standard input, the fields of `Course` as JSON, and writes its id.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress
from dataclasses import dataclass
from decimal import Decimal
from random import Random
from uuid import UUID

from candleray.databases.postgres import Postgres
from candleray.errors import CandlerayError
from candleray.execution.desk import Desk, Signal
from candleray.execution.limits import ExecutionLimits, LimitWatch
from candleray.execution.order_filters import OrderFilters
from candleray.execution.signing import Credentials
from candleray.execution.simulated_gateway import SimulatedGateway
from candleray.execution.store import OrderStore, Place
from candleray.markets import Instrument, find_market
from tests.support.instances.forked import fork_for_each_line


@dataclass(frozen=True)
class Course:
    """A process's place, and the seed of its targets."""

    exchange: str
    symbol: str
    url: str
    postgres_url: str
    user_id: str
    run_id: str
    api_key: str
    secret: str
    seed: int


def main() -> None:
    fork_for_each_line(lambda course: asyncio.run(trade(Course(**course))))


async def trade(course: Course) -> None:
    """Go from target to target, until killed."""
    postgres, market = await Postgres.open(course.postgres_url, 1), find_market(f"{course.exchange}-futures")
    place = Place(UUID(course.user_id), Instrument(market_id=market.market_id, symbol=course.symbol))
    gateway = SimulatedGateway(market, course.url, Credentials(course.api_key, course.secret))
    filters = OrderFilters(Decimal("0.01"), Decimal("0.00001"))
    limits = LimitWatch(ExecutionLimits(symbols=frozenset({course.symbol}), orders_a_minute=600))
    desk = Desk(OrderStore(postgres), gateway, place, UUID(course.run_id), filters, limits)
    random = Random(course.seed)
    while True:
        target = random.randint(-3, 3) * Decimal("0.02")
        for _ in range(random.randint(1, 4)):
            with suppress(CandlerayError):
                bar_ms = await gateway.now_ms() // 60_000 * 60_000
                await desk.step(Signal(bar_ms, target, Decimal(60_000)))


if __name__ == "__main__":
    main()
