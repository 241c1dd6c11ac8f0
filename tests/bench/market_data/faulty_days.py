"""Simulated days with every fault: `python -m tests.bench.market_data.faulty_days --days 30`.

The real simulator, both venues' ingestion, the candle store, Valkey and Postgres, each a process; a day passes in
72 seconds. Each fault of the simulator comes twenty times a day, those of our own side `--own-times`. At the end
every minute that the exchanges have must be in raw and canonical with their values, and no version twice. Prints a
table of the faults; exits with 1 where something is not as it must be.
"""

from __future__ import annotations

import argparse
import shutil
import sys
from functools import partial

from cluster.machine.exit_signals import stop_on_signals
from tests.support.faulty_days.course import FaultyDays, Plan
from tests.support.feeds.ingestion_rig import ingestion_rig


def main() -> int:
    arguments = _arguments()
    plan = Plan(
        arguments.days,
        arguments.speed,
        arguments.seed,
        own_times=arguments.own_times,
        symbols=tuple(arguments.symbols.split(",")),
        within_s=arguments.within_s,
    )
    stop_on_signals()
    with ingestion_rig(plan.rig) as rig:
        report = FaultyDays(rig, plan, partial(print, flush=True)).run()
        if arguments.log:
            shutil.copy(rig.folder.path / "ingestion.log", arguments.log)
    print(*report.lines(), sep="\n")
    faults = report.faults(arguments.least_met)
    print(*faults, sep="\n")
    return 1 if faults else 0


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--days", type=float, default=1, help="simulated days")
    parser.add_argument("--speed", type=float, default=Plan.speed, help="seconds of the exchanges in one of ours")
    parser.add_argument("--seed", type=int, default=Plan.seed, help="of the schedule and of the candles")
    parser.add_argument("--symbols", default=",".join(Plan.symbols), help="followed on each market")
    parser.add_argument("--own-times", type=int, default=Plan.own_times, help="faults of our side a day, of each")
    parser.add_argument("--within-s", type=float, default=Plan.within_s, help="of real time; the days end then")
    parser.add_argument("--least-met", type=int, default=20, help="times that each fault must have been met")
    parser.add_argument("--log", help="a file for the log of ingestion")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
