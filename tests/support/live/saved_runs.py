"""Runs of saved strategies in Postgres, as a user has started them."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any, NamedTuple
from uuid import UUID

from candleray.databases.postgres import Postgres
from candleray.live.run import Run, RunMode
from candleray.live.starting.warm_up import run_metadata
from candleray.live.stores.store import Runs
from candleray.settings import BacktestSettings
from candleray.strategies.saving import name_of, spec_of
from candleray.strategies.store import Strategies
from candleray.strategies.strategy import StrategyDraft, StrategySpec
from tests.support.users import new_user_id

NOON = datetime(2026, 1, 5, 12, 34, 56, tzinfo=UTC)


class SavedRun(NamedTuple):
    user_id: UUID
    run: Run
    spec: StrategySpec

    @property
    def run_id(self) -> UUID:
        return self.run.run_id


def spec_with(**parts: Any) -> StrategySpec:
    """A strategy of hourly bars of BTCUSDT, with these parts in place of its own; without those that are None."""
    content = {
        "instrument": {"market_id": 1, "symbol": "BTCUSDT"},
        "timeframe": "1h",
        "indicators": [{"id": "sma", "params": {"window": 20}}],
        **parts,
    }
    told = {name: part for name, part in content.items() if part is not None}
    return spec_of(StrategyDraft.model_validate(told), BacktestSettings())


async def saved_run(
    postgres: Postgres,
    spec: StrategySpec | None = None,
    at: datetime = NOON,
    user_id: UUID | None = None,
    mode: RunMode = RunMode.SIGNALS,
) -> SavedRun:
    """Save a strategy, of a new user by default, and start a run of it at that moment of the exchange's clock."""
    spec = spec or spec_with()
    if user_id is None:
        user_id = await new_user_id(postgres)
    strategy = await Strategies(postgres).save(user_id, name_of(spec), spec)
    metadata = run_metadata(spec, at)
    run = await Runs(postgres).start(user_id, strategy.strategy_id, metadata, "to begin", mode)
    return SavedRun(user_id, run, spec)
