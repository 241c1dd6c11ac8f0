"""The numbers of a strategy and their steps."""

from __future__ import annotations

from typing import Any

import pytest

from candleray.backtests.request import BacktestRequest
from candleray.search.robustness.parameter_steps import NoStep, ParameterStep, replaced, steps_of
from candleray.search.variants import resolve
from candleray.settings import BacktestSettings

STRATEGY: dict[str, Any] = {
    "instrument": {"market_id": 1, "symbol": "BTCUSDT"},
    "timeframe": "1h",
    "time_range": {"start": "2025-01-01", "end": "2025-02-01"},
}
CLOSE = {"price": "close"}


def steps(**parts: Any) -> dict[str, tuple[float, ...] | str]:
    request = resolve(BacktestRequest.model_validate({**STRATEGY, **parts}), BacktestSettings())
    found = steps_of(request.model_dump(mode="json"))
    return {
        step.reason if isinstance(step, NoStep) else ".".join(map(str, step.place)): (
            "" if isinstance(step, NoStep) else step.neighbours
        )
        for step in found
    }


def test_a_declared_parameter_moves_by_a_tenth_in_whole_steps_of_its_own():
    assert steps(indicators=[{"id": "rsi", "params": {"window": 14}, "signal": {"long_threshold": 31}}]) == {
        "indicators.0.params.window": (13, 15),
        "indicators.0.signal.long_threshold": (28, 34),
        "indicators.0.signal.short_threshold": (63, 77),
    }
    assert steps(indicators=[{"id": "sma", "params": {"window": 200}}]) == {
        "indicators.0.params.window": (180, 220)
    }


def test_numbers_of_conditions_move_by_a_tenth_and_bars_by_whole_bars():
    entry = {
        "all": [
            {"above": [{"id": "rsi", "params": {"window": 10}}, 30.5]},
            {"held_for": [{"above": [{**CLOSE, "shift": 1}, {"times": [2, CLOSE]}]}, 40]},
            {"between": [{"time": "hour"}, 8, 16]},
            {"rising": [CLOSE, 1]},
        ]
    }
    assert steps(signals={"long_entry": entry}) == {
        "signals.long_entry.all.0.above.0.params.window": (9, 11),
        "signals.long_entry.all.0.above.1": (27.45, 33.55),
        "signals.long_entry.all.1.held_for.0.above.0.shift": (0, 2),
        "signals.long_entry.all.1.held_for.0.above.1.times.0": (1.8, 2.2),
        "signals.long_entry.all.1.held_for.1": (39, 41),
        "signals.long_entry.all.2.between.1": (7, 9),
        "signals.long_entry.all.2.between.2": (15, 17),
        "signals.long_entry.all.3.rising.1": (2,),
    }


def test_a_zero_has_no_step_and_stops_move_by_a_tenth():
    found = steps(
        let={"level": 0},
        signals={"long_entry": {"above": [{"id": "roc", "params": {"window": 10}}, "level"]}},
        risk={"sl_pct": 2, "tp_pct": 0.5},
    )
    assert found == {
        "let.level is 0, of which a tenth is no step": "",
        "signals.long_entry.above.0.params.window": (9, 11),
        "risk.sl_pct": (1.8, 2.2),
        "risk.tp_pct": (0.45, 0.55),
    }


def test_bars_and_windows_of_levels_move_by_whole_ones_and_stay_within_their_bounds():
    found = steps(
        let={"level": 50},
        signals={"long_entry": {"above": [{"price": "close"}, "level"]}},
        risk={"max_bars": 1, "trail_pct": 95, "sl_atr": 2.5, "atr_window": 30},
    )
    assert {name: near for name, near in found.items() if name.startswith("risk")} == {
        "risk.max_bars": (2,),
        "risk.trail_pct": (85.5,),
        "risk.sl_atr": (2.25, 2.75),
        "risk.atr_window": (27, 33),
    }


@pytest.mark.parametrize(("value", "missing"), [(2, "1 cannot be tried"), (10, "")])
def test_a_neighbour_beyond_a_bound_is_left_out_and_said(value: float, missing: str):
    step = ParameterStep(("x",), value, 1, 2, 20)
    assert step.missing.startswith(missing)
    assert bool(step.missing) == bool(missing)
    assert len(step.neighbours) == (1 if missing else 2)


def test_a_number_is_replaced_in_a_copy():
    whole = {"a": [{"b": 1}], "c": 2}
    assert replaced(whole, ("a", 0, "b"), 5) == {"a": [{"b": 5}], "c": 2}
    assert whole == {"a": [{"b": 1}], "c": 2}
