"""Metrics of a shard of live runs, exported by Ray on the node's metrics port."""

from __future__ import annotations

from ray.util.metrics import Gauge

from candleray.live.runners.shard_figures import ShardFigures


class LiveRunnerMetrics:
    """Gauges alone: what is counted begins again with the process."""

    def __init__(self) -> None:
        by_shard = ("shard",)
        self._epoch = Gauge("candleray_shard_epoch", "Processes that the shard has had.", by_shard)
        self._runs = Gauge("candleray_shard_runs", "Runs that are to live, by state.", ("shard", "state"))
        self._untaken = Gauge("candleray_shard_runs_untaken", "Those that are not taken up.", by_shard)
        self._failed = Gauge("candleray_shard_runs_failed", "Runs that have failed.", by_shard)
        self._last_failed = Gauge(
            "candleray_shard_last_failed_time_seconds", "Time at which a run failed last.", by_shard
        )
        self._bars = Gauge("candleray_shard_bars", "Bars taken, each run's counted.", by_shard)
        self._restored = Gauge(
            "candleray_shard_runs_restored", "Runs taken up from snapshots, not over their histories.", by_shard
        )
        self._refused = Gauge(
            "candleray_shard_snapshots_refused", "Snapshots that were broken, or of another version.", by_shard
        )
        self._events = Gauge("candleray_shard_events", "Events committed.", by_shard)
        self._lag = Gauge("candleray_shard_lag_seconds", "Since the last minute taken has closed.", by_shard)
        self._waited_for = Gauge(
            "candleray_shard_minutes_waited_for", "Instruments whose next minute did not come.", by_shard
        )
        self._failing = Gauge("candleray_shard_failing_steps", "Steps that failed last time.", by_shard)
        self._commit = Gauge("candleray_shard_commit_seconds", "Time of a commit.", ("shard", "quantile"))

    def observe(self, figures: ShardFigures) -> None:
        shard = {"shard": str(figures.shard)}
        self._epoch.set(figures.epoch, shard)
        for state, count in figures.runs.items():
            self._runs.set(count, {**shard, "state": state.value})
        self._untaken.set(figures.untaken, shard)
        self._failed.set(figures.failed, shard)
        if figures.last_failed_s is not None:
            self._last_failed.set(figures.last_failed_s, shard)
        self._bars.set(figures.bars, shard)
        self._restored.set(figures.restored, shard)
        self._refused.set(figures.snapshots_refused, shard)
        self._events.set(figures.events, shard)
        if figures.lag_s is not None:
            self._lag.set(figures.lag_s, shard)
        self._waited_for.set(figures.waited_for, shard)
        self._failing.set(figures.failing_steps, shard)
        for quantile, commit_ms in figures.commit_ms.items():
            if commit_ms is not None:
                self._commit.set(commit_ms / 1000, {**shard, "quantile": quantile})
