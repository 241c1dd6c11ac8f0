"""A saved run over stored candles that come as a test has it, and what its runner says of them."""

from __future__ import annotations

import random
import string
import time
from collections.abc import Sequence
from uuid import UUID

import numpy as np

from candleray.candles import CandleRows
from candleray.databases.postgres import Postgres
from candleray.feeds.hole_store import HoleStore
from candleray.live.received.received_tape import ReceivedTapes
from candleray.live.received.session_sources import sources_of
from candleray.live.run import RunAction
from candleray.live.runners.run_book import RunBook
from candleray.live.sessions import LiveRun, Session
from candleray.live.stores.event_store import append
from candleray.live.stores.shard_store import ShardStore, move_checkpoints
from candleray.live.stores.store import Runs
from candleray.market_data.candle_store import CandleStore
from candleray.market_data.candle_store_client import CandleStoreClient
from candleray.markets import Instrument, InstrumentReference
from candleray.settings import BacktestSettings
from candleray.timeframes import MINUTE_MS, from_ms, to_ms
from tests.support.api.in_process_api import in_process
from tests.support.live.saved_runs import SavedRun, saved_run, spec_with

FIRST_MS = 1_767_225_600_000  # 2026-01-01
WARMUP = 3
"""Minutes before the first bar that may trade: the window of the strategy's average."""

UP_AND_DOWN = (10, 10, 12, 13, 9, 8, 12, 14)
"""Closes from the first minute that may trade on: a position opens, ends with a loss, and another opens."""

DECLARE = """
INSERT INTO candle_holes (market_id, symbol, ts_open, first_asked_at, last_asked_at, declared_at)
VALUES (1, $1, $2, $3, $3, $3) ON CONFLICT DO NOTHING
"""


def minute_at(minute: int) -> int:
    return FIRST_MS + minute * MINUTE_MS


class CertifiedRun:
    """A run of an average of three minutes; the store's clock is a second after the last thing that came."""

    def __init__(self, embedded: CandleStore, postgres: Postgres) -> None:
        self.postgres = postgres
        self.symbol = "".join(random.choices(string.ascii_uppercase, k=16))
        self.instrument = Instrument(market_id=1, symbol=self.symbol)
        self.now_ms = int(time.time() * 1000) - 3_600_000
        self.store = CandleStore(embedded._session, lambda: self.now_ms)
        self.candles = CandleStoreClient(in_process(self.store))
        self.store.put_instruments([InstrumentReference(market_id=1, symbol=self.symbol, status="TRADING")])
        self.saved: SavedRun

    def come(self, first: int, closes: Sequence[float]) -> None:
        """Insert minutes from that one on."""
        self.now_ms += 1000
        close = np.array(closes, float)
        values = np.stack([close, close + 1, close - 1, close, np.ones(close.size)])
        stamps = minute_at(first) + np.arange(close.size) * MINUTE_MS
        self.store.insert(1, self.symbol, CandleRows.of(stamps, values), "websocket")

    async def declare(self, minute: int) -> None:
        """Note that the exchange does not have a minute."""
        self.now_ms += 1000
        async with self.postgres.connection() as connection:
            await connection.execute(DECLARE, self.symbol, from_ms(minute_at(minute)), from_ms(self.now_ms))

    async def start(self, user_id: UUID | None = None, timeframe: str = "1m") -> None:
        """Start the run before its first live minute, or with the day where its bars are longer.

        What comes from now on comes live.
        """
        spec = spec_with(
            instrument={"market_id": 1, "symbol": self.symbol},
            timeframe=timeframe,
            indicators=[{"id": "sma", "params": {"window": WARMUP}}],
        )
        self.saved = await saved_run(
            self.postgres, spec, from_ms(minute_at(WARMUP if timeframe == "1m" else 0)), user_id
        )
        self.now_ms += 2 * 3_600_000

    async def live(self) -> LiveRun:
        runs = await ShardStore(self.postgres, 0).runs()
        return next(run for run in runs if run.run.run_id == self.saved.run_id)

    async def take(self) -> None:
        """Say what a runner says of the minutes that are decided, and move the checkpoint there."""
        live = await self.live()
        last: Session = live.last
        [(_, first_ms)] = sources_of(live, self.saved.spec).items()
        tapes = ReceivedTapes(self.candles, HoleStore(self.postgres))
        tape = await tapes.of_session(self.instrument, last, first_ms)
        given = {self.instrument: tape.candles}, {self.instrument: tape.decided_ms}
        events = RunBook(BacktestSettings()).attach(live, self.saved.spec, *given, None)
        async with self.postgres.transaction() as transaction:
            await append(transaction, events)
            if tape.decided_ms > to_ms(last.live_from):
                await move_checkpoints(transaction, {self.instrument: tape.decided_ms - MINUTE_MS})
        if live.run.state == "starting":
            await self.move(RunAction.WARM_UP, RunAction.GO_LIVE)

    async def move(self, *actions: RunAction) -> None:
        for action in actions:
            await Runs(self.postgres).move(self.saved.user_id, self.saved.run_id, action, "the test")

    async def alter_an_entry(self, price: float) -> None:
        """Change the price of an entry, as nobody can but who owns the database."""
        change = (
            "ALTER TABLE strategy_events DISABLE TRIGGER strategy_events_never_change;"
            "UPDATE strategy_events SET body = jsonb_set(body::jsonb, '{price}', '%s') "
            "WHERE run_id = '%s' AND kind = 'entry';"
            "ALTER TABLE strategy_events ENABLE TRIGGER strategy_events_never_change;"
        )
        async with self.postgres.connection() as connection:
            await connection.execute(change % (price, self.saved.run_id))
