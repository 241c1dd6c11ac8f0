"""Services and a market of the tests of runners."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from candleray.databases.postgres import Postgres
from candleray.databases.valkey import Valkey
from candleray.market_data.candle_store import CandleStore
from tests.support.embedded import new_database
from tests.support.live.shard_rig import Rig


@pytest.fixture
async def rig(embedded_store: CandleStore, postgres_url: str, valkey_url: str) -> AsyncIterator[Rig]:
    # Not the database of other tests: a shard takes up every run there is.
    postgres = await Postgres.open(await new_database(postgres_url))
    valkey = await Valkey.open(valkey_url)
    rig = Rig(postgres, valkey, embedded_store)
    await rig.begin()
    yield rig
    await valkey.close()
    await postgres.close()
