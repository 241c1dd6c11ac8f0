"""The indicators that signals name, checked as those of a list are: names, inputs, parameters, bounds, outputs."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from pydantic import ValidationError

from candleray.backtests.axes import Steps, Values
from candleray.backtests.indicator_axes import IndicatorAxes
from candleray.backtests.signals.conditions import RuleCondition
from candleray.backtests.signals.cross_references import all_parts
from candleray.backtests.signals.name_hints import written_otherwise
from candleray.backtests.signals.nodes import Place
from candleray.backtests.signals.operands import IndicatorOperand
from candleray.backtests.signals.signals import Signals
from candleray.errors import Problem, nearest
from candleray.validation import invalid_from
from kernels.indicators import INDICATORS


def signal_problems(
    let: Mapping[str, Any],
    signals: Signals,
    axes_of: Callable[[str], type[IndicatorAxes]],
    max_axis_values: int,
) -> Iterator[Problem]:
    """Yield what is wrong with the indicators and axes of signals.

    Args:
        axes_of: the narrowed model of an indicator's axes.
    """
    for place, part in all_parts(let, signals):
        if isinstance(part, Values | Steps) and part.count > max_axis_values:
            message = f"{part.count} values on one axis, at most {max_axis_values}"
            yield Problem(_dotted(place), "too_many_values", message)
        elif isinstance(part, IndicatorOperand):
            yield from _of_indicator(place, "id", part.id, {"inputs": part.inputs, "params": part.params}, axes_of)
            if part.id in INDICATORS:
                yield from _of_output(place, part)
        elif isinstance(part, RuleCondition):
            groups = {"inputs": part.inputs, "params": part.params, "signal": part.signal}
            yield from _of_indicator(place, "rule", part.rule, groups, axes_of)


def _of_indicator(
    place: Place,
    key: str,
    name: str,
    groups: Mapping[str, Any],
    axes_of: Callable[[str], type[IndicatorAxes]],
) -> Iterator[Problem]:
    if name not in INDICATORS:
        hint = written_otherwise(name) or nearest(name, list(INDICATORS))
        message = f"unknown indicator {name[:40]!r}; {hint}"
        yield Problem(_dotted((*place, key)), "unknown_indicator", message)
        return
    content = {"id": name} | {group: axes for group, axes in groups.items() if axes}
    try:
        axes_of(name).model_validate(content)
    except ValidationError as error:
        for problem in invalid_from(error.errors(include_url=False)).problems:
            yield Problem(f"{_dotted(place)}.{problem.field}", problem.code, problem.message)


def _of_output(place: Place, part: IndicatorOperand) -> Iterator[Problem]:
    outputs = INDICATORS[part.id].outputs
    where = _dotted((*place, "output"))
    if part.output is None:
        if len(outputs) > 1 and part.id not in outputs:
            yield Problem(where, "no_output", f"{part.id} has several outputs, name one: {', '.join(outputs)}")
    elif part.output not in outputs:
        message = f"{part.id} has no output {part.output[:40]!r}; {nearest(part.output, list(outputs))}"
        yield Problem(where, "unknown_output", message)


def _dotted(place: Place) -> str:
    return ".".join(map(str, place))
