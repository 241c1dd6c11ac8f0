"""A trial: one search of a user over candles, kept because every search makes luck likelier."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

from pydantic import Field

from candleray.backtests.request import BacktestRequest
from candleray.backtests.verdict import Verdict
from candleray.hashes import content_hash
from candleray.markets import Instrument
from candleray.timeframes import Timeframe, TimeRange
from candleray.validation import Model

OF_THE_ANSWER = frozenset({"top_k", "trades_for", "verdict", "rank_by", "preselect", "allow_gaps", "luck"})
"""Fields that choose what of a grid is answered, and not what it tries."""


class TriedGrid(Model):
    """A grid that a search tried."""

    instrument: Instrument
    timeframe: Timeframe
    time_range: TimeRange
    grid_hash: str
    """Name of what was tried: trials with the same one count once."""
    request_hash: str
    variants: int
    """Variants that were tried."""
    independent_variants: float | None
    """Independent variants that they count as; null where the search was without a verdict, and each counts."""
    best_total_return_pct: float | None
    verdict: Annotated[Verdict | None, Field(exclude_if=lambda verdict: verdict is None)] = None

    @classmethod
    def of(
        cls,
        request: BacktestRequest,
        request_hash: str,
        variants: int,
        verdict: Verdict | None = None,
        best_total_return_pct: float | None = None,
    ) -> TriedGrid:
        return TriedGrid(
            instrument=request.instrument,
            timeframe=request.timeframe,
            time_range=request.time_range,
            grid_hash=grid_hash(request),
            request_hash=request_hash,
            variants=variants,
            independent_variants=None if verdict is None else verdict.independent_variants,
            verdict=verdict,
            best_total_return_pct=best_total_return_pct,
        )


class Trial(TriedGrid):
    """A search that was made, on record; the same request again is the same trial."""

    trial_id: UUID
    job_id: UUID | None
    """The job, where it was one; it may be deleted, its trial never is."""
    searches: int
    """Times that it was made."""
    first_at: datetime
    last_at: datetime


class TrialPage(Model):
    """Trials, the newest first."""

    trials: tuple[Trial, ...]
    next_cursor: str | None = None
    """The `cursor` of the next page; `null` after the last."""


def grid_hash(request: BacktestRequest) -> str:
    """Name what a resolved request tries: its range and every variant, whatever of them is answered."""
    content: dict[str, Any] = request.model_dump(mode="json", exclude=set(OF_THE_ANSWER))
    return content_hash(content)
