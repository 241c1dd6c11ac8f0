"""The time it takes to refuse each attack of `tests/api/attacks`, and whether all are refused.

    python -m tests.bench.attacks [part of a name]

Sent over HTTP to uvicorn in this process, over the embedded services. The exit code is 1 where one was not
refused, or took a second or longer.
"""

from __future__ import annotations

import asyncio
import statistics
import sys
import tempfile

import httpx

from candleray.databases.postgres import Postgres
from candleray.market_data.candle_store import CandleStore
from serve_apps.api import build_api
from tests.api.attacks.every import ATTACKS
from tests.api.attacks.target import Attack, Target
from tests.support import embedded
from tests.support.api.in_process_api import backend, stored_walk
from tests.support.api.served import served

MOST_S = 1.0


def main(part: str = "") -> None:
    with tempfile.TemporaryDirectory() as folder:
        store = CandleStore.open(f"chdb://{folder}")
        try:
            store.migrate()
            stored_walk(store, "BTCUSDT")
            with served(build_api(backend(store))) as url:
                failures = asyncio.run(_all(url, part))
        finally:
            store.close()
            embedded.stop_services()
    for failure in failures:
        print(failure, file=sys.stderr)
    sys.exit(1 if failures else 0)


async def _all(url: str, part: str) -> list[str]:
    failures, slowest, tried = [], (0.0, ""), 0
    postgres = await Postgres.open(embedded.postgres_url())
    print(f"{'attack':66}{'tried':>6}{'status':>16}{'median ms':>11}{'slowest ms':>12}")
    for attack in (one for one in ATTACKS if part in one.name):
        async with httpx.AsyncClient(base_url=url, trust_env=False, timeout=60) as client:
            target = Target(client, postgres)
            await attack.run(target)
        failures += attack.failures(target)
        failures += _too_slow(target)
        tried += len(target.refusals)
        slowest = max(slowest, (_print(attack, target), attack.name))
    await postgres.close()
    print(f"{tried} tried, {len(failures)} not refused within {MOST_S:g} s")
    print(f"the slowest: {slowest[0]:.1f} ms, {slowest[1]}")
    return failures


def _print(attack: Attack, target: Target) -> float:
    """The slowest, in ms."""
    ms = [1000 * one.seconds for one in target.refusals]
    statuses = ",".join(str(status) for status in sorted({one.answer.status_code for one in target.refusals}))
    print(
        f"{attack.name[:65]:66}{len(ms):6}{statuses:>16}{statistics.median(ms):11.1f}{max(ms):12.1f}", flush=True
    )
    return max(ms)


def _too_slow(target: Target) -> list[str]:
    return [f"{one.asked[:200]}: {one.seconds:.2f} s" for one in target.refusals if one.seconds >= MOST_S]


if __name__ == "__main__":
    main(*sys.argv[1:])
