"""Metrics of one replica of the API."""

from __future__ import annotations

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    disable_created_metrics,
    generate_latest,
)

_REQUEST_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300)
_BACKTEST_SECONDS = (0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300)

disable_created_metrics()  # one more series beside every counter, which nobody reads


class Metrics:
    """Metrics of one replica.

    A scrape reaches any one of the replicas, so every series carries its replica's name. Otherwise the counters of
    two replicas would look like one counter that jumps.
    """

    def __init__(self, replica: str) -> None:
        self.registry = CollectorRegistry()
        self.replica = replica
        self._requests = self._counter("api_requests", "Requests answered", "route", "method", "status")
        self._request_seconds = self._histogram(
            "api_request_seconds", "Seconds from request to answer", _REQUEST_SECONDS, "route", "method"
        )
        self._in_flight = Gauge(
            "candleray_api_requests_in_flight", "Requests under way", ["replica"], registry=self.registry
        )
        self._variants = self._counter("backtest_variants", "Variants evaluated by synchronous backtests")
        self._backtest_seconds = self._histogram(
            "backtest_seconds", "Seconds of a synchronous backtest", _BACKTEST_SECONDS
        )
        self._rows = self._counter("rows_ingested", "Candles written through the API", "market")
        self._in_flight.labels(replica)

    def _counter(self, name: str, description: str, *labels: str) -> Counter:
        return Counter(f"candleray_{name}", description, ["replica", *labels], registry=self.registry)

    def _histogram(self, name: str, description: str, buckets: tuple[float, ...], *labels: str) -> Histogram:
        return Histogram(
            f"candleray_{name}", description, ["replica", *labels], registry=self.registry, buckets=buckets
        )

    def request_began(self) -> None:
        self._in_flight.labels(self.replica).inc()

    def request_ended(self, route: str, method: str, status: int, seconds: float) -> None:
        self._in_flight.labels(self.replica).dec()
        self._requests.labels(self.replica, route, method, str(status)).inc()
        self._request_seconds.labels(self.replica, route, method).observe(seconds)

    def backtest_ended(self, variants: int, seconds: float) -> None:
        self._variants.labels(self.replica).inc(variants)
        self._backtest_seconds.labels(self.replica).observe(seconds)

    def rows_ingested(self, market: str, rows: int) -> None:
        self._rows.labels(self.replica, market).inc(rows)

    def render(self) -> bytes:
        return generate_latest(self.registry)
