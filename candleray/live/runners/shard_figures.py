"""Figures of a shard for metrics: counts of its process, and how it stands now."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import NamedTuple

from candleray.live.run import RunState


class ShardFigures(NamedTuple):
    shard: int
    epoch: int
    runs: Mapping[RunState, int]
    """Runs that are to live, by state."""
    untaken: int
    """Runs among them that the shard has not taken up."""
    failed: int
    last_failed_s: float | None
    """Time at which a run failed last; None for never."""
    bars: int
    """Bars that runs have taken, each run's counted."""
    restored: int
    """Runs that were taken up from snapshots, not over their histories."""
    snapshots_refused: int
    """Snapshots that were broken, or made by another version."""
    events: int
    """Events that were committed."""
    lag_s: float | None
    """Seconds, by the exchange's clock, since the last minute that was taken has closed, of the instrument that is
    furthest behind."""
    waited_for: int
    """Instruments whose next minute is waited for."""
    failing_steps: int
    """Steps that failed last time."""
    commit_ms: Mapping[str, int | None]
    """Times of the last commits by quantile."""


Observe = Callable[[ShardFigures], None]


def unobserved(figures: ShardFigures) -> None:
    """Show them to nobody."""
