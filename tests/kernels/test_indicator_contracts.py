"""The contracts of every indicator: a new one is tested here without a line of its own.

NaN policy of all of them: what a NaN can reach is NaN, and after it an indicator is as if history began there.
"""

from __future__ import annotations

import inspect
import sys

import numpy as np
import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from kernels.bits import unpack
from kernels.declare import Indicator, Param
from kernels.indicators import INDICATORS
from kernels.rules import FAMILIES
from kernels.signals import beginning, build_plane, column, compute, lookback
from tests.support.random_walk import random_walk

pytestmark = pytest.mark.parametrize("indicator", INDICATORS.values(), ids=INDICATORS.keys())


def defaults(params: dict[str, Param]) -> dict[str, float]:
    return {name: param.default for name, param in params.items()}


def edge_params(indicator: Indicator) -> list[dict[str, float]]:
    """The defaults, the smallest of everything, and a larger set, as far as the constraint allows them."""
    smallest = {name: param.ge for name, param in indicator.params.items()}
    larger = {name: param.cast(min(param.le, param.default * 3)) for name, param in indicator.params.items()}
    sets = [defaults(indicator.params), smallest, larger]
    return [params for params in sets if not (indicator.constraint and indicator.constraint(**params))]


def whole_prices(n: int, seed: int) -> np.ndarray:
    """Candles `[5, n]` of few whole prices, which meet each other often."""
    rng = np.random.default_rng(seed)
    low = 8 + np.cumsum(rng.integers(-1, 2, n)) % 5
    high = low + rng.integers(1, 3, n)
    open_, close = rng.integers(low, high + 1), rng.integers(low, high + 1)
    return np.stack([open_, high, low, close, rng.integers(0, 3, n)]).astype(float)


def series(indicator: Indicator, values: np.ndarray, params: dict[str, float]) -> np.ndarray:
    return np.stack(list(compute(indicator, values, {}, params).values()))


def reference(indicator: Indicator, values: np.ndarray, params: dict[str, float]) -> np.ndarray:
    inputs = [column(values, allowed[0]).tolist() for allowed in indicator.inputs.values()]
    return np.array(indicator.reference(*inputs, *params.values()))


def assert_equals_reference(indicator: Indicator, values: np.ndarray, params: dict[str, float]) -> None:
    got, expected = series(indicator, values, params), reference(indicator, values, params)
    # What is next to nothing beside the prices it comes from is compared with the lowest of them.
    scale = np.nanmin(values[:4], initial=100.0)
    np.testing.assert_allclose(got, expected, rtol=1e-9, atol=1e-12 * scale)


def test_kernel_equals_reference_on_a_random_walk(indicator):
    for params in edge_params(indicator):
        assert_equals_reference(indicator, random_walk(400), params)


def test_kernel_equals_reference_on_flat_prices(indicator):
    for params in edge_params(indicator):
        assert_equals_reference(indicator, np.full((5, 200), 0.1), params)


def test_kernel_equals_reference_after_a_jump_of_scale(indicator):
    values = random_walk(400)
    values[:4, 100:110] *= 1e6
    for params in edge_params(indicator):
        assert_equals_reference(indicator, values, params)


def test_kernel_equals_reference_where_prices_lie_exactly_on_levels(indicator):
    # Short series of few whole prices, and the example's round parameters: halves are exact, so that closes meet
    # bands and stops to the bit.
    params = {name: param.cast(indicator.example.params[name]) for name, param in indicator.params.items()}
    n = indicator.lookback(**params) + 12
    for seed in range(100):
        assert_equals_reference(indicator, whole_prices(n, seed), params)


def test_without_volume_or_a_range_an_unknown_price_is_still_unknown(indicator):
    values = random_walk(600)
    values[4, 100:300] = 0.0
    values[1:4, 200] = np.nan
    # Bars whose high is their low, one of them without volume, and only the close is unknown.
    for bar in (250, 450):
        values[1, bar] = values[2, bar]
        values[3, bar] = np.nan
    for params in edge_params(indicator):
        assert_equals_reference(indicator, values, params)


# Of three windows drawn at random one in six rises: the health check would fail once in a hundred runs.
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.filter_too_much])
@given(st.integers(0, 120), st.integers(0, 10_000), st.sampled_from([0.0, 1e-6, 1e-2, 0.5]), st.data())
def test_kernel_equals_reference_on_any_series_and_parameters(indicator, n, seed, volatility, data):
    params = {
        name: data.draw(st.integers(int(p.ge), 60) if p.kind == "int" else st.floats(p.ge, p.le), name)
        for name, p in indicator.params.items()
    }
    assume(not (indicator.constraint and indicator.constraint(**params)))
    values = random_walk(n, seed, volatility)
    for hole in data.draw(st.lists(st.integers(0, max(n - 1, 0)), max_size=2)):
        values[:, hole : hole + 1] = np.nan
    assert_equals_reference(indicator, values, params)


def test_the_first_value_stands_at_the_lookback(indicator):
    for params in edge_params(indicator):
        first = indicator.lookback(**params)
        got = series(indicator, random_walk(first + 50), params)
        assert np.isnan(got[:, :first]).all(), params
        assert np.isfinite(got[:, first:]).all() or indicator.events, params
    if indicator.events:
        shown = np.array(list(indicator.example.expected.values()))
        assert np.flatnonzero(~np.isnan(shown).all(axis=0))[0] == indicator.lookback(**indicator.example.params)


