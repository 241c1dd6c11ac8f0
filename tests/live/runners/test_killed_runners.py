"""A shard's process that is killed, and one that comes back after it was replaced: each event once."""

from __future__ import annotations

import time

import pytest

from cluster.machine.processes import is_running
from tests.support.live.runner_rig import RunnerKiller, runner_rig
from tests.support.waiting import let_work_until

pytestmark = pytest.mark.timeout(1200)

KILLS, SEED = 20, 18


async def test_kills_at_every_point_cost_no_event_and_double_none_and_a_zombie_writes_nothing() -> None:
    async with runner_rig() as rig:
        killer = RunnerKiller(rig, SEED)
        for _ in range(KILLS):
            await killer.live_once()
        zombie = rig.begin()
        await rig.close_minutes(3)
        await rig.taken()
        zombie.suspend()
        await rig.close_minutes(3)
        rig.begin()
        await rig.close_minutes(3)
        await rig.taken()
        zombie.resume()
        await rig.close_minutes(3)
        await let_work_until(lambda: not is_running(zombie), what="the end of the one that was replaced")
        await rig.taken()
        account = await rig.account()
        rig.valkey_service.kill()
        began_s = time.monotonic()
        await rig.close_minutes(1)
        await rig.taken()
        print(f"without Valkey: {time.monotonic() - began_s:.1f} s from the close to the checkpoint")
    told = f"{killer.kills.total()} kills {dict(killer.kills)}, {killer.spoiled} with broken snapshots"
    print(f"{told}: {account.line()}")
    assert killer.spoiled > 1
    assert account.faults() == {}
    assert account.events > 100
