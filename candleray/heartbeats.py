"""Heartbeats of an instance's workers: which of them are late."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime

from candleray.timeframes import Moment
from candleray.validation import Model

BEAT_EVERY_S = 5.0
LATE_S = 30.0
"""Age of the last beat from which on a worker is late. An event loop may stand still for 15 s before it counts."""
FORGOTTEN_S = 3600.0
"""Age from which on a worker is not told any more that the instance does not have."""


class WorkerBeat(Model):
    worker: str
    last_beat: Moment | None
    """`null` for none since Ray was started."""
    ago_s: float | None
    is_late: bool


class WorkerBeats(Model):
    late: tuple[str, ...]
    """Workers that are late, or have not beaten at all."""
    workers: tuple[WorkerBeat, ...]


def worker_beats(last_s: Mapping[str, float], expected: Iterable[str], now_s: float) -> WorkerBeats:
    """The beats of the expected workers, then of others that have beaten lately."""
    names = list(dict.fromkeys(expected))
    names += sorted(name for name, at_s in last_s.items() if name not in names and now_s - at_s < FORGOTTEN_S)
    workers = tuple(_beat(name, last_s.get(name), now_s) for name in names)
    return WorkerBeats(late=tuple(one.worker for one in workers if one.is_late), workers=workers)


def _beat(worker: str, at_s: float | None, now_s: float) -> WorkerBeat:
    if at_s is None:
        return WorkerBeat(worker=worker, last_beat=None, ago_s=None, is_late=True)
    ago_s = round(max(0.0, now_s - at_s), 1)
    return WorkerBeat(
        worker=worker, last_beat=datetime.fromtimestamp(at_s, UTC), ago_s=ago_s, is_late=ago_s > LATE_S
    )
