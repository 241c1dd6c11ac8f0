"""The SDK: every route of the API as a typed method.

    with Client() as client:
        result = client.backtest(request)
        frame = result.to_pandas()

It knows neither Ray nor the kernels. Only the methods that need pyarrow, numpy or pandas import them.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any
from uuid import UUID

import httpx

from candleray.backtests.explanation import Explanation
from candleray.backtests.preflight import Preflight
from candleray.backtests.request import BacktestRequest
from candleray.backtests.result import BacktestResult
from candleray.errors import invalid
from candleray.indicators.info import IndicatorInfo
from candleray.indicators.series import IndicatorSeries, SeriesRequest
from candleray.sdk.connection import Connection, encoded, find_api_url, read, segment
from candleray.sdk.holdouts import HoldoutMethods
from candleray.sdk.identity import IdentityMethods
from candleray.sdk.jobs import JobMethods
from candleray.sdk.market_data import MarketDataMethods, Time
from candleray.sdk.messages import MessageMethods
from candleray.sdk.null_methods import NullMethods
from candleray.sdk.portfolio_methods import PortfolioMethods
from candleray.sdk.references import request_body
from candleray.sdk.report_methods import ReportMethods
from candleray.sdk.run_events import RunEventMethods
from candleray.sdk.runs import RunMethods
from candleray.sdk.saved_requests import request_of_saved
from candleray.sdk.strategies import StrategyMethods
from candleray.sdk.subscriptions import SubscriptionMethods
from candleray.sdk.trials import TrialMethods
from candleray.strategies.strategy import Strategy

DEFAULT_TIMEOUT_S = 330.0
"""Longer than the longest synchronous backtest may take, so that the API's own answer arrives."""


class Client(
    MarketDataMethods,
    SubscriptionMethods,
    JobMethods,
    ReportMethods,
    NullMethods,
    PortfolioMethods,
    StrategyMethods,
    TrialMethods,
    HoldoutMethods,
    RunMethods,
    RunEventMethods,
    MessageMethods,
    IdentityMethods,
):
    """A connection to one API; threads may share it.

    Whatever takes a request takes a model, a dict, or the bytes of its JSON. Every class that the methods take or
    return is exported from `candleray`.

    In the examples of the methods `client` is an open client, `request` a small backtest, and `strategy` and `job`
    are what earlier calls returned.
    """

    def __init__(
        self,
        url: str | None = None,
        *,
        data: Path | str | None = None,
        token: str | None = None,
        timeout_s: float = DEFAULT_TIMEOUT_S,
        transport: httpx.BaseTransport | None = None,
    ) -> None:
        """
        Args:
            url: by default the setting `api_url`, else the instance that runs in the data folder.
            data: in place of `url`: the data folder of the instance, such as `CANDLERAY_DATA_DIR` names.
            token: sent as a bearer token; by default `CANDLERAY_TOKEN`, else what `candleray login` kept.
            timeout_s: how long an answer may take; a connection is given up within seconds.
            transport: in place of connections of its own; forked processes cannot share it.
        """
        if url and data:
            raise invalid("data", "two_places", "url and data both say which API is meant: give one of them")
        address = url or find_api_url(Path(data) if data else None)
        super().__init__(Connection(address, token=token, timeout_s=timeout_s, transport=transport))

    def __enter__(self) -> Client:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"Client({self.url!r})"

    def close(self) -> None:
        """Close the connection.

        >>> client.close()
        """
        self._connection.close()

    def backtest(self, request: BacktestRequest | Mapping[str, Any] | bytes) -> BacktestResult:
        """Search every variant of a request; the best come back ranked.

        Raises:
            InvalidInput: one problem a field; `GuardExceeded` where the request is too large to answer at once.

        >>> result = client.backtest(request)
        >>> [variant.rank for variant in result.top[:3]]
        [1, 2, 3]
        >>> frame = result.to_pandas()
        """
        return read(BacktestResult, self.send("POST", "/backtests", content=request_body(self, request)))

    def preflight(self, request: BacktestRequest | Mapping[str, Any] | bytes) -> Preflight:
        """Estimate what a request would cost on this cluster, and tell whether it may run.

        >>> estimate = client.preflight(request)
        >>> estimate.mode, estimate.variants_total
        ('sync', 4)
        """
        return read(Preflight, self.send("POST", "/backtests/preflight", content=request_body(self, request)))

    def explain(
        self,
        request: BacktestRequest | Mapping[str, Any] | bytes | Strategy | UUID | str,
        variant_index: int = 0,
        *,
        start: Time | None = None,
        end: Time | None = None,
    ) -> Explanation:
        """Say a request in plain English, and what one of its variants finds on the range.

        Args:
            request: also a saved strategy, its id, the beginning of one, or its name.
            start: of a saved strategy, the range that is looked at; by default the last year of its candles.
            end: the same.

        Raises:
            InvalidInput: one problem a field; the request has no variant of that number.
            NotFound: there is no such strategy, or it has no candles.

        >>> explanation = client.explain(request)
        >>> print(explanation.variant_sentences[0])
        Opens long when SMA(10) says long; closes when the short entry's condition is true.
        >>> [condition.path for condition in explanation.conditions]
        ['indicators.0', 'indicators.0']
        >>> strategy = client.save_strategy(client.backtest(request).top[0])
        >>> client.explain(strategy.name).sentences == client.explain(strategy).sentences
        True
        """
        if isinstance(request, Strategy | UUID | str):
            strategy = request if isinstance(request, Strategy) else self.strategy(request)
            request = request_of_saved(strategy, self.coverage, start, end)
        elif start is not None or end is not None:
            raise invalid(
                "time_range", "two_ranges", "the request has its time_range: start and end are of a strategy"
            )
        body = request_body(self, request)
        params = {"variant_index": variant_index}
        return read(Explanation, self.send("POST", "/backtests/explain", content=body, params=params))

    def indicators(self) -> list[IndicatorInfo]:
        """Every indicator with its inputs, parameters, bounds and signal rule.

        >>> "sma" in [indicator.id for indicator in client.indicators()]
        True
        """
        return read(list[IndicatorInfo], self.send("GET", "/indicators"))

    def indicator(self, indicator_id: str) -> IndicatorInfo:
        """One indicator by its id.

        Raises:
            NotFound: with the nearest id.

        >>> [param.name for param in client.indicator("rsi").params]
        ['window']
        """
        return read(IndicatorInfo, self.send("GET", f"/indicators/{segment(indicator_id)}"))

    def compute(self, request: SeriesRequest | Mapping[str, Any] | bytes) -> IndicatorSeries:
        """Compute an indicator over the last bars or a time range.

        >>> sma = {"id": "sma", "params": {"window": 20}}
        >>> series = client.compute({"instrument": request["instrument"], "indicator": sma, "last": 100})
        >>> len(series.outputs["sma"])
        100
        """
        return read(IndicatorSeries, self.send("POST", "/indicators/compute", content=encoded(request)))

    def health(self) -> None:
        """Return where the API's process lives; raise otherwise.

        >>> client.health()
        """
        self.send("GET", "/health")

    def ready(self) -> dict[str, float]:
        """Milliseconds that each service behind the API took to answer, by its name.

        Raises:
            ServiceUnavailable: with a problem for each that does not answer.

        >>> slow = [name for name, latency_ms in client.ready().items() if latency_ms > 10_000]
        >>> slow
        []
        """
        services = read(dict[str, Any], self.send("GET", "/ready", repeatable=False))["services"]
        return {name: service["latency_ms"] for name, service in services.items()}
