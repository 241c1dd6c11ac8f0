"""Templates beside the ideas in pandas and the per-bar simulator, over the same minutes.

python -m tests.support.oracles.idea_comparison BTCUSDT.parquet ETHUSDT.parquet
"""

from __future__ import annotations

import asyncio
import sys
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from candleray.backtests.phase import Phase
from candleray.backtests.request import BacktestRequest
from candleray.backtests.result import BacktestResult
from candleray.candles import Candles
from candleray.indicators.request_models import get_request_models
from candleray.search.bars import Bars, read_bars
from candleray.search.in_process import InProcess
from candleray.search.phases import Stopwatch, search
from candleray.search.signals.evaluator import Evaluator
from candleray.search.signals.things import ExpressionBuilder
from candleray.search.variants import VariantGrid, resolve
from candleray.settings import BacktestSettings
from candleray.strategies.template import find_template, templates
from candleray.timeframes import DAY_MS, iso
from kernels.bits import unpack
from tests.support.oracles import oracle
from tests.support.oracles.drawn_signals import MinutesByInstrument
from tests.support.oracles.ideas import IDEAS, Market, Said

ALL_HISTORY = 1_000_000
"""A warm-up longer than any history: every series begins at the first candle, as pandas' do."""
HISTORY_DAYS = 60
MARKET_ID = 1


class IdeaCase:
    """One template over minutes of some symbols."""

    def __init__(self, name: str, minutes: dict[str, Candles]) -> None:
        template = find_template(name)
        one = next(iter(minutes.values())).ts_open_ms
        self.span = {"start": iso(int(one[0]) + HISTORY_DAYS * DAY_MS), "end": iso(int(one[-1]) + 60_000)}
        self.defaults = BacktestSettings(warmup_bars=ALL_HISTORY)
        content = template.request | {"time_range": self.span, "trades_for": 1}
        self.request: BacktestRequest = resolve(get_request_models().validated_request(content), self.defaults)
        self.name, self.minutes = name, minutes
        self.grid = VariantGrid(self.request)
        store = MinutesByInstrument({(MARKET_ID, symbol): candles for symbol, candles in minutes.items()})
        self.bars: Bars = asyncio.run(read_bars(store, self.grid, self.defaults))

    def planes(self) -> Said:
        evaluator = Evaluator(self.bars, ALL_HISTORY)
        signals = ExpressionBuilder(self.request).signals
        return {name: unpack(evaluator.plane(signal), self.bars.count)[0] for name, signal in signals.items()}

    @cached_property
    def by_pandas(self) -> Said:
        frames = {symbol: frame_of(candles) for symbol, candles in self.minutes.items()}
        said = IDEAS[self.name](Market(frames, self.request.instrument.symbol, self.request.timeframe))
        inside = pd.to_datetime(self.bars.ts_open_ms, unit="ms", utc=True)
        return {signal: flags.loc[inside].to_numpy(bool) for signal, flags in said.items()}

    def result(self) -> BacktestResult:
        stopwatch = Stopwatch(Phase.CANDLES)
        workers = InProcess(self.grid, self.bars, ALL_HISTORY)
        return asyncio.run(search(self.grid, self.bars, workers, stopwatch, self.defaults))

    def by_the_bar(self) -> oracle.Run:
        """Trades of the bars that pandas found."""
        said, none = self.by_pandas, np.zeros(self.bars.count, bool)
        exits = {side: said[name] for side, name in ((1, "long_exit"), (-1, "short_exit")) if name in said}
        variant = self.grid.strategy(0)
        rules = oracle.Rules(
            direction=variant["direction"],
            exit_on=variant["exit_on"],
            fee_pct=variant["fee_pct"],
            slippage_pct=variant["slippage_pct"],
            sl_pct=variant.get("risk", {}).get("sl_pct"),
            tp_pct=variant.get("risk", {}).get("tp_pct"),
        )
        entries = [[said.get(name, none)] for name in ("long_entry", "short_entry")]
        return oracle.simulate(*entries, self.bars.close.tolist(), rules, exits)


def frame_of(candles: Candles) -> Any:
    stamps = pd.to_datetime(candles.ts_open_ms, unit="ms", utc=True)
    return pd.DataFrame(candles.values.T, index=stamps, columns=["open", "high", "low", "close", "volume"])


def read_parquet(path: Path) -> Candles:
    frame = pd.read_parquet(path)
    values = frame[["open", "high", "low", "close", "volume"]].to_numpy(float).T
    return Candles(frame["ts_open"].to_numpy(np.int64), np.ascontiguousarray(values))


def main(files: list[Path]) -> int:
    minutes = {symbol: read_parquet(file) for symbol, file in zip(("BTCUSDT", "ETHUSDT"), files, strict=True)}
    wrong = 0
    for name in templates():
        case = IdeaCase(name, minutes)
        planes, expected = case.planes(), case.by_pandas
        differing = sum(int(np.count_nonzero(planes[signal] != expected[signal])) for signal in planes)
        best, run = case.result().top[0], case.by_the_bar()
        returns = abs(best.total_return_pct - run.total_return_pct)
        wrong += differing > 0 or returns > 1e-9
        held = ", ".join(f"{signal} {np.count_nonzero(flags)}" for signal, flags in planes.items())
        print(
            f"{name}: {case.bars.count} bars, {held}; {differing} bars differ; {len(run.trades)} trades, "
            f"{best.total_return_pct:.4f} % against {run.total_return_pct:.4f} %"
        )
    print(f"{len(templates())} ideas: {wrong} mismatches")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main([Path(argument) for argument in sys.argv[1:]]))
