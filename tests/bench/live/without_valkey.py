"""Time from a candle to its event while Valkey is emptied again and again, and without it for good.

python -m tests.bench.live.without_valkey --seconds 120 --speed 60

Simulated exchanges, ingestion, a shard of runs with its default settings, and the services, all processes.
Of each event of a bar the time is told from the moment at which the store had the bar's last minute to the commit.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
from collections.abc import Awaitable, Callable, Mapping

import numpy as np

from candleray.live.events import Entry, Exit, SignalChange
from candleray.timeframes import MINUTE_MS, minutes_of, to_ms
from tests.support.feeds.ingestion_rig import PATIENT, RigPlan
from tests.support.live.live_chain import LiveChain, live_chain
from tests.support.live.played_market import said
from tests.support.live.saved_runs import SavedRun

MOST_S = 5.0
EMPTIED_EVERY_S = 3.0


async def undisturbed(chain: LiveChain, seconds: float) -> None:
    await asyncio.sleep(seconds)


async def emptied(chain: LiveChain, seconds: float) -> None:
    for _ in range(max(1, int(seconds / EMPTIED_EVERY_S))):
        await chain.valkey.client.flushall()
        await asyncio.sleep(EMPTIED_EVERY_S)


async def away(chain: LiveChain, seconds: float) -> None:
    await asyncio.to_thread(chain.ingestion.valkey.kill)
    await asyncio.sleep(seconds)


COURSES: Mapping[str, Callable[[LiveChain, float], Awaitable[None]]] = {
    "undisturbed": undisturbed,
    "emptied every 3 s": emptied,
    "away for good": away,
}


async def measure(seconds: float, speed: float) -> int:
    plan = RigPlan(speed=speed, waits=PATIENT if speed > 1 else {})
    ends_ms: dict[str, int] = {}
    async with live_chain(plan, limits={}) as chain:
        begins_ms = chain.ingestion.now_ms()
        for name, course in COURSES.items():
            await course(chain, seconds)
            ends_ms[name] = chain.ingestion.now_ms()
        await chain.come_up()
        lags = [lag for owner in chain.owners for run in owner.runs for lag in await _lags(chain, run)]
    worst_s = 0.0
    for name, end_ms in ends_ms.items():
        of_course = np.array([lag_s for closed_ms, lag_s in lags if begins_ms <= closed_ms < end_ms])
        half, most = np.percentile(of_course, [50, 99])
        print(
            f"Valkey {name}: {of_course.size} events, from the candle in the store to the commit "
            f"p50 {half:.2f} s, p99 {most:.2f} s, {of_course.max():.2f} s at most"
        )
        worst_s, begins_ms = max(worst_s, of_course.max()), end_ms
    return 1 if worst_s > MOST_S else 0


async def _lags(chain: LiveChain, run: SavedRun) -> list[tuple[int, float]]:
    """The close of the bar of each event, and the seconds from its last candle to the event."""
    rows = chain.ingestion.raw(run.spec.instrument, 0, chain.ingestion.now_ms())
    came_ms = {row[0]: row[6] for row in reversed(rows)}  # the first version of each
    bar_ms = minutes_of(run.spec.timeframe) * MINUTE_MS
    found = []
    for event in await said(chain.postgres, run):
        closed_ms = to_ms(event.ts_open) + bar_ms
        # What the run said as it was taken up is of bars that had closed before it.
        is_live = came_ms[closed_ms - MINUTE_MS] > to_ms(run.run.created_at)
        if isinstance(event.body, SignalChange | Entry | Exit) and is_live:
            found.append((closed_ms, (to_ms(event.at) - came_ms[closed_ms - MINUTE_MS]) / 1000))
    return found


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=float, default=120.0, help="of each of the three courses")
    parser.add_argument("--speed", type=float, default=60.0, help="of the exchanges' clock")
    chosen = parser.parse_args()
    sys.exit(asyncio.run(measure(chosen.seconds, chosen.speed)))
