"""Signals drawn from a seed, and candles with holes and flat stretches to hold them against."""

from __future__ import annotations

import random
from dataclasses import dataclass
from typing import Any

import numpy as np

from candleray.candles import Candles, IntArray
from candleray.market_data.coverage import missing_ranges
from candleray.timeframes import MINUTE_MS, iso

START_MS = 1_735_689_600_000  # 2025-01-01
BTC, ETH = {"market_id": 1, "symbol": "BTCUSDT"}, {"market_id": 2, "symbol": "ETHUSDT"}
TIMEFRAMES = {"1m": ["1m", "5m", "15m"], "5m": ["5m", "15m", "1h"], "15m": ["15m", "1h", "4h"]}


@dataclass(frozen=True)
class MinutesByInstrument:
    """A store of the candles of several instruments."""

    candles: dict[tuple[int, str], Candles]

    async def read(self, market_id: int, symbol: str, start_ms: int, end_ms: int) -> Candles:
        return self.candles[market_id, symbol].between(start_ms, end_ms)

    async def span(self, market_id: int, symbol: str) -> tuple[int, int]:
        stamps = self.candles[market_id, symbol].ts_open_ms
        return int(stamps[0]), int(stamps[-1]) + MINUTE_MS

    async def missing_ranges(self, market_id: int, symbol: str, start_ms: int, end_ms: int) -> IntArray:
        return missing_ranges(self.candles[market_id, symbol].ts_open_ms, start_ms, end_ms)


def drawn_minutes(draw: random.Random, minutes: int) -> Candles:
    """Minutes of few different prices, so that many are equal; flat stretches, holes, bars without volume."""
    rng = np.random.default_rng(draw.randrange(2**32))
    steps = rng.choice([-1.0, 0.0, 0.0, 1.0], minutes)
    for _ in range(3):
        at = draw.randrange(minutes)
        steps[at : at + draw.randrange(1, 200)] = 0.0
    close = 100 + np.cumsum(steps) * draw.choice([0.5, 0.25, 0.1])
    close = np.maximum(close, 1.0)
    open_ = np.concatenate(([100.0], close[:-1]))
    reach = rng.choice([0.0, 0.5], (2, minutes))
    volume = rng.choice([0.0, 1.0, 2.5], minutes)
    values = np.stack(
        [open_, np.maximum(open_, close) + reach[0], np.minimum(open_, close) - reach[1], close, volume]
    )
    there = np.ones(minutes, bool)
    for _ in range(draw.choice([0, 1, 6])):
        at = draw.randrange(1, minutes - 1)
        there[at : at + draw.choice([1, 7, 90])] = False
    there[-1] = True
    stamps = START_MS + np.arange(minutes) * MINUTE_MS
    return Candles(stamps[there], np.ascontiguousarray(values[:, there]))


class DrawnSignals:
    """Draws names and signals of single values, as JSON."""

    def __init__(self, draw: random.Random, timeframe: str) -> None:
        self.draw, self.timeframe = draw, timeframe
        self.let: dict[str, Any] = {}
        self._nodes = 0

    def request(self, start_ms: int, end_ms: int) -> dict[str, Any]:
        draw = self.draw
        for name in ("a", "b", "c")[: draw.randrange(4)]:
            self.let[name] = self.operand(2)
        names = draw.choice([["long_entry"], ["long_entry", "long_exit"], ["long_entry", "short_entry"]])
        signals = {}
        for name in names:
            self._nodes = 0
            signals[name] = self.condition(draw.randrange(1, 4))
        return {
            "instrument": BTC,
            "timeframe": self.timeframe,
            "time_range": {"start": iso(start_ms), "end": iso(end_ms)},
            "let": self.let,
            "signals": signals,
            "allow_gaps": True,
        }

    def source(self) -> dict[str, Any]:
        found: dict[str, Any] = {}
        if self.draw.random() < 0.35:
            found["timeframe"] = self.draw.choice(TIMEFRAMES[self.timeframe])
        if self.draw.random() < 0.2:
            found["instrument"] = self.draw.choice([BTC, ETH])
        return found

    def operand(self, levels: int) -> Any:
        draw = self.draw
        kind = draw.random()
        if kind < 0.15 and self.let:
            return draw.choice(sorted(self.let))
        if kind < 0.25:
            return draw.choice([0, 20, 50, 100, 100.5, 1e15])
        if kind < 0.3:
            return {"time": draw.choice(["hour", "weekday"])}
        if kind < 0.45 and levels:
            name = draw.choice(["plus", "minus", "times", "over", "abs", "max", "min"])
            if name == "abs":
                return {name: self.operand(levels - 1)}
            count = 2 if name in ("minus", "over") else draw.choice([2, 2, 3])
            return {name: [self.operand(levels - 1) for _ in range(count)]}
        shift = {"shift": draw.choice([1, 2, 5])} if draw.random() < 0.2 else {}
        if kind < 0.65:
            column = draw.choice(["open", "high", "low", "close", "volume", "hlc3", "ohlc4"])
            return {"price": column, **self.source(), **shift}
        return {**self.indicator(), **self.source(), **shift}

    def indicator(self) -> dict[str, Any]:
        draw = self.draw
        name = draw.choice(["sma", "ema", "rsi", "atr", "donchian"])
        if name == "donchian":
            output = draw.choice(["upper", "lower", "middle"])
            return {"id": name, "output": output, "params": {"window": draw.choice([2, 5, 20])}}
        return {"id": name, "params": {"window": draw.choice([2, 3, 5, 14, 30])}}

    def condition(self, depth: int) -> dict[str, Any]:
        draw = self.draw
        self._nodes += 1
        if depth and self._nodes < 9 and draw.random() < 0.75:
            name = draw.choice(["all", "any", "all", "any", "not", "held_for", "within_last", "earlier"])
            if name in ("all", "any"):
                return {name: [self.condition(depth - 1) for _ in range(draw.choice([1, 2, 2, 3]))]}
            if name == "not":
                return {name: self.condition(depth - 1)}
            return {name: [self.condition(depth - 1), draw.choice([1, 2, 3, 10, 70])]}
        name = draw.choice(
            ["above", "below", "between", "cross_above", "cross_below", "rising", "falling", "rule", "above"]
        )
        if name == "rule":
            return self.rule()
        if name in ("rising", "falling"):
            return {name: [self.operand(1), draw.choice([1, 2, 3, 5])]}
        return {name: [self.operand(2) for _ in range(3 if name == "between" else 2)]}

    def rule(self) -> dict[str, Any]:
        draw = self.draw
        side = draw.choice(["long", "short"])
        if draw.random() < 0.5:
            params, signal = {"window": draw.choice([3, 14])}, {"long_threshold": 45, "short_threshold": 55}
            return {"rule": "rsi", "side": side, "params": params, "signal": signal, **self.source()}
        return {"rule": "sma", "side": side, "params": {"window": draw.choice([2, 10])}, **self.source()}
