"""Memory of live candles: `python -m tests.bench.market_data.live_memory --days 30`.

The memory of the two ingestion actors over days of simulated exchanges with faults, and its slope.
`python -m tests.bench.memory at-rest` prints what they take of an idle instance, whose idle workers are left out.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections.abc import Sequence

import numpy as np
import psutil

from candleray.timeframes import DAY_MS
from cluster.machine.processes import answers_of
from tests.bench.market_data.live_lag import course
from tests.support import embedded
from tests.support.instances.private_home import private_home
from tests.support.instances.real_instance import real_instance

MIB = 2**20
FOLLOWED = "BTCUSDT,ETHUSDT,SOLUSDT"
SETTLED_S = 90.0
"""Time in which feeds end what they began as they started, their look back."""
APART = ("candleray simulator", "ray::IDLE", "ray::warm-up")
"""Processes that are no part of an instance at rest: exchanges, and workers that compile or wait for their end."""
OBSERVED_S = 60.0
LOOKS_A_DAY = 4
REAL_S = {
    "flush_s": 0.02,
    "late_s": 0.3,
    "poll_s": 0.15,
    "stale_s": 1.5,
    "retry_s": 0.1,
    "longest_retry_s": 1.0,
    "renew_before_s": 1.0,
}
"""Settings whose times are kept in seconds of ours where the exchanges' clock runs fast."""


def print_at_rest() -> None:
    """Print memory and CPU of an instance without a subscription, and of one that follows some instruments."""
    quiet = {"CANDLERAY_LIVE__INSTRUMENTS_EVERY_S": "0"}
    _print_rest("nothing is subscribed", **quiet)
    simulated = {"CANDLERAY_SIMULATOR__ENABLED": "true", "CANDLERAY_SIMULATOR__SYMBOLS": FOLLOWED}
    _print_rest("three symbols on each of four markets", **quiet, **simulated)


def _print_rest(what: str, **environment: str) -> None:
    with private_home(), real_instance("rest", **environment) as instance:
        time.sleep(SETTLED_S)
        feeds = instance.processes("ray::MarketFeedActor")
        before, began = [_cpu_s(feed) for feed in feeds], time.monotonic()
        time.sleep(OBSERVED_S)
        shares = [
            (_cpu_s(feed) - spent) / (time.monotonic() - began) for feed, spent in zip(feeds, before, strict=True)
        ]
        held = [process.memory_full_info() for process in feeds]
        apart = {process.pid for words in APART for process in instance.processes(words)}
        answers = answers_of(instance.processes(), lambda process: process.memory_full_info().pss)
        whole = sum(pss for process, pss in answers if process.pid not in apart)
        told = ", ".join(
            f"{one.pss / MIB:.0f} MiB and {share:.2%}" for one, share in zip(held, shares, strict=True)
        )
        own = sum(one.uss for one in held)
        print(f"{what}: the feeds, PSS and share of a core: {told}")
        print(
            f"  the instance {whole / MIB:,.0f} MiB (PSS), {(whole - own) / MIB:,.0f} without the feeds, "
            f"whose own pages are {own / MIB:.0f}; load {os.getloadavg()[0]:.1f}",
            flush=True,
        )


def _cpu_s(process: psutil.Process) -> float:
    times = process.cpu_times()
    return times.user + times.system


def _print_days(days: int, speed: float, instruments: int, faults: str) -> None:
    """Print the memory of the feeds each simulated day, and the slope of their own pages after the first day.

    The PSS alone would rise as well where a stranger ends that had the same libraries in memory.
    """
    paces = {name: seconds * speed for name, seconds in REAL_S.items()}
    with course(instruments, speed, faults, **paces) as under:
        feeds = {name: process for name, process in under.processes.items() if name.startswith("feed")}
        began_ms, looks = under.venue_ms(), list[tuple[float, ...]]()
        while len(looks) < days * LOOKS_A_DAY:
            day = (under.venue_ms() - began_ms) / DAY_MS
            if day < (len(looks) + 1) / LOOKS_A_DAY:
                time.sleep(0.5)
                continue
            found = [feed.memory_full_info() for feed in feeds.values()]
            looks.append((day, *(one.uss / MIB for one in found)))
            if len(looks) % LOOKS_A_DAY == 0:
                told = zip(feeds, found, strict=True)
                held = ", ".join(
                    f"{name} {one.pss / MIB:.1f} MiB ({one.uss / MIB:.1f} its own)" for name, one in told
                )
                print(f"day {day:5.1f}: {held}; load {os.getloadavg()[0]:.1f}", flush=True)
        _print_slopes(list(feeds), np.array(looks))


def _print_slopes(names: Sequence[str], looks: np.ndarray[tuple[int, int], np.dtype[np.float64]]) -> None:
    later = looks[looks[:, 0] > min(1.0, looks[-1, 0] / 2)]
    for name, held in zip(names, later.T[1:], strict=True):
        slope = np.polyfit(later[:, 0], held, 1)[0]
        print(f"{name}: {slope:+.3f} MiB a simulated day, from {held[0]:.1f} to {held[-1]:.1f} MiB", flush=True)


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--days", type=int, default=30)
    parser.add_argument("--speed", type=float, default=1200.0)
    parser.add_argument("--instruments", type=int, default=12, help="a multiple of 4")
    parser.add_argument("--faults", default="seeded:7", help="as `candleray simulator --faults` takes them")
    options = parser.parse_args(arguments)
    try:
        _print_days(options.days, options.speed, options.instruments, options.faults)
    finally:
        embedded.stop_services()
    return 0


if __name__ == "__main__":
    sys.exit(main())
