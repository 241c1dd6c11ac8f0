"""Sessions written by hand: a close that jumps about its average of two bars makes every signal."""

from __future__ import annotations

import random
from collections.abc import Mapping
from typing import Any
from uuid import UUID, uuid4

import numpy as np

from candleray.candles import Candles
from candleray.live.starting.warm_up import run_metadata
from candleray.markets import Instrument
from candleray.settings import BacktestSettings
from candleray.timeframes import MINUTE_MS, from_ms
from tests.support.live.played_sessions import PlayedSession, live_run
from tests.support.live.saved_runs import spec_with

FIRST_MS = 1_735_689_600_000  # 2025-01-01
BTC = Instrument(market_id=1, symbol="BTCUSDT")
ETH = Instrument(market_id=1, symbol="ETHUSDT")


def minutes(count: int, without: range = range(0), first_ms: int = FIRST_MS) -> Candles:
    """Minutes whose closes are 100 and 110 by turns, less some of them."""
    close = np.where(np.arange(count) % 2 == 0, 100.0, 110.0)
    there = ~np.isin(np.arange(count), list(without))
    stamps = first_ms + np.arange(count) * MINUTE_MS
    return Candles(stamps[there], np.ascontiguousarray(np.stack([close] * 5)[:, there]))


class HandSession(PlayedSession):
    """A session of an average of two bars, or of other parts of a strategy; live after so many minutes."""

    def __init__(
        self, minutes: Mapping[Instrument, Candles], live_after: int = 10, run_id: UUID | None = None, **parts: Any
    ) -> None:
        self.draw, self.backtest, self.minutes = random.Random(1), BacktestSettings(max_gap_hours=0.05), minutes
        average = {"id": "sma", "params": {"window": 2}}
        chosen = {"indicators": None if "signals" in parts else [average]}
        self.spec = spec_with(**{"timeframe": "1m", "fee_pct": 0, "slippage_pct": 0, **chosen, **parts})
        live_from_ms = FIRST_MS + live_after * MINUTE_MS
        metadata = run_metadata(self.spec, from_ms(live_from_ms))
        self.live = live_run(metadata, live_from_ms, 1, run_id or uuid4())
        self.end_ms = max(int(each.ts_open_ms[-1]) for each in minutes.values()) + MINUTE_MS
