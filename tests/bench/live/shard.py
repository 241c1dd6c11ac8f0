"""Costs of the runs of two shards: CPU a minute, taking runs up, memory.

python -m tests.bench.live.shard --runs 10000 --instruments 200

Each shard is a process of its own, one after the other: seconds of CPU are told, so what others want the cores for
matters little. Nothing is shared but candles: each run has a first bar of its own.
"""

from __future__ import annotations

import argparse
import cProfile
import gc
import json
import random
import statistics
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any
from uuid import UUID

import numpy as np
from pydantic import ValidationError

from candleray.candles import Candles
from candleray.errors import InvalidInput
from candleray.live.run import RunMetadata
from candleray.live.runners.run_book import RunBook
from candleray.live.runners.saved_lanes import Wanted
from candleray.live.runners.strategy import StrategyText
from candleray.live.sessions import LiveRun
from candleray.live.snapshots.snapshot_store import packed, unpacked
from candleray.markets import Instrument
from candleray.settings import BacktestSettings
from candleray.strategies.saving import spec_of
from candleray.strategies.strategy import StrategyDraft, StrategySpec
from candleray.timeframes import MINUTE_MS, TIMEFRAMES, Timeframe, from_ms, minutes_of
from kernels.indicators import INDICATORS
from tests.bench.memory import run_program
from tests.support.live.played_sessions import live_run
from tests.support.random_walk import random_walk

MIDNIGHT_MS = 1_767_225_600_000  # 2026-01-01
SHARDS, SPECS = 2, 200
BTC = {"market_id": 1, "symbol": "BTCUSDT"}
WALKED_MINUTES = 59
"""Minutes since a snapshot, at most, by the settings."""
FLIPPING = {"indicators": [{"id": "sma", "params": {"window": 2}}]}
"""Says something else on every bar that goes up and down by turns."""


def drawn_specs(draw: random.Random, timeframes: Sequence[Timeframe]) -> list[StrategySpec]:
    """Half of them agreeing indicators of all kinds, half conditions."""
    specs: list[StrategySpec] = []
    while len(specs) < SPECS:
        part = _indicators(draw) if draw.random() < 0.5 else _signals(draw)
        try:
            specs.append(_spec(part, timeframes[len(specs) % len(timeframes)]))
        except (InvalidInput, ValidationError):
            continue  # a fast average slower than the slow one
    return specs


def _spec(part: dict[str, Any], timeframe: Timeframe) -> StrategySpec:
    content = {"instrument": BTC, "timeframe": timeframe, **part}
    return spec_of(StrategyDraft.model_validate(content), BacktestSettings())


def _indicators(draw: random.Random) -> dict[str, Any]:
    chosen = draw.sample(sorted(INDICATORS), draw.choice([1, 2, 2, 3]))
    return {"indicators": [{"id": name, "params": _params(draw, name)} for name in chosen]}


def _params(draw: random.Random, name: str) -> dict[str, Any]:
    windows = [param for param, declared in INDICATORS[name].params.items() if declared.is_window]
    return {param: draw.randint(5, 100) for param in windows}


def _signals(draw: random.Random) -> dict[str, Any]:
    fast, slow = (
        {"id": name, "params": {"window": draw.randint(*at)}}
        for name, at in (("ema", (5, 30)), (draw.choice(["ema", "sma"]), (31, 100)))
    )
    rsi = {"id": "rsi", "params": {"window": draw.randint(7, 30)}}
    return {
        "signals": {
            "long_entry": {"all": [{"cross_above": [fast, slow]}, {"below": [rsi, 70]}]},
            "short_entry": {"all": [{"cross_below": [fast, slow]}, {"above": [rsi, 30]}]},
        }
    }


