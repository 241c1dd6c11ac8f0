"""The phases of a search, in the order in which they come."""

from __future__ import annotations

from enum import StrEnum


class Phase(StrEnum):
    """One word for a phase everywhere: elapsed times, progress, checkpoints, costs and the names of tasks."""

    QUEUED = "queued"
    CANDLES = "candles"
    COMPILE = "compile"
    """Kernels of indicators that nobody has used here before: once for each version of the sources."""
    PLANES = "planes"
    STAGE_A = "stage-a"
    """Every base variant without stops."""
    TABLES = "tables"
    """First passages of the stop levels."""
    STAGE_B = "stage-b"
    """The shortlist under every combination of stop levels."""
    REPORTS = "reports"
    LUCK = "luck"
    """The same search over histories of chance, where a request asks for them."""
    DONE = "done"


SEARCH_PHASES = tuple(phase for phase in Phase if phase not in (Phase.QUEUED, Phase.DONE))
"""The phases that take time of a search, in their order."""
