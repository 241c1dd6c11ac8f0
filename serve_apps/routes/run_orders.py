"""Orders and fills of a run on paper, and its kill switch."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query

from candleray.errors import Conflict
from candleray.execution.store import OrderStore
from candleray.live.order_records import FillPage, OrderPage, RunHalt
from candleray.live.run import RunMode
from candleray.live.stores.order_pages import OrderPages
from serve_apps.backend import InBackend
from serve_apps.examples import live as examples
from serve_apps.http.json_body import StrictRoute
from serve_apps.http.openapi import example
from serve_apps.routes.run_events import InAccounts, InRun, PageQuery, require_session

router = APIRouter(prefix="/runs/{run_id}", tags=["runs"], route_class=StrictRoute)


async def _pages(run: InRun, backend: InBackend) -> OrderPages:
    return OrderPages(await backend.postgres(), run.run_id)


InPages = Annotated[OrderPages, Depends(_pages)]


@router.get("/orders", response_model=OrderPage, responses=example(examples.ORDERS))
async def get_run_orders(query: Annotated[PageQuery, Query()], accounts: InAccounts, pages: InPages) -> Any:
    """The orders that a run on paper has made, each with its state; none where its mode is `signals`."""
    await require_session(accounts, query.session)
    return await pages.orders(query.session, query.after, query.limit)


@router.post("/halt", response_model=RunHalt, responses=example(examples.HALT))
async def halt_run(run: InRun, backend: InBackend) -> Any:
    """Pull the kill switch of a run on paper: it makes no order any more, for good; what it holds it holds.

    Its signals go on. A run that was halted before keeps that reason. 409 where its mode is `signals`.
    """
    if run.mode is not RunMode.PAPER:
        raise Conflict(f"the run {run.run_id} makes no orders: its mode is {run.mode}")
    orders = OrderStore(await backend.postgres())
    await orders.halt(run.run_id, "its user has pulled the kill switch")
    halt = await orders.halt_of(run.run_id)
    assert halt is not None
    return RunHalt(run_id=run.run_id, reason=halt.reason, at=halt.at)


@router.get("/fills", response_model=FillPage, responses=example(examples.FILLS))
async def get_run_fills(query: Annotated[PageQuery, Query()], accounts: InAccounts, pages: InPages) -> Any:
    """The fills of a run on paper, each with the position and the balance after it."""
    await require_session(accounts, query.session)
    return await pages.fills(query.session, query.after, query.limit)