class Shard:
    """A book with so many runs, each with a first bar of its own."""

    def __init__(
        self, specs: Sequence[StrategySpec], runs: int, instruments: int, history: int, flips: bool
    ) -> None:
        self.book = RunBook(BacktestSettings())
        self.instruments = [Instrument(market_id=1, symbol=f"COIN{at}USDT") for at in range(instruments)]
        self.now_ms = MIDNIGHT_MS - 30 * MINUTE_MS
        first_ms = self.now_ms - history * MINUTE_MS
        values = [random_walk(history + 60, at) for at in range(min(instruments, 10))]
        if flips:
            for each in values:
                each[:, 1::2] = each[:, ::2] * 1.01
        stamps = first_ms + np.arange(history + 60) * MINUTE_MS
        self.candles = {one: Candles(stamps, values[at % len(values)]) for at, one in enumerate(self.instruments)}
        self.specs: dict[UUID, StrategySpec] = {}
        self.attach_s = self._attach(specs, runs, first_ms)

    def _attach(self, specs: Sequence[StrategySpec], runs: int, first_ms: int) -> float:
        histories = {one: each.between(0, self.now_ms) for one, each in self.candles.items()}
        spent = 0.0
        for number in range(runs):
            instrument = self.instruments[number % len(self.instruments)]
            spec = specs[number % len(specs)].model_copy(update={"instrument": instrument})
            live = self._live(spec, number, first_ms)
            self.specs[live.run.run_id] = spec
            part = {instrument: histories[instrument]}
            began = time.process_time()
            self.book.attach(live, spec, part, {instrument: self.now_ms}, self.now_ms)
            spent += time.process_time() - began
        return spent

    def _live(self, spec: StrategySpec, number: int, first_ms: int) -> LiveRun:
        bar_ms = minutes_of(spec.timeframe) * MINUTE_MS
        warmup_ms = (first_ms // bar_ms + 1 + number // len(self.instruments)) * bar_ms
        metadata = RunMetadata(
            instrument_key=spec.instrument.key,
            timeframe=spec.timeframe,
            warmup_bars=100,
            lookback_bars=100,
            warmup_from=from_ms(warmup_ms),
        )
        return live_run(metadata, warmup_ms + 100 * bar_ms, 1, UUID(int=number))

    def minute(self) -> int:
        """Take one minute of every instrument; return how many events came of it."""
        until_ms = self.now_ms + MINUTE_MS
        for instrument, candles in self.candles.items():
            self.book.take(instrument, candles.between(self.now_ms, until_ms), until_ms)
        self.now_ms = until_ms
        outcome = self.book.advance()
        assert not outcome.failed
        return len(outcome.events)


def measured(shard: Shard, minutes: int) -> dict[str, float]:
    """CPU of some minutes in milliseconds, after two that lay everything out, and the most events of one."""
    shard.minute()
    shard.minute()
    # As a runner does after it has taken its runs up: no collection looks through them again.
    gc.collect()
    gc.freeze()
    times, events = [], 0
    for _ in range(minutes):
        began = time.process_time()
        events = max(events, shard.minute())
        times.append((time.process_time() - began) * 1000)
    return {"smallest_ms": min(times), "median_ms": statistics.median(times), "events": events}


def pss_mb() -> float:
    lines = Path("/proc/self/smaps_rollup").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("Pss:")) / 1024


def ordinary(runs: int, instruments: int) -> dict[str, float]:
    before = pss_mb()
    shard = Shard(drawn_specs(random.Random(1), ["1m"]), runs, instruments, 2_000, flips=False)
    return {**measured(shard, 40), "pss_mb": pss_mb(), "of_these_before_mb": before}


def midnight(runs: int, instruments: int) -> dict[str, float]:
    """The minute in which bars of all timeframes close."""
    shard = Shard(drawn_specs(random.Random(1), TIMEFRAMES), runs, instruments, 20 * 1440, flips=False)
    measured(shard, 27)
    return measured_once(shard)


def measured_once(shard: Shard) -> dict[str, float]:
    began = time.process_time()
    events = shard.minute()
    return {"ms": (time.process_time() - began) * 1000, "events": events}


