"""The list of indicators, and an indicator computed over candles."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

from fastapi import APIRouter, Body, Path
from starlette.responses import Response

from candleray.indicators.catalogue import get_catalogue
from candleray.indicators.compute import compute_outputs
from candleray.indicators.info import IndicatorInfo
from candleray.indicators.request_models import get_request_models, widened
from candleray.indicators.series import IndicatorSeries, SeriesRequest
from serve_apps.backend import InBackend
from serve_apps.examples import indicators as examples
from serve_apps.http.access import needs
from serve_apps.http.json_body import StrictRoute
from serve_apps.http.openapi import example, json_of_arrays
from serve_apps.http.own_candles import InCandles

if TYPE_CHECKING:
    NarrowSeriesRequest = SeriesRequest
else:
    NarrowSeriesRequest = get_request_models().series

IndicatorId = Annotated[str, Path(description="of `/indicators`", examples=["sma"])]

router = APIRouter(prefix="/indicators", tags=["indicators"], route_class=StrictRoute)


@router.get("", response_model=list[IndicatorInfo], responses=example([examples.INDICATOR]))
async def list_indicators() -> Any:
    """Every indicator with its inputs, parameters, bounds, default ranges and signal rule."""
    return get_catalogue().describe()


@router.get("/{indicator_id}", response_model=IndicatorInfo, responses=example(examples.INDICATOR))
async def get_indicator(
    indicator_id: Annotated[str, Path(description="of `/indicators`", examples=["sma"])],
) -> Any:
    """One indicator with its inputs, parameters, bounds, default ranges and signal rule."""
    return get_catalogue().info(indicator_id)


@router.post("/compute", response_model=IndicatorSeries, responses=example(examples.SERIES))
@needs("read")
async def compute_indicator(
    body: Annotated[NarrowSeriesRequest, Body(openapi_examples=examples.SERIES_REQUESTS)],
    backend: InBackend,
    candles: InCandles,
) -> Response:
    """An indicator's outputs over closed and full bars: the newest of them, or those of a time range.

    The bars before the window warm the indicator up exactly as they would in a backtest of that window. A long
    hole among them is refused unless `allow_gaps` is true; `notes` say what is missing.
    """
    request = widened(body)
    computed = await compute_outputs(request, candles, backend.settings)
    return json_of_arrays(
        {
            "instrument": request.instrument,
            "timeframe": request.timeframe,
            "indicator": computed.indicator,
            "ts_open_ms": computed.ts_open_ms,
            "outputs": computed.outputs,
            **({"notes": computed.notes} if computed.notes else {}),
        }
    )
