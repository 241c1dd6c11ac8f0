"""What is said of a job beside what its row holds."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from candleray.jobs.job import JobState
from candleray.settings import JobSettings


def waiting_for(row: dict[str, Any], others: Sequence[dict[str, Any]], limits: JobSettings) -> str | None:
    """Why a queued job does not run yet, by all jobs that have not ended."""
    if row["state"] != JobState.QUEUED:
        return None
    running = [other for other in others if other["state"] == JobState.RUNNING]
    mine = [str(other["job_id"]) for other in running if other["user_id"] == row["user_id"]]
    if len(mine) >= limits.max_running_per_user:
        return f"your job {mine[0]} runs, and one user may run {limits.max_running_per_user} at once"
    if len(running) >= limits.max_running:
        ahead = sum(
            other["state"] == JobState.QUEUED and other["created_at"] < row["created_at"] for other in others
        )
        return f"{len(running)} jobs run, the most at once; {ahead} wait since before this one"
    return "it starts in a moment"
