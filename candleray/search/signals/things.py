"""Signals of a request as expressions with slots, and the things that may take several values."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from operator import attrgetter
from typing import Any, Protocol

from candleray.backtests.axes import Steps, Values, levels
from candleray.backtests.indicator_axes import IndicatorAxes
from candleray.backtests.request import StrategyAxes
from candleray.backtests.signals import conditions as written
from candleray.backtests.signals.cross_references import used_names
from candleray.backtests.signals.nodes import Place
from candleray.backtests.signals.operands import ARITHMETIC, IndicatorOperand, PriceOperand, TimeOperand
from candleray.backtests.signals.signals import Signals
from candleray.search.indicator_grid import IndicatorGrid
from candleray.search.signals.expressions import (
    Arithmetic,
    Chosen,
    Crosses,
    Earlier,
    Every,
    Expression,
    IndicatorSeries,
    IsAbove,
    IsBetween,
    Negation,
    PriceSeries,
    RuleSide,
    Slot,
    Some,
    SourceKey,
    Spell,
    TimeSeries,
    Trend,
)


class Thing(Protocol):
    """Something of a request that takes one of several values."""

    place: Place
    size: int

    def longest(self) -> Any:
        """Return the value that needs the longest history."""
        ...

    def at(self, digit: int) -> Any:
        """Return what an expression has there."""
        ...

    def fields(self, digit: int) -> Mapping[Place, Any]:
        """Return what a request of that value alone has at these places."""
        ...


class IndicatorThing:
    """An indicator with axes, at its place in the request."""

    def __init__(self, place: Place, axes: IndicatorAxes, has_signal: bool) -> None:
        self.place = place
        self.axes = axes
        self._grid = IndicatorGrid(axes, with_signal=has_signal)
        self.size = self._grid.size

    def longest(self) -> Chosen:
        """Return the value that needs the longest history, as a rule or as an operand, which has no signal."""
        values = map(self.at, range(self.size))
        return max(values, key=attrgetter("rule_lookback_bars" if self._grid.with_signal else "lookback_bars"))

    def at(self, digit: int) -> Chosen:
        variant = self._grid.at(digit)
        return Chosen(
            variant.id, tuple(variant.inputs.items()), tuple(variant.params.items()), tuple(variant.signal.items())
        )

    def fields(self, digit: int) -> Mapping[Place, Any]:
        variant = self._grid.at(digit)
        groups: dict[str, Any] = {"inputs": variant.inputs, "params": variant.params}
        if self._grid.with_signal:
            groups["signal"] = variant.signal
        return {(*self.place, name): group for name, group in groups.items()}


@dataclass(frozen=True)
class NumberThing:
    """An axis of numbers, at its place in the request."""

    place: Place
    axis: Values | Steps

    @property
    def size(self) -> int:
        return self.axis.count

    def longest(self) -> float:
        return self.at(self.size - 1)

    def at(self, digit: int) -> float:
        return self.axis.at(digit)

    def fields(self, digit: int) -> Mapping[Place, Any]:
        return {self.place: self.axis.at(digit)}


class ExpressionBuilder:
    """Builds the expressions of a resolved request; a thing is numbered where it is met first.

    Names come first, in their order, then the signals: the same content is numbered in the same way.
    """

    def __init__(self, request: StrategyAxes) -> None:
        assert request.signals is not None
        self.things: list[Any] = []
        self._let = request.let
        self._own = request
        self._named: dict[str, Expression] = {}
        self.conditions: dict[Place, Expression] = {}
        """Every condition by its place in the request."""
        for name in sorted(used_names(request.let, request.signals)):
            self._name(name)
        self.signals: dict[str, Expression] = {
            name: self._condition(signal, ("signals", name))
            for name in Signals.model_fields
            if (signal := getattr(request.signals, name)) is not None
        }

    def named(self, name: str) -> Expression:
        """Return the expression of a name that the signals read."""
        return self._named[name]

    def _name(self, name: str) -> Expression:
        if name not in self._named:
            self._named[name] = self._operand(self._let[name], ("let", name))
        return self._named[name]

    def _number(self, value: Any, place: Place) -> Expression:
        axis = levels(value)
        if axis.count == 1:
            return float(axis.at(0))
        return self._slot(NumberThing(place, axis))

    def _slot(self, thing: Any) -> Slot:
        self.things.append(thing)
        return Slot(len(self.things) - 1)

    def _indicator(self, place: Place, axes: IndicatorAxes, has_signal: bool) -> Expression:
        thing = IndicatorThing(place, axes, has_signal)
        return thing.at(0) if thing.size == 1 else self._slot(thing)

    def _source(self, node: Any) -> SourceKey | None:
        if node.timeframe is None and node.instrument is None:
            return None
        instrument = node.instrument or self._own.instrument
        return SourceKey(instrument.market_id, instrument.symbol, node.timeframe or self._own.timeframe)

    def _operand(self, node: Any, place: Place) -> Expression:
        match node:
            case str():
                return self._name(node)
            case IndicatorOperand():
                axes = IndicatorAxes(id=node.id, inputs=node.inputs, params=node.params)
                chosen = self._indicator(place, axes, has_signal=False)
                assert node.output is not None
                return IndicatorSeries(chosen, node.output, self._source(node), self._shift(node, place))
            case PriceOperand():
                return PriceSeries(node.price, self._source(node), self._shift(node, place))
            case TimeOperand():
                return TimeSeries(node.time)
            case _ if isinstance(node, ARITHMETIC):
                parts = tuple(self._operand(part, (*place, *inner)) for inner, part in node.parts())
                return Arithmetic(type(node).key(), parts)
        return self._number(node, place)

    def _shift(self, node: Any, place: Place) -> Expression:
        return self._number(node.shift, (*place, "shift"))

    def _condition(self, node: Any, place: Place) -> Expression:
        self.conditions[place] = self._built_condition(node, place)
        return self.conditions[place]

    def _built_condition(self, node: Any, place: Place) -> Expression:
        key = type(node).key()
        if isinstance(node, written.COMPARISONS):
            return _COMPARED[key](*(self._operand(part, (*place, *inner)) for inner, part in node.parts()))
        if isinstance(node, written.TRENDS):
            operand, bars = (part for _, part in node.parts())
            series = self._operand(operand, (*place, key, 0))
            return Trend(series, self._number(bars, (*place, key, 1)), key == "rising")
        if isinstance(node, written.SPELLS):
            condition, bars = (part for _, part in node.parts())
            inner, count = self._condition(condition, (*place, key, 0)), self._number(bars, (*place, key, 1))
            return Earlier(inner, count) if key == "earlier" else Spell(inner, count, key == "held_for")
        if isinstance(node, written.RuleCondition):
            axes = IndicatorAxes(id=node.rule, inputs=node.inputs, params=node.params, signal=node.signal)
            return RuleSide(self._indicator(place, axes, has_signal=True), node.side, self._source(node))
        parts = tuple(self._condition(part, (*place, *inner)) for inner, part in node.parts())
        if isinstance(node, written.Not):
            return Negation(parts[0])
        return Every(parts) if isinstance(node, written.AllOf) else Some(parts)


_COMPARED: Mapping[str, Any] = {
    "above": IsAbove,
    "below": lambda left, right: IsAbove(right, left),
    "between": IsBetween,
    "cross_above": Crosses,
    "cross_below": lambda left, right: Crosses(right, left),
}
