"""The numbers of a strategy, and one sensible step of each.

A step is a tenth of the number. A parameter that an indicator declares moves by whole multiples of its own step,
one at least, and stays within its bounds; a number of bars moves by whole bars.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from copy import deepcopy
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, TypeAlias

from candleray.backtests.rules.risk import BOUNDS, LevelBounds
from candleray.backtests.rules.sizing import PARTS_BOUNDS
from candleray.backtests.signals.operands import MAX_SHIFT
from kernels.declare import Param
from kernels.indicators import INDICATORS

Place: TypeAlias = tuple[str | int, ...]
"""A path within a request as JSON."""

_COUNTED = ("rising", "falling", "held_for", "within_last", "earlier")
"""Conditions whose second part is a number of bars."""
_NO_NODES = ("inputs", "instrument", "timeframe", "output", "side", "price", "time")
"""Fields of a node in which no number of the strategy stands."""


@dataclass(frozen=True)
class ParameterStep:
    """One number of a strategy with its step and the bounds that it stays within."""

    place: Place
    value: float
    step: float
    least: float = float("-inf")
    most: float = float("inf")

    @property
    def neighbours(self) -> tuple[float, ...]:
        """The numbers one step lower and one higher, as far as they are within the bounds."""
        return tuple(one for one in self._both if self.least <= one <= self.most)

    @property
    def missing(self) -> str:
        """The neighbours that are not there, in words; empty where both are."""
        beyond = [one for one in self._both if not self.least <= one <= self.most]
        bounds = f"its bounds are {self.least:g} to {self.most:g}"
        return f"{' and '.join(f'{one:g}' for one in beyond)} cannot be tried: {bounds}" if beyond else ""

    @property
    def _both(self) -> tuple[float, float]:
        value, step = Decimal(repr(self.value)), Decimal(repr(self.step))
        return _spelled(value - step), _spelled(value + step)


@dataclass(frozen=True)
class NoStep:
    """A number that has no sensible step."""

    reason: str


AnyStep: TypeAlias = ParameterStep | NoStep


def steps_of(strategy: Mapping[str, Any]) -> Iterator[AnyStep]:
    """Yield a step for each number of a resolved request of one strategy, given as JSON, in its order there."""
    for at, indicator in enumerate(strategy.get("indicators", ())):
        yield from _of_indicator(indicator, str(indicator["id"]), ("indicators", at))
    for group in ("let", "signals"):
        for name, node in (strategy.get(group) or {}).items():
            yield from _of_part(node, (group, name), strategy.get("let") or {})
    for name, level in (strategy.get("risk") or {}).items():
        if level is not None:
            yield _of_level(("risk", name), level, BOUNDS[name])
    for name, value in (strategy.get("sizing") or {}).items():
        if name in PARTS_BOUNDS:
            yield _of_level(("sizing", name), value, PARTS_BOUNDS[name])


def replaced(strategy: Mapping[str, Any], place: Place, value: float) -> dict[str, Any]:
    """Return the strategy with another number at that place."""
    changed: Any = deepcopy(dict(strategy))
    part = changed
    for key in place[:-1]:
        part = part[key]
    part[place[-1]] = value
    whole: dict[str, Any] = changed
    return whole


def _of_part(part: Any, place: Place, let: Mapping[str, Any]) -> Iterator[AnyStep]:
    if isinstance(part, int | float):
        yield _of_number(part, place)
    elif isinstance(part, list):
        times = any(_tells_time(one, let) for one in part)
        counted = place[-1] in _COUNTED
        for at, one in enumerate(part):
            inner = (*place, at)
            if isinstance(one, int | float) and (times or (counted and at == 1)):
                yield ParameterStep(inner, one, 1.0, *((1.0, MAX_SHIFT) if counted else ()))
            else:
                yield from _of_part(one, inner, let)
    elif isinstance(part, dict):
        yield from _of_node(part, place, let)


def _of_node(node: Mapping[str, Any], place: Place, let: Mapping[str, Any]) -> Iterator[AnyStep]:
    indicator = node.get("id", node.get("rule"))
    if isinstance(indicator, str):
        yield from _of_indicator(node, indicator, place)
    for key, part in node.items():
        if key == "shift":
            if part:
                yield ParameterStep((*place, key), part, 1.0, 0.0, MAX_SHIFT)
        elif key not in (*_NO_NODES, "params", "signal"):
            yield from _of_part(part, (*place, key), let)


def _of_indicator(node: Mapping[str, Any], name: str, place: Place) -> Iterator[AnyStep]:
    indicator = INDICATORS[name]
    for group, declared in (("params", indicator.params), ("signal", indicator.rule.params)):
        for key, value in node.get(group, {}).items():
            yield _of_param(declared[key], value, (*place, group, key))


def _of_param(param: Param, value: float, place: Place) -> ParameterStep:
    unit = Decimal(repr(param.step))
    units = max(1, round(abs(Decimal(repr(value))) / 10 / unit))
    return ParameterStep(place, value, float(unit * units), param.ge, param.le)


def _of_level(place: Place, level: float, bounds: LevelBounds) -> ParameterStep:
    step = float(max(1, round(level / 10))) if bounds.is_whole else _tenth(level)
    return ParameterStep(place, level, step, bounds.least, bounds.most)


def _of_number(value: float, place: Place) -> AnyStep:
    if value == 0:
        return NoStep(f"{'.'.join(map(str, place))} is 0, of which a tenth is no step")
    return ParameterStep(place, value, _tenth(value))


def _tells_time(part: Any, let: Mapping[str, Any]) -> bool:
    """Tell if an operand is the hour or the weekday, of which a tenth says nothing."""
    named = let.get(part) if isinstance(part, str) else part
    return isinstance(named, dict) and "time" in named


def _tenth(value: float) -> float:
    return float(abs(Decimal(repr(value))) / 10)


def _spelled(number: Decimal) -> float:
    return int(number) if number == number.to_integral_value() else float(number)
