"""Policies: of which events a user wants messages, and when."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, time, timedelta
from typing import Annotated, Any
from uuid import UUID
from zoneinfo import ZoneInfo

from pydantic import AfterValidator, Field
from pydantic_core import PydanticCustomError

from candleray.live.events import EventKind, StateChange, StrategyEvent
from candleray.live.run import RunAction
from candleray.timeframes import Moment
from candleray.validation import Model

DEFAULT_KINDS = (
    *(EventKind.SIGNAL, EventKind.ENTRY, EventKind.EXIT, EventKind.ANNULLED),
    *(EventKind.FILL, EventKind.HALT, EventKind.WAIT, EventKind.STATE),
)
TOLD_ACTIONS = frozenset({RunAction.GO_LIVE, RunAction.HALT, RunAction.FAIL})
"""Changes of a run's state that end something; what leads there is no message."""
MOST_RUNS = 1000


def _each_once(kinds: Sequence[EventKind]) -> tuple[EventKind, ...]:
    return tuple(kind for kind in EventKind if kind in kinds)


Kinds = Annotated[tuple[EventKind, ...], Field(max_length=len(EventKind)), AfterValidator(_each_once)]


def _known_zone(name: str) -> str:
    try:
        ZoneInfo(name)
    except (KeyError, ValueError, OSError):  # unknown, no name at all, a folder of them
        raise PydanticCustomError("unknown_zone", "is no time zone; write one like Europe/Berlin or UTC") from None
    return name


ClockTime = Annotated[str, Field(pattern=r"^([01][0-9]|2[0-3]):[0-5][0-9]$", examples=["23:00"])]


class QuietHours(Model):
    """A part of each day in which nothing is sent; what happens meanwhile is told at its end."""

    start: ClockTime
    end: ClockTime
    """Earlier than `start` where the hours go past midnight."""
    zone: Annotated[str, Field(max_length=64), AfterValidator(_known_zone)] = "UTC"

    def until(self, now: datetime) -> datetime | None:
        """The end of the quiet hours that are now, if they are."""
        zone = ZoneInfo(self.zone)
        local = now.astimezone(zone)
        start, end = time.fromisoformat(self.start), time.fromisoformat(self.end)
        clock = local.time().replace(tzinfo=None)
        within = start <= clock < end if start < end else clock >= start or clock < end
        if not within or start == end:
            return None
        day = local.date() if clock < end else local.date() + timedelta(days=1)
        return datetime.combine(day, end, zone).astimezone(UTC)


class RunPolicy(Model):
    """Exceptions for one run."""

    kinds: Kinds | None = None
    """Kinds of events that are told of this run, in place of the policy's own."""
    muted: bool = False


class NotificationPolicy(Model):
    """The events of which a user gets messages."""

    kinds: Kinds = DEFAULT_KINDS
    muted: bool = False
    """True for no messages at all; what happens meanwhile is not told later either."""
    muted_until: Moment | None = None
    """The same until then; `null` once that is over."""
    quiet_hours: QuietHours | None = None
    runs: Annotated[dict[UUID, RunPolicy], Field(max_length=MOST_RUNS)] = {}
    """Exceptions by run."""

    def is_muted(self, now: datetime) -> bool:
        return self.muted or (self.muted_until is not None and now < self.muted_until)

    def wants(self, event: StrategyEvent, now: datetime) -> bool:
        """Tell whether the event becomes a message."""
        own = self.runs.get(event.run_id, RunPolicy())
        if self.is_muted(now) or own.muted:
            return False
        if isinstance(event.body, StateChange) and event.body.action not in TOLD_ACTIONS:
            return False
        return event.body.kind in (self.kinds if own.kinds is None else own.kinds)


def policy_of(kept: dict[str, Any] | None) -> NotificationPolicy:
    """The policy that is kept, or the default; a mute that is over is none."""
    policy = NotificationPolicy() if kept is None else NotificationPolicy.model_validate(kept)
    is_over = policy.muted_until is not None and policy.muted_until <= datetime.now(UTC)
    return policy.model_copy(update={"muted_until": None}) if is_over else policy
