"""Presence of the API that a door asks over a network: never there, or there a moment ago, as in a restart."""

from __future__ import annotations

import re
import time
from collections.abc import Callable

from candleray.errors import ServiceUnavailable

RESTARTS_WITHIN_S = 120
"""An instance that starts its API anew answers after 25 s, one that starts all of it anew after 70 s."""
_CALL_AGAIN_S = 15
_REASON = re.compile(r"\(([^()]*)\)$")


class Presence:
    """The last answer of the API itself, and since when it has been silent."""

    def __init__(self, url: str, clock: Callable[[], float] = time.monotonic) -> None:
        self._url, self._clock = url, clock
        self._answered_at: float | None = None
        self._silent_since: float | None = None

    def answered(self) -> None:
        self._answered_at, self._silent_since = self._clock(), None

    def was_silent(self) -> None:
        """Note that nothing answered, or something before the API did in its place."""
        if self._silent_since is None:
            self._silent_since = self._clock()

    def told(self, error: ServiceUnavailable) -> tuple[ServiceUnavailable, str | None]:
        """The error as it is seen from here, and what to do; nothing is said of one that the API itself tells."""
        if self._silent_since is None:
            return error, None
        reason, now = _REASON.search(error.message), self._clock()
        why = reason[1] if reason else error.message
        if self._answered_at is None:
            never = f"no API at {self._url}: nothing has answered there since this program was started ({why})"
            return ServiceUnavailable(never), _NEVER_THERE
        silent_s, ago_s = now - self._silent_since, now - self._answered_at
        message = (
            f"the API at {self._url} answered {ago_s:,.0f} s ago, and is silent since {silent_s:,.0f} s ({why})"
        )
        return ServiceUnavailable(message), _AWAY if silent_s < RESTARTS_WITHIN_S else _GONE


_NEVER_THERE = (
    "do not call again: ask the person to start an instance with `candleray up`, or to name the address of one "
    "that runs, `candleray mcp --api URL`, where this program is set up"
)
_AWAY = (
    f"it restarts, which takes half a minute, {RESTARTS_WITHIN_S} s at the longest: wait {_CALL_AGAIN_S} s and "
    "call again, until it answers; jobs and runs are kept and go on, so look with follow_job before you submit "
    f"again. Where it stays silent for {RESTARTS_WITHIN_S} s, ask the person to run `candleray status`"
)
_GONE = (
    f"it has been silent for longer than a restart takes ({RESTARTS_WITHIN_S} s): ask the person to run "
    "`candleray status`, and `candleray up --detach` where no instance runs; jobs and runs are kept"
)
