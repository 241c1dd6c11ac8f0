"""The answer to what a strategy does over a range: in words, and how often each of its conditions was true."""

from __future__ import annotations

from typing import Any, Literal

from candleray.validation import Model


class ConditionShare(Model):
    """Counts of the bars on which one condition was true, taken by itself."""

    path: str
    """Its place in the request: `signals.long_entry.all.0`."""
    words: str
    true_bars: int
    true_pct: float
    """The same in percent of the range's bars."""
    unknown_bars: int
    """Bars on which it is neither true nor false: a value that it reads is missing."""


class Blocker(Model):
    """A condition that lets no position of a side open."""

    path: str
    words: str
    message: str
    """Why, and on how many bars the others let one open without it."""


class SignalBar(Model):
    """A bar that may open a position."""

    side: Literal["long", "short"]
    time: str
    """The time at which the bar is closed: that of the entry, if no position of that side is open then."""


class Explanation(Model):
    """A request in plain English, and what one variant of it finds on the range."""

    sentences: tuple[str, ...]
    """The whole request, with its axes: a sentence for each side that opens."""
    variants_total: int
    variant_index: int
    """The variant that everything below is about."""
    variant_sentences: tuple[str, ...]
    strategy: dict[str, Any]
    """The variant as a request of its own."""
    bars: int
    conditions: tuple[ConditionShare, ...]
    """Every condition of the tree; before the parts of one comes itself."""
    signal_bars: dict[str, int]
    """Numbers of bars, by side, that may open a position: its condition becomes true, and nothing forbids it."""
    first_signals: tuple[SignalBar, ...]
    """The first five of these bars."""
    blockers: tuple[Blocker, ...]
    """The conditions to blame where a side never opens."""
    notes: tuple[str, ...] = ()
    """Remarks, such as missing candles and what the rules of indicators mean."""
