"""Account of the rows of an insert: how many were written, known already, or refused and why."""

from __future__ import annotations

from collections.abc import Iterable

from pydantic import Field

from candleray.frozen_model import FrozenModel


class RefusedRows(FrozenModel):
    """Rows refused for one reason: their number, and a description of the first."""

    reason: str = Field(description="the rule the rows break", examples=["opens off the minute"])
    count: int = Field(ge=1, description="rows refused for this reason")
    first_example: str = Field(description="the first of them, with its row number")


class InsertReport(FrozenModel):
    """Account of the rows of an insert: `received = written + unchanged + refused_count`."""

    received: int = Field(0, ge=0, description="rows handed in")
    written: int = Field(0, ge=0, description="rows that were new, or gave a minute other values")
    changed: int = Field(0, ge=0, description="rows of those written that gave a stored minute other values")
    unchanged: int = Field(0, ge=0, description="rows that said what was known already")
    refused: tuple[RefusedRows, ...] = Field((), description="rows that are not candles, by reason")

    @property
    def refused_count(self) -> int:
        return sum(rows.count for rows in self.refused)

    def __add__(self, other: InsertReport) -> InsertReport:
        return InsertReport(
            received=self.received + other.received,
            written=self.written + other.written,
            changed=self.changed + other.changed,
            unchanged=self.unchanged + other.unchanged,
            refused=_merge(self.refused, other.refused),
        )

    @staticmethod
    def total(reports: Iterable[InsertReport]) -> InsertReport:
        return sum(reports, InsertReport())


def _merge(first: tuple[RefusedRows, ...], second: tuple[RefusedRows, ...]) -> tuple[RefusedRows, ...]:
    """One entry a reason, in order of appearance, with the earliest example."""
    merged = {rows.reason: rows for rows in first}
    for rows in second:
        known = merged.get(rows.reason)
        merged[rows.reason] = known.model_copy(update={"count": known.count + rows.count}) if known else rows
    return tuple(merged.values())
