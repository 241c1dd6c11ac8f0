"""Shards of runs in Postgres: epochs that fence off who was replaced, and the checkpoints of instruments."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager

from candleray.databases.postgres import Postgres, Transaction
from candleray.errors import Conflict
from candleray.live.run import ACTIVE_STATES, RunState
from candleray.live.sessions import LiveRun, Session
from candleray.live.stores.store import run_of
from candleray.markets import Instrument
from candleray.timeframes import from_ms, to_ms


class EpochOver(Conflict):
    """Another process has taken over the shard: this one writes nothing any more, and ends."""


class ShardStore:
    def __init__(self, postgres: Postgres, shard: int) -> None:
        self._postgres = postgres
        self._shard = shard
        self._epoch = 0

    @property
    def epoch(self) -> int:
        """The epoch that this process has begun; 0 before."""
        return self._epoch

    async def begin(self, shards: int) -> int:
        """Take the shard over, or all shards where their number has changed; return the epoch."""
        async with self._postgres.transaction() as transaction:
            await transaction.fetch("lock_layout")
            await transaction.fetch("layout_shards", shards)
            row = await transaction.fetch_one("begin_shard", self._shard)
            assert row is not None
        self._epoch = row["epoch"]
        return self._epoch

    @asynccontextmanager
    async def writing(self) -> AsyncIterator[Transaction]:
        """A transaction that only the shard's present process can commit.

        Raises:
            EpochOver: a later process has begun.
        """
        async with self._postgres.transaction() as transaction:
            row = await transaction.fetch_one("lock_epoch", self._shard)
            if row is None or row["epoch"] != self._epoch:
                raise EpochOver(f"shard {self._shard} was taken over in epoch {self._epoch}")
            yield transaction

    async def runs(self, states: Sequence[RunState] = ACTIVE_STATES) -> list[LiveRun]:
        """Every user's runs in these states."""
        rows = await self._postgres.fetch("runs_with_work", states)
        return [
            LiveRun(row["user_id"], run_of(row), Session(row["session"], row["live_from"], row["started_at"]))
            for row in rows
        ]

    async def checkpoints(self, instruments: Sequence[Instrument]) -> dict[Instrument, int]:
        """The last minute of each instrument that was taken, in ms; of those of which one was."""
        places = [one.market_id for one in instruments], [one.symbol for one in instruments]
        rows = await self._postgres.fetch("checkpoints", *places)
        return {
            Instrument(market_id=row["market_id"], symbol=row["symbol"]): to_ms(row["ts_open"]) for row in rows
        }


async def move_checkpoints(transaction: Transaction, taken_ms: Mapping[Instrument, int]) -> None:
    """Note the last minutes that were taken; one that lies back changes nothing."""
    places = [one.market_id for one in taken_ms], [one.symbol for one in taken_ms]
    await transaction.fetch("move_checkpoints", *places, [from_ms(ts_ms) for ts_ms in taken_ms.values()])
