"""Sessions of runs drawn from a seed: strategies of every kind, over minutes with holes."""

from __future__ import annotations

import random
from contextlib import suppress
from typing import Any
from uuid import UUID

import numpy as np
from pydantic import ValidationError

from candleray.candles import Candles
from candleray.live.received.session_sources import sources_of
from candleray.live.starting.warm_up import run_metadata
from candleray.markets import Instrument
from candleray.settings import BacktestSettings
from candleray.strategies.saving import spec_of
from candleray.strategies.strategy import StrategyDraft, StrategySpec
from candleray.timeframes import MINUTE_MS, from_ms, minutes_of, to_ms
from kernels.indicators import INDICATORS
from tests.support.live.played_sessions import PlayedSession, live_run
from tests.support.oracles.drawn_signals import BTC, ETH, DrawnSignals
from tests.support.random_walk import random_walk

START_MS = 1_735_689_600_000  # 2025-01-01
SIZINGS = [
    {"mode": "all_in"},
    {"mode": "fixed_quote", "quote": 900.0},
    {"mode": "strategy_compound", "budget_quote": 5_000.0},
    {"mode": "strategy_compound_profit_lock", "budget_quote": 5_000.0, "safe_profit_percent": 30.0},
]
BOTH = tuple(Instrument.model_validate(one) for one in (BTC, ETH))


def walked_minutes(draw: random.Random, first_ms: int, end_ms: int, holes: int, longest: int) -> Candles:
    """A random walk with all its digits, and with holes."""
    count = (end_ms - first_ms) // MINUTE_MS
    values = random_walk(count, draw.randrange(2**32), draw.choice([0.001, 0.004]))
    there = np.ones(count, bool)
    for _ in range(holes):
        at = draw.randrange(1, count - 1)
        there[at : at + draw.choice([1, 2, 7, longest])] = False
    there[-1] = True
    stamps = first_ms + np.arange(count) * MINUTE_MS
    return Candles(stamps[there], np.ascontiguousarray(values[:, there]))


class PlainSignals(DrawnSignals):
    """Comparisons, crosses and rules of operands of every kind, joined."""

    def condition(self, depth: int) -> dict[str, Any]:
        draw = self.draw
        self._nodes += 1
        if depth and self._nodes < 6 and draw.random() < 0.6:
            name = draw.choice(["all", "any", "not"])
            if name == "not":
                return {name: self.condition(depth - 1)}
            return {name: [self.condition(depth - 1) for _ in range(2)]}
        name = draw.choice(["above", "below", "between", "cross_above", "cross_below", "cross_above", "rule"])
        if name == "rule":
            return self.rule()
        return {name: [self.operand(2) for _ in range(3 if name == "between" else 2)]}


class DrawnSession(PlayedSession):
    """One session with the minutes it receives; `bars` live bars of its own, less what is missing."""

    def __init__(
        self, seed: int, bars: int = 150, spread: int = 10_000, signals: type[DrawnSignals] | None = None
    ):
        """
        Args:
            signals: the kind of conditions; left out, any conditions or indicators.
        """
        self.draw = draw = random.Random(seed)
        self.backtest = BacktestSettings(max_gap_hours=draw.choice([0.05, 0.5, 3.0]))
        self.spec = self._spec(draw.choice(["1m", "1m", "5m", "15m"]), signals)
        bar_ms = minutes_of(self.spec.timeframe) * MINUTE_MS
        created_ms = START_MS + 400 * 240 * MINUTE_MS + draw.randrange(spread) * MINUTE_MS
        metadata = run_metadata(self.spec, from_ms(created_ms))
        later_ms = draw.choice([0, 0, 40]) * bar_ms
        live_from_ms = created_ms // bar_ms * bar_ms + later_ms
        self.live = live_run(metadata, live_from_ms, 1 + draw.randrange(3), UUID(int=draw.getrandbits(128)))
        self.end_ms = live_from_ms + bars * bar_ms
        self.firsts_ms = sources_of(self.live, self.spec)
        holes, longest = draw.choice([(0, 1), (3, 400), (30, 20)])
        self.minutes = {
            instrument: walked_minutes(draw, first_ms, self.end_ms, holes, longest)
            for instrument, first_ms in self.firsts_ms.items()
        }

    def _spec(self, timeframe: str, signals: type[DrawnSignals] | None) -> StrategySpec:
        draw = self.draw
        kind = signals or (DrawnSignals if draw.random() < 0.6 else None)
        while True:
            content = self._indicators(timeframe) if kind is None else self._signals(kind, timeframe)
            content |= {
                "sizing": draw.choice(SIZINGS),
                "fee_pct": draw.choice([0.0, 0.1]),
                "slippage_pct": draw.choice([0.0, 0.05]),
                "exit_on": draw.choice(["opposite", "neutral"]),
                "risk": draw.choice([{}, {"sl_pct": 0.4}, {"tp_pct": 0.5}, {"sl_pct": 0.3, "tp_pct": 0.6}]),
            }
            with suppress(ValidationError):  # more nodes than a request may have
                return spec_of(StrategyDraft.model_validate(content), self.backtest)

    def _signals(self, kind: type[DrawnSignals], timeframe: str) -> dict[str, Any]:
        content = kind(self.draw, timeframe).request(0, MINUTE_MS)
        del content["time_range"], content["allow_gaps"]
        return content

    def _indicators(self, timeframe: str) -> dict[str, Any]:
        chosen = self.draw.sample(sorted(INDICATORS), self.draw.choice([1, 1, 2]))
        return {
            "instrument": BTC,
            "timeframe": timeframe,
            "indicators": [{"id": name} for name in chosen],
            "direction": self.draw.choice(["long-short", "long-only", "short-only"]),
        }

    def first_decided_ms(self) -> int:
        """A moment about the start: before it, after it, or long after it."""
        bar_ms = minutes_of(self.spec.timeframe) * MINUTE_MS
        warm_ms = to_ms(self.live.run.metadata.warmup_from)
        moved = self.draw.choice([-1, 0, 1, 30]) * bar_ms + self.draw.randrange(5) * MINUTE_MS
        return max(warm_ms, to_ms(self.live.last.live_from) + moved)


def drawn_together(seed: int, count: int, bars: int) -> list[DrawnSession]:
    """Sessions over the same minutes, up to the same moment."""
    draw = random.Random(seed)
    sessions = [DrawnSession(draw.randrange(2**32), bars, spread=100) for _ in range(count)]
    end_ms = max(session.end_ms for session in sessions)
    first_ms = min(min(session.firsts_ms.values()) for session in sessions)
    minutes = {one: walked_minutes(draw, first_ms, end_ms, 30, 200) for one in BOTH}
    for session in sessions:
        session.end_ms = end_ms
        session.minutes = {one: minutes[one] for one in session.firsts_ms}
    return sessions
