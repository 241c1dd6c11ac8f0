"""What the declarations become at the edge: models, bounds, ranges per environment (R2.1, R4.2)."""

from __future__ import annotations

import json
from typing import Any

import pytest

from candleray.backtests.request import BacktestRequest
from candleray.errors import InvalidInput, NotFound
from candleray.indicators.catalogue import Catalogue, RangesFile, declared_ranges, get_catalogue, narrowed
from kernels.indicators import INDICATORS

WHOLE: dict[str, Any] = {
    "instrument": {"market_id": 1, "symbol": "BTCUSDT"},
    "timeframe": "1m",
    "time_range": {"start": "2025-01-01T00:00:00Z", "end": "2026-01-01T00:00:00Z"},
    "indicators": [{"id": "sma", "params": {"window": {"start": 5, "stop": 200, "step": 5}}}],
}


@pytest.fixture(scope="module")
def catalogue() -> Catalogue:
    return get_catalogue()


def problems_of(catalogue: Catalogue, **changes: Any) -> dict[str, str]:
    with pytest.raises(InvalidInput) as caught:
        catalogue.validated_request({**WHOLE, **changes})
    return {problem.field: problem.message for problem in caught.value.problems}


def one(**axes: Any) -> list[dict[str, Any]]:
    return [axes]


def test_the_request_of_the_manual_is_valid(catalogue: Catalogue):
    request = catalogue.validated_request(WHOLE)
    assert type(request) is BacktestRequest
    assert request.indicators[0].id == "sma"


@pytest.mark.parametrize(
    ("changes", "field", "words"),
    [
        ({"indicators": one(id="smaa")}, "indicators.0", "unknown indicator 'smaa'; did you mean 'sma'?"),
        ({"indicators": one(params={})}, "indicators.0", "id of an indicator"),
        ({"indicators": []}, "indicators", "at least 1 item"),
        ({"indicators": one(id="sma", params={"window": 1})}, "indicators.0.params.window", "1 is outside 2 to"),
        (
            {"indicators": one(id="sma", params={"window": {"start": 5, "stop": 10**7, "step": 1}})},
            "indicators.0.params.window",
            "9999996 values on one axis, at most 100000",
        ),
        ({"indicators": one(id="sma", params={"window": 14.5})}, "indicators.0.params.window", "whole number"),
        (
            {"indicators": one(id="sma", params={"windw": 14})},
            "indicators.0.params.windw",
            "did you mean 'window'?",
        ),
        (
            {"indicators": one(id="sma", inputs={"source": "clsoe"})},
            "indicators.0.inputs.source",
            "unknown column 'clsoe'; did you mean 'close'?",
        ),
        (
            {"indicators": one(id="sma", inputs={"source": ["close", "close"]})},
            "indicators.0.inputs.source",
            "twice",
        ),
        (
            {"indicators": one(id="rsi", signal={"long_threshold": 101})},
            "indicators.0.signal.long_threshold",
            "101",
        ),
        ({"timeframe": "2m"}, "timeframe", "'1m', '5m'"),
        ({"time_range": {"start": "2025-01-02", "end": "2025-01-01"}}, "time_range", "must be before end"),
        ({"instrument": {"market_id": 5, "symbol": "BTCUSDT"}}, "instrument.market_id", "less than or equal to 4"),
        ({"instrument": {"market_id": 1, "symbol": "../etc"}}, "instrument.symbol", "pattern"),
        ({"directon": "long-only"}, "directon", "unknown field 'directon'; did you mean 'direction'?"),
        ({"direction": "sideways"}, "direction", "'long-only', 'short-only' or 'long-short'"),
        ({"sizing": {"mode": "martingale"}}, "sizing", "unknown mode 'martingale'; known: all_in"),
        ({"sizing": {"mode": "fixed_qote", "quote": 5}}, "sizing", "did you mean 'fixed_quote'?"),
        ({"sizing": {"mode": ["all_in"]}}, "sizing", "unknown mode"),
        ({"sizing": "all_in"}, "sizing", "an object with the mode of a sizing"),
        ({"sizing": {"mode": "fixed_quote"}}, "sizing.quote", "is required"),
        ({"sizing": {"mode": "fixed_quote", "quote": 0}}, "sizing.quote", "greater than 0, got 0"),
        ({"sizing": {"mode": "strategy_compound", "budget_quote": -1}}, "sizing.budget_quote", "got -1"),
        ({"sizing": {"mode": "strategy_compound", "budget": 1}}, "sizing.budget", "did you mean 'budget_quote'?"),
        ({"sizing": {"mode": "strategy_compound_profit_lock"}}, "sizing.safe_profit_percent", "is required"),
        (
            {"sizing": {"mode": "strategy_compound_profit_lock", "safe_profit_percent": 100.5}},
            "sizing.safe_profit_percent",
            "less than or equal to 100, got 100.5",
        ),
        ({"fee_pct": float("nan")}, "fee_pct", "finite number, got NaN"),
        ({"fee_pct": -0.1}, "fee_pct", "greater than or equal to 0"),
        ({"top_k": 0}, "top_k", "greater than or equal to 1"),
        ({"init_cash_quote": 0}, "init_cash_quote", "greater than 0"),
    ],
)
def test_a_wrong_request_is_told_where_and_what(catalogue: Catalogue, changes: Any, field: str, words: str):
    assert words in problems_of(catalogue, **changes)[field]


