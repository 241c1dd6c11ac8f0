"""An indicator with its axes: the part of a request that names one."""

from __future__ import annotations

from typing import Annotated, TypeAlias

from pydantic import Field

from candleray.backtests.axes import Axis
from candleray.validation import Model

Columns: TypeAlias = Annotated[tuple[str, ...], Field(min_length=1)]


class IndicatorAxes(Model):
    """One indicator of a request; what is left out takes the indicator's default."""

    id: str = Field(examples=["rsi"])
    inputs: dict[str, str | Columns] = {}
    params: dict[str, Axis] = {}
    signal: dict[str, Axis] = {}
