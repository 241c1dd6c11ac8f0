"""Backfills as data: asked for, and reported on."""

from __future__ import annotations

from pydantic import Field

from candleray.frozen_model import FrozenModel
from candleray.market_data.coverage import MissingRun
from candleray.market_data.insert_report import InsertReport
from candleray.markets import Instrument
from candleray.timeframes import Moment, TimeRange


class BackfillRequest(Instrument, TimeRange):
    """The minutes of an instrument that are to be fetched where they are missing."""

    start: Moment = Field(description="the first minute", examples=["2025-01-01T00:00:00Z"])
    end: Moment = Field(description="the first minute after the last", examples=["2025-01-02T00:00:00Z"])


class BackfillReport(Instrument):
    """Result of a backfill of `[start, end)`; `end` is at most the end of the last closed minute."""

    start: Moment
    end: Moment
    missing_before: int = Field(ge=0, description="minutes of the range that were not stored")
    fetched: int = Field(ge=0, description="rows the exchange sent")
    inserted: InsertReport
    absent: tuple[MissingRun, ...] = Field(
        (), description="minutes still missing: before the listing, an outage, or refused rows"
    )
    elapsed_s: float = Field(ge=0)

    def followed_by(self, later: BackfillReport) -> BackfillReport:
        """The report of both: one begins where the other ends."""
        return BackfillReport(
            market_id=self.market_id,
            symbol=self.symbol,
            start=self.start,
            end=later.end,
            missing_before=self.missing_before + later.missing_before,
            fetched=self.fetched + later.fetched,
            inserted=self.inserted + later.inserted,
            absent=_joined((*self.absent, *later.absent)),
            elapsed_s=self.elapsed_s + later.elapsed_s,
        )


class BackfillStep(FrozenModel):
    """A backfill of the first missing minutes of a range."""

    report: BackfillReport
    next_start: Moment | None = Field(None, description="the `start` of the next step; null at the end")


def _joined(runs: tuple[MissingRun, ...]) -> tuple[MissingRun, ...]:
    """Runs in order of time, of which those that meet are one."""
    joined: list[MissingRun] = []
    for run in runs:
        if joined and joined[-1].end == run.start:
            former = joined.pop()
            run = MissingRun(start=former.start, end=run.end, minutes=former.minutes + run.minutes)
        joined.append(run)
    return tuple(joined)
