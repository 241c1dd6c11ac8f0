"""The work that is measured: a year of minutes, and grids over it that a user could ask for."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
from numpy.typing import NDArray

from candleray.backtests.request import BacktestRequest
from candleray.candles import COLUMNS, Candles
from candleray.indicators.request_models import get_request_models
from candleray.markets import find_market
from candleray.search import engine
from candleray.search.bars import Bars
from candleray.search.variants import VariantGrid, resolve
from candleray.settings import BacktestSettings
from candleray.simulator.generated_candles import GeneratedCandles
from candleray.timeframes import TimeRange
from kernels.bits import unpack
from tests.support.searches import bars_over

REAL_YEARS = (
    Path(__file__).resolve().parents[3] / "shared" / "data" / "candles" / "binance_spot_BTCUSDT_2024-2025.parquet"
)
START, END = "2025-01-01T00:00:00Z", "2026-01-01T00:00:00Z"
WARMUP = 200

SMA = {"id": "sma", "params": {"window": {"start": 5, "stop": 200, "step": 5}}}
RSI = {
    "id": "rsi",
    "params": {"window": {"values": [7, 10, 14, 18, 21]}},
    "signal": {"long_threshold": {"start": 20, "stop": 40, "step": 5}, "short_threshold": 70},
}
EMA = {"id": "ema", "params": {"window": {"values": [20, 50, 100, 200]}}}
ROC = {"id": "roc", "params": {"window": {"values": [5, 10, 20, 40, 60]}}}
LEVELS = {"sl_pct": {"start": 0.5, "stop": 5.0, "step": 0.5}, "tp_pct": {"start": 0.5, "stop": 10.0, "step": 0.5}}


@dataclass(frozen=True)
class Market:
    minutes: Candles
    source: str


def load_market() -> Market:
    """BTCUSDT of 2025 and some of the year before: real minutes where they are, generated ones otherwise."""
    if REAL_YEARS.exists():
        table = pq.read_table(REAL_YEARS)
        values = np.ascontiguousarray([table[name].to_numpy() for name in COLUMNS])
        return Market(Candles(table["ts_open"].to_numpy(), values), "real BTCUSDT spot minutes of 2025")
    span = TimeRange.model_validate({"start": "2024-12-01T00:00:00Z", "end": END})
    source = GeneratedCandles(symbols=["BTCUSDT"])
    rows = source.candles(find_market(1), "BTCUSDT", span.start_ms, span.end_ms)
    return Market(Candles(rows.ts_open_ms, rows.values), "generated BTCUSDT minutes of 2025")


@dataclass(frozen=True)
class Workload:
    """A resolved request, its bars and its planes."""

    request: BacktestRequest
    minutes: Candles

    @staticmethod
    def of(market: Market, indicators: list[dict[str, Any]], **changes: Any) -> Workload:
        content = {
            "instrument": {"market_id": 1, "symbol": "BTCUSDT"},
            "timeframe": "1m",
            "time_range": {"start": START, "end": END},
            "direction": "long-only",
            "exit_on": "neutral",
            **({"indicators": indicators} if indicators else {}),
            **changes,
        }
        return Workload(
            resolve(get_request_models().validated_request(content), BacktestSettings()), market.minutes
        )

    @cached_property
    def grid(self) -> VariantGrid:
        return VariantGrid(self.request)

    @cached_property
    def bars(self) -> Bars:
        return bars_over(self.minutes, self.request, WARMUP)

    @cached_property
    def planes(self) -> engine.Planes:
        return engine.Planes.over([engine.planes_of(self.bars, self.grid, 0, self.grid.planes, WARMUP)])

    def plane_indices(self, variant: int) -> list[int]:
        """The numbers of a variant's planes, one an indicator."""
        digits = self.grid.radix.decode(variant)
        return [offset + digit for offset, digit in zip(self.grid.plane_offsets, digits, strict=True)]

    def flags(self, variant: int) -> NDArray[np.bool_]:
        """A variant's signals, one flag a bar: `(indicators, 2, bars)`, long and short."""
        planes = np.concatenate(list(self.planes.chunks))
        return unpack(planes[self.plane_indices(variant)], self.bars.count)

    def sample(self, count: int) -> list[int]:
        """Variants spread evenly over the grid."""
        return np.linspace(0, self.grid.size - 1, min(count, self.grid.size)).astype(int).tolist()
