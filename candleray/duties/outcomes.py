"""Outcomes of duties in Postgres: when each was last done, and why it failed."""

from __future__ import annotations

from candleray.databases.postgres import Postgres
from candleray.timeframes import Moment
from candleray.validation import Model

_LONGEST_REASON = 500


class DutyOutcome(Model):
    name: str
    done_at: Moment | None
    said: str
    """A few words on what was done then."""
    failed_at: Moment | None
    failure: str
    failures_in_row: int
    """Number of failures since it was done; 0 where all is well."""

    def notice(self) -> str:
        """Tell what an operator should know; nothing where the duty was done the last time."""
        if not self.failures_in_row or self.failed_at is None:
            return ""
        times = "once" if self.failures_in_row == 1 else f"{self.failures_in_row} times in a row"
        done = f"last done {self.done_at:%Y-%m-%d %H:%M:%S} UTC" if self.done_at else "never done"
        return f"{self.name}: failed {times}, {done}; {self.failed_at:%Y-%m-%d %H:%M:%S} UTC: {self.failure}"


class DutyOutcomes:
    def __init__(self, postgres: Postgres) -> None:
        self._postgres = postgres

    async def done(self, name: str, said: str) -> None:
        await self._postgres.fetch("note_duty_done", name, said[:_LONGEST_REASON])

    async def failed(self, name: str, failure: str) -> None:
        await self._postgres.fetch("note_duty_failed", name, failure[:_LONGEST_REASON])

    async def done_within(self, name: str, seconds: float) -> bool:
        return bool(await self._postgres.fetch("duty_done_within", name, seconds))

    async def all(self) -> list[DutyOutcome]:
        """Every outcome, in order of the names."""
        return [DutyOutcome(**row) for row in await self._postgres.fetch("duty_outcomes")]

    async def notice(self) -> str:
        """Tell of the duties that failed the last time."""
        return "; ".join(filter(None, [outcome.notice() for outcome in await self.all()]))
