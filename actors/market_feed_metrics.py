"""Metrics of a venue's live candles, exported by Ray on the node's metrics port."""

from __future__ import annotations

from collections.abc import Sequence

from ray.util.metrics import Gauge

from candleray.feeds.feed_state import FeedState


class MarketFeedMetrics:
    """Gauges alone: what is counted begins again with the process, and a gauge may go down."""

    def __init__(self) -> None:
        by_market = ("market",)
        self._subscribed = Gauge("candleray_feed_subscribed", "Instruments that are followed.", by_market)
        self._sockets = Gauge("candleray_feed_sockets", "1 where websockets serve, 0 where REST does.", by_market)
        self._last = Gauge("candleray_feed_last_candle_seconds", "Open time of the newest candle.", by_market)
        self._lag = Gauge("candleray_feed_lag_seconds", "From a close to the store.", ("market", "quantile"))
        self._incomplete = Gauge("candleray_feed_incomplete", "Instruments that lack a minute.", by_market)
        self._filled = Gauge("candleray_feed_filled", "Minutes that only REST told.", by_market)
        self._reconnects = Gauge("candleray_feed_reconnects", "Sockets opened again.", by_market)
        self._waiting = Gauge("candleray_feed_waiting", "Rows that wait for the store.", by_market)
        self._holes = Gauge("candleray_feed_holes", "Holes by verdict of the last day.", by_market)
        self._lacking = Gauge("candleray_feed_catch_up_minutes", "Minutes that the store lacks.", by_market)
        self._eta = Gauge("candleray_feed_catch_up_eta_seconds", "Time until it has them.", by_market)
        self._repaired = Gauge(
            "candleray_feed_repaired", "Minutes that scans found missing and REST brought.", by_market
        )
        self._not_traded = Gauge(
            "candleray_feed_not_traded", "Subscribed instruments that are not traded.", by_market
        )
        self._shared = Gauge("candleray_feed_budget_shared", "0 while Valkey is away.", by_market)
        self._ahead = Gauge(
            "candleray_feed_clock_ahead_seconds", "This machine's clock less the exchange's.", by_market
        )
        self._refused = Gauge("candleray_feed_refused", "Rows and frames refused.", ("market", "reason"))

    def observe(self, states: Sequence[FeedState]) -> None:
        for state in states:
            market = {"market": state.market}
            self._subscribed.set(state.subscribed, market)
            self._sockets.set(float(state.mode == "sockets"), market)
            self._incomplete.set(state.incomplete, market)
            self._filled.set(state.filled, market)
            self._reconnects.set(state.reconnects, market)
            self._waiting.set(state.waiting, market)
            self._lacking.set(state.catch_up.minutes_left if state.catch_up else 0, market)
            self._eta.set((state.catch_up.eta_s or 0.0) if state.catch_up else 0.0, market)
            self._holes.set(state.holes, market)
            self._repaired.set(state.repaired, market)
            self._not_traded.set(len(state.not_traded), market)
            self._shared.set(float(state.budget_shared), market)
            if state.clock_ahead_ms is not None:
                self._ahead.set(state.clock_ahead_ms / 1000, market)
            if state.last_candle is not None:
                self._last.set(state.last_candle.timestamp(), market)
            for quantile, lag_ms in (("0.5", state.lag_p50_ms), ("0.99", state.lag_p99_ms)):
                if lag_ms is not None:
                    self._lag.set(lag_ms / 1000, {**market, "quantile": quantile})
            for reason, refused in state.refused.items():
                self._refused.set(refused.count, {**market, "reason": reason})
