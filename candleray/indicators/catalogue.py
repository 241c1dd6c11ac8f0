"""What the indicators' declarations become at the edge: request models, descriptions, ranges per environment.

Nothing here knows an indicator by name. `Catalogue.request_model` is `BacktestRequest` narrowed to the indicators
that exist, each with its own inputs, parameters and bounds, so that validation, OpenAPI and the forms of a page
come from the one declaration.
"""

from __future__ import annotations

import inspect
import sys
from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Annotated, Any, Literal, TypeAlias, Union

import yaml
from pydantic import AfterValidator, BeforeValidator, Discriminator, Field, Tag
from pydantic_core import PydanticCustomError

from candleray.backtests.axes import Axis, Number, Steps, Values, levels
from candleray.backtests.request import MAX_INDICATORS, BacktestRequest, IndicatorAxes
from candleray.errors import InvalidInput, NotFound, nearest
from candleray.indicators.info import IndicatorInfo, InputInfo, ParamInfo, RuleInfo
from candleray.settings import CONFIGS, get_settings
from candleray.validation import Model, generated_model, validated
from kernels.declare import Indicator, Param
from kernels.indicators import INDICATORS
from kernels.rules import FAMILIES


class Bounds(Model):
    """What an environment allows of one parameter, and the range a search takes by default."""

    min: Number
    max: Number
    start: Number
    stop: Number
    step: Number

    @staticmethod
    def declared(param: Param) -> Bounds:
        start, stop, step = param.grid
        return Bounds(min=param.ge, max=param.le, start=start, stop=stop, step=step)


class IndicatorRanges(Model):
    params: dict[str, Bounds] = {}
    signal: dict[str, Bounds] = {}


class RangesFile(Model):
    """`configs/<environment>/indicators.yaml`: narrows the declared bounds, never widens them."""

    indicators: dict[str, IndicatorRanges] = {}


def declared_ranges() -> RangesFile:
    """The hard bounds and default ranges as the indicators declare them: the base environment's file."""
    return RangesFile(
        indicators={
            name: IndicatorRanges(
                params={key: Bounds.declared(param) for key, param in indicator.params.items()},
                signal={key: Bounds.declared(param) for key, param in indicator.rule.params.items()},
            )
            for name, indicator in INDICATORS.items()
        }
    )


def narrowed(declared: RangesFile, narrower: RangesFile, name: str) -> RangesFile:
    """`declared` with the bounds of `narrower` where it has some.

    Raises:
        InvalidInput, NotFound: where the file `name` widens a bound or names what does not exist.
    """
    merged = {key: value.model_dump() for key, value in declared.indicators.items()}
    for indicator, ranges in narrower.indicators.items():
        for group, bounds in (("params", ranges.params), ("signal", ranges.signal)):
            for param, bound in bounds.items():
                where = f"{indicator}.{group}.{param}"
                hard = merged.get(indicator, {}).get(group, {}).get(param)
                if hard is None:
                    raise NotFound(f"{name}: there is no {where}")
                if bound.min < hard["min"] or bound.max > hard["max"]:
                    allowed = f"{hard['min']} to {hard['max']}"
                    raise InvalidInput(
                        f"{name}: {where} from {bound.min} to {bound.max} is wider than its hard bounds {allowed}"
                    )
                merged[indicator][group][param] = bound.model_dump()
    return validated(RangesFile, {"indicators": merged}, name)


def _read_ranges(environment: str) -> RangesFile:
    path = CONFIGS / environment / "indicators.yaml"
    if not path.exists():
        return RangesFile()
    return validated(RangesFile, yaml.safe_load(path.read_text()) or {}, str(path))


