"""The models of requests, narrowed to the indicators that exist, each with its own inputs, parameters and bounds.

Validation, the OpenAPI document and the forms of a page come from these, and these from the declarations of the
indicators; no indicator is known by name here.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import cached_property, lru_cache
from typing import Annotated, Any, Literal, TypeVar

from pydantic import BeforeValidator, Field
from pydantic.fields import FieldInfo
from pydantic_core import PydanticCustomError

from candleray.backtests.indicator_axes import IndicatorAxes
from candleray.backtests.request import MAX_INDICATORS, BacktestRequest, StrategyAxes
from candleray.errors import Problem
from candleray.frozen_model import describe_fields
from candleray.indicators.catalogue import Catalogue, get_catalogue
from candleray.indicators.request_fields import axis_field, column_field, columns_field, value_field
from candleray.indicators.series import IndicatorChoice, SeriesRequest
from candleray.indicators.signal_checks import signal_problems
from candleray.strategies.strategy import NewStrategy, SavedBacktest, StrategyChanges, StrategyDraft
from candleray.validation import Model, ModelT, generated_model, one_of, refusal_of, validated
from kernels.declare import Indicator
from kernels.indicators import INDICATORS


def _long_axes(axes: StrategyAxes, most: int) -> Iterator[Problem]:
    """Yield a problem for each level or size with more values than an axis may have."""
    for part, own in (("risk", axes.risk.axes), ("sizing", axes.sizing.axes)):
        for name, axis in own.items():
            if axis.count > most:
                message = f"{axis.count} values on one axis, at most {most}"
                yield Problem(f"{part}.{name}", "too_many_values", message)


AxesT = TypeVar("AxesT", bound=StrategyAxes)


class RequestModels:
    """Narrowed models of every body that names an indicator, and the wide models that all code works on.

    A narrowed model is an extra check: `validated_request`, `validated_draft` and `widened` give a value of the
    wide one, in which what was left out is still left out.
    """

    def __init__(self, catalogue: Catalogue) -> None:
        self._catalogue = catalogue
        self._narrow_axes: dict[str, type[IndicatorAxes]] = {}

    @cached_property
    def backtest(self) -> type[BacktestRequest]:
        """Any indicator with axes of its inputs, parameters and signal parameters."""
        indicator: Any = _one_indicator(self._axes)
        describe_fields(BacktestRequest)
        described = BacktestRequest.model_fields["indicators"]
        several: Any = (
            Annotated[tuple[indicator, ...], BeforeValidator(_check_count)],
            Field((), min_length=1, max_length=MAX_INDICATORS, description=described.description),
        )
        return generated_model("BacktestRequest", BacktestRequest, indicators=several)

    @cached_property
    def series(self) -> type[SeriesRequest]:
        """Any indicator with one value of each input and parameter."""
        return generated_model("SeriesRequest", SeriesRequest, indicator=(_one_indicator(self._choice), ...))

    @cached_property
    def new_strategy(self) -> type[NewStrategy]:
        """A strategy that is to be saved."""
        return generated_model("NewStrategy", NewStrategy, strategy=(self._draft | None, None))

    @cached_property
    def strategy_changes(self) -> type[StrategyChanges]:
        """Parts of a strategy, each of which makes a clone another one."""
        optional = self._optional_parts()
        parts = {name: optional[name] for name in StrategyAxes.model_fields}
        return generated_model("StrategyChanges", StrategyChanges, **parts)

    @cached_property
    def saved_backtest(self) -> type[SavedBacktest]:
        """Parts of a request that replace those of a saved strategy."""
        return generated_model("SavedBacktest", SavedBacktest, **self._optional_parts())

    @cached_property
    def _draft(self) -> type[StrategyDraft]:
        narrow = self.backtest.model_fields["indicators"]
        return generated_model("StrategyDraft", StrategyDraft, indicators=(narrow.annotation, narrow))

    def validated_request(self, content: Any) -> BacktestRequest:
        """The request with every name and bound checked.

        Raises:
            InvalidInput: one problem a field, sorted.
        """
        return self._checked(_widened(BacktestRequest, validated(self.backtest, content)))

    def validated_draft(self, content: Any) -> StrategyDraft:
        """The draft with every name and bound checked.

        Raises:
            InvalidInput: one problem a field, sorted.
        """
        return self._checked(_widened(StrategyDraft, validated(self._draft, content)))

    def _checked(self, axes: AxesT) -> AxesT:
        """Check the indicators that signals name, as those of `indicators` are, and the lengths of other axes."""
        most = self._catalogue.max_axis_values
        problems = list(_long_axes(axes, most))
        if axes.signals is not None:
            problems += signal_problems(axes.let, axes.signals, self._axes_of, most)
        if problems:
            raise refusal_of(set(problems))
        return axes

    def _axes_of(self, name: str) -> type[IndicatorAxes]:
        if name not in self._narrow_axes:
            self._narrow_axes[name] = self._axes(name, INDICATORS[name])
        return self._narrow_axes[name]

    def _optional_parts(self) -> dict[str, Any]:
        fields = self.backtest.model_fields
        return {name: _optional(fields[name]) for name in BacktestRequest.model_fields if name != "time_range"}

    def _axes(self, name: str, indicator: Indicator) -> type[IndicatorAxes]:
        ranges, most = self._catalogue.ranges.indicators[name], self._catalogue.max_axis_values
        params, signal = indicator.params.items(), indicator.rule.params.items()
        groups = {
            "inputs": {key: columns_field(columns) for key, columns in indicator.selectable_inputs.items()},
            "params": {key: axis_field(param, ranges.params[key], most) for key, param in params},
            "signal": {key: axis_field(param, ranges.signal[key], most) for key, param in signal},
        }
        title = _title(name)
        groups_of_fields = {key: _group(f"{title}{key.title()}", fields) for key, fields in groups.items()}
        return generated_model(f"{title}Axes", IndicatorAxes, id=_id(name, indicator), **groups_of_fields)

    def _choice(self, name: str, indicator: Indicator) -> type[IndicatorChoice]:
        bounds, title = self._catalogue.ranges.indicators[name].params, _title(name)
        inputs = {key: column_field(columns) for key, columns in indicator.selectable_inputs.items()}
        params = {key: value_field(param, bounds[key]) for key, param in indicator.params.items()}
        return generated_model(
            f"{title}Choice",
            IndicatorChoice,
            id=_id(name, indicator),
            inputs=_group(f"{title}Columns", inputs),
            params=_group(f"{title}Values", params),
        )


@lru_cache(maxsize=1)
def get_request_models() -> RequestModels:
    """The models of this process's environment."""
    return RequestModels(get_catalogue())


