"""What a driver measures of its job, by Ray's exporter on the node's metrics port."""

from __future__ import annotations

from ray.util.metrics import Counter, Gauge, Histogram

from candleray.stores.jobs import Progress

_PHASE_S = [0.1, 0.3, 1.0, 3.0, 10.0, 30.0, 100.0, 300.0, 1000.0, 3000.0]


class JobMetrics:
    def __init__(self) -> None:
        self._variants = Counter("candleray_job_variants", "Variants ranked by jobs.")
        self._rate = Gauge("candleray_job_variants_per_second", "Variants a second of the job that runs.")
        self._phases = Histogram(
            "candleray_job_phase_seconds", "Duration of a phase.", boundaries=_PHASE_S, tag_keys=("phase",)
        )
        self._checkpoint = Gauge("candleray_job_checkpoint_age_seconds", "Age of the newest checkpoint.")
        self._told = 0

    def told(self, progress: Progress) -> None:
        if progress.variants_done > self._told:
            self._variants.inc(progress.variants_done - self._told)
            self._told = progress.variants_done
        self._rate.set(progress.variants_per_s or 0.0)

    def phase_ended(self, phase: str, seconds: float) -> None:
        self._phases.observe(max(seconds, 1e-6), {"phase": phase})

    def checkpoint_age(self, seconds: float) -> None:
        self._checkpoint.set(seconds)
