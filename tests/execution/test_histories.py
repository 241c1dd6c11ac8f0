"""Random histories of orders at hostile venues: one effect an intent, and the venue's own books at the end.

`--order-histories 10000` draws more; a failure names its venue and its seed.
"""

from __future__ import annotations

from collections import Counter

import pytest

from candleray.databases.postgres import Postgres
from tests.support.embedded import new_database
from tests.support.execution.history import History
from tests.support.execution.venue_account import EXCHANGES
from tests.support.users import new_user_id


@pytest.mark.parametrize("exchange", EXCHANGES)
async def test_whatever_happens_on_the_way_each_intent_has_one_effect(
    exchange: str, postgres_url: str, order_histories: int
):
    postgres = await Postgres.open(await new_database(postgres_url), 3)
    orders, met, kills = 0, Counter[str](), 0
    for seed in range(order_histories):
        # Each has its own user, whose account it is.
        history = await History(exchange, seed, postgres, await new_user_id(postgres)).begin()
        await history.run()
        orders += await history.verify()
        met, kills = met + history.wire.met, kills + len(history.kills)
    await postgres.close()
    print(f"{exchange}: {order_histories} histories, {orders} orders, {kills} kills, {dict(met)}")
    if order_histories >= 100:
        changes = {name.split()[1] for name in met if not name.startswith("GET")}
        assert changes == {"pass", "lost", "held", "unanswered", "doubled", "limited", "bad_gateway", "spoilt"}
        assert kills > order_histories / 4
        assert orders > 1.5 * order_histories
