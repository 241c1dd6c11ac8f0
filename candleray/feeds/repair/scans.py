"""Scans of stored candles: how often, and how far back."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from candleray.settings import LiveSettings


@dataclass
class Scan:
    every_ms: int
    window_ms: int | None
    """The time back from now; None for the whole history, instrument by instrument."""
    due_at_ms: int
    asks_again: bool = False
    """Hold what was stored since the last one against what REST says."""

    def done(self, now_ms: int) -> None:
        self.due_at_ms = now_ms + self.every_ms


def scans_of(live: LiveSettings, now_ms: int) -> Sequence[Scan]:
    """The scans: a start looks back over the long window at once, and over the whole history a little later."""
    short, long, whole = (_ms(one) for one in (live.scan_every_s, live.long_scan_every_s, live.full_scan_every_s))
    return (
        Scan(short, _ms(live.scan_window_s), now_ms + short),
        Scan(long, _ms(live.long_scan_window_s), now_ms, asks_again=True),
        Scan(whole, None, now_ms + long),
    )


def _ms(seconds: float) -> int:
    return round(seconds * 1000)
