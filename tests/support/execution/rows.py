"""Rows that orders need: a run of a strategy, without what made it."""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime
from uuid import UUID, uuid4

from candleray.databases.postgres import Postgres
from candleray.live.run import RunMetadata
from candleray.markets import Instrument

METADATA = RunMetadata(
    instrument_key="",
    timeframe="1m",
    warmup_bars=1,
    lookback_bars=1,
    warmup_from=datetime(2026, 1, 1, tzinfo=UTC),
)


async def new_run(postgres: Postgres, user_id: UUID, instrument: Instrument, mode: str = "signals") -> UUID:
    """A run of a new strategy of the user, with its first session."""
    spec, run_id = f'{{"it": "{uuid4()}"}}', uuid4()
    async with postgres.connection() as connection, connection.transaction():
        strategy_id = await connection.fetchval(
            "INSERT INTO strategies (user_id, name, spec_hash, spec, market_id, symbol, timeframe, indicators) "
            "VALUES ($1, 'one', $2, $3, $4, $5, '1m', '{}') RETURNING strategy_id",
            user_id, hashlib.sha256(spec.encode()).hexdigest(), spec, instrument.market_id, instrument.symbol,
        )  # fmt: skip
        await connection.execute(
            "INSERT INTO runs (run_id, user_id, strategy_id, state, metadata, mode) "
            "VALUES ($1, $2, $3, 'starting', $4, $5)",
            run_id, user_id, strategy_id,
            METADATA.model_dump(mode="json") | {"instrument_key": instrument.key}, mode,
        )  # fmt: skip
        await connection.execute(
            "INSERT INTO run_events (run_id, number, action, to_state, cause) "
            "VALUES ($1, 1, 'run', 'starting', 'a test')",
            run_id,
        )
        await connection.execute(
            "INSERT INTO run_sessions (run_id, session, live_from) VALUES ($1, 1, 'epoch')", run_id
        )
    return run_id
