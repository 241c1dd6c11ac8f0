"""Kills in a drawn order along the whole chain of a live signal, from the exchange's socket to the message.

python -m tests.bench.live.killed_chain --kills 200 --seed 1

Ingestion of simulated exchanges, a shard of runs and the notifier, Postgres, Valkey and the candle store, each a
process; a minute of the exchanges takes a second. Every event is held against an undisturbed course over the tape
that its run received, and by its certificate against the search; every message against the events.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
import time

from tests.support.live.chain_account import account_of
from tests.support.live.chain_kills import ChainKiller
from tests.support.live.live_chain import live_chain


async def measure(kills: int, seed: int) -> int:
    async with live_chain() as chain:
        killer, began = ChainKiller(chain, seed), time.monotonic()
        while killer.kills.total() < kills:
            await killer.kill_once()
            if killer.kills.total() % 20 < 2:
                print(
                    f"{killer.kills.total()} kills, {time.monotonic() - began:.0f} s", file=sys.stderr, flush=True
                )
        took_s = time.monotonic() - began
        account = await account_of(chain)
    parts = ", ".join(f"{count} {part}" for part, count in killer.kills.most_common())
    print(f"{killer.kills.total()} kills in {took_s:.0f} s, seed {seed} ({parts}): {account.line()}")
    named = {**account.faults(), "received otherwise": account.received_otherwise}
    for name, found in named.items():
        print(name, *found[:5], sep="\n  ")
    return 1 if account.faults() else 0


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=200)
    parser.add_argument("--seed", type=int, default=1)
    chosen = parser.parse_args()
    sys.exit(asyncio.run(measure(chosen.kills, chosen.seed)))
