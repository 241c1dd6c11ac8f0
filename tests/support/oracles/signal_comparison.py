"""Planes of signals beside the naive evaluator: one drawn case after the other.

python -m tests.support.oracles.signal_comparison 10000
"""

from __future__ import annotations

import asyncio
import random
import sys
from contextlib import suppress
from typing import Any

import numpy as np

from candleray.backtests.request import BacktestRequest
from candleray.candles import Candles
from candleray.errors import InvalidInput
from candleray.indicators.request_models import get_request_models
from candleray.search.bars import Bars, read_bars
from candleray.search.engine import Planes, planes_of
from candleray.search.signals.evaluator import Evaluator
from candleray.search.signals.things import ExpressionBuilder
from candleray.search.variants import VariantGrid, resolve
from candleray.settings import BacktestSettings
from candleray.timeframes import MINUTE_MS
from kernels.bits import unpack
from kernels.simulation.programs import AND, LEAF
from tests.support.oracles.drawn_signals import (
    BTC,
    ETH,
    START_MS,
    DrawnSignals,
    MinutesByInstrument,
    drawn_minutes,
)
from tests.support.oracles.naive_signals import MINUTES, NaiveSignals

WARMUP = 20
BARS_OF_A_CASE = 90


class Case:
    """Drawn signals over drawn candles."""

    def __init__(self, seed: int) -> None:
        self.draw = random.Random(seed)
        timeframe = self.draw.choice(["1m", "1m", "5m", "15m"])
        bar_minutes = MINUTES[timeframe]
        before = self.draw.choice([0, 40, 120]) * bar_minutes
        minutes = before + BARS_OF_A_CASE * bar_minutes
        self.minutes = {(one["market_id"], one["symbol"]): drawn_minutes(self.draw, minutes) for one in (BTC, ETH)}
        offset = self.draw.randrange(1440) // bar_minutes * bar_minutes * MINUTE_MS
        self.minutes = {key: Candles(each.ts_open_ms + offset, each.values) for key, each in self.minutes.items()}
        self.start_ms = START_MS + offset + before * MINUTE_MS
        self.end_ms = START_MS + offset + minutes * MINUTE_MS
        self.content, asked = self._request(timeframe)
        self.defaults = BacktestSettings(warmup_bars=WARMUP)
        self.grid = VariantGrid(resolve(asked, self.defaults))

    def _request(self, timeframe: str) -> tuple[dict[str, Any], BacktestRequest]:
        while True:
            content = DrawnSignals(self.draw, timeframe).request(self.start_ms, self.end_ms)
            with suppress(InvalidInput):  # more nodes than a request may have
                return content, get_request_models().validated_request(content)

    def bars(self, minutes: dict[tuple[int, str], Candles] | None = None) -> Bars:
        return asyncio.run(read_bars(MinutesByInstrument(minutes or self.minutes), self.grid, self.defaults))

    def pairs(self, bars: Bars) -> dict[str, np.ndarray]:
        """Each signal as flags `(2, n)`: the bars on which it holds, and those on which it is known not to."""
        evaluator = Evaluator(bars, WARMUP)
        signals = ExpressionBuilder(self.grid.request).signals
        return {name: unpack(evaluator.plane(signal), bars.count) for name, signal in signals.items()}

    def joined(self, bars: Bars) -> dict[str, np.ndarray]:
        """Each signal's bars by the program over the planes of its leaves."""
        planes = planes_of(bars, self.grid, 0, self.grid.planes, WARMUP)
        program = Planes.over([planes]).plane_grid(self.grid).program
        nodes: list[np.ndarray] = []
        for kind, left, right, _ in program.nodes.tolist():
            if kind == LEAF:
                nodes.append(planes[left, right])
            else:
                nodes.append(nodes[left] & nodes[right] if kind == AND else nodes[left] | nodes[right])
        names = ("long_entry", "short_entry", "long_exit", "short_exit")
        roots = dict(zip(names, program.roots.tolist(), strict=True))
        return {name: unpack(nodes[root], bars.count) for name, root in roots.items() if root >= 0}

    def naive(self) -> dict[str, np.ndarray]:
        plain = {key: (each.ts_open_ms.tolist(), each.values.T.tolist()) for key, each in self.minutes.items()}
        naive = NaiveSignals(self.content, plain, WARMUP)
        found: dict[str, np.ndarray] = {}
        for name, signal in self.content["signals"].items():
            states = naive.of_range(self.start_ms, self.end_ms, signal)
            found[name] = np.array([[one is True for one in states], [one is False for one in states]])
        return found

    def mismatches(self) -> list[str]:
        """The signals whose planes differ from the naive ones, or move when the future does."""
        bars = self.bars()
        got, expected, joined = self.pairs(bars), self.naive(), self.joined(bars)
        wrong = [f"{name}: planes" for name in expected if not np.array_equal(got[name], expected[name])]
        wrong += [f"{name}: program" for name in expected if not np.array_equal(joined[name], expected[name][0])]
        return wrong + self.moved_by_the_future(bars, got)

    def moved_by_the_future(self, bars: Bars, got: dict[str, np.ndarray]) -> list[str]:
        kept = self.draw.randrange(1, bars.count + 1)
        now_ms = int(bars.ts_open_ms[kept - 1]) + bars.bar_ms
        later = {key: changed_after(each, now_ms, self.draw) for key, each in self.minutes.items()}
        again = self.pairs(self.bars(later))
        return [
            f"{name}: future" for name in got if not np.array_equal(again[name][:, :kept], got[name][:, :kept])
        ]


def changed_after(candles: Candles, now_ms: int, draw: random.Random) -> Candles:
    """Other prices from a moment on."""
    factor = draw.choice([0.5, 0.9, 1.1, 3.0])
    values = np.where(candles.ts_open_ms >= now_ms, candles.values * factor, candles.values)
    return Candles(candles.ts_open_ms, np.ascontiguousarray(values))


def main(count: int, first: int = 0) -> int:
    wrong: list[Any] = []
    held = 0
    for seed in range(first, first + count):
        case = Case(seed)
        held += any(flags[0].any() for flags in case.naive().values())
        if found := case.mismatches():
            wrong.append((seed, found))
            print(f"seed {seed}: {found}", flush=True)
    print(f"{count:,} random condition trees: {len(wrong)} mismatches; {held:,} of them hold on some bar")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) > 2 else 0))
