"""Reports of one variant: at once, whatever the cluster is busy with."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Annotated, Any, TypeVar

from fastapi import APIRouter, Query, Request
from pydantic import Field, model_validator
from starlette.responses import Response

from candleray.backtests.request import BacktestRequest
from candleray.backtests.variant_report import VariantReport
from candleray.identity.models import User
from candleray.market_data.arrow_stream import ARROW
from candleray.search.one_variant import bars_of, one_variant
from candleray.search.variant_reports import Traced, curve_stream, trades_stream
from candleray.timeframes import Moment, to_ms
from candleray.validation import Model
from serve_apps.backend import Backend, InBackend
from serve_apps.examples import backtests as examples
from serve_apps.http.access import needs
from serve_apps.http.backtest_body import InRequest
from serve_apps.http.callers import InUser
from serve_apps.http.json_body import StrictRoute
from serve_apps.http.openapi import example
from serve_apps.http.timeouts import answer_in_time
from serve_apps.routes.candles import require_order

router = APIRouter(prefix="/backtests/report", tags=["backtests"], route_class=StrictRoute)

T = TypeVar("T")

_STREAM: dict[int | str, dict[str, Any]] = {
    200: {"content": {ARROW: {"schema": {"type": "string", "format": "binary"}, "example": "ARROW1…"}}}
}


class ReportQuery(Model):
    variant_index: int = Field(0, ge=0, description="the variant that is reported; the first one if not given")


class CurveQuery(ReportQuery):
    points: int = Field(1500, ge=2, le=20_000, description="buckets at most, of equal numbers of bars")
    start: Moment | None = Field(None, description="closes from here on; all where left out")
    end: Moment | None = Field(None, description="closes up to here; all where left out")

    @model_validator(mode="after")
    def _start_before_end(self) -> CurveQuery:
        require_order(self.start, self.end)
        return self


@router.post("", response_model=VariantReport, responses=example(examples.VARIANT_REPORT))
@needs("read")
async def report_variant(
    request: Request, backtest: InRequest, query: Annotated[ReportQuery, Query()], backend: InBackend, user: InUser
) -> Any:
    """One variant in full: its metrics, each as `/backtests` has it, and its returns by month.

    The guards are asked about that variant alone. It waits for no job, and for no other search than your own.
    """
    return await _traced(request, backtest, query, backend, user, Traced.report)


@router.post("/curve", response_class=Response, responses=_STREAM)
@needs("read")
async def report_curve(
    request: Request, backtest: InRequest, query: Annotated[CurveQuery, Query()], backend: InBackend, user: InUser
) -> Response:
    """The variant's equity and drawdown as an Arrow stream, in few points that keep every extreme.

    A row is a bucket of bars: `ts_ms`, the close of its last; the lowest, highest and last equity; the deepest
    drawdown in percent; the market's last close. Drawdowns are those of the whole range.
    """
    start_ms, end_ms = (None if one is None else to_ms(one) for one in (query.start, query.end))

    def curve(traced: Traced) -> bytes:
        return curve_stream(traced.curve(query.points, start_ms, end_ms))

    return Response(await _traced(request, backtest, query, backend, user, curve), media_type=ARROW)


@router.post("/trades", response_class=Response, responses=_STREAM)
@needs("read")
async def report_trades(
    request: Request, backtest: InRequest, query: Annotated[ReportQuery, Query()], backend: InBackend, user: InUser
) -> Response:
    """Every trade of the variant as an Arrow stream: times, side, fills, quantity, profit, why it ended."""
    return Response(await _traced(request, backtest, query, backend, user, trades_stream), media_type=ARROW)


async def _traced(
    request: Request,
    backtest: BacktestRequest,
    query: ReportQuery,
    backend: Backend,
    user: User,
    told: Callable[[Traced], T],
) -> T:
    """Trace the variant on a thread of this replica: a task would wait behind those of running jobs."""
    settings = backend.settings

    async def in_turn() -> T:
        async with backend.searches.held(f"user {user.user_id}"):
            variant = one_variant(backtest, query.variant_index, settings)
            bars = await bars_of(variant, backend.candles, settings)
            return await asyncio.to_thread(lambda: told(Traced.over(variant, bars, settings.backtests)))

    return await answer_in_time(request, in_turn(), settings.api.backtest_timeout_s, "the report")
