"""The time that a search still takes: by the costs of its phases, and by how they have kept to them so far."""

from __future__ import annotations

from collections.abc import Mapping

from candleray.backtests.phase import Phase

LEARNT_FROM = 0.05
"""The share of a search after which its own pace says more than what was expected."""


class Forecast:
    """Seconds that each phase is expected to take, in the order in which they come."""

    def __init__(self, expected_s: Mapping[Phase, float]) -> None:
        self._expected_s = dict(expected_s)

    def shorten(self, phase: Phase, done: float) -> None:
        """Take off the share of a phase that was done before."""
        self._expected_s[phase] = self._expected_s.get(phase, 0.0) * (1.0 - done)

    def left_s(self, phase: Phase, done: float, spent_s: float) -> float | None:
        """Return None in a phase that is not of the search itself.

        Args:
            done: the share of this phase that is done.
            spent_s: since the first phase began.
        """
        if phase not in self._expected_s:
            return None
        phases = list(self._expected_s)
        past_s = sum(self._expected_s[past] for past in phases[: phases.index(phase)])
        past_s += done * self._expected_s[phase]
        whole_s = sum(self._expected_s.values())
        pace = spent_s / past_s if past_s > LEARNT_FROM * whole_s else 1.0
        return (whole_s - past_s) * pace
