"""The arrays that all tasks of a search share: its bars, planes and tables of stops."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np
import ray

from candleray.backtests.phase import Phase
from candleray.search.costs import SignalCosts
from candleray.search.phases import Tell
from candleray.search.plane_ranges import plane_ranges
from candleray.search.ranges import cuts, even_shares, tapered_shares
from candleray.search.stop_tables import stop_tables, table_parts
from candleray.search.variants import VariantGrid
from candleray.settings import ComputeSettings
from cluster.search import tasks
from cluster.search.tasks import all_finished, cancel, share_pending, submit, submit_some

SHORTEST_TASK_S = 0.1
"""Seconds of the shortest of several tasks; each costs 4 ms besides its work."""

TABLES_A_TASK = 8
"""Tables of 16 levels: measured 0.09 s for a year of minutes with entries on an eighth of them, 0.65 s on all."""


class SharedArrays:
    """The tasks of planes and tables, all submitted at once: the tables begin when the last plane is there."""

    def __init__(
        self, grid: VariantGrid, bars_ref: Any, costs: SignalCosts, compute: ComputeSettings, default_warmup: int
    ) -> None:
        self.grid, self.warmup = grid, default_warmup
        self.cpus = max(1, int(ray.cluster_resources().get("CPU", 1)))
        self.bars_ref = bars_ref
        self.request_ref = ray.put(grid.request)
        self.plane_refs = self._submit_planes(self._plane_bounds(costs, compute), default_warmup)
        self.table_refs = [
            submit(Phase.TABLES, tasks.build_tables, bars_ref, self.request_ref, numbers, *self.plane_refs)
            for numbers in self._table_parts()
        ]

    async def planes(self, tell: Tell) -> None:
        """Wait until all planes are there."""
        try:
            await all_finished(self.plane_refs, tell)
        except BaseException:
            cancel(self.table_refs)
            raise

    async def tables(self, tell: Tell) -> None:
        """Wait until all tables are there."""
        await all_finished(self.table_refs, tell)

    def left(self) -> dict[Phase, float]:
        """Return the share of each phase that is still to be done."""
        return {Phase.PLANES: share_pending(self.plane_refs), Phase.TABLES: share_pending(self.table_refs)}

    def cancel(self) -> None:
        cancel([*self.plane_refs, *self.table_refs])

    def _submit_planes(self, bounds: list[int], default_warmup: int) -> list[Any]:
        """Submit a task for each part of the planes; return references to their chunks, in the planes' order."""
        chunks: dict[int, Any] = {}
        for first, last in pairwise(bounds):
            parts = plane_ranges(self.grid, first, last)
            if not parts:
                continue  # less than one number of what is made together: another part has it whole
            made = submit_some(
                len(parts),
                Phase.PLANES,
                tasks.build_planes,
                self.bars_ref,
                self.request_ref,
                parts,
                default_warmup,
            )
            chunks.update(zip((begin for begin, _ in parts), made, strict=True))
        return [chunks[begin] for begin in sorted(chunks)]

    def _plane_bounds(self, costs: SignalCosts, compute: ComputeSettings) -> list[int]:
        if not costs.plane_each_s:
            return cuts(self.grid.planes, 1, even_shares(2 * self.cpus), np.ones_like)
        # As many for every core where a task is short: each costs 10 ms until its planes are in shared memory.
        # Of signals one for every core, too: each task makes anew the series that it compares.
        if costs.plane_s < 2 * self.cpus * SHORTEST_TASK_S or self.grid.request.signals is not None:
            shares = even_shares(self.cpus)
        else:
            shares = tapered_shares(
                costs.plane_s, self.cpus, compute.task_seconds, SHORTEST_TASK_S, compute.max_tasks_per_phase
            )
        order = [at for together in self.grid.numbering.together for at in together]
        each_s = np.repeat([costs.plane_each_s[at] for at in order], [self.grid.groups[at].size for at in order])
        return cuts(self.grid.planes, 1, shares, lambda planes: each_s[planes])

    def _table_parts(self) -> list[list[int]]:
        """Deal the tables out, as many to every core: they take about equally long."""
        if not self.grid.has_stops:
            return []
        rounds = -(-len(stop_tables(self.grid)) // (TABLES_A_TASK * self.cpus))
        return table_parts(self.grid, rounds * self.cpus)
