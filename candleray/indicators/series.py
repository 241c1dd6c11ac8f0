"""An indicator over candles: its request and its answer. Knows no kernel."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

from pydantic import Field, model_validator
from pydantic_core import PydanticCustomError

from candleray.backtests.axes import Number
from candleray.backtests.request import AllowGaps
from candleray.markets import Instrument
from candleray.timeframes import Timeframe, TimeRange
from candleray.validation import Model

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa

LAST_BARS = 1000


class IndicatorChoice(Model):
    """One indicator with everything fixed; what is left out takes the indicator's default."""

    id: str = Field(examples=["sma"])
    inputs: dict[str, str] = {}
    params: dict[str, Number] = {}


class SeriesRequest(Model):
    """An indicator over the last bars, or over a time range."""

    instrument: Instrument
    timeframe: Timeframe = "1m"
    indicator: IndicatorChoice
    last: Annotated[int, Field(ge=1, strict=True)] | None = None
    """So many of the newest closed bars; 1000 where neither this nor a time range is given."""
    time_range: TimeRange | None = None
    allow_gaps: AllowGaps = False
    """An answer although the bars have long holes between them; refused without."""

    @model_validator(mode="after")
    def _one_window(self) -> SeriesRequest:
        if self.last is not None and self.time_range is not None:
            raise PydanticCustomError("two_windows", "give either last or time_range, not both")
        return self


class IndicatorSeries(Model):
    """The indicator's outputs bar by bar, `null` where there is no value."""

    instrument: Instrument
    timeframe: Timeframe
    indicator: IndicatorChoice
    """The request that was computed, with nothing left out."""
    ts_open_ms: tuple[int, ...]
    """The bars' opening times in milliseconds since the epoch."""
    outputs: dict[str, tuple[float | None, ...]]
    """Every output of the indicator, as long as `ts_open_ms`."""
    notes: Annotated[tuple[str, ...], Field(exclude_if=lambda notes: not notes)] = ()
    """Remarks about the candles: what is missing, where they begin and end; left out where there are none."""

    def to_arrow(self) -> pa.Table:
        """`ts_open`, a timestamp in UTC, and a column an output."""
        import pyarrow as pa

        ts_open = pa.array(self.ts_open_ms, pa.timestamp("ms", tz="UTC"))
        outputs = {name: pa.array(values, pa.float64()) for name, values in self.outputs.items()}
        return pa.table({"ts_open": ts_open, **outputs})

    def to_pandas(self) -> pd.DataFrame:
        """The outputs, indexed by `ts_open`."""
        frame: pd.DataFrame = self.to_arrow().to_pandas().set_index("ts_open")
        return frame
