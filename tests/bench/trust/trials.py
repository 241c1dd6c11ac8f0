"""Searches over drawn walks by the product's own course, and what their verdicts say."""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import cache, partial
from multiprocessing import get_context
from typing import Any, NamedTuple, TypeVar

import numpy as np

from candleray.backtests.phase import Phase
from candleray.backtests.request import BacktestRequest
from candleray.backtests.result import BacktestResult
from candleray.backtests.verdict import Saying
from candleray.candles import Candles
from candleray.indicators.request_models import get_request_models
from candleray.market_data.range_coverage import RangeCoverage
from candleray.search.bars import Bars
from candleray.search.in_process import InProcess
from candleray.search.phases import Stopwatch, search
from candleray.search.variants import VariantGrid, resolve
from candleray.settings import BacktestSettings
from candleray.timeframes import iso
from tests.bench.trust.families import FAMILIES, Family
from tests.bench.trust.walks import START_MS, WARMUP, bar_ms_of, noise, planted

T = TypeVar("T")

SURE = 0.95
"""The probability from which a deflated Sharpe ratio would say that a strategy has skill."""


class Setting(NamedTuple):
    """Some walks of one kind, all searched by one grid."""

    family: str
    fee_pct: float
    sharpe: float | None = None
    """The planted edge, a yearly Sharpe ratio; None for noise."""
    top_k: int = 10
    preselect: int | None = None


class Trial(NamedTuple):
    """The verdict of one walk, in the numbers that are counted."""

    says: Saying | None
    pbo: float | None
    losing: float | None
    luck_p: float | None
    independent: float | None
    best_sharpe: float | None
    sure_of_all: bool
    """True where one of the answer's variants has a deflated Sharpe ratio among all above `SURE`."""
    sure: bool
    """True where the best by return has one among the independent above it."""
    judged: int
    """Variants of the answer that have a part of the verdict."""
    about_all: bool


@dataclass(frozen=True)
class Trials:
    """The trials of a setting."""

    setting: Setting
    trials: Sequence[Trial]

    def share(self, name: str) -> float:
        """Return the share of walks for which this is true."""
        return sum(bool(getattr(one, name)) for one in self.trials) / len(self.trials)

    def says(self, saying: Saying) -> float:
        return sum(one.says is saying for one in self.trials) / len(self.trials)

    def mean(self, name: str) -> float:
        """Return the mean of what is not null."""
        told = [getattr(one, name) for one in self.trials if getattr(one, name) is not None]
        return float(np.mean(told)) if told else float("nan")

    def quantiles(self, name: str) -> tuple[float, float]:
        """Return between which numbers nine of ten walks lie."""
        told = [getattr(one, name) for one in self.trials if getattr(one, name) is not None]
        low, high = np.quantile(told, [0.05, 0.95]).tolist() if told else (float("nan"), float("nan"))
        return low, high

    def error(self, name: str) -> float:
        """Return the standard error of that mean."""
        told = [getattr(one, name) for one in self.trials if getattr(one, name) is not None]
        return float(np.std(told, ddof=1) / np.sqrt(len(told))) if len(told) > 1 else float("nan")


@cache
def request_of(setting: Setting) -> BacktestRequest:
    """Return the resolved request of these walks."""
    family = FAMILIES[setting.family]
    end_ms = START_MS + family.bars * bar_ms_of(family.timeframe)
    content: dict[str, Any] = {
        "instrument": {"market_id": 1, "symbol": "BTCUSDT"},
        "timeframe": family.timeframe,
        "time_range": {"start": iso(START_MS), "end": iso(end_ms)},
        "fee_pct": setting.fee_pct,
        "slippage_pct": 0,
        "top_k": setting.top_k,
        **family.asks,
        **({"preselect": setting.preselect} if setting.preselect else {}),
    }
    return resolve(get_request_models().validated_request(content), BacktestSettings())


