"""The distributions behind a verdict, as counts: what its pictures are drawn from."""

from __future__ import annotations

from candleray.validation import Model


class Histogram(Model):
    """Counts in equal bins from `low` to `high`, which lies in the last."""

    low: float
    high: float
    counts: tuple[int, ...]

    @property
    def edges(self) -> tuple[float, ...]:
        """The ends of all bins, one more than there are."""
        width = (self.high - self.low) / len(self.counts)
        return (*(self.low + at * width for at in range(len(self.counts))), self.high)


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
