"""The measured side of jobs, read where it is kept: a driver ends before anybody could ask it."""

from __future__ import annotations

import json
from collections.abc import Collection
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

from candleray.databases.postgres import Postgres


@dataclass(frozen=True)
class WatchedJob:
    """A job that runs or has just ended."""

    job_id: UUID
    attempt: int
    variants_done: int
    variants_per_s: float
    checkpoint_age_s: float
    silent_s: float
    """Seconds since its driver's last heartbeat."""
    finished_at: datetime | None
    phase_s: dict[str, float] = field(default_factory=dict)
    """Seconds by phase of one that has succeeded."""
    pruned: dict[str, int] = field(default_factory=dict)


async def database_now(postgres: Postgres) -> datetime:
    row = await postgres.fetch_one("now")
    assert row is not None
    moment: datetime = row["now"]
    return moment


async def watched_jobs(postgres: Postgres, ended_after: datetime, seen: Collection[UUID]) -> list[WatchedJob]:
    """List the running jobs, then those that have ended since or were `seen` running, by their ends."""
    return [
        WatchedJob(**{name: value for name, value in row.items() if name != "result"}, **_of(row["result"]))
        for row in await postgres.fetch("watched_jobs", ended_after, list(seen))
    ]


def _of(result: str | None) -> dict[str, Any]:
    if result is None:
        return {}
    content = json.loads(result)
    spent = {phase: seconds for phase, seconds in content["elapsed_s"].items() if phase != "total" and seconds}
    return {"phase_s": spent, "pruned": content["pruned"]}
