"""Ingestion that is killed, and whose services are away: raw first, then the stream, and in the end all of it."""

from __future__ import annotations

import pytest

from candleray.feeds.halt_watch import HALT_S
from tests.support.feeds.ingestion_rig import ingestion_rig
from tests.support.feeds.kills import OUTAGES, Killer, endure, finish, stand_still
from tests.support.feeds.stream_witness import StreamWitness

pytestmark = pytest.mark.timeout(1200)

KILLS, SEED = 20, 17
SUSPENDED_S = HALT_S + 1


def test_kills_and_outages_cost_no_minute_and_no_entry_is_before_its_row() -> None:
    with ingestion_rig() as rig:
        witness, killer = StreamWitness(rig), Killer(rig, SEED)
        witness.start()
        for _ in range(KILLS):
            killer.live_once()
        for outage in OUTAGES:
            endure(rig, outage)
        stand_still(rig, SUSPENDED_S)
        account = finish(rig, witness)
    print(f"{killer.kills.total()} kills {dict(killer.kills)}, {len(OUTAGES)} outages: {account.line()}")
    assert account.faults() == {}
