"""A job: one large search, from its submission to its end.

    queued ──> running ──> succeeded
      │  ^        │ ├────> failed
      │  └────────┘ └────> cancelled
      └──> cancelled, failed

Its driver was lost where a running job is queued again: it goes on from its checkpoint. `NEXT` is the one table of
transitions, and the store makes each with an event of its own.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Annotated, NamedTuple
from uuid import UUID

from pydantic import Field

from candleray.backtests.chance.null_model import NullModel
from candleray.backtests.metrics import TOTAL_RETURN
from candleray.backtests.phase import Phase
from candleray.backtests.report import variant_text
from candleray.backtests.request import BacktestRequest
from candleray.backtests.result import RankedVariant, SealedHoldout
from candleray.backtests.verdict import Verdict
from candleray.markets import Instrument
from candleray.timeframes import Timeframe
from candleray.validation import Model

_SHOWN_VARIANTS = 10


class JobState(StrEnum):
    QUEUED = "queued"
    RUNNING = "running"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELLED = "cancelled"


NEXT: Mapping[JobState, frozenset[JobState]] = {
    JobState.QUEUED: frozenset({JobState.RUNNING, JobState.CANCELLED, JobState.FAILED}),
    JobState.RUNNING: frozenset({JobState.QUEUED, JobState.SUCCEEDED, JobState.FAILED, JobState.CANCELLED}),
    JobState.SUCCEEDED: frozenset(),
    JobState.FAILED: frozenset(),
    JobState.CANCELLED: frozenset(),
}
NOT_LAUNCHED = "it could not be started"
"""The beginning of the cause of a transition back to queued where no driver came to be."""
ENDED = frozenset(state for state, following in NEXT.items() if not following)


def sources(target: JobState) -> list[str]:
    """The states from which a job may come to `target`."""
    return [state.value for state, following in NEXT.items() if target in following]


class Job(Model):
    """The state and progress of a job; its request and its answer have routes of their own."""

    job_id: UUID
    instrument: Instrument
    timeframe: Timeframe
    state: JobState
    phase: Phase
    done: int
    """Variants of this phase that are ranked; planes, tables or reports in the others."""
    total: int
    """Their number in all; 0 while it is not known."""
    tasks_done: int
    """Tasks of this phase that are done, as the Ray dashboard counts them: each takes about as long as another."""
    tasks_total: int
    variants_total: int
    variants_done: int
    """Simulations over all phases, of `simulations`."""
    simulations: int
    variants_per_s: float | None
    """Over this attempt's ranking; null before there is any."""
    eta_s: float | None
    """Seconds that are left, by what the phases cost and how they kept to it; null while nobody can say."""
    best_total_return_pct: float | None
    """Total return of the variant that ranks first so far."""
    partial: bool
    """True where not every variant was tried."""
    attempt: int
    """Number of drivers that have taken it up."""
    cancel_requested: bool
    waiting_for: str | None
    """Why a queued job does not run yet, or its driver has not reported."""
    error: str | None
    request_hash: str
    engine_params_hash: str
    candles_hash: str | None
    created_at: datetime
    started_at: datetime | None
    heartbeat_at: datetime | None
    finished_at: datetime | None

    @property
    def ended(self) -> bool:
        return self.state in ENDED

    def __repr__(self) -> str:
        why = self.waiting_for or self.error
        return (
            f"<job {self.job_id}: {self.state}, {self.phase}, "
            f"{self.variants_done:,} of {self.simulations:,} simulations{f', {why}' if why else ''}>"
        )

    __str__ = __repr__


@dataclass(frozen=True)
class Progress:
    """The progress of a driver, recorded with every heartbeat."""

    phase: Phase
    done: int
    total: int
    variants_done: int
    variants_per_s: float | None
    best_total_return_pct: float | None
    candles_hash: str | None
    expected_s: float | None
    """Seconds that the driver expects of the search, once it has measured it."""
    tasks_done: int = 0
    tasks_total: int = 0
    eta_s: float | None = None


