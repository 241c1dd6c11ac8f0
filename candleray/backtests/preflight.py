"""The size and the expected cost of a request, before anything of it is computed."""

from __future__ import annotations

from typing import Literal, NamedTuple

from candleray.backtests.request import BacktestRequest
from candleray.validation import Model


class SizedRequest(NamedTuple):
    """A resolved request with the hashes that name it and the sizes of its grid."""

    request: BacktestRequest
    request_hash: str
    engine_params_hash: str
    variants_total: int
    simulations: int
    notes: tuple[str, ...] = ()
    """Remarks about the candles of the range, where they were looked at."""


class Pace(NamedTuple):
    """Times that the jobs of this instance have shown; until there are any, those of a machine of two cores."""

    fixed_s: float = 7.0
    """Time from a job's turn to its end, without its search: its driver and workers start, read and measure."""
    stretch: float = 1.3
    """A search's time over that of its kernels alone on all cores."""


class Guard(Model):
    """One limited number of a request."""

    name: str
    number: int | float
    limit: int | float

    @property
    def is_exceeded(self) -> bool:
        return self.number > self.limit


class Preflight(Model):
    """The size of a request, how long it takes on this cluster as it is, and whether it may run."""

    request_hash: str
    variants_total: int
    """Base variants times combinations of stop levels."""
    variants_evaluated: int
    """Variants evaluated exactly, with their stops."""
    simulations: int
    """Number of accounts walked through the bars, in both stages."""
    bars: int
    """Closed and full bars of the range; a hole has none."""
    planes: int
    compute_bytes: int
    """Shared memory on each node."""
    core_s: float | None
    """Seconds of one core, measured on a sample of the grid; null where the request is refused."""
    estimated_s: float | None
    """Seconds from sending it to its answer, on the cores of this cluster and with nothing else on them."""
    estimated_job_s: float | None
    """The same as a job, from its turn to its end, judged by the newest jobs."""
    mode: Literal["sync", "job", "refused"]
    """`sync`: may be sent to `/backtests`; `job`: to `/backtests/jobs` alone; `refused`: to neither."""
    notes: tuple[str, ...] = ()
    """Remarks about the candles of the range: what is missing, where they begin and end."""
    violated_for_sync: tuple[Guard, ...]
    violated_for_job: tuple[Guard, ...]