class Catalogue:
    """The indicators as one environment allows them."""

    def __init__(self, ranges: RangesFile, max_axis_values: int) -> None:
        self.ranges = ranges
        self.max_axis_values = max_axis_values
        self.request_model: type[BacktestRequest] = self._narrow_request()

    def find(self, indicator_id: str) -> Indicator:
        """Raises NotFound with the nearest name."""
        if indicator_id not in INDICATORS:
            raise NotFound(f"unknown indicator {indicator_id!r}; {nearest(indicator_id, list(INDICATORS))}")
        return INDICATORS[indicator_id]

    def describe(self) -> list[IndicatorInfo]:
        return [self.info(name) for name in INDICATORS]

    def validated_request(self, content: Any) -> BacktestRequest:
        """The request with every name and bound checked; what was left out is still left out.

        Raises:
            InvalidInput: one problem a field, sorted.
        """
        narrow = validated(self.request_model, content)
        return BacktestRequest.model_validate(narrow.model_dump(exclude_unset=True))

    def info(self, name: str) -> IndicatorInfo:
        """Raises NotFound with the nearest name."""
        indicator = self.find(name)
        ranges = self.ranges.indicators[name]
        return IndicatorInfo(
            id=name,
            title=indicator.title,
            version=indicator.version,
            description=inspect.getdoc(sys.modules[f"kernels.indicators.{name}"]) or "",
            source=indicator.source,
            inputs=tuple(
                InputInfo(name=key, columns=columns, default=columns[0])
                for key, columns in indicator.inputs.items()
            ),
            outputs=indicator.outputs,
            params=_param_infos(indicator.params, ranges.params),
            rule=RuleInfo(
                family=indicator.rule.family,
                meaning=FAMILIES[indicator.rule.family].meaning,
                params=_param_infos(indicator.rule.params, ranges.signal),
            ),
        )

    def axes_model(self, name: str, indicator: Indicator) -> type[IndicatorAxes]:
        """`IndicatorAxes` narrowed to this indicator's inputs, parameters and bounds."""
        ranges = self.ranges.indicators[name]
        title = name.title().replace("_", "")
        groups: dict[str, Any] = {
            "inputs": {key: _input_axis(columns) for key, columns in indicator.selectable_inputs.items()},
            "params": {key: self._axis(p, ranges.params[key]) for key, p in indicator.params.items()},
            "signal": {key: self._axis(p, ranges.signal[key]) for key, p in indicator.rule.params.items()},
        }
        fields: dict[str, Any] = {"id": (Literal[name], Field(description=indicator.title))}
        for group, axes in groups.items():
            model = generated_model(f"{title}{group.title()}", Model, **axes)
            fields[group] = (model, Field(default_factory=model))
        return generated_model(f"{title}Axes", IndicatorAxes, **fields)

    def _axis(self, param: Param, bounds: Bounds) -> Any:
        check = within(param, bounds, self.max_axis_values)
        note = f"{param.description} ({bounds.min} to {bounds.max})"
        return (Annotated[Axis, AfterValidator(check)], Field(param.default, description=note))

    def _narrow_request(self) -> type[BacktestRequest]:
        arms = {name: self.axes_model(name, indicator) for name, indicator in INDICATORS.items()}
        indicator: Any = one_of(arms)
        several: Any = (
            Annotated[tuple[indicator, ...], BeforeValidator(_few)],
            Field(min_length=1, max_length=MAX_INDICATORS),
        )
        return generated_model("BacktestRequest", BacktestRequest, indicators=several)


def one_of(arms: Mapping[str, type[Model]]) -> Any:
    """The type of any one indicator's model, told apart by `id`; an unknown id is answered with the nearest."""
    tagged = tuple(Annotated[model, Tag(f"<{name}>")] for name, model in arms.items())
    union: Any = Union[tagged]  # noqa: UP007  the arms are known at run time only
    return Annotated[union, Discriminator(_indicator_tag), BeforeValidator(_known_indicator)]


@lru_cache(maxsize=1)
def get_catalogue() -> Catalogue:
    """The catalogue of this process's environment."""
    settings = get_settings()
    ranges = declared_ranges()
    for environment in ("base", settings.environment):
        ranges = narrowed(ranges, _read_ranges(environment), f"configs/{environment}/indicators.yaml")
    return Catalogue(ranges, settings.guards.max_axis_values)


