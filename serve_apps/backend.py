"""Services that the routes call: actors and Ray in a replica, plain objects in a test."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Coroutine, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Annotated, Any, Protocol

from fastapi import Depends, Request

from candleray.backtests.explanation import Explanation
from candleray.backtests.preflight import Preflight, SizedRequest
from candleray.backtests.request import BacktestRequest
from candleray.backtests.result import BacktestResult
from candleray.databases.postgres import Postgres
from candleray.databases.valkey import Valkey
from candleray.feeds.subscription_store import SubscriptionStore
from candleray.holdouts.store import Holdouts
from candleray.jobs.store import Jobs
from candleray.live.run import RunMetadata
from candleray.live.starting.start_checks import CheckedStart, Starter
from candleray.market_data.candle_store_client import CandleStoreClient
from candleray.settings import Settings
from candleray.strategies.strategy import StrategySpec
from candleray.trials.store import Trials
from candleray.work_elsewhere import Compute
from serve_apps.agent_calls import AgentCalls
from serve_apps.backfills import Backfills
from serve_apps.event_watch import EventWatch
from serve_apps.fair_shares import FairShares, search_turns
from serve_apps.job_watch import JobWatch
from serve_apps.metrics import Metrics
from serve_apps.replica_metrics import ReplicaMetrics
from serve_apps.shared_writes import SharedWrites

Probe = Callable[[], Awaitable[str | None]]
"""A check of a service: tells what an operator should know of it, if anything; raises a `CandlerayError` where it
does not answer."""


class Starts(Protocol):
    """Checks before a run starts."""

    async def checked(
        self, starter: Starter, spec: StrategySpec, fixed: RunMetadata | None = None
    ) -> CheckedStart: ...


@dataclass(frozen=True)
class Backend:
    settings: Settings
    candles: CandleStoreClient
    run_backtest: Callable[[BacktestRequest], Coroutine[Any, Any, BacktestResult]]
    explain: Callable[[BacktestRequest, int], Coroutine[Any, Any, Explanation]]
    """The request, and the variant of that number over its range."""
    compute: Compute
    """Calls a function with its arguments where the cluster has room for its work."""
    backfills: Backfills
    preflight: Callable[[BacktestRequest], Coroutine[Any, Any, Preflight]]
    job_request: Callable[[BacktestRequest], Coroutine[Any, Any, SizedRequest]]
    """The request as a job runs it; raises `GuardExceeded` where no job may ask for that."""
    last_beats: Callable[[], Awaitable[Mapping[str, float]]]
    """The time of the last beat of each worker that has beaten."""
    probes: Mapping[str, Probe]
    """Probes by the service's name."""
    metrics: Metrics
    postgres: Callable[[], Awaitable[Postgres]]
    """Opened by the first call that reaches it; raises `ServiceUnavailable` until then."""
    valkey: Callable[[], Awaitable[Valkey]]
    starts: Starts
    job_watch: JobWatch = field(default_factory=JobWatch)
    close: Callable[[], Awaitable[None]] | None = None
    """Closes connections when the replica stops."""

    @property
    def shared_writes(self) -> SharedWrites:
        return SharedWrites(self.postgres, self.metrics)

    @cached_property
    def metrics_of_all(self) -> ReplicaMetrics:
        return ReplicaMetrics(self.metrics, self.valkey)

    @cached_property
    def event_watch(self) -> EventWatch:
        return EventWatch(self.postgres, self.valkey)

    @cached_property
    def agent_calls(self) -> AgentCalls:
        return AgentCalls(self.settings.api.max_agent_calls)

    @cached_property
    def searches(self) -> FairShares:
        """Turns at the cores, for searches that somebody waits for."""
        return search_turns(self.settings)

    async def jobs(self) -> Jobs:
        return Jobs(await self.postgres(), self.settings.jobs)

    async def holdouts(self) -> Holdouts:
        return Holdouts(await self.postgres())

    async def trials(self) -> Trials:
        return Trials(await self.postgres())


async def _backend_of(request: Request) -> Backend:
    backend: Backend = request.app.state.backend
    return backend


InBackend = Annotated[Backend, Depends(_backend_of)]


async def _subscriptions_of(backend: InBackend) -> SubscriptionStore:
    return SubscriptionStore(await backend.postgres(), backend.settings.live)


InSubscriptions = Annotated[SubscriptionStore, Depends(_subscriptions_of)]