def test_every_problem_is_named_at_once_and_in_order(catalogue: Catalogue):
    wrong = {"timeframe": "2m", "top_k": 0, "indicators": one(id="sma", params={"window": 1})}
    assert list(problems_of(catalogue, **wrong)) == ["indicators.0.params.window", "timeframe", "top_k"]


def test_the_same_wrong_request_gives_the_same_bytes(catalogue: Catalogue):
    payloads = set()
    for _ in range(2):
        with pytest.raises(InvalidInput) as caught:
            catalogue.validated_request({**WHOLE, "timeframe": "2m", "x": 1})
        payloads.add(json.dumps(caught.value.payload()))
    assert len(payloads) == 1


def test_several_columns_are_an_axis_in_the_declared_order(catalogue: Catalogue):
    request = catalogue.validated_request(
        {**WHOLE, "indicators": one(id="sma", inputs={"source": ["hlc3", "close"]})}
    )
    assert request.indicators[0].inputs["source"] == ("close", "hlc3")


@pytest.mark.parametrize("name", sorted(INDICATORS))
def test_every_indicator_is_described_with_its_bounds(catalogue: Catalogue, name: str):
    info = next(info for info in catalogue.describe() if info.id == name)
    assert info.title
    assert info.description
    assert info.source
    assert info.rule.meaning
    for param in (*info.params, *info.rule.params):
        assert param.min <= param.grid.start <= param.grid.stop <= param.max
        assert param.min <= param.default <= param.max


@pytest.mark.parametrize("name", sorted(INDICATORS))
def test_every_indicator_stands_in_the_schema(catalogue: Catalogue, name: str):
    schema = json.dumps(catalogue.request_model.model_json_schema())
    assert f'"const": "{name}"' in schema


def test_an_unknown_indicator_by_name_is_not_found(catalogue: Catalogue):
    with pytest.raises(NotFound, match="did you mean 'bbands'"):
        catalogue.find("bband")


def narrower(minimum: float, maximum: float) -> RangesFile:
    bounds = {"min": minimum, "max": maximum, "start": 10, "stop": 50, "step": 10}
    return RangesFile.model_validate({"indicators": {"sma": {"params": {"window": bounds}}}})


def test_an_environment_narrows_the_bounds():
    ranges = narrowed(declared_ranges(), narrower(10, 100), "configs/test/indicators.yaml")
    narrow = Catalogue(ranges, max_axis_values=1000)
    assert "5 is outside 10 to 100" in problems_of(narrow)["indicators.0.params.window"]


def test_an_environment_never_widens_the_bounds():
    with pytest.raises(InvalidInput, match=r"sma.params.window from 1 to 100 is wider than its hard bounds 2 to"):
        narrowed(declared_ranges(), narrower(1, 100), "configs/test/indicators.yaml")


def test_an_environment_naming_what_does_not_exist_is_refused():
    unknown = RangesFile.model_validate(
        {
            "indicators": {
                "sam": {"params": {}},
                "sma": {"signal": {"x": {"min": 1, "max": 2, "start": 1, "stop": 2, "step": 1}}},
            }
        }
    )
    with pytest.raises(NotFound, match=r"there is no sma\.signal\.x"):
        narrowed(declared_ranges(), unknown, "configs/test/indicators.yaml")