def all_emit(runs: int, instruments: int) -> dict[str, float]:
    return measured(Shard([_spec(FLIPPING, "1m")], runs, instruments, 300, flips=True), 20)


def taken_up(runs: int, instruments: int, days: int) -> dict[str, float]:
    """Some of the runs, over a history of so many days of minutes."""
    specs = drawn_specs(random.Random(1), ["1m"])
    Shard(specs, SPECS, 1, 300, flips=False)  # loads the kernels
    some = min(runs, SPECS)
    shard = Shard(specs, some, 1, days * 1440, flips=False)
    return {"ms_a_run": 1000 * shard.attach_s / some, "s_of_all": shard.attach_s / some * runs}


def restart(runs: int, instruments: int) -> dict[str, float]:
    """All runs kept, and an hour later brought back by a book that begins: how old they are does not matter."""
    shard = Shard(drawn_specs(random.Random(1), ["1m"]), runs, instruments, 2_000, flips=False)
    shard.minute()
    contents, keep_ms = [], []
    for instrument in shard.instruments:
        began = time.process_time()
        contents.append(packed(instrument.key, {"lanes": shard.book.saved(instrument)}))
        keep_ms.append((time.process_time() - began) * 1000)
    kept_at_ms = shard.now_ms
    for _ in range(WALKED_MINUTES):
        shard.minute()
    texts = {one: StrategyText(spec.model_dump_json(by_alias=True), "") for one, spec in shard.specs.items()}
    lives = {instrument: shard.book.runs_of(instrument) for instrument in shard.instruments}
    gc.collect()
    book = RunBook(BacktestSettings())
    began = time.process_time()
    for instrument, content in zip(shard.instruments, contents, strict=True):
        for lane in unpacked(instrument.key, content)["lanes"]:
            wanted = [Wanted(one, texts[one.run.run_id]) for one in lives[instrument]]
            assert len(book.restore(lane, wanted, shard.now_ms)) == len(wanted)
        book.take(instrument, shard.candles[instrument].between(kept_at_ms, shard.now_ms), shard.now_ms)
        gc.collect(1)  # as a runner does
        gc.freeze()
    restored = time.process_time()
    assert not book.advance().events
    return {
        "restore_s": restored - began,
        "walk_s": time.process_time() - restored,
        "keep_ms_an_instrument": statistics.median(keep_ms),
        "kb_an_instrument": statistics.median(map(len, contents)) / 1000,
    }


PARTS: dict[str, Callable[[int, int], dict[str, float]]] = {
    "ordinary": ordinary,
    "midnight": midnight,
    "all_emit": all_emit,
    "restart": restart,
    "month": lambda runs, instruments: taken_up(runs, instruments, 30),
    "year": lambda runs, instruments: taken_up(runs, instruments, 365),
}


def main() -> None:
    asked = argparse.ArgumentParser(description=__doc__)
    asked.add_argument("--runs", type=int, default=10_000)
    asked.add_argument("--instruments", type=int, default=200)
    asked.add_argument("--part", choices=PARTS, help="this one alone, of one shard, in this process")
    asked.add_argument("--profile", help="a file for the profile of the part")
    chosen = asked.parse_args()
    if chosen.part:
        profile = cProfile.Profile() if chosen.profile else None
        work = PARTS[chosen.part]
        found = (
            profile.runcall(work, chosen.runs, chosen.instruments)
            if profile
            else work(chosen.runs, chosen.instruments)
        )
        if profile:
            profile.dump_stats(chosen.profile)
        print(json.dumps(found))
        return
    runs, instruments = chosen.runs // SHARDS, chosen.instruments // SHARDS
    for part in PARTS:
        found = run_program(
            "tests.bench.live.shard", "--part", part, "--runs", str(runs), "--instruments", str(instruments)
        )
        told = ", ".join(f"{name} {value:,.1f}" for name, value in found.items())
        print(f"{part}, one of {SHARDS} shards, {runs:,} runs, {instruments} instruments: {told}", flush=True)


if __name__ == "__main__":
    main()
