"""Sessions of runs drawn from a seed: a strategy, minutes of what it reads with holes among them, and its span."""

from __future__ import annotations

import random
from contextlib import suppress
from typing import Any
from uuid import UUID

import numpy as np

from candleray.candles import Candles
from candleray.errors import InvalidInput
from candleray.indicators.request_models import get_request_models
from candleray.live.certificates.replay import Replay, SessionSpan, replayed
from candleray.live.received.session_sources import sources_of
from candleray.live.run import Run, RunState
from candleray.live.runners.run_book import RunBook
from candleray.live.sessions import LiveRun, Session, first_live_bar
from candleray.live.starting.warm_up import run_metadata
from candleray.live.stores.event_store import NewEvent
from candleray.markets import Instrument
from candleray.settings import BacktestSettings
from candleray.strategies.saving import spec_of
from candleray.strategies.strategy import StrategySpec
from candleray.timeframes import MINUTE_MS, from_ms, minutes_of, to_ms
from tests.support.oracles.drawn_signals import DrawnSignals
from tests.support.random_walk import random_walk

BTC, ETH = Instrument(market_id=1, symbol="BTCUSDT"), Instrument(market_id=2, symbol="ETHUSDT")
GAP_HOURS = 0.5
DEFAULTS = BacktestSettings(max_gap_hours=GAP_HOURS)
DAY_MS = 1440 * MINUTE_MS
FIRST_MS = 1_767_225_600_000  # 2026-01-01


def drawn_spec(draw: random.Random, timeframe: str) -> StrategySpec:
    """A strategy of one to three indicators, or of signals that read other candles too."""
    while True:
        content = DrawnSignals(draw, timeframe).request(FIRST_MS, FIRST_MS + DAY_MS)
        if draw.random() < 0.5:
            del content["signals"], content["let"]
            chosen = draw.sample(["sma", "rsi", "ema", "macd"], draw.choice([1, 1, 2]))
            content["indicators"] = [_indicator(draw, name) for name in chosen]
        if draw.random() < 0.4:
            content["risk"] = {"sl_pct": draw.choice([0.2, 0.5, 2.0]), "tp_pct": draw.choice([None, 0.5, 3.0])}
        content |= {
            "exit_on": draw.choice(["opposite", "neutral"]),
            "direction": draw.choice(["long-only", "long-short", "long-short", "short-only"]),
        }
        with suppress(InvalidInput):
            draft = get_request_models().validated_draft(content)
            return spec_of(draft, DEFAULTS)


def _indicator(draw: random.Random, name: str) -> dict[str, Any]:
    if name == "macd":
        return {"id": "macd"}
    if name == "rsi":
        thresholds = {"long_threshold": draw.choice([55, 60]), "short_threshold": draw.choice([40, 45])}
        return {"id": "rsi", "params": {"window": draw.choice([3, 14])}, "signal": thresholds}
    return {"id": name, "params": {"window": draw.choice([2, 5, 20])}}


def drawn_minutes(draw: random.Random, first_ms: int, count: int, live: int, faults: int) -> Candles:
    """Minutes of a random walk, some runs of which are missing; most of these among the last, live ones."""
    there = np.ones(count, bool)
    for _ in range(draw.choice([0, 2, 6]) * faults):
        at = draw.choice([draw.randrange(count), draw.randrange(count - live, count)])
        there[at : at + draw.choice([1, 1, 7, 29, 31, 95])] = False
    values = random_walk(count, seed=draw.randrange(2**31))
    return Candles((first_ms + np.arange(count) * MINUTE_MS)[there], np.ascontiguousarray(values[:, there]))


class DrawnReplay:
    """A session's strategy and the minutes that it received."""

    def __init__(self, seed: int, bars: int = 240, faults: int = 1) -> None:
        self.draw, self.faults = random.Random(seed), faults
        draw = self.draw
        self.spec = drawn_spec(draw, draw.choice(["1m", "1m", "5m", "15m"]))
        self.bar_ms = minutes_of(self.spec.timeframe) * MINUTE_MS
        created_at = from_ms(FIRST_MS + draw.randrange(1440) * MINUTE_MS)
        metadata = run_metadata(self.spec, created_at)
        run = Run(
            run_id=UUID(int=draw.getrandbits(128)),
            strategy_id=UUID(int=1),
            state=RunState.RUNNING,
            state_since=created_at,
            metadata=metadata,
            created_at=created_at,
        )
        self.live_from_ms = to_ms(first_live_bar(metadata)) + draw.choice([0, 0, 30]) * self.bar_ms
        session = Session(1, from_ms(self.live_from_ms), from_ms(self.live_from_ms + 1234))
        self.live = LiveRun(UUID(int=2), run, session)
        self.until_ms = self.live_from_ms + bars * self.bar_ms + draw.randrange(minutes_of(self.spec.timeframe))
        self.minutes = {
            instrument: drawn_minutes(
                draw,
                first_ms,
                (self.until_ms - first_ms) // MINUTE_MS,
                (self.until_ms - self.live_from_ms) // MINUTE_MS,
                faults,
            )
            for instrument, first_ms in sources_of(self.live, self.spec).items()
        }

    @property
    def span(self) -> SessionSpan:
        return SessionSpan.of(self.live, self.spec, self.until_ms)

    def said(self) -> list[NewEvent]:
        """The events of a runner that takes the minutes."""
        decided = dict.fromkeys(self.minutes, self.until_ms)
        return RunBook(DEFAULTS).attach(self.live, self.spec, self.minutes, decided, None)

    def replay(self) -> Replay:
        return replayed(self.spec, self.span, self.minutes, DEFAULTS)
