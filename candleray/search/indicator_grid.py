"""The planes of one indicator: its combinations of inputs, parameters and signal parameters, by number."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from candleray.backtests.axes import Steps, Values, levels
from candleray.backtests.indicator_axes import IndicatorAxes
from candleray.errors import GuardExceeded, Problem, invalid
from kernels.indicators import INDICATORS
from kernels.signals import lookback

MAX_CONSTRAINED = 50_000
"""Combinations of one indicator that has a constraint: each is looked at, a microsecond or two."""


@dataclass(frozen=True)
class Radix:
    """The mixed-radix numbering over axes of these sizes, the last one fastest."""

    sizes: tuple[int, ...]

    @property
    def size(self) -> int:
        return math.prod(self.sizes)

    def decode(self, index: int) -> tuple[int, ...]:
        if not 0 <= index < self.size:
            raise IndexError(f"index {index} is outside 0 to {self.size - 1}")
        digits = []
        for size in reversed(self.sizes):
            index, digit = divmod(index, size)
            digits.append(digit)
        return tuple(reversed(digits))

    def encode(self, digits: Sequence[int]) -> int:
        index = 0
        for size, digit in zip(self.sizes, digits, strict=True):
            if not 0 <= digit < size:
                raise IndexError(f"digit {digit} is outside 0 to {size - 1}")
            index = index * size + digit
        return index


@dataclass(frozen=True)
class IndicatorVariant:
    """One plane: an indicator with everything fixed."""

    id: str
    inputs: dict[str, str]
    params: dict[str, float]
    signal: dict[str, float]

    @property
    def lookback_bars(self) -> int:
        """Bars before the first bar that can have a signal."""
        return lookback(INDICATORS[self.id], self.params, self.signal)


@dataclass(frozen=True)
class _NamedAxis:
    group: str
    name: str
    values: tuple[str, ...] | Values | Steps

    @property
    def count(self) -> int:
        return len(self.values) if isinstance(self.values, tuple) else self.values.count

    def at(self, index: int) -> Any:
        return self.values[index] if isinstance(self.values, tuple) else self.values.at(index)


class IndicatorGrid:
    """The planes of one indicator: its own axes in the order inputs, params, signal, each as declared.

    Combinations that the indicator's constraint forbids (a fast average slower than the slow one) do not exist:
    they have no number.

    Raises:
        InvalidInput: none is allowed.
        GuardExceeded: more combinations than can be checked one by one.
    """

    def __init__(self, axes: IndicatorAxes, *, with_signal: bool = True) -> None:
        indicator = INDICATORS[axes.id]
        self.with_signal = with_signal
        self.id = axes.id
        columns = {name: (value,) if isinstance(value, str) else value for name, value in axes.inputs.items()}
        self._axes = [
            *(_NamedAxis("inputs", name, columns[name]) for name in indicator.selectable_inputs),
            *(_NamedAxis("params", name, levels(axes.params[name])) for name in indicator.params),
            *(
                _NamedAxis("signal", name, levels(axes.signal[name]))
                for name in indicator.rule.params
                if with_signal
            ),
        ]
        self._radix = Radix(tuple(axis.count for axis in self._axes))
        self._allowed = None if indicator.constraint is None else self._allowed_by(indicator.constraint)

    @property
    def size(self) -> int:
        return self._radix.size if self._allowed is None else len(self._allowed)

    def lookback_at(self, digit: int) -> int:
        """Return the bars before the first bar that can have a signal."""
        return self.at(digit).lookback_bars

    def at(self, digit: int) -> IndicatorVariant:
        return self._combination(digit if self._allowed is None else self._allowed[digit])

    def _combination(self, index: int) -> IndicatorVariant:
        groups: dict[str, dict[str, Any]] = {"inputs": {}, "params": {}, "signal": {}}
        for axis, position in zip(self._axes, self._radix.decode(index), strict=True):
            groups[axis.group][axis.name] = axis.at(position)
        return IndicatorVariant(self.id, **groups)

    def _allowed_by(self, constraint: Callable[..., str | None]) -> tuple[int, ...]:
        if self._radix.size > MAX_CONSTRAINED:
            message = f"{self.id}: {self._radix.size} combinations of its parameters, at most {MAX_CONSTRAINED}"
            raise GuardExceeded(message, [Problem("indicators", "over_the_limit", message)])
        wrong = [constraint(**self._combination(index).params) for index in range(self._radix.size)]
        allowed = tuple(index for index, problem in enumerate(wrong) if problem is None)
        if not allowed:
            raise invalid("indicators", "constraint", f"{self.id}: {wrong[0]}")
        return allowed
