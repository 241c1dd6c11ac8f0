"""Outcomes of duties in Postgres: when each was last done and is next, how long it took, and why it failed."""

from __future__ import annotations

from dataclasses import dataclass

from candleray.databases.postgres import Postgres
from candleray.heartbeats import WorkerBeats
from candleray.timeframes import Moment
from candleray.validation import Model

_LONGEST_REASON = 500


class DutyCourse(Model):
    """The course of something that an instance does by itself again and again."""

    name: str
    every_s: float | None
    """Seconds from one to the next; `null` until it was tried by this version."""
    done_at: Moment | None
    """The last time that it was done; `null` for never."""
    took_s: float | None
    """Seconds that the last attempt took."""
    next_at: Moment | None
    """Moment of the next attempt, unless something calls for it sooner."""
    failures_in_row: int
    """Number of failures since it was done; 0 where all is well."""


class Activity(WorkerBeats):
    """Everything that works in an instance by itself."""

    duties: tuple[DutyCourse, ...] = ()
    """Duties as Postgres knows them; none while it does not answer."""


@dataclass(frozen=True)
class Attempt:
    """One attempt at a duty, with what comes after it."""

    took_s: float
    every_s: float
    next_s: float
    """Seconds until the next one."""


class DutyOutcome(Model):
    name: str
    done_at: Moment | None
    said: str
    """A few words on what was done then."""
    failed_at: Moment | None
    failure: str
    failures_in_row: int
    """Number of failures since it was done; 0 where all is well."""
    took_s: float | None
    """Seconds that the last attempt took."""
    every_s: float | None
    """Seconds from one to the next, by the settings."""
    next_at: Moment | None
    """Moment of the next attempt, unless something calls for it sooner."""

    def course(self) -> DutyCourse:
        """Tell how it goes, and nothing of what was said: anybody may know that."""
        return DutyCourse.model_validate(self.model_dump(include=set(DutyCourse.model_fields)))

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

    async def done(self, name: str, said: str, attempt: Attempt) -> None:
        await self._note("note_duty_done", name, said, attempt)

    async def failed(self, name: str, failure: str, attempt: Attempt) -> None:
        await self._note("note_duty_failed", name, failure, attempt)

    async def _note(self, statement: str, name: str, words: str, attempt: Attempt) -> None:
        course = attempt.took_s, attempt.every_s, attempt.next_s
        await self._postgres.fetch(statement, name, words[:_LONGEST_REASON], *course)

    async def done_within(self, name: str, seconds: float) -> bool:
        return bool(await self._postgres.fetch("duty_done_within", name, seconds))

    async def all(self) -> list[DutyOutcome]:
        """Every outcome, in order of the names."""
        return [DutyOutcome(**row) for row in await self._postgres.fetch("duty_outcomes")]

    async def notice(self) -> str:
        """Tell of the duties that failed the last time."""
        return "; ".join(filter(None, [outcome.notice() for outcome in await self.all()]))