def widened(narrow: SeriesRequest) -> SeriesRequest:
    """A narrowed request, whose values are checked, as the model that all code works on."""
    return _widened(SeriesRequest, narrow)


def _widened(model: type[ModelT], narrow: Model) -> ModelT:
    return model.model_validate(narrow.model_dump(exclude_unset=True))


def _one_indicator(model_of: Callable[[str, Indicator], type[Model]]) -> Any:
    models = {name: model_of(name, indicator) for name, indicator in INDICATORS.items()}
    return one_of(models, key="id", noun="an indicator", label="indicator")


def _title(name: str) -> str:
    return name.title().replace("_", "")


def _id(name: str, indicator: Indicator) -> Any:
    return (Literal[name], Field(description=indicator.title))


def _group(title: str, fields: dict[str, Any]) -> Any:
    model = generated_model(title, Model, **fields)
    return (model, Field(default_factory=model))


def _optional(field: FieldInfo) -> tuple[Any, Any]:
    """The field as one that may be left out."""
    kind: Any = field.annotation
    for constraint in field.metadata:
        kind = Annotated[kind, constraint]
    return kind | None, Field(None, description=field.description)


def _check_count(value: Any) -> Any:
    # Before its items are looked at: a million wrong ones would take minutes to put into words.
    if isinstance(value, list | tuple) and len(value) > MAX_INDICATORS:
        raise PydanticCustomError(
            "too_many_indicators",
            "{count} indicators, at most {limit}",
            {"count": len(value), "limit": MAX_INDICATORS},
        )
    return value
