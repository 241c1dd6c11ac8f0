"""An indicator for those who choose one: its inputs, parameters, bounds and signal rule, as data.

`candleray.indicators.catalogue` makes these from the declarations; the SDK reads them without knowing any kernel.
"""

from __future__ import annotations

from typing import Literal

from candleray.backtests.axes import Number, Steps
from candleray.validation import Model


class ParamInfo(Model):
    name: str
    kind: Literal["int", "float"]
    description: str
    default: Number
    min: Number
    max: Number
    step: Number
    grid: Steps


class InputInfo(Model):
    name: str
    columns: tuple[str, ...]
    default: str


class RuleInfo(Model):
    family: str
    meaning: str
    params: tuple[ParamInfo, ...]


class IndicatorInfo(Model):
    """One indicator for a form or a page."""

    id: str
    title: str
    version: int
    description: str
    source: str
    inputs: tuple[InputInfo, ...]
    outputs: tuple[str, ...]
    params: tuple[ParamInfo, ...]
    rule: RuleInfo
