"""Narrowed request models: what a wrong request is told, and what a right one becomes."""

from __future__ import annotations

import json
from typing import Any

import pytest

from candleray.backtests.request import BacktestRequest
from candleray.errors import InvalidInput
from candleray.indicators.bounds import RangesFile, declared_ranges, narrowed
from candleray.indicators.catalogue import Catalogue
from candleray.indicators.request_models import RequestModels, get_request_models
from kernels.indicators import INDICATORS

WHOLE: dict[str, Any] = {
    "instrument": {"market_id": 1, "symbol": "BTCUSDT"},
    "timeframe": "1m",
    "time_range": {"start": "2025-01-01T00:00:00Z", "end": "2026-01-01T00:00:00Z"},
    "indicators": [{"id": "sma", "params": {"window": {"start": 5, "stop": 200, "step": 5}}}],
}


@pytest.fixture(scope="module")
def models() -> RequestModels:
    return get_request_models()


def problems_of(models: RequestModels, **changes: Any) -> dict[str, str]:
    with pytest.raises(InvalidInput) as caught:
        models.validated_request({**WHOLE, **changes})
    return {problem.field: problem.message for problem in caught.value.problems}


def one(**axes: Any) -> list[dict[str, Any]]:
    return [axes]


def test_the_request_of_the_manual_is_valid(models: RequestModels):
    request = models.validated_request(WHOLE)
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
        ({"instrument": {"market_id": 1, "symbol": "../etc"}}, "instrument.symbol", "letters and digits"),
        ({"directon": "long-only"}, "directon", "unknown field 'directon'; did you mean 'direction'?"),
        ({"sl_pct": 2}, "sl_pct", 'unknown field \'sl_pct\'; it belongs into risk: "risk": {"sl_pct": 2}'),
        ({"stop_loss": 2}, "stop_loss", 'it is written risk: "risk": {"sl_pct": 2}'),
        ({"risk": {"sl_pct": 2, "fee_pct": 1}}, "risk.fee_pct", "it belongs beside risk, not into it"),
        (
            {"max_drawdown_pct": 9},
            "max_drawdown_pct",
            'it belongs into pruning: "pruning": {"max_drawdown_pct": 9}',
        ),
        ({"market": "binance"}, "market", "did you mean 'market_id', which belongs into instrument?"),
        ({"capital": 100}, "capital", 'it is written "init_cash_quote": 100'),
        ({"sizing": {"mode": "all_in", "quote": 5}}, "sizing.quote", 'to sizing of "mode": "fixed_quote"'),
        ({"leverage": 2}, "leverage", "did you mean 'max_leverage', which belongs into sizing?"),
        ({"window": 20}, "window", "unknown field 'window'; known: allow_gaps, "),
        ({"indicators": one(id="ema", window=20)}, "indicators.0.window", 'into params: "params": {"window": 20}'),
        ({"indicators": one(id="rsi", long_threshold=9)}, "indicators.0.long_threshold", '"signal": {"long_thr'),
        ({"time_range": {"start": "2025-01-02", "to": "2025-02-01"}}, "time_range.to", 'is written "end": "2025-'),
        ({"instrument": "BTCUSDT"}, "instrument", 'object {"market_id": …, "symbol": …} is needed, got'),
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
def test_a_wrong_request_is_told_where_and_what(models: RequestModels, changes: Any, field: str, words: str):
    assert words in problems_of(models, **changes)[field]


def test_every_problem_is_named_at_once_and_in_order(models: RequestModels):
    wrong = {"timeframe": "2m", "top_k": 0, "indicators": one(id="sma", params={"window": 1})}
    assert list(problems_of(models, **wrong)) == ["indicators.0.params.window", "timeframe", "top_k"]


def test_the_same_wrong_request_gives_the_same_bytes(models: RequestModels):
    payloads = set()
    for _ in range(2):
        with pytest.raises(InvalidInput) as caught:
            models.validated_request({**WHOLE, "timeframe": "2m", "x": 1})
        payloads.add(json.dumps(caught.value.payload()))
    assert len(payloads) == 1


def test_several_columns_are_an_axis_in_the_declared_order(models: RequestModels):
    request = models.validated_request(
        {**WHOLE, "indicators": one(id="sma", inputs={"source": ["hlc3", "close"]})}
    )
    assert request.indicators[0].inputs["source"] == ("close", "hlc3")


@pytest.mark.parametrize("name", sorted(INDICATORS))
def test_every_indicator_stands_in_the_schema(models: RequestModels, name: str):
    schema = json.dumps(models.backtest.model_json_schema())
    assert f'"const": "{name}"' in schema


def test_an_environment_narrows_what_a_request_may_have():
    bounds = {"min": 10, "max": 100, "start": 10, "stop": 50, "step": 10}
    narrower = RangesFile.model_validate({"indicators": {"sma": {"params": {"window": bounds}}}})
    ranges = narrowed(declared_ranges(), narrower, "configs/test/indicators.yaml")
    models = RequestModels(Catalogue(ranges, max_axis_values=1000))
    assert "5 is outside 10 to 100" in problems_of(models)["indicators.0.params.window"]
