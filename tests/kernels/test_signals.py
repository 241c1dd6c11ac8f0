"""Candles to signal planes: the rule families and how indicators are read through them."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import kernels
from kernels.bits import unpack, words
from kernels.declare import Indicator
from kernels.indicators import INDICATORS
from kernels.rules import FAMILIES
from kernels.signals import PlaneSpec, build_plane, build_planes, column, compute, lookback

NAN = float("nan")
ROOT = Path(__file__).parents[2]


def read(family: str, *series: list[float], **params: float) -> tuple[str, str]:
    """Long and short of a family over its columns and outputs, as strings of `x` and `.`."""
    arrays = [np.array(values, float) for values in series]
    plane = np.full((2, 1), 2**64 - 1, np.uint64)
    FAMILIES[family].kernel(*arrays, *params.values(), 0, *plane.view(np.uint8))
    return tuple("".join("x" if flag else "." for flag in flags) for flags in unpack(plane, arrays[0].size))


def test_the_nine_families_are_there():
    assert set(FAMILIES) == {
        "price_against_output",
        "sign_of_output",
        "threshold_band",
        "centred_threshold",
        "sign_of_change",
        "volume_against_output",
        "candle_body_direction",
        "pivot_events",
        "mean_reversion_band",
    }


def test_price_against_output_is_silent_on_the_output_itself():
    assert read("price_against_output", [1, 2, 3, 4], [2, 2, 2, NAN]) == ("..x.", "x...")


def test_sign_of_output():
    assert read("sign_of_output", [-1, 0, 1, NAN]) == ("..x.", "x...")


def test_threshold_band_includes_its_thresholds():
    levels = read("threshold_band", [29, 30, 31, 69, 70, 71, NAN], long_threshold=30.0, short_threshold=70.0)
    assert levels == ("xx.....", "....xx.")


def test_thresholds_that_overlap_give_both():
    levels = read("threshold_band", [10, 50, 90], long_threshold=60.0, short_threshold=40.0)
    assert levels == ("xx.", ".xx")


def test_centred_threshold():
    assert read("centred_threshold", [0, 1, 2, 3, 4, NAN], centre=2.0, threshold=1.0) == ("....x.", "x.....")


def test_sign_of_change_looks_back_for_each_side_alone():
    levels = read("sign_of_change", [5, 4, 6, 6, 3], long_delta_periods=1, short_delta_periods=3)
    assert levels == ("..x..", "....x")


def test_sign_of_change_over_more_bars_than_there_are_is_silent():
    assert read("sign_of_change", [1, 2], long_delta_periods=9, short_delta_periods=2) == ("..", "..")


def test_sign_of_change_is_silent_beside_a_hole():
    levels = read("sign_of_change", [1, NAN, 3, 4], long_delta_periods=1, short_delta_periods=1)
    assert levels == ("...x", "....")


def test_volume_above_output_takes_the_side_of_the_candle():
    levels = read("volume_against_output", [1, 2, 1, 1, 1], [2, 1, 1, 2, 2], [9, 9, 9, 1, 9], [5, 5, 5, 5, NAN])
    assert levels == ("x....", ".x...")


def test_candle_body_direction_needs_strength():
    levels = read("candle_body_direction", [1, 2, 1, 1], [2, 1, 2, 2], [3, 3, 1, NAN], min_strength=3.0)
    assert levels == ("x...", ".x..")


def test_pivot_events():
    assert read("pivot_events", [NAN, 5, NAN], [7, NAN, NAN]) == (".x.", "x..")


def test_mean_reversion_buys_below_the_band_and_sells_above():
    assert read("mean_reversion_band", [1, 2, 3, 4], [2, 2, 2, NAN], [2.5, 2.5, 2.5, NAN]) == ("x...", "..x.")


@settings(max_examples=60)
@given(st.integers(0, 200), st.integers(0, 40), st.integers(0, 12), st.integers(0, 10_000))
def test_octets_are_the_comparisons_of_single_bars(n, start, lag, seed):
    rng = np.random.default_rng(seed)
    close, output = rng.choice([1.0, 2.0, 3.0, NAN, np.inf], (2, n))
    plane = np.full((2, words(n) + 1), 2**64 - 1, np.uint64)
    FAMILIES["price_against_output"].kernel(close, output, start, *plane.view(np.uint8))
    long, short = unpack(plane, plane.shape[1] * 64)[:, : max(n - start, 0)]
    assert (long == (close > output)[start:]).all()
    assert (short == (close < output)[start:]).all()
    assert not unpack(plane, plane.shape[1] * 64)[:, max(n - start, 0) :].any()
    FAMILIES["sign_of_change"].kernel(output, lag, 2 * lag, start, *plane.view(np.uint8))
    earlier = [np.concatenate((np.full(back, NAN), output))[:n] for back in (lag, 2 * lag)]
    long, short = unpack(plane, plane.shape[1] * 64)[:, : max(n - start, 0)]
    assert (long == (output > earlier[0])[start:]).all()
    assert (short == (output < earlier[1])[start:]).all()


@pytest.mark.parametrize("family", FAMILIES.values(), ids=FAMILIES.keys())
def test_nan_gives_neither_side_in_any_family(family):
    n = 8
    columns = [np.arange(1.0, n + 1) for _ in family.columns]
    outputs = [np.full(n, NAN) for _ in family.outputs]
    plane = np.full((2, 1), 2**64 - 1, np.uint64)
    family.kernel(*columns, *outputs, *[1] * len(family.params), 0, *plane.view(np.uint8))
    assert not plane.any()


@pytest.mark.parametrize("family", FAMILIES.values(), ids=FAMILIES.keys())
def test_every_family_is_documented(family):
    assert family.title
    assert family.meaning.endswith(".")
    assert all(family.params.values())


def test_the_defaults_of_the_first_indicators_are_the_catalogue_s():
    rules = {name: indicator.rule for name, indicator in INDICATORS.items()}
    assert rules["sma"].family == rules["ema"].family == "price_against_output"
    assert rules["atr"].family == "sign_of_change"
    assert rules["bbands"].family == "mean_reversion_band"
    assert rules["rsi"].family == "threshold_band"
    assert [param.default for param in rules["rsi"].params.values()] == [30, 70]


# Planes --------------------------------------------------------------------------------------------------------


@pytest.fixture
def values() -> np.ndarray:
    rng = np.random.default_rng(5)
    close = 100 * np.exp(np.cumsum(rng.normal(0, 1e-3, 700)))
    return np.stack([close * 0.999, close * 1.002, close * 0.998, close, close])


def test_a_plane_is_the_rule_over_the_outputs_of_the_chosen_bars(values):
    sma = INDICATORS["sma"]
    plane = build_plane(sma, values, {"source": "hlc3"}, {"window": 10}, {}, first=100, start=200, stop=450)
    average = compute(sma, values[:, 100:450], {"source": "hlc3"}, {"window": 10})["sma"][100:]
    long, short = unpack(plane, 250)
    assert plane.shape == (2, words(250))
    assert (long == (values[3, 200:450] > average)).all()
    assert (short == (values[3, 200:450] < average)).all()


def specs_of(indicator: Indicator, swept: list[int], first: int) -> list[PlaneSpec]:
    params = {name: param.default for name, param in indicator.params.items()}
    signal = {name: param.default for name, param in indicator.rule.params.items()}
    return [PlaneSpec(indicator, {}, {**params, indicator.sweep.over: value}, signal, first) for value in swept]


def one_by_one(values: np.ndarray, specs: list[PlaneSpec], start: int, stop: int) -> np.ndarray:
    planes = [
        build_plane(spec.indicator, values, spec.inputs, spec.params, spec.signal, spec.first, start, stop)
        for spec in specs
    ]
    return np.stack(planes)


SWEPT = {name: indicator for name, indicator in INDICATORS.items() if indicator.sweep}


def test_averages_are_swept():
    assert "sma" in SWEPT


@pytest.mark.parametrize("indicator", SWEPT.values(), ids=SWEPT.keys())
@settings(max_examples=40)
@given(st.data())
def test_a_sweep_gives_the_bits_of_its_planes_one_by_one(indicator, data):
    n = data.draw(st.integers(1, 4_000), "bars")
    start = data.draw(st.integers(0, n - 1), "start")
    first = data.draw(st.integers(0, start), "first")
    least = indicator.params[indicator.sweep.over].ge
    swept = sorted(data.draw(st.sets(st.integers(least, 300) | st.integers(least, 3_000), min_size=2)))
    # Coarse prices tie with their means, where a last digit would show.
    rng = np.random.default_rng(data.draw(st.integers(0, 10_000), "seed"))
    values = np.round(100 + np.cumsum(rng.normal(0, 0.02, n)), 2) * np.ones((5, 1))
    values[:, data.draw(st.lists(st.integers(0, n - 1), max_size=2), "holes")] = NAN
    specs = specs_of(indicator, swept, first)
    assert (build_planes(values, specs, start, n) == one_by_one(values, specs, start, n)).all()


def test_planes_that_no_sweep_serves_together_stand_in_the_order_asked_for(values):
    rsi, sma = INDICATORS["rsi"], INDICATORS["sma"]
    signal = {"long_threshold": 30, "short_threshold": 70}
    specs = [
        *specs_of(sma, [30, 20, 25, 40], 3),
        *(PlaneSpec(rsi, {}, {"window": window}, signal, 3) for window in (5, 6)),
        *specs_of(sma, [50, 60], 3),
        *specs_of(sma, [70, 80], 4),
        PlaneSpec(sma, {"source": "open"}, {"window": 90}, {}, 4),
    ]
    assert (build_planes(values, specs, 200, 700) == one_by_one(values, specs, 200, 700)).all()


def test_bars_before_the_first_change_nothing(values):
    changed = values.copy()
    changed[:, :100] = 1.0
    for indicator in INDICATORS.values():
        params = {name: param.default for name, param in indicator.params.items()}
        signal = {name: param.default for name, param in indicator.rule.params.items()}
        planes = [
            build_plane(indicator, candles, {}, params, signal, 100, 300, 700) for candles in (values, changed)
        ]
        assert planes[0].tobytes() == planes[1].tobytes()


def test_a_delta_rule_reads_the_bars_before_the_start(values):
    atr, signal = INDICATORS["atr"], {"long_delta_periods": 20, "short_delta_periods": 3}
    plane = build_plane(atr, values, {}, {"window": 5}, signal, first=0, start=100, stop=160)
    outputs = compute(atr, values, {}, {"window": 5})["atr"]
    long, short = unpack(plane, 60)
    assert (long == (outputs[100:160] > outputs[80:140])).all()
    assert (short == (outputs[100:160] < outputs[97:157])).all()


def test_the_lookback_of_a_signal_is_the_indicator_s_and_the_rule_s():
    assert lookback(INDICATORS["sma"], {"window": 20}, {}) == 19
    assert lookback(INDICATORS["rsi"], {"window": 14}, {"long_threshold": 30, "short_threshold": 70}) == 14
    assert lookback(INDICATORS["atr"], {"window": 14}, {"long_delta_periods": 2, "short_delta_periods": 9}) == 23


def test_the_first_signal_stands_at_the_lookback(values):
    for indicator in INDICATORS.values():
        params = {name: param.default for name, param in indicator.params.items()}
        signal = {name: param.default for name, param in indicator.rule.params.items()}
        first = lookback(indicator, params, signal)
        plane = build_plane(indicator, values, {}, params, signal, 0, 0, 700)
        assert not unpack(plane, 700)[:, :first].any()


def test_hlc3_and_ohlc4_are_means_of_prices(values):
    open_, high, low, close, _ = values
    np.testing.assert_allclose(column(values, "hlc3"), (high + low + close) / 3)
    np.testing.assert_allclose(column(values, "ohlc4"), (open_ + high + low + close) / 4)


def test_a_fraction_of_a_bar_and_a_missing_parameter_are_refused(values):
    with pytest.raises(ValueError, match="whole number"):
        compute(INDICATORS["sma"], values, {}, {"window": 2.5})
    with pytest.raises(KeyError, match="window"):
        compute(INDICATORS["sma"], values, {}, {})


# The house -----------------------------------------------------------------------------------------------------


def test_the_kernels_are_ours():
    assert Path(kernels.__file__).parent == ROOT / "kernels"


def test_declarations_are_importable_without_numba():
    code = "import sys; sys.modules['numba'] = sys.modules['numpy'] = None; import kernels.declare"
    subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=True)
