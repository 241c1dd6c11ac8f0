"""History of a run: how it came to its state, and how it stands."""

from __future__ import annotations

from candleray.live.run import Run, RunEvent
from candleray.live.standing import RunStanding


class RunHistory(Run):
    """A run and how it came to its state."""

    events: tuple[RunEvent, ...]
    """The newest of them, oldest first."""
    standing: RunStanding | None = None
    """Its standing, at most some seconds old, or what is kept of it; `null` where it is stopped or has failed."""
