"""The distributions behind a verdict, as counts: what its pictures are drawn from."""

from __future__ import annotations

from candleray.validation import Model


class Histogram(Model):
    """Counts in equal bins from `low` to `high`."""

    low: float
    high: float
    counts: tuple[int, ...]


class Cloud(Model):
    """Counts of pairs in equal cells of a rectangle."""

    inside_low_pct: float
    inside_high_pct: float
    """Return of the winners on their own half, from the first column to the last."""
    outside_low_pct: float
    outside_high_pct: float
    """Their return on the other half, from the lowest row to the highest."""
    columns: int
    rows: int
    cells: tuple[tuple[int, int, int], ...]
    """Column, row and count of those that are not empty."""


class VerdictPictures(Model):
    """Three distributions over all splits and flips."""

    ranks: Histogram
    """Rank of each half's winner on the other half, from the worst, 0, to the best, 1: flat is chance."""
    halves: Cloud
    luck: Histogram
    """Best result of the grid in each of 2,048 histories of luck, in units of the grid's own best."""
