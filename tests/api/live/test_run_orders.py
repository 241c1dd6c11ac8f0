"""Orders and fills of a run on paper through the API, and the mode of runs."""

from __future__ import annotations

import httpx
import pytest
from pydantic import TypeAdapter

from candleray.databases.postgres import Postgres
from candleray.errors import StatementRefused
from candleray.identity.models import User
from candleray.live.order_records import FillPage, OrderPage, RunHalt
from candleray.live.paper.paper_events import PaperEvent
from candleray.live.paper.paper_trading import PaperTrading
from candleray.live.run import RunMode
from serve_apps.examples import live as examples
from tests.support.live.said_events import entry, exit_of, said
from tests.support.live.saved_runs import SavedRun, saved_run, spec_with


@pytest.fixture
async def on_paper(postgres: Postgres, user: User) -> SavedRun:
    """A run that has entered, left, and entered again, each with its order."""
    spec = spec_with(indicators=[{"id": "sma", "params": {"window": 30}}])
    run = await saved_run(postgres, spec, user_id=user.user_id, mode=RunMode.PAPER)
    await said(postgres, run, [(0, entry()), (3, exit_of(0, 10_000.8)), (3, entry())])

    async def close_of(event: PaperEvent) -> float:
        return 100.0 + (event.bar_ms > 1_767_614_400_000)

    async def told(_users: object) -> None:
        return None

    def is_ours(_key: str) -> bool:
        return True

    trading = PaperTrading(postgres, postgres.transaction, close_of, is_ours, told)
    while await trading.look():
        pass
    return run


@pytest.mark.parametrize(
    ("model", "example"), [(OrderPage, examples.ORDERS), (FillPage, examples.FILLS), (RunHalt, examples.HALT)]
)
def test_the_examples_are_valid(model, example):
    TypeAdapter(model).validate_python(example)


async def page(api: httpx.AsyncClient, run: SavedRun, what: str, **query: object) -> dict:
    answer = await api.get(f"/runs/{run.run_id}/{what}", params=query)
    assert answer.status_code == 200, answer.text
    return answer.json()


async def test_orders_and_fills_come_in_pages_and_fills_name_the_account_after_them(api, on_paper):
    orders = await page(api, on_paper, "orders")
    told = [(one["number"], one["intent"], one["side"], one["state"]) for one in orders["orders"]]
    assert told == [
        (1, "increase-1", "buy", "filled"),
        (2, "reduce-1", "sell", "filled"),
        (3, "increase-2", "buy", "filled"),
    ]
    assert (orders["halted"], orders["next_after"]) == (None, None)
    first = await page(api, on_paper, "fills", limit=2)
    second = await page(api, on_paper, "fills", limit=2, after=first["next_after"])
    fills = first["fills"] + second["fills"]
    assert [one["client_order_id"] for one in fills] == [one["client_order_id"] for one in orders["orders"]]
    assert [float(one["position"]) for one in fills] == [1, 0, 1]
    assert second["next_after"] is None
    events = await page(api, on_paper, "events", kind=["order", "fill"])
    assert sorted(one["body"]["kind"] for one in events["events"]) == ["fill"] * 3 + ["order"] * 3
    balances = [one["body"]["balance_quote"] for one in events["events"] if one["body"]["kind"] == "fill"]
    assert balances == [float(one["balance_quote"]) for one in fills]


async def test_they_are_narrowed_by_a_session_that_there_is(api, on_paper):
    assert len((await page(api, on_paper, "orders", session=1))["orders"]) == 3
    for what in ("orders", "fills"):
        refused = await api.get(f"/runs/{on_paper.run_id}/{what}", params={"session": 9})
        assert refused.status_code == 422
        assert "it has 1" in refused.json()["error"]["problems"][0]["message"]


async def test_a_run_of_signals_alone_has_none(api, postgres, run):
    await said(postgres, run, [(0, entry())])
    assert (await page(api, run, "orders"))["orders"] == []
    assert (await page(api, run, "fills"))["fills"] == []


async def test_the_kill_switch_is_for_good_and_for_runs_on_paper_alone(api, postgres, on_paper, run):
    pulled = await api.post(f"/runs/{on_paper.run_id}/halt")
    assert (pulled.status_code, pulled.json()["reason"]) == (200, "its user has pulled the kill switch")
    assert (await api.post(f"/runs/{on_paper.run_id}/halt")).json() == pulled.json()
    assert (await page(api, on_paper, "orders"))["halted"] == pulled.json()["reason"]
    refused = await api.post(f"/runs/{run.run_id}/halt")
    assert refused.status_code == 409
    assert "its mode is signals" in refused.json()["error"]["message"]


async def test_every_answer_names_the_mode_which_never_changes(api, postgres, on_paper, run):
    listed = {one["run_id"]: one["mode"] for one in (await api.get("/runs")).json()["runs"]}
    assert (listed[str(on_paper.run_id)], listed[str(run.run_id)]) == ("paper", "signals")
    assert (await api.get(f"/runs/{on_paper.run_id}")).json()["mode"] == "paper"
    assert (await api.post(f"/runs/{on_paper.run_id}/stop")).json()["mode"] == "paper"
    with pytest.raises(StatementRefused):
        async with postgres.connection() as connection:
            await connection.execute("UPDATE runs SET mode = 'signals', last_event = last_event + 1")
