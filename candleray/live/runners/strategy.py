"""A strategy made ready to run: what it reads, how it decides, and what its account is made with."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple
from uuid import UUID

from candleray.databases.postgres import Postgres
from candleray.live.paper_accounts import PaperRun, RunTerms
from candleray.live.received.session_sources import first_other_bars, grid_of, instrument_of, told_to_its_owner
from candleray.live.sessions import LiveRun
from candleray.markets import Instrument
from candleray.search.signals.expressions import SourceKey
from candleray.search.signals.growing_planes import GrowingPlanes, growing_planes
from candleray.strategies.strategy import StrategySpec
from candleray.timeframes import MINUTE_MS, Timeframe, minutes_of, to_ms


class LaneKey(NamedTuple):
    """The candles of a lane: the bars of its runs, and the other candles that they read."""

    instrument: Instrument
    timeframe: Timeframe
    others: tuple[SourceKey, ...]

    @property
    def bar_ms(self) -> int:
        return minutes_of(self.timeframe) * MINUTE_MS

    @property
    def instruments(self) -> tuple[Instrument, ...]:
        """The instruments whose minutes are read, its own first."""
        return tuple(dict.fromkeys([self.instrument, *map(instrument_of, self.others)]))


class Strategy(NamedTuple):
    """A strategy made ready to run."""

    key: LaneKey
    first_ms: int
    others_ms: dict[SourceKey, int]
    terms: RunTerms
    planes: GrowingPlanes


class StrategyText(NamedTuple):
    """A strategy as it is kept."""

    text: str
    hash: str

    @property
    def spec(self) -> StrategySpec:
        """
        Raises:
            ValidationError: this version cannot read it.
        """
        return StrategySpec.model_validate_json(self.text)


async def strategy_texts(postgres: Postgres, runs: Iterable[LiveRun]) -> dict[UUID, StrategyText]:
    """The strategies of runs, deleted ones too, by their ids."""
    rows = await postgres.fetch("specs_of", [one.run.strategy_id for one in runs])
    return {row["strategy_id"]: StrategyText(row["spec"], row["spec_hash"]) for row in rows}


def strategy_of(live: LiveRun, spec: StrategySpec) -> Strategy:
    """
    Raises:
        InvalidInput: the strategy cannot run; the message is for its owner.
    """
    grid = grid_of(live, spec)
    with told_to_its_owner():
        others_ms = first_other_bars(live, grid)
        key = LaneKey(spec.instrument, spec.timeframe, tuple(sorted(others_ms)))
        terms = PaperRun(grid, range(len(grid.groups))).kept
        planes = growing_planes(grid, key.bar_ms)
    return Strategy(key, to_ms(live.run.metadata.warmup_from), others_ms, terms, planes)
