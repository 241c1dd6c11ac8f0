"""A simulated day with every fault against the real parts: no minute is lost, invented, wrong or doubled."""

from __future__ import annotations

import pytest

from candleray.feeds.websockets.websocket import MISSING, is_available
from tests.support.faulty_days.course import FaultyDays, Plan
from tests.support.feeds.ingestion_rig import ingestion_rig


@pytest.mark.skipif(not is_available(), reason=MISSING)
@pytest.mark.timeout(1500)
def test_after_a_day_of_every_fault_raw_and_canonical_have_what_the_exchanges_have() -> None:
    plan = Plan(days=1)
    with ingestion_rig(plan.rig) as rig:
        report = FaultyDays(rig, plan).run()
    print(*report.lines(), sep="\n")
    assert report.faults(least_met=1) == []
    assert report.rebuilt, "no socket was replaced that brought nothing"
