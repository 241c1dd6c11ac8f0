"""Policies: which events become messages, and in which hours nothing is sent."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest

from candleray.errors import InvalidInput
from candleray.live.events import EventBody, EventKind, Gap, LateCandle, SignalChange, StateChange, StrategyEvent
from candleray.live.run import RunAction, RunState
from candleray.notify.policies import NotificationPolicy, QuietHours, RunPolicy
from candleray.validation import validated

NOON = datetime(2026, 1, 5, 12, tzinfo=UTC)
RUN = uuid4()
SIGNAL = SignalChange(signal="long", before="none", close=1.0)


def event(body: EventBody) -> StrategyEvent:
    return StrategyEvent(number=1, run_id=RUN, session=1, ts_open=NOON, at=NOON, body=body)


def state(action: RunAction) -> StateChange:
    return StateChange(action=action, from_state=None, to_state=RunState.RUNNING, cause="x")


def test_by_default_it_tells_what_a_trader_acts_on():
    policy = NotificationPolicy()
    assert policy.wants(event(SIGNAL), NOON)
    assert not policy.wants(event(Gap(minutes=3)), NOON)
    assert not policy.wants(event(LateCandle(seen_at=NOON)), NOON)
    told = {action for action in RunAction if policy.wants(event(state(action)), NOON)}
    assert told == {RunAction.GO_LIVE, RunAction.HALT, RunAction.FAIL}


@pytest.mark.parametrize(
    "given",
    [
        {"muted": True},
        {"muted_until": NOON + timedelta(seconds=1)},
        {"kinds": ["exit"]},
        {"runs": {RUN: RunPolicy(muted=True)}},
        {"runs": {RUN: RunPolicy(kinds=(EventKind.EXIT,))}},
    ],
)
def test_it_leaves_out_what_is_muted_or_of_another_kind(given: dict[str, Any]):
    assert not NotificationPolicy(**given).wants(event(SIGNAL), NOON)


@pytest.mark.parametrize(
    "given",
    [
        {"muted_until": NOON},
        {"kinds": [], "runs": {RUN: RunPolicy(kinds=(EventKind.SIGNAL,))}},
        {"runs": {uuid4(): RunPolicy(muted=True)}},
    ],
)
def test_it_tells_the_rest(given: dict[str, Any]):
    assert NotificationPolicy(**given).wants(event(SIGNAL), NOON)


BERLIN = QuietHours(start="23:00", end="07:00", zone="Europe/Berlin")


@pytest.mark.parametrize(
    ("hours", "now", "until"),
    [
        (BERLIN, "2026-01-05T21:59:59", None),
        (BERLIN, "2026-01-05T22:00:00", "2026-01-06T06:00:00"),
        (BERLIN, "2026-01-06T05:59:59", "2026-01-06T06:00:00"),
        (BERLIN, "2026-01-06T06:00:00", None),
        (BERLIN, "2026-07-05T21:00:00", "2026-07-06T05:00:00"),  # in summer
        (QuietHours(start="12:00", end="13:00"), "2026-01-05T12:30:00", "2026-01-05T13:00:00"),
        (QuietHours(start="12:00", end="12:00"), "2026-01-05T12:00:00", None),
    ],
)
def test_quiet_hours_end_by_the_clock_of_their_zone(hours: QuietHours, now: str, until: str | None):
    moment = datetime.fromisoformat(now).replace(tzinfo=UTC)
    assert hours.until(moment) == (until and datetime.fromisoformat(until).replace(tzinfo=UTC))


@pytest.mark.parametrize(
    ("given", "field", "told"),
    [
        ({"kinds": ["entri"]}, "kinds.0", "entry"),
        ({"quiet_hours": {"start": "24:00", "end": "07:00"}}, "quiet_hours.start", "match"),
        (
            {"quiet_hours": {"start": "23:00", "end": "07:00", "zone": "Berlin"}},
            "quiet_hours.zone",
            "Europe/Berlin",
        ),
        ({"quiet_hours": {"start": "23:00", "end": "07:00", "zone": "../x"}}, "quiet_hours.zone", "Europe/Berlin"),
        ({"runs": {"no-id": {}}}, "runs.no-id", ""),
    ],
)
def test_a_wrong_policy_is_refused_at_its_place(given: dict[str, Any], field: str, told: str):
    with pytest.raises(InvalidInput) as refused:
        validated(NotificationPolicy, given)
    (problem,) = refused.value.problems
    assert problem.field.startswith(field)
    assert told in problem.message
