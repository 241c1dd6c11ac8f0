"""Sessions of runs drawn from a seed: strategies of every kind, minutes with holes, the pieces they come in."""

from __future__ import annotations

import random
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import numpy as np
from pydantic import ValidationError

from candleray.candles import Candles
from candleray.live.event_store import NewEvent
from candleray.live.run import Run, RunState
from candleray.live.runners.run_book import RunBook
from candleray.live.session_sources import sources_of
from candleray.live.sessions import LiveRun, Session
from candleray.live.warm_up import run_metadata
from candleray.markets import Instrument
from candleray.settings import BacktestSettings
from candleray.strategies.saving import spec_of
from candleray.strategies.strategy import StrategyDraft, StrategySpec
from candleray.timeframes import MINUTE_MS, from_ms, minutes_of, to_ms
from kernels.indicators import INDICATORS
from tests.support.live.replayed_sessions import ReplayedSession
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


def walked_minutes(draw: random.Random, first_ms: int, count: int, holes: int, longest: int) -> Candles:
    """A random walk with all its digits, and with holes."""
    values = random_walk(count, draw.randrange(2**32), draw.choice([0.001, 0.004]))
    there = np.ones(count, bool)
    for _ in range(holes):
        at = draw.randrange(1, count - 1)
        there[at : at + draw.choice([1, 2, 7, longest])] = False
    there[-1] = True
    stamps = first_ms + np.arange(count) * MINUTE_MS
    return Candles(stamps[there], np.ascontiguousarray(values[:, there]))


class DrawnSession:
    """One session with the minutes it receives; `bars` live bars of its own, less what is missing."""

    def __init__(self, seed: int, timeframe: str | None = None, bars: int = 150) -> None:
        self.draw = draw = random.Random(seed)
        self.backtest = BacktestSettings(max_gap_hours=draw.choice([0.5, 3.0]))
        of_signals = timeframe is None and draw.random() < 0.6
        self.spec = self._spec(timeframe or draw.choice(["1m", "1m", "5m", "15m"]), of_signals)
        bar_ms = minutes_of(self.spec.timeframe) * MINUTE_MS
        created_ms = START_MS + 400 * 240 * MINUTE_MS + draw.randrange(10_000) * MINUTE_MS
        metadata = run_metadata(self.spec, from_ms(created_ms))
        later_ms = draw.choice([0, 0, 40]) * bar_ms
        live_from_ms = created_ms // bar_ms * bar_ms + later_ms
        run_id, user_id = UUID(int=draw.getrandbits(128)), UUID(int=draw.getrandbits(128))
        at = datetime(2025, 1, 1, tzinfo=UTC)
        run = Run(
            run_id=run_id,
            strategy_id=UUID(int=1),
            state=RunState.STARTING,
            state_since=at,
            metadata=metadata,
            created_at=at,
        )
        self.live = LiveRun(user_id, run, Session(1 + draw.randrange(3), from_ms(live_from_ms), at))
        self.end_ms = live_from_ms + bars * bar_ms
        self.minutes = {
            instrument: walked_minutes(
                draw,
                first_ms,
                (self.end_ms - first_ms) // MINUTE_MS,
                draw.choice([0, 3, 12]),
                draw.choice([40, 400]),
            )
            for instrument, first_ms in sources_of(self.live, self.spec).items()
        }

    def _spec(self, timeframe: str, of_signals: bool) -> StrategySpec:
        draw = self.draw
        while True:
            content = self._signals(timeframe) if of_signals else self._indicators(timeframe)
            content |= {
                "sizing": draw.choice(SIZINGS),
                "fee_pct": draw.choice([0.0, 0.1]),
                "slippage_pct": draw.choice([0.0, 0.05]),
                "exit_on": draw.choice(["opposite", "neutral"]),
                "risk": draw.choice([{}, {"sl_pct": 0.4}, {"tp_pct": 0.5}, {"sl_pct": 0.3, "tp_pct": 0.6}]),
            }
            with suppress(ValidationError):  # more nodes than a request may have
                return spec_of(StrategyDraft.model_validate(content), self.backtest)

    def _signals(self, timeframe: str) -> dict[str, Any]:
        content = DrawnSignals(self.draw, timeframe).request(0, MINUTE_MS)
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

    def history(self, decided_ms: int) -> dict[Instrument, Candles]:
        firsts = sources_of(self.live, self.spec)
        return {one: self.minutes[one].between(first_ms, decided_ms) for one, first_ms in firsts.items()}

    def attach(self, book: RunBook, decided_ms: int, told_until_ms: int | None) -> list[NewEvent]:
        decided = dict.fromkeys(self.minutes, decided_ms)
        return book.attach(self.live, self.spec, self.history(decided_ms), decided, told_until_ms)

    def first_decided_ms(self) -> int:
        """A moment about the start: before it, after it, or long after it."""
        bar_ms = minutes_of(self.spec.timeframe) * MINUTE_MS
        warm_ms = to_ms(self.live.run.metadata.warmup_from)
        moved = self.draw.choice([-1, 0, 1, 30]) * bar_ms + self.draw.randrange(5) * MINUTE_MS
        return max(warm_ms, to_ms(self.live.last.live_from) + moved)

    def feed(self, book: RunBook, decided_ms: int, stop_ms: int) -> list[NewEvent]:
        """Hand the minutes in, of each instrument in pieces of its own, and take what comes of them."""
        told, events = dict.fromkeys(self.minutes, decided_ms), []
        while min(told.values()) < stop_ms:
            instrument = self.draw.choice([one for one, at in told.items() if at < stop_ms])
            ahead = self.draw.choice([1, 1, 2, 5, 61, 500]) * MINUTE_MS
            until_ms = min(stop_ms, told[instrument] + ahead)
            book.take(instrument, self.minutes[instrument].between(told[instrument], until_ms), until_ms)
            told[instrument] = until_ms
            advanced = book.advance()
            assert not advanced.failed
            events += advanced.events
        return events

    def replayed(self, end_ms: int | None = None) -> ReplayedSession:
        return ReplayedSession(self.live, self.spec, self.minutes, end_ms or self.end_ms, self.backtest)


def told(events: list[NewEvent]) -> list[tuple[Any, ...]]:
    """Events as `(bar, kind, body)`, in one order, without entries that are annulled."""
    plain = []
    for event in events:
        body = event.body.model_dump(mode="json")
        plain.append((to_ms(event.ts_open), body.pop("kind"), body))
    annulled = {at for at, kind, _ in plain if kind == "annulled"}
    return sorted(
        (one for one in plain if one[1] != "annulled" and not (one[1] == "entry" and one[0] in annulled)),
        key=lambda one: one[:2],
    )
