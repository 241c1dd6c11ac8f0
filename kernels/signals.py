"""Signal planes made of candles: an indicator over the bars, its rule over the outputs, one bit a bar and side.

A value that is not a number gives no signal: comparisons with NaN are false in every family.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from kernels.bits import WORD_BITS, words
from kernels.comparisons import OCTET
from kernels.declare import Indicator, Number, Param
from kernels.rules import FAMILIES

FloatArray: TypeAlias = NDArray[np.float64]

_ROWS = ("open", "high", "low", "close", "volume")


def column(values: FloatArray, name: str) -> FloatArray:
    """A column of the candles `values[5, n]`: a view of a row, or a mean of prices."""
    if name == "hlc3":
        # From the low up: a third of three equal prices is not that price to the bit, and would trade against it.
        low = values[2]
        return low + ((values[1] - low) + (values[3] - low)) / 3.0
    if name == "ohlc4":
        return (values[0] + values[1] + values[2] + values[3]) / 4.0
    return values[_ROWS.index(name)]


def compute(
    indicator: Indicator, values: FloatArray, inputs: Mapping[str, str], params: Mapping[str, Number]
) -> dict[str, FloatArray]:
    """The indicator's outputs over the candles `values[5, n]`, NaN where there is no value.

    An input that `inputs` leaves out takes its default column.

    Raises:
        KeyError: for a missing parameter; ValueError: for a fraction where a whole number is wanted.
    """
    columns = [column(values, inputs.get(name, allowed[0])) for name, allowed in indicator.inputs.items()]
    outputs = [room(indicator, values.shape[1]) for _ in indicator.outputs]
    indicator.compute_into(columns, _arguments(indicator.params, params), outputs, beginning(indicator, params))
    return dict(zip(indicator.outputs, outputs, strict=True))


def beginning(indicator: Indicator, params: Mapping[str, Number]) -> FloatArray | None:
    """The state of a recursive indicator where history begins; a windowed one has none."""
    return None if indicator.state_size is None else np.zeros(int(indicator.state_size(**params)))


def room(indicator: Indicator, bars: int) -> FloatArray:
    # A pass of NaN over fresh memory is a fifth of what the median indicator takes.
    return np.empty(bars) if indicator.fills else np.full(bars, np.nan)


def build_plane(
    indicator: Indicator,
    values: FloatArray,
    inputs: Mapping[str, str],
    params: Mapping[str, Number],
    signal: Mapping[str, Number],
    first: int,
    start: int,
    stop: int,
) -> NDArray[np.uint64]:
    """Long and short bits `uint64[2, words]` of the bars `[start, stop)`; the indicator begins at bar `first`."""
    window = values[:, first:stop]
    series = compute(indicator, window, inputs, params)
    plane = np.empty((2, words(stop - start)), np.uint64)
    family = FAMILIES[indicator.rule.family]
    family.kernel(
        *(column(window, name) for name in family.columns),
        *(series[name] for name in indicator.rule.outputs),
        *_arguments(indicator.rule.params, signal),
        start - first,
        *plane.view(np.uint8),
    )
    return plane


@dataclass(frozen=True)
class PlaneSpec:
    """One plane: an indicator with everything fixed, and the bar it begins at."""

    indicator: Indicator
    inputs: Mapping[str, str]
    params: Mapping[str, Number]
    signal: Mapping[str, Number]
    first: int

    def continues(self, other: PlaneSpec) -> bool:
        """Tell if one sweep serves both: they differ in its parameter alone, which is larger here."""
        sweep = self.indicator.sweep
        if sweep is None or other.indicator is not self.indicator:
            return False
        own, others = dict(self.params), dict(other.params)
        larger = own.pop(sweep.over) > others.pop(sweep.over)
        same = (own, self.inputs, self.signal, self.first) == (others, other.inputs, other.signal, other.first)
        return larger and same


def build_planes(values: FloatArray, specs: Sequence[PlaneSpec], start: int, stop: int) -> NDArray[np.uint64]:
    """The planes `uint64[k, 2, words]` of the bars `[start, stop)`, those that one sweep serves in one pass."""
    planes = np.empty((len(specs), 2, words(stop - start)), np.uint64)
    done = 0
    while done < len(specs):
        end = done + 1
        while end < len(specs) and specs[end].continues(specs[end - 1]):
            end += 1
        if end - done > 1:
            _sweep(values, specs[done:end], start, stop, planes[done:end])
        else:
            spec = specs[done]
            planes[done] = build_plane(
                spec.indicator, values, spec.inputs, spec.params, spec.signal, spec.first, start, stop
            )
        done = end
    return planes


def _sweep(
    values: FloatArray, specs: Sequence[PlaneSpec], start: int, stop: int, planes: NDArray[np.uint64]
) -> None:
    """Write the planes of specs that continue each other."""
    smallest, indicator = specs[0], specs[0].indicator
    assert indicator.sweep is not None
    over = indicator.sweep.over
    swept = np.array([indicator.params[over].cast(spec.params[over]) for spec in specs], np.int64)
    params = {name: param.cast(smallest.params[name]) for name, param in indicator.params.items()}
    window = values[:, smallest.first : stop]
    early = (start - smallest.first) % OCTET
    wide = np.empty((len(specs), 2, words(stop - start + early)), np.uint64) if early else planes
    indicator.sweep.kernel(
        *(column(window, name) for name in FAMILIES[indicator.rule.family].columns),
        *(column(window, smallest.inputs.get(name, allowed[0])) for name, allowed in indicator.inputs.items()),
        *(swept if name == over else value for name, value in params.items()),
        *_arguments(indicator.rule.params, smallest.signal),
        start - smallest.first - early,
        wide.view(np.uint8),
    )
    if early:
        length = planes.shape[2]
        np.right_shift(wide[..., :length], np.uint64(early), out=planes)
        planes[..., : wide.shape[2] - 1] |= wide[..., 1:] << np.uint64(WORD_BITS - early)


def lookback(indicator: Indicator, params: Mapping[str, Number], signal: Mapping[str, Number]) -> int:
    """The number of bars before a bar that its signal reads: the index of the first bar that can have one."""
    return indicator.lookback(**params) + FAMILIES[indicator.rule.family].lookback(**signal)


def _arguments(declared: Mapping[str, Param], given: Mapping[str, Number]) -> list[Number]:
    """The parameters in declared order and type; one that is not given is a `KeyError`."""
    return [param.cast(given[name]) for name, param in declared.items()]
