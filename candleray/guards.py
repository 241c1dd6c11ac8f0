"""What a request may ask for: every number that is limited, beside its limit (R4.9)."""

from __future__ import annotations

from candleray.backtests.preflight import Guard
from candleray.backtests.request import Direction
from candleray.errors import GuardExceeded, Problem
from candleray.search.variants import BARS_PER_WORD, VariantGrid
from candleray.settings import GuardSettings

WORD_BYTES = 8
TABLE_BYTES = 4


def guards_of(grid: VariantGrid, bars: int, limits: GuardSettings, max_variants: int) -> list[Guard]:
    """All of them, exceeded or not, by name."""
    return [
        Guard(name="compute_bytes", number=compute_bytes(grid, bars), limit=limits.max_compute_bytes),
        Guard(
            name="preselect",
            number=grid.kept if grid.needs_stage_a and grid.has_stops else 0,
            limit=limits.max_preselect,
        ),
        Guard(name="top_k", number=grid.request.top_k or 0, limit=limits.max_top_k),
        Guard(name="variants", number=grid.simulations, limit=max_variants),
    ]


def compute_bytes(grid: VariantGrid, bars: int) -> int:
    """Shared memory of a search at most: planes, bars, tables of first passages for every bar."""
    words = -(-bars // BARS_PER_WORD)
    return grid.planes * 2 * words * WORD_BYTES + bars * 6 * WORD_BYTES + table_rows(grid) * bars * TABLE_BYTES


def table_rows(grid: VariantGrid) -> int:
    """First passages that are kept for each bar: one a level and side."""
    sides = 2 if grid.request.direction is Direction.LONG_SHORT else 1
    return sides * sum(axis.count for axis in (grid.stop_losses, grid.take_profits) if axis is not None)


def refuse_exceeded(guards: list[Guard], what: str) -> None:
    """
    Raises:
        GuardExceeded: one problem a guard, each with its number and limit.
    """
    problems = [
        Problem(guard.name, "over_the_limit", f"{guard.name} {guard.number} is over the limit of {guard.limit}")
        for guard in guards
        if guard.is_exceeded
    ]
    if problems:
        told = "; ".join(problem.message for problem in sorted(problems))
        raise GuardExceeded(f"the request is too large for {what}: {told}", problems)


def check_guards(grid: VariantGrid, bars: int, limits: GuardSettings) -> None:
    """Refuse what one synchronous request may not ask for.

    Raises:
        GuardExceeded: see `refuse_exceeded`.
    """
    refuse_exceeded(guards_of(grid, bars, limits, limits.max_variants), "one synchronous answer")
