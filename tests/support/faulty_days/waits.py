"""Waits of ingestion for a fast clock: as long as a busy machine needs, and at least the usual ones."""

from __future__ import annotations

from candleray.settings import LiveSettings

_ANY_YEAR_S = 1e10
_USUAL = LiveSettings()
_REAL_S = {
    "flush_s": 0.02,
    "late_s": 0.2,
    "poll_s": 0.1,
    "stale_s": 1.0,
    "retry_s": 0.03,
    "longest_retry_s": 0.3,
    "verdict_s": 0.1,
    "stream_wait_s": 0.3,
    "look_back_s": 25.0,
    "scan_every_s": 0.5,
    "long_scan_every_s": 5.0,
}
"""The least wait in seconds of ours."""


def patient_waits(speed: float) -> dict[str, float]:
    """The waits of `LiveSettings` at that speed, in the venues' seconds."""
    waits = {name: max(getattr(_USUAL, name), real_s * speed) for name, real_s in _REAL_S.items()}
    return {
        **waits,
        "max_clock_difference_s": _ANY_YEAR_S,
        "recheck_s": 600.0,  # what comes an hour late is there soon after
        "future_s": max(2.0, min(90.0, 0.075 * speed)),
    }