def answer_over(candles: Candles, request: BacktestRequest) -> BacktestResult:
    """Return the answer to a request over these bars, all but the warm-up of which are its range."""
    grid, bar_ms = VariantGrid(request), bar_ms_of(request.timeframe)
    span = request.time_range.start_ms, request.time_range.end_ms
    coverage = RangeCoverage.of(np.empty((0, 2), np.int64), span, span, bar_ms)
    bars = Bars(candles, WARMUP, bar_ms, "", coverage)
    defaults = BacktestSettings(warmup_bars=WARMUP)
    return asyncio.run(search(grid, bars, InProcess(grid, bars, WARMUP), Stopwatch(Phase.CANDLES), defaults))


def walk_of(setting: Setting, seed: int, number: int) -> Candles:
    """Return the walk of that number: the same at all fees, another one of each family."""
    family: Family = FAMILIES[setting.family]
    draw = np.random.default_rng([seed, number, *family.name.encode()])
    if setting.sharpe is None:
        return noise(draw, family.kind, family.timeframe, family.bars)
    return planted(draw, setting.sharpe, family.timeframe, family.bars)


def trial_of(setting: Setting, seed: int, number: int) -> tuple[Trial, float]:
    """Return what one walk's verdict says, and the CPU seconds of walk and search."""
    began = time.process_time()
    result = answer_over(walk_of(setting, seed, number), request_of(setting))
    return trial_from(result), time.process_time() - began


def trial_from(result: BacktestResult) -> Trial:
    verdict = result.verdict
    assert verdict is not None
    parts = [one.trust for one in result.top if one.trust is not None]
    return Trial(
        verdict.says,
        verdict.pbo,
        verdict.losing_splits,
        verdict.luck_p,
        verdict.independent_variants,
        verdict.best_sharpe,
        any((part.deflated_sharpe_all or 0.0) > SURE for part in parts),
        bool(parts) and (parts[0].deflated_sharpe or 0.0) > SURE,
        len(parts),
        verdict.about == "all variants",
    )


class Runner:
    """The walks of all settings, in some processes; each is made once."""

    def __init__(self, seed: int, workers: int) -> None:
        self._seed = seed
        self._done: dict[Setting, list[tuple[Trial, float]]] = {}
        self._others_s = 0.0
        # Forked processes would share numba's locks.
        self._pool = ProcessPoolExecutor(workers, get_context("spawn"))

    @property
    def cpu_s(self) -> float:
        """Seconds of CPU that all walks and searches took."""
        return self._others_s + sum(cpu_s for trials in self._done.values() for _, cpu_s in trials)

    def trials(self, setting: Setting, walks: int) -> Trials:
        """Return so many walks of this setting, the first ones."""
        found = self._done.setdefault(setting, [])
        if len(found) < walks:
            one = partial(trial_of, setting, self._seed)
            found += self._pool.map(one, range(len(found), walks), chunksize=max(1, walks // 50))
            self._tell(setting, found)
        return Trials(setting, [trial for trial, _ in found[:walks]])

    def each(self, make: Callable[[int, int], tuple[T, float]], count: int) -> list[T]:
        """Return so many of what `make` gives for the seed and a number, with its CPU seconds."""
        made = list(self._pool.map(partial(make, self._seed), range(count), chunksize=max(1, count // 50)))
        self._others_s += sum(cpu_s for _, cpu_s in made)
        return [one for one, _ in made]

    def _tell(self, setting: Setting, found: Sequence[tuple[Trial, float]]) -> None:
        edge = f", edge {setting.sharpe:g}" if setting.sharpe else ""
        each_ms = 1e3 * sum(cpu_s for _, cpu_s in found) / len(found)
        what = f"{setting.family}, fee {setting.fee_pct:g} %{edge}: {len(found):,} walks"
        made = Trials(setting, [trial for trial, _ in found])
        said = ", ".join(f"{saying.value} {100 * made.says(saying):.3g} %" for saying in Saying)
        print(f"{what}, {each_ms:.0f} ms of CPU each: {said}", file=sys.stderr, flush=True)

    def close(self) -> None:
        self._pool.shutdown(cancel_futures=True)
