"""Kills of ingestion: `python -m tests.bench.market_data.killed_ingestion --kills 1000 --seed 1`.

Ingestion of both venues against the simulator and the real services, killed at random moments, some of them aimed
at what an insert or the stream just did; now and then each service is away for a while. Every stream entry is held
against raw as it appears, at the end every minute against the exchange. A kill takes one to two seconds.
"""

from __future__ import annotations

import argparse
import sys
import time
from contextlib import suppress

from candleray.feeds.halt_watch import HALT_S
from cluster.machine.exit_signals import stop_on_signals
from tests.support.feeds.ingestion_rig import ingestion_rig
from tests.support.feeds.kills import OUTAGES, Killer, endure, finish, stand_still
from tests.support.feeds.stream_witness import StreamWitness


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--outages-every", type=int, default=100, help="kills between two rounds of outages")
    options = parser.parse_args()
    stop_on_signals()
    began = time.monotonic()
    outages = 0
    with ingestion_rig() as rig:
        witness, killer = StreamWitness(rig), Killer(rig, options.seed)
        witness.start()
        with suppress(KeyboardInterrupt):  # the account is taken of what was done
            for number in range(1, options.kills + 1):
                killer.live_once()
                if number % options.outages_every == 0:
                    for outage in OUTAGES:
                        endure(rig, outage)
                        outages += 1
                    stand_still(rig, HALT_S + 1)
                    print(f"{number} kills, {time.monotonic() - began:.0f} s", flush=True)
        account = finish(rig, witness)
    aims = ", ".join(f"{count} {aim}" for aim, count in killer.kills.most_common())
    print(
        f"{killer.kills.total():,} kills of ingestion ({aims}) and {outages} outages, seed {options.seed}, in "
        f"{time.monotonic() - began:,.0f} s: {account.line()}"
    )
    for fault, found in account.faults().items():
        print(f"{fault}: {', '.join(found[:20])}")
    return 1 if account.faults() else 0


if __name__ == "__main__":
    sys.exit(main())
