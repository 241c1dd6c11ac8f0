"""Sessions of runs: what their bars are, told by nothing that comes later."""

from __future__ import annotations

from datetime import datetime
from typing import NamedTuple
from uuid import UUID

from candleray.live.run import Run, RunMetadata
from candleray.timeframes import MINUTE_MS, from_ms, minutes_of, to_ms


class Session(NamedTuple):
    """One stay of a run among the living, with an account that begins with it."""

    session: int
    live_from: datetime
    """Opening time of the first bar that may trade, by the exchange's clock."""
    started_at: datetime
    """The moment of the start by the database's clock, which decides what was known then."""


class LiveRun(NamedTuple):
    """A run with all that its runner has to know of it, but the strategy."""

    user_id: UUID
    run: Run
    last: Session


def first_live_bar(metadata: RunMetadata) -> datetime:
    """The first bar after the warm-up, with which the first session begins."""
    bar_ms = minutes_of(metadata.timeframe) * MINUTE_MS
    return from_ms(to_ms(metadata.warmup_from) + metadata.warmup_bars * bar_ms)


def bar_open_at(metadata: RunMetadata, at: datetime) -> datetime:
    """The bar that is open at a moment of the exchange's clock, with which a later session begins."""
    bar_ms = minutes_of(metadata.timeframe) * MINUTE_MS
    return from_ms(to_ms(at) // bar_ms * bar_ms)