def _param_infos(params: Mapping[str, Param], bounds: Mapping[str, Bounds]) -> tuple[ParamInfo, ...]:
    return tuple(
        ParamInfo(
            name=name,
            kind=param.kind,
            description=param.description,
            default=param.default,
            min=bounds[name].min,
            max=bounds[name].max,
            step=param.step,
            grid=Steps(start=bounds[name].start, stop=bounds[name].stop, step=bounds[name].step),
        )
        for name, param in params.items()
    )


AnyAxis: TypeAlias = float | Values | Steps


def within(param: Param, bounds: Bounds, max_values: int) -> Callable[[AnyAxis], AnyAxis]:
    """A check of an axis against what the environment allows of this parameter."""

    def check(axis: AnyAxis) -> AnyAxis:
        sequence = levels(axis)
        if sequence.count > max_values:
            raise PydanticCustomError(
                "too_many_values",
                "{count} values on one axis, at most {limit}",
                {"count": sequence.count, "limit": max_values},
            )
        least, most = sequence.at(0), sequence.at(sequence.count - 1)
        for value in (least, most):
            if not bounds.min <= value <= bounds.max:
                raise PydanticCustomError(
                    "out_of_bounds",
                    "{value} is outside {min} to {max}",
                    {"value": f"{value:g}", "min": f"{bounds.min:g}", "max": f"{bounds.max:g}"},
                )
        if param.kind == "int":
            _check_whole(sequence)
        return axis

    return check


def _check_whole(sequence: Values | Steps) -> None:
    parts = sequence.values if isinstance(sequence, Values) else (sequence.start, sequence.step)
    for value in parts:
        if not float(value).is_integer():
            raise PydanticCustomError(
                "not_whole", "a whole number is needed, got {value}", {"value": f"{value:g}"}
            )


def _input_axis(columns: tuple[str, ...]) -> Any:
    """One column, or several as a list: `"close"` or `["close", "hlc3"]`."""

    def check(value: Any) -> Any:
        chosen = value["values"] if isinstance(value, dict) and set(value) == {"values"} else value
        names = chosen if isinstance(chosen, list | tuple) else [chosen]
        for name in names:
            if name not in columns:
                hint = nearest(str(name), columns)
                raise PydanticCustomError(
                    "unknown_column", "unknown column {name}; {hint}", {"name": repr(name), "hint": hint}
                )
        if len(set(names)) < len(names):
            raise PydanticCustomError("repeated_value", "a column stands twice")
        return tuple(sorted(names, key=columns.index)) if isinstance(chosen, list | tuple) else chosen

    literal: Any = Literal[columns]
    axis: Any = Annotated[literal | Annotated[tuple[literal, ...], Field(min_length=1)], BeforeValidator(check)]
    return (axis, Field(columns[0], description=f"one of {', '.join(columns)}, or several as a list"))


def _few(value: Any) -> Any:
    # Before its items are looked at: a million wrong ones would take minutes to put into words.
    if isinstance(value, list | tuple) and len(value) > MAX_INDICATORS:
        raise PydanticCustomError(
            "too_many_indicators",
            "{count} indicators, at most {limit}",
            {"count": len(value), "limit": MAX_INDICATORS},
        )
    return value


def _indicator_id(value: Any) -> Any:
    return value.get("id") if isinstance(value, dict) else getattr(value, "id", None)


def _indicator_tag(value: Any) -> str:
    return f"<{_indicator_id(value)}>"


def _known_indicator(value: Any) -> Any:
    name = _indicator_id(value)
    if name is None:
        raise PydanticCustomError("no_indicator", "an object with the id of an indicator is needed")
    if not isinstance(name, str) or name not in INDICATORS:
        raise PydanticCustomError(
            "unknown_indicator",
            "unknown indicator {name}; {hint}",
            {"name": repr(str(name)[:40]), "hint": nearest(str(name), list(INDICATORS))},
        )
    return value