def test_a_series_shorter_than_the_lookback_has_no_value(indicator):
    params = defaults(indicator.params)
    first = indicator.lookback(**params)
    for n in {0, min(1, first), first}:
        assert np.isnan(series(indicator, random_walk(n), params)).all()


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 300), st.integers(0, 10_000))
def test_later_bars_change_no_earlier_value(indicator, cut, seed):
    values = random_walk(300, seed)
    for params in edge_params(indicator):
        whole = series(indicator, values, params)
        part = series(indicator, values[:, :cut].copy(), params)
        assert part.tobytes() == whole[:, :cut].copy().tobytes()


def test_after_a_hole_it_is_as_if_history_began_there(indicator):
    values = random_walk(300)
    values[:, 150] = np.nan
    for params in edge_params(indicator):
        got = series(indicator, values, params)
        begun_there = series(indicator, values[:, 151:].copy(), params)
        assert np.isnan(got[:, 150]).all()
        np.testing.assert_allclose(got[:, 151:], begun_there, rtol=1e-9)


@pytest.mark.parametrize("n", [0, 1, 2, 40, 1_500])
def test_nothing_of_an_output_is_left_unwritten_where_it_comes_uninitialised(indicator, n):
    values = random_walk(n)
    values[:, 0:1] = values[:, 20:22] = values[:, 700:701] = np.nan
    values[4, 30:31] = values[3, 900:901] = np.inf
    inputs = [column(values, allowed[0]) for allowed in indicator.inputs.values()]
    for params in edge_params(indicator):
        runs = []
        for before in (np.nan, 123.0 if indicator.fills else np.nan):
            outputs = [np.full(n, before) for _ in indicator.outputs]
            indicator.compute_into(inputs, params.values(), outputs, beginning(indicator, params))
            runs.append(np.stack(outputs))
        np.testing.assert_array_equal(*runs)


def test_values_keep_their_bounds(indicator):
    wild = random_walk(2_000, seed=3, volatility=0.3)
    outputs = compute(indicator, wild, {}, defaults(indicator.params))
    assert set(indicator.bounds) <= set(indicator.outputs)
    for name, (low, high) in indicator.bounds.items():
        values = outputs[name][~np.isnan(outputs[name])]
        assert values.min() >= low
        assert values.max() <= high


def test_flat_prices_make_no_signal(indicator):
    # A price that rounding puts above its own average would trade on nothing.
    for price in (0.1, 1e-8, 64_123.45):
        values = np.full((5, 500), price)
        plane = build_plane(
            indicator, values, {}, defaults(indicator.params), defaults(indicator.rule.params), 0, 0, 500
        )
        assert not unpack(plane, 500).any()


def test_the_example_holds(indicator):
    example = indicator.example
    length = len(next(iter(example.inputs.values())))
    outputs = [np.full(length, np.nan) for _ in indicator.outputs]
    inputs = [np.array(example.inputs[name], float) for name in indicator.inputs]
    params = {name: param.cast(example.params[name]) for name, param in indicator.params.items()}
    indicator.compute_into(inputs, params.values(), outputs, beginning(indicator, params))
    assert np.isfinite(outputs[0]).any()
    for name, got in zip(indicator.outputs, outputs, strict=True):
        np.testing.assert_allclose(got, example.expected[name], rtol=1e-12)


def test_read_only_input_gives_the_same_bytes_every_time(indicator):
    values = random_walk(500)
    params = defaults(indicator.params)
    first = series(indicator, values, params).tobytes()
    values.flags.writeable = False
    assert series(indicator, values, params).tobytes() == first


def test_every_input_column_is_taken(indicator):
    values, params = random_walk(100), defaults(indicator.params)
    for name, allowed in indicator.inputs.items():
        results = [compute(indicator, values, {name: chosen}, params) for chosen in allowed]
        assert len({out[indicator.outputs[0]].tobytes() for out in results}) == len(allowed)


def test_parameters_are_declared_within_their_bounds(indicator):
    for name, param in {**indicator.params, **indicator.rule.params}.items():
        start, stop, step = param.grid
        assert param.ge <= param.default <= param.le, name
        assert param.ge <= start <= stop <= param.le, name
        assert step > 0, name
        assert param.step > 0, name
        assert param.description, name
        if param.kind == "int":
            assert all(isinstance(value, int) for value in (param.default, param.ge, param.le, *param.grid)), name
    assert indicator.constraint is None or indicator.constraint(**defaults(indicator.params)) is None


def test_the_rule_names_a_family_and_its_own_outputs(indicator):
    family = FAMILIES[indicator.rule.family]
    assert set(indicator.rule.outputs) <= set(indicator.outputs)
    assert len(indicator.rule.outputs) == len(family.outputs)
    assert list(indicator.rule.params) == list(family.params)
    assert lookback(indicator, defaults(indicator.params), defaults(indicator.rule.params)) >= indicator.lookback(
        **defaults(indicator.params)
    )


def test_it_says_what_it_is_and_where_it_comes_from(indicator):
    module = sys.modules[f"kernels.indicators.{indicator.name}"]
    summary, _, body = (inspect.getdoc(module) or "").partition("\n")
    assert summary.endswith(".")
    assert indicator.outputs[0].split("_")[0] in body
    assert indicator.title
    assert indicator.source
    assert indicator.version >= 1


def test_the_lookback_is_a_whole_number(indicator):
    for params in edge_params(indicator):
        assert isinstance(indicator.lookback(**params), int)
