"""Certificates of stored runs: what the API answers of them, each cause by hand, and what was altered."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import httpx
import pytest

from candleray.databases.postgres import Postgres
from candleray.identity.models import User
from candleray.live.certificates.certificate import Cause, Certificate, EventDifference, Verdict
from candleray.live.certificates.certifier import Certifier
from candleray.live.certificates.daily import certify_due
from candleray.live.certificates.verification import Finding, Verification
from candleray.live.certificates.verifier import Verifier
from candleray.live.run import Parity, RunAction
from candleray.live.run_history import RunHistory
from candleray.market_data.candle_store import CandleStore
from candleray.settings import LiveSettings, Settings
from candleray.timeframes import from_ms, to_ms
from serve_apps.examples import certificates as examples
from tests.support.api.in_process_api import backend, serving
from tests.support.live.certified_runs import FIRST_MS, UP_AND_DOWN, CertifiedRun, minute_at


@pytest.fixture
async def run(started: CertifiedRun) -> CertifiedRun:
    """A run that has taken eight minutes behind its warm-up, without any fault."""
    started.come(3, UP_AND_DOWN)
    await started.take()
    return started


async def certified(run: CertifiedRun, **window: Any) -> Certificate:
    certifier = Certifier(run.postgres, run.candles, Settings())
    return await certifier.certify(run.saved.user_id, run.saved.run_id, **window)


async def differences(run: CertifiedRun) -> tuple[EventDifference, ...]:
    """The differences over the candles of today, where the others are none."""
    certificate = await certified(run)
    [session] = certificate.sessions
    assert session.received.differing == 0
    assert certificate.verdict is Verdict.EXPLAINED
    return session.canonical.differences


def minute_of(difference: EventDifference) -> tuple[int, Cause]:
    assert difference.minute is not None
    return (to_ms(difference.minute.ts_open) - FIRST_MS) // 60_000, difference.minute.cause


async def test_without_a_fault_both_halves_are_equal(run: CertifiedRun):
    certificate = await certified(run)
    [session] = certificate.sessions
    assert (certificate.verdict, session.bars, session.differing_minutes) == (Verdict.EQUAL, 8, 0)
    assert session.events == session.received.events == session.canonical.events > 4
    assert session.events_hash == session.received.events_hash == session.canonical.events_hash
    assert certificate.is_intact
    assert certificate.canonical_bytes() == (await certified(run)).canonical_bytes()


async def test_a_revised_minute_is_named_by_what_it_changes(run: CertifiedRun):
    run.come(6, [11.0])
    changed = await differences(run)
    assert {minute_of(each) for each in changed} == {(6, Cause.REVISED_MINUTE)}
    assert changed[0].ts_open == from_ms(minute_at(6))


async def test_a_minute_that_came_after_its_verdict_is_a_late_one(run: CertifiedRun):
    run.come(12, [9])
    await run.declare(11)
    await run.take()
    run.come(11, [20])
    late = [each for each in await differences(run) if minute_of(each) == (11, Cause.LATE_MINUTE)]
    assert ("gap", None) in [(each.kind, each.backtest) for each in late]


async def test_a_hole_of_the_warm_up_that_was_filled_later(
    embedded_store: CandleStore, postgres: Postgres, user: User
):
    run = CertifiedRun(embedded_store, postgres)
    run.come(0, [10])
    run.come(2, [10])
    await run.start(user.user_id)
    run.come(3, UP_AND_DOWN)
    await run.take()
    run.come(1, [14])
    assert {minute_of(each) for each in await differences(run)} == {(1, Cause.HOLE_FILLED_LATER)}


async def test_an_altered_event_is_found(run: CertifiedRun):
    before = await certified(run)
    await run.alter_an_entry(12.25)
    certificate = await certified(run)
    [session] = certificate.sessions
    assert certificate.verdict is Verdict.BROKEN
    assert {each.kind.value for each in session.received.differences} == {"entry"}
    assert {each.cause for each in session.canonical.differences} == {Cause.NONE}
    # Also where the certificate is altered in place of the event, and its hash with it.
    forged = Certificate.of(certificate.model_copy(update={"verdict": Verdict.EQUAL}))
    verifier = Verifier(run.candles, Settings())
    found = await verifier.verify(forged)
    assert (found.is_intact, found.finding) == (True, Finding.DIFFERENT)
    assert found.sessions[0].said[0].endswith("differs")
    assert not (await verifier.verify(before.model_copy(update={"verdict": Verdict.BROKEN}))).is_intact


async def test_a_certificate_is_confirmed_from_the_candles_of_today_and_not_from_others(run: CertifiedRun):
    run.come(6, [11.0])
    certificate = await certified(run)
    verifier = Verifier(run.candles, Settings())
    assert (await verifier.verify(certificate)).finding is Finding.CONFIRMED
    run.come(4, [10.5])
    found = await verifier.verify(certificate)
    assert found.finding is Finding.NOT_COMPARABLE
    assert "the candles here are not those that the run received" in found.sessions[0].said[0]


async def test_a_stopped_session_is_certified_up_to_what_it_had_taken(run: CertifiedRun):
    await run.move(RunAction.STOP, RunAction.HALT)
    run.come(11, [30, 31, 2])
    certificate = await certified(run)
    assert [to_ms(session.until) for session in certificate.sessions] == [minute_at(11)]
    assert certificate.verdict is Verdict.EQUAL


async def test_a_gap_said_in_the_midst_of_a_bar_does_not_claim_the_rest_of_the_bar(
    embedded_store: CandleStore, postgres: Postgres, user: User
):
    run = CertifiedRun(embedded_store, postgres)
    await run.start(user.user_id, "5m")
    run.come(0, [10, 10, 12, 13, 9, 8])
    await run.declare(6)
    run.come(7, [12])
    await run.take()
    await run.move(RunAction.STOP, RunAction.HALT)
    await run.declare(8)
    run.come(9, [14])
    certificate = await certified(run)
    [session] = certificate.sessions
    assert (to_ms(session.until), session.events) == (minute_at(8), 1)
    assert certificate.verdict is Verdict.EQUAL


async def test_a_range_has_the_bars_that_lie_in_it(run: CertifiedRun):
    certificate = await certified(run, start=from_ms(minute_at(6)), end=from_ms(minute_at(9)))
    [session] = certificate.sessions
    assert (session.bars, certificate.verdict) == (3, Verdict.EQUAL)
    assert {to_ms(event.ts_open) for event in session.said} <= {minute_at(minute) for minute in (6, 7, 8)}


async def test_the_api_answers_the_same_bytes_twice_and_verifies_them(run: CertifiedRun, api: httpx.AsyncClient):
    path = f"/runs/{run.saved.run_id}/certificate"
    answer = await api.get(path, params={"from": "2026-01-01", "to": "2026-01-02"})
    assert answer.status_code == 200, answer.text
    assert (await api.get(path, params={"from": "2026-01-01", "to": "2026-01-02"})).content == answer.content
    verified = await api.post(
        "/certificates/verify", content=answer.content, headers={"Content-Type": "application/json"}
    )
    assert verified.status_code == 200, verified.text
    assert Verification.model_validate(verified.json()).finding is Finding.CONFIRMED


HOSTILE = {
    "from > to": ({"from": "2026-01-02", "to": "2026-01-01"}, "from 2026-01-02T00:00:00Z must be before"),
    "before the run": ({"to": "2025-12-31"}, "to 2025-12-31T00:00:00Z is not after the start: the run has taken"),
    "behind it": ({"from": "2027-01-01"}, "from 2027-01-01T00:00:00Z is not before the end: the run has taken"),
    "no time": ({"from": "1e9"}, "from"),
    "unknown": ({"form": "2026-01-01"}, "from"),
}


@pytest.mark.parametrize(("query", "words"), HOSTILE.values(), ids=HOSTILE.keys())
async def test_hostile_ranges_are_refused_with_the_bound(
    run: CertifiedRun, api: httpx.AsyncClient, query: dict[str, str], words: str
):
    answer = await api.get(f"/runs/{run.saved.run_id}/certificate", params=query)
    assert answer.status_code == 422
    assert words in answer.text


async def test_nobody_else_has_the_run_and_more_candles_than_allowed_are_not_read(
    run: CertifiedRun, postgres: Postgres, stranger: User
):
    few = replace(backend(object(), postgres, live={"max_certified_minutes": 10}), candles=run.candles)
    async with serving(few, stranger) as client:
        assert (await client.get(f"/runs/{run.saved.run_id}/certificate")).status_code == 404
    certifier = Certifier(postgres, run.candles, few.settings)
    with pytest.raises(Exception, match=r"reads 11 candles.* the limit is 10 .*: ask for an earlier end"):
        await certifier.certify(run.saved.user_id, run.saved.run_id)


async def test_each_running_run_is_certified_once_a_day_and_shows_its_parity(
    run: CertifiedRun, api: httpx.AsyncClient, caplog: pytest.LogCaptureFixture
):
    settings = Settings(live=LiveSettings(certify_every_s=3600))
    certifier = Certifier(run.postgres, run.candles, settings)
    assert await parity(run, api) is Parity.NOT_YET
    await certify_due(run.postgres, certifier, settings)
    assert await parity(run, api) is Parity.EQUAL
    await run.alter_an_entry(12.25)
    await certify_due(run.postgres, certifier, settings)
    assert await parity(run, api) is Parity.EQUAL, "its next turn is in an hour"
    await an_hour_later(run)
    await an_hour_later(run)
    left_out = await certify_due(run.postgres, certifier, settings, budget_s=0)
    assert "0 runs certified; " in left_out.said
    assert " due since " in left_out.said
    assert "runs_not_certified" in caplog.text
    certified = await certify_due(run.postgres, certifier, settings)
    assert await parity(run, api) is Parity.BROKEN
    assert certified.counts["broken"] >= 1
    assert "run_differs" in caplog.text


async def test_what_a_failed_attempt_has_not_certified_is_in_the_next_certificate(run: CertifiedRun):
    run.come(11, [10, 10, 12, 13] * 400)  # more than a day
    await run.take()
    few = Settings(live=LiveSettings(max_certified_minutes=10))
    for settings, bars in ((few, 0), (Settings(), 1608)):
        await certify_due(run.postgres, Certifier(run.postgres, run.candles, settings), settings)
        async with run.postgres.connection() as connection:
            [row] = await connection.fetch(
                "SELECT start, bars FROM run_parity WHERE run_id = $1", run.saved.run_id
            )
        assert row["bars"] == bars
        await an_hour_later(run)
    assert to_ms(row["start"]) == minute_at(3)


async def an_hour_later(run: CertifiedRun) -> None:
    async with run.postgres.connection() as connection:
        earlier = "UPDATE run_parity SET certified_at = certified_at - $1::interval WHERE run_id = $2"
        await connection.execute(earlier, timedelta(hours=1), run.saved.run_id)


async def parity(run: CertifiedRun, api: httpx.AsyncClient) -> Parity:
    [listed] = (await api.get("/runs")).json()["runs"]
    one = RunHistory.model_validate((await api.get(f"/runs/{run.saved.run_id}")).json())
    assert listed["parity"] == one.parity
    return one.parity


def test_the_documented_certificate_is_a_whole_one():
    certificate = Certificate.model_validate(examples.CERTIFICATE)
    assert certificate.is_intact
    assert Verification.model_validate(examples.VERIFICATION).certificate_hash == certificate.hash
