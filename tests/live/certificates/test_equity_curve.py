"""The equity of a session at each bar, by the batch over what it received."""

from __future__ import annotations

import httpx
import pytest

from candleray.live.records import EquityCurve
from candleray.live.run import RunAction
from candleray.timeframes import from_ms, iso
from serve_apps.examples import live as examples
from tests.support.live.certified_runs import UP_AND_DOWN, CertifiedRun, minute_at


async def curve(api: httpx.AsyncClient, run: CertifiedRun, **query: int) -> EquityCurve:
    answer = await api.get(f"/runs/{run.saved.run_id}/equity-curve", params=query)
    assert answer.status_code == 200, answer.text
    return EquityCurve.model_validate_json(answer.content)


def test_the_example_is_valid():
    EquityCurve.model_validate(examples.EQUITY_CURVE)


async def test_it_has_each_bar_and_after_an_exit_what_the_run_has_said(api, started):
    started.come(3, UP_AND_DOWN)
    await started.take()
    found = await curve(api, started)
    assert [one.ts_open for one in found.points] == [from_ms(minute_at(minute)) for minute in range(3, 11)]
    assert found.points[0].equity_quote == found.init_cash_quote
    said = (await api.get(f"/runs/{started.saved.run_id}/equity")).json()["points"]
    at = {iso(round(one.ts_open.timestamp() * 1000)): one.equity_quote for one in found.points}
    assert said
    # An entry on the bar of the exit has cost its fee by then. A bar earlier or later would differ by far more.
    assert all(at[one["ts_open"]] == pytest.approx(one["equity_quote"], rel=0.01) for one in said)
    assert found.note.startswith("every bar; ")


async def test_of_many_bars_some_are_told_the_last_among_them(api, started):
    started.come(3, UP_AND_DOWN)
    await started.take()
    whole, few = await curve(api, started), await curve(api, started, points=3)
    assert [one.ts_open for one in few.points] == [from_ms(minute_at(minute)) for minute in (4, 7, 10)]
    assert set(few.points) < set(whole.points)
    assert (few.bars, few.note.partition(";")[0]) == (8, "one of 3 bars, the last among them")


async def test_before_the_first_bar_it_is_empty_and_says_so(api, started):
    found = await curve(api, started)
    assert (found.points, found.bars, found.note) == ((), 0, "the session has taken no bar yet")


async def test_each_session_has_its_own(api, started):
    started.come(3, UP_AND_DOWN)
    await started.take()
    await started.move(RunAction.STOP, RunAction.HALT, RunAction.RUN)
    refused = await api.get(f"/runs/{started.saved.run_id}/equity-curve", params={"session": 9})
    assert refused.status_code == 422
    assert "the run has no session 9; it has 1, " in refused.json()["error"]["message"]
    assert (await curve(api, started, session=1)).bars == 8