@dataclass(frozen=True)
class UnfinishedJob:
    """A job that waits or runs, as the scheduler sees it."""

    job_id: UUID
    state: JobState
    attempt: int
    fruitless: int
    """Attempts in a row, this one among them, whose checkpoints covered nothing new."""
    cancel_requested: bool
    phase: str
    silent_s: float
    """Seconds since the last heartbeat."""
    now_s: float
    """The database's clock, as seconds since the epoch."""

    @property
    def is_launching(self) -> bool:
        """Its driver has not reported yet."""
        return self.phase == "queued"


class Superseded(Exception):  # not an error that a person meets
    """Another attempt has taken the job over, or it has ended: this driver must stop and write nothing."""


class JobEvent(Model):
    """One transition."""

    at: datetime
    from_state: JobState | None
    to_state: JobState
    attempt: int
    cause: str


class JobDetail(Job):
    """A job with its resolved request and its transitions."""

    request: BacktestRequest
    events: tuple[JobEvent, ...]


class AcceptedJob(Job):
    """The answer to a submission."""

    notes: tuple[str, ...] = ()
    """Remarks about the candles of the range, as in a preflight."""
    holdout: Annotated[SealedHoldout | None, Field(exclude_if=lambda holdout: holdout is None)] = None
    """The candles that the request reserved; absent where it reserved none."""


class JobPage(Model):
    """Jobs, the newest first."""

    jobs: tuple[Job, ...]
    next_cursor: str | None = None
    """The `cursor` of the next page; `null` after the last."""


class BestVariant(Model):
    """A row of a table that is still growing: reports come when the last variant is ranked."""

    rank: int
    variant_index: int
    total_return_pct: float
    conflicting_signals: int
    metrics: dict[str, float | int | None] = Field({}, exclude_if=lambda metrics: not metrics)
    """The metric that the job ranks by; absent where that is the total return."""
    strategy: dict[str, object]
    """This variant alone, as a request that gives the same result."""

    def __repr__(self) -> str:
        return variant_text(self.rank, self.variant_index, self.total_return_pct, self.strategy)

    __str__ = __repr__


class JobVariant(Model):
    """Any variant of a job, ranked or not."""

    job_id: UUID
    variant_index: int
    strategy: dict[str, object]
    """This variant alone, as a request that gives the same result."""


class Conclusion(NamedTuple):
    """Words on a result as a whole, beside its table."""

    notes: tuple[str, ...] = ()
    verdict: Verdict | None = None
    luck: NullModel | None = None


class JobTop(Model):
    """The best variants of a job: so far while it runs, for good once it has succeeded."""

    job_id: UUID
    state: JobState
    partial: bool
    """True where some variants are not ranked yet, or never will be."""
    variants_done: int
    simulations: int
    ranked_by: str = Field(TOTAL_RETURN.name, exclude_if=lambda name: name == TOTAL_RETURN.name)
    """Name of the metric that the job ranks by; absent where it is the total return."""
    notes: tuple[str, ...] = ()
    """Remarks as in the result; while there is none, about the candles of the range as they are now."""
    verdict: Annotated[Verdict | None, Field(exclude_if=lambda verdict: verdict is None)] = None
    """The verdict on luck, once the job has succeeded; absent where its request says `"verdict": false`."""
    verdict_text: Annotated[str | None, Field(exclude_if=lambda text: text is None)] = None
    """The verdict as a trader reads it."""
    luck: Annotated[NullModel | None, Field(exclude_if=lambda luck: luck is None)] = None
    """The best beside that of histories of chance, once the job has succeeded; absent where it asks for none."""
    top: tuple[Annotated[RankedVariant | BestVariant, Field(union_mode="left_to_right")], ...]

    @property
    def variants(self) -> tuple[RankedVariant | BestVariant, ...]:
        """The rows of the table, which the API calls `top`."""
        return self.top

    def __repr__(self) -> str:
        so_far = f"{self.variants_done:,} of {self.simulations:,} simulations"
        lines = (f"  {variant}" for variant in self.top[:_SHOWN_VARIANTS])
        more = len(self.top) - _SHOWN_VARIANTS
        last = [f"  and {more:,} more"] if more > 0 else []
        judged = [f"  {self.verdict.line}"] if self.verdict else []
        return "\n".join([f"<job {self.job_id}: {self.state}, {so_far}>", *lines, *last, *judged])

    __str__ = __repr__
