"""Bars in pieces give the bits of all bars at once: every indicator and every rule, found by discovery.

`pytest tests/kernels/test_advance.py --chunk-cases 20` cuts each series in more ways than an ordinary run.

Prices have full mantissas: sums of prices with two decimals are exact in any order, and would hide a wrong phase.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from itertools import count
from zlib import crc32

import numpy as np
import pytest

from kernels.advance import BarWindow, GrowingSeries, GrowingSignal, with_means
from kernels.bits import unpack
from kernels.declare import Indicator, Number
from kernels.indicators import INDICATORS
from kernels.live.series_steps import SeriesStep, SeriesSteps, Value, address_at, take_steps
from kernels.rules import FAMILIES
from kernels.signals import beginning, build_plane, compute
from tests.support.random_walk import random_walk

BARS = 21_500
MOST_AT_ONCE = 5_000
SINGLE_BARS = 150
"""Bars that come one by one, at the beginning and again at the end, where the longest windows have begun."""


@pytest.fixture(scope="module")
def values() -> np.ndarray:
    candles = random_walk(BARS, seed=7)
    candles[:, 60:63] = candles[:, 900:903] = np.nan
    candles[3, 110], candles[3, 1_400], candles[4, 1_450], candles[1, 1_500] = np.nan, np.nan, np.nan, np.inf
    # Flat for a while: no range, no change, no deviation.
    candles[:4, 600:700] = candles[3, 600]
    candles[4, 640:660] = 0.0
    return candles


def param_sets(indicator: Indicator) -> list[dict[str, Number]]:
    """The defaults, the smallest, larger ones, a third of the largest and the largest, as far as they may be."""
    sets = [
        {name: param.default for name, param in indicator.params.items()},
        {name: param.ge for name, param in indicator.params.items()},
        {name: param.cast(min(param.le, param.default * 7)) for name, param in indicator.params.items()},
        {name: max(param.ge, param.cast(param.le // 3)) for name, param in indicator.params.items()},
        {name: param.le for name, param in indicator.params.items()},
    ]
    # Fast ones stay below slow ones where all may be as large.
    for params in sets:
        if indicator.constraint and indicator.constraint(**params):
            smaller = next(iter(params))
            params[smaller] = indicator.params[smaller].cast(
                max(indicator.params[smaller].ge, params[smaller] // 3)
            )
    allowed = [params for params in sets if not (indicator.constraint and indicator.constraint(**params))]
    return [params for place, params in enumerate(allowed) if params not in allowed[:place]]


def pieces(bars: int, seed: int) -> Iterator[int]:
    """Random numbers of bars, 1 to 5,000, which together are so many; short ones as often as long ones."""
    rng = np.random.default_rng(seed)
    left = bars - SINGLE_BARS
    for number in count():
        if not left:
            break
        one_by_one = number < SINGLE_BARS
        size = 1 if one_by_one else min(left, int(np.exp(rng.uniform(0.0, np.log(MOST_AT_ONCE + 1)))))
        yield size
        left -= size
    yield from [1] * SINGLE_BARS


def grown(indicator: Indicator, values: np.ndarray, params: dict[str, Number], seed: int) -> np.ndarray:
    """The outputs over bars in pieces; each piece comes with as many earlier bars as are wanted, and no more."""
    series, parts = GrowingSeries(indicator, {}, params), []
    for new in pieces(values.shape[1], seed):
        first = series.seen - series.earlier_bars
        assert first >= 0
        parts.append(np.stack(list(series.advance(values[:, first : series.seen + new], new).values())))
    return np.concatenate(parts, axis=1)


def fault_of(indicator: Indicator, values: np.ndarray, params: dict[str, Number], seed: int) -> str | None:
    """Say on which bar pieces first give other bits than all bars at once, and what to declare; else None."""
    whole = np.stack(list(compute(indicator, values, {}, params).values()))
    got = grown(indicator, values, params, seed)
    if got.tobytes() == whole.tobytes():
        return None
    output, bar = np.argwhere(got.view(np.uint64) != whole.view(np.uint64))[0]
    declared = "phase" if indicator.state_size is None else "state_size, input_lookback and phase"
    return (
        f"{indicator.name} with {params}: {indicator.outputs[output]} of bar {bar} is {got[output, bar]!r} when "
        f"bars come in pieces, {whole[output, bar]!r} over all of them. Its declaration of {declared} is wrong: "
        "a windowed indicator declares the phase its blocks begin at, a recursive one keeps in its state all that "
        "lives across its loop"
    )


def seeds(indicator: Indicator, cases: int) -> range:
    first = crc32(indicator.name.encode())
    return range(first, first + cases)


@pytest.mark.parametrize("indicator", INDICATORS.values(), ids=INDICATORS.keys())
def test_bars_in_pieces_give_the_bits_of_all_bars_at_once(indicator, values, chunk_cases):
    for params in param_sets(indicator):
        for seed in seeds(indicator, chunk_cases):
            fault = fault_of(indicator, values, params, seed)
            assert fault is None, fault


WINDOWED = {name: indicator for name, indicator in INDICATORS.items() if indicator.state_size is None}


@pytest.mark.parametrize("indicator", WINDOWED.values(), ids=WINDOWED.keys())
def test_a_windowed_one_has_the_same_bits_when_it_begins_later_at_its_phase(indicator, values, chunk_cases):
    rng = np.random.default_rng(crc32(indicator.name.encode()))
    for params in param_sets(indicator):
        whole = np.stack(list(compute(indicator, values, {}, params).values()))
        phase, lookback = indicator.phase(**params), indicator.lookback(**params)
        for _ in range(2 * chunk_cases):
            begin = int(rng.integers(0, BARS // phase + 1)) * phase
            later = np.stack(list(compute(indicator, values[:, begin:], {}, params).values()))
            assert later[:, lookback:].tobytes() == whole[:, begin + lookback :].tobytes(), (params, begin)


def signal_sets(indicator: Indicator) -> list[dict[str, Number]]:
    """The defaults of its rule, and all that is largest: a change over a thousand bars."""
    params = indicator.rule.params
    return [{name: param.default for name, param in params.items()}, {name: p.le for name, p in params.items()}]


@pytest.mark.parametrize("indicator", INDICATORS.values(), ids=INDICATORS.keys())
def test_its_rule_gives_the_bits_of_the_plane(indicator, values):
    params = {name: param.default for name, param in indicator.params.items()}
    bars = values[:, :4_000]
    for signal in signal_sets(indicator):
        plane = build_plane(indicator, bars, {}, params, signal, 0, 0, bars.shape[1])
        assert rule_flags(indicator, bars, params, signal).tolist() == unpack(plane, bars.shape[1]).tolist(), (
            signal
        )


def rule_flags(
    indicator: Indicator, values: np.ndarray, params: dict[str, Number], signal: dict[str, Number]
) -> np.ndarray:
    growing, parts = GrowingSignal(GrowingSeries(indicator, {}, params), signal), []
    for new in pieces(values.shape[1], crc32(indicator.name.encode())):
        seen = growing.series.seen
        parts.append(unpack(growing.advance(values[:, : seen + new], new), new))
    return np.concatenate(parts, axis=1)


@pytest.mark.parametrize("indicator", INDICATORS.values(), ids=INDICATORS.keys())
def test_bar_by_bar_over_a_window_values_and_signals_are_those_of_all_bars_at_once(indicator, values):
    bars, known = values[:, :1_500].copy(), 1_100
    for params, signal in zip(param_sets(indicator), signal_sets(indicator), strict=False):
        whole = np.stack(list(compute(indicator, bars, {}, params).values()))
        plane = build_plane(indicator, bars, {}, params, signal, 0, 0, bars.shape[1])
        growing = GrowingSignal(GrowingSeries(indicator, {}, params), signal)
        growing.advance(bars[:, :known], known)
        step, outputs, octets = SeriesStep(growing), np.zeros((len(whole), 2)), np.zeros((2, 1), np.uint8)
        window = BarWindow(bars[:, known - step.earlier_bars : known], step.most_bars)
        step.read(window)
        step.write_values(
            Value(at, address_at(outputs, at, 1), address_at(outputs, at, 0)) for at in range(len(whole))
        )
        step.write_signal(octets)
        made, flags = [], np.empty((2, bars.shape[1] - known), bool)
        for bar in range(known, bars.shape[1]):
            window.append(with_means(bars[:, bar : bar + 1]))
            take_steps([SeriesSteps([step])])
            made.append(outputs[:, 1].copy())
            flags[:, bar - known] = octets[:, 0] & 1
        assert outputs[:, 0].tobytes() == whole[:, -2].tobytes(), params
        assert np.stack(made, axis=1).tobytes() == whole[:, known:].tobytes(), params
        assert flags.tolist() == unpack(plane, bars.shape[1])[:, known:].tolist(), (params, signal)


@pytest.mark.parametrize("family", FAMILIES.values(), ids=FAMILIES.keys())
def test_a_family_reads_no_output_before_its_lookback(family):
    rng = np.random.default_rng(crc32(family.name.encode()))
    bars, params = 1_500, [1 + place for place in range(len(family.params))]
    lookback = family.lookback(**dict(zip(family.params, params, strict=True)))
    series = rng.choice([1.0, 2.0, 3.0, np.nan], (len(family.columns) + len(family.outputs), bars))
    whole = np.empty((2, bars // 8 + 8), np.uint8)
    family.kernel(*series, *params, 0, *whole)
    for bar in range(lookback, bars):
        alone = np.empty((2, 1), np.uint8)
        family.kernel(*series[:, bar - lookback : bar + 1].copy(), *params, lookback, *alone)
        assert (alone[:, 0] & 1).tolist() == (whole[:, bar // 8] >> bar % 8 & 1).tolist(), bar


# What a wrong declaration is told --------------------------------------------------------------------------------


def test_a_windowed_indicator_without_its_phase_is_named(values):
    params = {"window": 20}
    careless = replace(INDICATORS["sma"], phase=lambda window: 1)
    fault = fault_of(careless, values, params, 1)
    assert fault is not None
    assert fault.startswith("sma with {'window': 20}: sma of bar ")
    assert "Its declaration of phase is wrong" in fault


def test_a_recursive_indicator_that_declares_no_state_is_named(values):
    ema = INDICATORS["ema"]

    def forgetful(source, window, out):
        ema.kernel(source, window, out, beginning(ema, {"window": window}))

    fault = fault_of(replace(ema, kernel=forgetful, state_size=None), values, {"window": 20}, 1)
    assert fault is not None
    assert "ema with {'window': 20}" in fault


def test_a_recursive_indicator_that_reads_more_inputs_than_it_says_is_named(values):
    careless = replace(INDICATORS["zlema"], input_lookback=lambda window: (window - 1) // 2 - 1)
    fault = fault_of(careless, values, {"window": 20}, 1)
    assert fault is not None
    assert "Its declaration of state_size, input_lookback and phase is wrong" in fault


def test_a_window_with_too_few_bars_is_refused_and_changes_nothing(values):
    series = GrowingSeries(INDICATORS["sma"], {}, {"window": 5})
    series.advance(values[:, :100], 100)
    step, out = SeriesStep(series), np.zeros(2)
    step.write_values([Value(0, address_at(out, 1), address_at(out, 0))])
    step.read(BarWindow(values[:, 98:101], 5))
    with pytest.raises(ValueError, match="windows of 1 series of 1 have fewer bars"):
        take_steps([SeriesSteps([step])])
    assert out.tolist() == [0.0, 0.0]
    step.read(BarWindow(values[:, 96:101], 5))
    take_steps([SeriesSteps([step])])
    assert out[1] == compute(INDICATORS["sma"], values[:, :101], {}, {"window": 5})["sma"][100]


# The step --------------------------------------------------------------------------------------------------------


def test_fewer_earlier_bars_than_are_wanted_are_refused_and_change_nothing(values):
    series = GrowingSeries(INDICATORS["sma"], {}, {"window": 5})
    series.advance(values[:, :100], 100)
    with pytest.raises(ValueError, match="sma wants 4 bars before 1 new ones: got 3"):
        series.advance(values[:, 97:101], 1)
    whole = compute(INDICATORS["sma"], values[:, :101], {}, {"window": 5})["sma"]
    assert series.advance(values[:, 96:101], 1)["sma"].tolist() == whole[100:].tolist()


def test_more_earlier_bars_than_are_wanted_change_nothing(values):
    series = GrowingSeries(INDICATORS["hma"], {"source": "hlc3"}, {"window": 30})
    whole = compute(INDICATORS["hma"], values, {"source": "hlc3"}, {"window": 30})["hma"]
    for stop in (10, 777, 778, 2_000):
        seen = series.seen
        got = series.advance(values[:, :stop], stop - seen)["hma"]
        assert got.tobytes() == whole[seen:stop].tobytes()


def test_no_new_bar_gives_no_value(values):
    for indicator in INDICATORS.values():
        series = GrowingSeries(indicator, {}, param_sets(indicator)[0])
        assert all(not out.size for out in series.advance(values[:, :0], 0).values())
        series.advance(values[:, :700], 700)
        assert all(not out.size for out in series.advance(values[:, :700], 0).values())
        assert series.seen == 700
