"""A holdout: the last part of a range, sealed for its user until chosen strategies are run over it once."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated
from uuid import UUID

from pydantic import Field

from candleray.backtests.result import SealedHoldout
from candleray.markets import Instrument
from candleray.strategies.strategy import OpenedHoldout
from candleray.timeframes import TimeRange, iso, to_ms
from candleray.validation import Model

MOST_STRATEGIES = 20


class Chosen(Model):
    """The strategies that a holdout is opened for."""

    strategies: Annotated[tuple[UUID, ...], Field(max_length=MOST_STRATEGIES)]
    """Their ids, better one alone: of several the best is partly luck. An empty list spends it without a look."""


class HoldoutResult(Model):
    """A chosen strategy over the sealed candles."""

    strategy_id: UUID
    name: str
    total_return_pct: float
    benchmark_pct: float | None
    """Return of buying and holding over the same bars, in percent."""
    luck_p: float | None
    """Share of histories in which luck alone does as well; null where there are too few bars, or no trade."""
    luck_p_among: float | None
    """The same of the best of all that were chosen."""
    metrics: dict[str, float | int | None]
    notes: tuple[str, ...] = ()


class Holdout(Model):
    """Sealed candles of a symbol, on whatever market, and what was found when they were opened."""

    holdout_id: UUID
    instrument: Instrument
    time_range: TimeRange
    searched_before: int
    """Searches of its user over these candles that were on record when they were sealed: of more than 0, they have
    been seen."""
    created_at: datetime
    chosen: tuple[UUID, ...] | None = None
    """The strategies that it is opened for; null while it is sealed. They are never changed."""
    opened_at: datetime | None = None
    """The moment from which its candles may be read; null while they may not."""
    results: tuple[HoldoutResult, ...] | None = None

    @property
    def is_sealed(self) -> bool:
        return self.opened_at is None

    @property
    def start_ms(self) -> int:
        return to_ms(self.time_range.start)

    @property
    def sealed_as(self) -> SealedHoldout:
        """The words of the answer to the search that reserved it."""
        return SealedHoldout(
            holdout_id=self.holdout_id, time_range=self.time_range, searched_before=self.searched_before
        )

    def of_strategy(self, strategy_id: UUID) -> OpenedHoldout:
        """Return what one of the chosen strategies did; the holdout must be open."""
        (did,) = [one for one in self.results or () if one.strategy_id == strategy_id]
        assert self.opened_at is not None
        return OpenedHoldout(
            holdout_id=self.holdout_id,
            time_range=self.time_range,
            opened_at=self.opened_at,
            chosen=len(self.results or ()),
            total_return_pct=did.total_return_pct,
            benchmark_pct=did.benchmark_pct,
            luck_p_among=did.luck_p_among,
        )

    def __repr__(self) -> str:
        state = "sealed" if self.is_sealed else f"opened {self.opened_at:%Y-%m-%d}"
        where, span = self.instrument.key, self.time_range
        return f"<holdout {self.holdout_id}: {where}, {iso(span.start_ms)} to {iso(span.end_ms)}, {state}>"

    __str__ = __repr__


class HoldoutPage(Model):
    """Holdouts, the newest first."""

    holdouts: tuple[Holdout, ...]
