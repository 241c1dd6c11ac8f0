"""A strategy has one value wherever an axis may stand: in each part of each indicator, in each level of risk."""

from __future__ import annotations

from typing import Any

import pytest

from candleray.backtests.rules.risk import LEVELS
from candleray.errors import InvalidInput
from candleray.indicators.catalogue import get_catalogue
from candleray.indicators.request_models import get_request_models
from candleray.settings import BacktestSettings
from candleray.strategies.saving import spec_of

VARIANT: dict[str, Any] = {
    "instrument": {"market_id": 1, "symbol": "BTCUSDT"},
    "timeframe": "1h",
    "indicators": [{"id": "sma", "params": {"window": 50}}],
}
SHAPES = {
    "values": lambda value: {"values": [value]},
    "steps": lambda value: {"start": value, "stop": value, "step": 1},
}


def refused_at(content: dict[str, Any]) -> list[str]:
    """The places at which the content is no strategy."""
    with pytest.raises(InvalidInput) as refused:
        spec_of(get_request_models().validated_draft(content), BacktestSettings())
    assert all("one value" in problem.message for problem in refused.value.problems)
    return [problem.field for problem in refused.value.problems]


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("level", LEVELS)
def test_no_level_of_risk_is_an_axis(level: str, shape: str):
    assert refused_at({**VARIANT, "risk": {level: SHAPES[shape](2)}}) == [f"risk.{level}"]


@pytest.mark.parametrize("shape", SHAPES)
def test_no_two_levels_of_risk_are_axes(shape: str):
    risk = {level: SHAPES[shape](2) for level in LEVELS}
    assert refused_at({**VARIANT, "risk": risk}) == sorted(f"risk.{level}" for level in LEVELS)


@pytest.mark.parametrize("info", get_catalogue().describe(), ids=lambda info: info.id)
def test_no_parameter_of_an_indicator_is_an_axis(info: Any):
    places = [("params", one) for one in info.params] + [("signal", one) for one in info.rule.params]
    for group, param in places:
        for shape in SHAPES.values():
            second = {"id": info.id, group: {param.name: shape(param.default)}}
            content = {**VARIANT, "indicators": [*VARIANT["indicators"], second]}
            assert refused_at(content) == [f"indicators.1.{group}.{param.name}"]
    for one in (each for each in info.inputs if len(each.columns) > 1):
        second = {"id": info.id, "inputs": {one.name: [one.default]}}
        content = {**VARIANT, "indicators": [*VARIANT["indicators"], second]}
        assert refused_at(content) == [f"indicators.1.inputs.{one.name}"]
