"""Lags of many runs on two shards, from the publication of a minute: to the commit of its events, to the streams.

python -m tests.bench.live.runner_lag --runs 10000 --instruments 200 --minutes 20

Every run is on minutes; with `--every-run-emits` each says something on every one. Run it on an idle machine: the
last line names the load.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from candleray.databases.valkey import StreamEntry
from candleray.live.runners.sharding import shard_of
from tests.support.live.played_market import FlippingMarket, PlayedMarket
from tests.support.live.runner_rig import RunnerRig, runner_rig

SHARDS = 2
WARM_UP_MINUTES = 3


async def measure(runs: int, instruments: int, minutes: int, market: type[PlayedMarket]) -> None:
    limits = {"shards": SHARDS, "look_s": 1.0, "standing_every_s": 10.0, "max_runs_per_shard": runs}
    async with runner_rig(runs=0, instruments=instruments, limits=limits, speed=1.0, market=market) as rig:
        began_s = time.monotonic()
        await _start(rig, runs)
        print(f"{runs:,} runs started in {time.monotonic() - began_s:.0f} s", flush=True)
        logs = [rig.folder.path / f"times-{shard}" for shard in range(SHARDS)]
        began_s = time.monotonic()
        processes = [rig.begin(shard=shard, times=str(path)) for shard, path in enumerate(logs)]
        await rig.all_running(runs)
        print(f"taken up in {time.monotonic() - began_s:.0f} s", flush=True)
        published, used = [], []
        for number in range(minutes + WARM_UP_MINUTES):
            used.append(sum(sum(process.cpu_times()[:2]) for process in processes))
            published.append(await _publish(rig))
            await rig.taken()
            await asyncio.sleep(0.3)
            if number == WARM_UP_MINUTES - 1:
                print(f"warm after {WARM_UP_MINUTES} minutes", flush=True)
        used.append(sum(sum(process.cpu_times()[:2]) for process in processes))
        _tell(published[WARM_UP_MINUTES:], [line for path in logs for line in _lines(path)])
        cpu_s = np.diff(used)[WARM_UP_MINUTES:]
        memory = [f"{process.memory_full_info().pss / 1e6:.0f} MB" for process in processes]
        print(f"CPU of both shards {cpu_s.mean():.2f} s a minute, PSS {' and '.join(memory)}")
        print(f"load {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores")


async def _start(rig: RunnerRig, runs: int) -> None:
    places = asyncio.Semaphore(8)

    async def start(number: int) -> None:
        async with places:
            rig.runs.append(await rig.market.start(rig.postgres, number))

    shares = [shard_of(one.key, SHARDS) for one in rig.market.instruments]
    print(f"instruments of the shards: {[shares.count(shard) for shard in range(SHARDS)]}")
    await asyncio.gather(*(start(number) for number in range(runs)))


async def _publish(rig: RunnerRig) -> float:
    """Let the next minute close; return the moment of its publication."""
    await rig.close_minutes(to_stream=False)
    minutes = [rig.closed - 1]
    entries: list[StreamEntry] = [
        entry for one in rig.market.instruments for entry in rig.market.entries(one, minutes)
    ]
    at_s = time.time()
    await rig.valkey.append(entries, "0-0", begins=True)
    return at_s


def _lines(path: Path) -> list[tuple[str, float, int]]:
    return [(line[0], line[1], line[2]) for line in map(json.loads, path.read_text().splitlines())]


def _tell(published: Sequence[float], lines: Sequence[tuple[str, float, int]]) -> None:
    for step, words in (("committed", "committed"), ("told", "in the user's stream")):
        lags: list[float] = []
        by_minute: list[float] = []
        for number, at_s in enumerate(published):
            end_s = published[number + 1] if number + 1 < len(published) else float("inf")
            ours = [
                (moment - at_s, count) for kind, moment, count in lines if kind == step and at_s < moment < end_s
            ]
            found = np.repeat([lag for lag, _ in ours], [count for _, count in ours])
            lags += found.tolist()
            by_minute += [float(found.max())] if len(found) else []
        if lags:
            p50, p99 = np.percentile(lags, [50, 99]) * 1000
            print(
                f"published -> {words}: {len(lags):,} events, p50 {p50:.0f} ms, p99 {p99:.0f} ms, "
                f"slowest minute {max(by_minute) * 1000:.0f} ms"
            )


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--runs", type=int, default=10_000)
    parser.add_argument("--instruments", type=int, default=200)
    parser.add_argument("--minutes", type=int, default=20)
    parser.add_argument("--every-run-emits", action="store_true")
    chosen = parser.parse_args()
    market = FlippingMarket if chosen.every_run_emits else PlayedMarket
    asyncio.run(measure(chosen.runs, chosen.instruments, chosen.minutes, market))
