"""Suspended parts: each is started anew by itself, keeps acknowledged rows, and keeps no other user waiting."""

from __future__ import annotations

import random
import time
from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from tests.support.instances.patient import Patient, is_gone
from tests.support.instances.processes import suspend_all
from tests.support.instances.real_instance import real_instance
from tests.support.instances.witnesses import OtherUser, Writer, going_on, in_words, require_prompt, slowest_s
from tests.support.waiting import wait_until

pytestmark = [
    pytest.mark.faults,
    pytest.mark.cluster,
    pytest.mark.slow,
    pytest.mark.timeout(3000),
]

READY_WITHIN_S = 7.0
"""Two seconds of its own, and what a busy machine adds: it took 12.6 s where it waited for a driver."""
OTHER_USER = 42
CALM_S = 2.0
"""The time for which `/me` is asked before the fault: what this machine takes without one."""


@dataclass(frozen=True)
class Part:
    words: str
    """A piece of its command line."""
    counted: str = ""
    """Name under which the supervisor counts its restarts, or names where several parts look alike; Serve replaces
    what has none."""
    me_within_s: float | None = 1.0
    """The longest that another user's `/me` may take meanwhile, beside what it takes without a fault."""
    me_status: int = 200
    with_children: bool = False
    """True where what it has started is suspended too: each connection of Postgres is a process."""
    is_asked: bool = True
    """False where nobody may answer `/ready` meanwhile: the proxy sends a hanging replica its share of requests
    until its own checks have failed."""

    def restarts(self, patient: Patient) -> int:
        return sum(map(patient.restarts, self.counted.split(" or ")))

    def __str__(self) -> str:
        return f"{self.words} and its children" if self.with_children else self.words


PARTS = [
    Part("valkey-server", "valkey"),
    Part("ray::CandleStoreActor", "candle store"),
    Part("ray::JobSchedulerActor", "job scheduler"),
    Part("ray::MarketFeedActor", "binance feed or bybit feed"),
    Part("ray::LiveRunnerActor", "live runner 0"),
    Part("raylet/raylet", "ray"),
    Part("gcs/gcs_server", "ray"),
    Part("cluster.instance.ray_driver", "ray"),
    Part("bin/postgres", "postgres"),
    Part("bin/postgres", "postgres", me_within_s=5.0, me_status=503, with_children=True),
    Part("ray::ServeReplica", me_within_s=None, is_asked=False),
    Part("haproxy -db", me_within_s=None, is_asked=False),
]


@pytest.fixture(scope="module")
def patient() -> Iterator[Patient]:
    with real_instance("hangs", CANDLERAY_COMPUTE__DASHBOARD="true") as instance:
        yield Patient(instance.folder, instance.port, instance.environment)


@pytest.fixture(scope="module")
def token(patient: Patient) -> str:
    return patient.token_of(OTHER_USER)


@pytest.fixture(scope="module")
def writer(patient: Patient) -> Writer:
    return Writer(patient)


@pytest.mark.parametrize("part", PARTS, ids=str)
def test_a_suspended_part_is_started_anew(
    patient: Patient, token: str, writer: Writer, part: Part, fault_rounds: int
) -> None:
    moments = random.Random(part.words)
    for number in range(1, fault_rounds + 1):
        patient.wait_whole()
        told = suspended_once(writer, OtherUser(patient, token), part, moments.uniform(0, 2))
        print(f"SIGSTOP of {part}, round {number}: {told}", flush=True)


def suspended_once(writer: Writer, other: OtherUser, part: Part, wait_s: float) -> str:
    patient = writer.patient
    count, hanging = part.restarts(patient), patient.first_of(part.words)
    writer.begin_round()
    with going_on(writer.step, other.step):
        time.sleep(CALM_S + wait_s)
        began, before = time.monotonic(), writer.acknowledged
        suspend_all([hanging, *(hanging.children(recursive=True) if part.with_children else ())])
        if part.is_asked:
            asked = time.monotonic()
            patient.ready()
            assert time.monotonic() - asked < READY_WITHIN_S
        wait_until(lambda: is_gone(hanging) or patient.file.state != "ready", what=f"the end of {part.words}")
        gone = time.monotonic()
        if part.counted:
            wait_until(lambda: part.restarts(patient) > count, what=f"{part.counted} is started again")
        patient.wait_whole()
        healed_s = time.monotonic() - began
    calm_s = slowest_s(other.begun(0, began - CALM_S / 2))
    meanwhile, lost = other.begun(began, gone), writer.lost()
    from_the_fault_on = writer.acknowledged - before
    told = (
        f"ended after {gone - began:.1f} s, whole after {healed_s:.1f} s; "
        f"{writer.acknowledged} rows acknowledged, {from_the_fault_on} of them from the fault on, {lost} lost; "
        f"/me took {calm_s:.2f} s before, meanwhile {in_words(meanwhile)}"
    )
    assert is_gone(hanging), told
    assert lost == 0, told
    if part.me_within_s is not None:
        require_prompt(meanwhile, part.me_within_s + calm_s)
        assert {each.status for each in meanwhile if each.ended < gone} <= {200, part.me_status}, told
    return told
