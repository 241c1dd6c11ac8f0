"""Kills of a shard at random moments, with outages of all that it needs; every event must be there once.

python -m tests.bench.live.killed_runners --kills 200 --seed 1
"""

from __future__ import annotations

import argparse
import asyncio
import sys
from collections import Counter

from tests.support.live.runner_rig import OUTAGES, RunnerKiller, runner_rig

KILLS_BETWEEN_OUTAGES = 10


async def measure(kills: int, seed: int) -> int:
    outages: Counter[str] = Counter()
    async with runner_rig() as rig:
        killer = RunnerKiller(rig, seed)
        for number in range(kills):
            await killer.live_once()
            if number % KILLS_BETWEEN_OUTAGES == 0:
                outage = killer.random.choice(list(OUTAGES))
                rig.begin()
                await rig.close_minutes(2)
                await OUTAGES[outage](rig)
                await rig.close_minutes(2)
                outages[outage] += 1
        rig.begin()
        await rig.taken()
        account = await rig.account()
    print(f"{killer.kills.total()} kills {dict(killer.kills)}, outages {dict(outages)}")
    print(f"{rig.closed:,} minutes, {len(rig.runs)} runs; {account.line()}")
    for name, found in account.faults().items():
        print(name, *found[:5], sep="\n  ")
    return 1 if account.faults() else 0


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--kills", type=int, default=200)
    parser.add_argument("--seed", type=int, default=1)
    chosen = parser.parse_args()
    sys.exit(asyncio.run(measure(chosen.kills, chosen.seed)))
