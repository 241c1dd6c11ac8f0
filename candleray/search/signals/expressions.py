"""Expressions that are evaluated: a signal with everything fixed, or with slots for what its grid varies.

They are hashable, so that equal parts are computed once.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, fields, is_dataclass
from functools import cache
from typing import Any, Literal, NamedTuple, TypeAlias

from candleray.timeframes import Timeframe
from kernels.indicators import INDICATORS
from kernels.rules import FAMILIES


class SourceKey(NamedTuple):
    """Other candles than the strategy's own bars."""

    market_id: int
    symbol: str
    timeframe: Timeframe


@dataclass(frozen=True)
class Slot:
    """A place for what the thing of that number takes in a variant."""

    thing: int


@dataclass(frozen=True)
class Chosen:
    """An indicator with everything fixed."""

    id: str
    inputs: tuple[tuple[str, str], ...]
    params: tuple[tuple[str, float], ...]
    signal: tuple[tuple[str, float], ...] = ()

    @property
    def lookback_bars(self) -> int:
        """Bars before the first value."""
        return INDICATORS[self.id].lookback(**dict(self.params))

    @property
    def rule_lookback_bars(self) -> int:
        """Bars before the first bar that can have a signal."""
        family = FAMILIES[INDICATORS[self.id].rule.family]
        return self.lookback_bars + family.lookback(**dict(self.signal))


@dataclass(frozen=True)
class IndicatorSeries:
    chosen: Any
    output: str
    source: SourceKey | None
    shift: Any


@dataclass(frozen=True)
class PriceSeries:
    column: str
    source: SourceKey | None
    shift: Any


@dataclass(frozen=True)
class TimeSeries:
    part: Literal["hour", "weekday"]


@dataclass(frozen=True)
class Arithmetic:
    kind: str
    parts: tuple[Any, ...]


@dataclass(frozen=True)
class IsAbove:
    left: Any
    right: Any


@dataclass(frozen=True)
class IsBetween:
    operand: Any
    low: Any
    high: Any


@dataclass(frozen=True)
class Crosses:
    """The left crosses above the right; a cross below is the right's above the left."""

    left: Any
    right: Any


@dataclass(frozen=True)
class Trend:
    operand: Any
    bars: Any
    rising: bool


@dataclass(frozen=True)
class RuleSide:
    chosen: Any
    side: Literal["long", "short"]
    source: SourceKey | None


@dataclass(frozen=True)
class Spell:
    """A condition on all (`held`) of the last bars, or on one of them."""

    condition: Any
    bars: Any
    held: bool


@dataclass(frozen=True)
class Earlier:
    """A condition so many bars before."""

    condition: Any
    bars: Any


@dataclass(frozen=True)
class Every:
    parts: tuple[Any, ...]


@dataclass(frozen=True)
class Some:
    parts: tuple[Any, ...]


@dataclass(frozen=True)
class Negation:
    part: Any


Expression: TypeAlias = Any
"""One of the classes above, or a number."""


@cache
def _names(kind: Any) -> tuple[str, ...]:
    return tuple(field.name for field in fields(kind))


def _kind(expression: Expression) -> Any:
    return type(expression)


def filled(expression: Expression, values: Callable[[int], Any]) -> Expression:
    """Return the expression with each slot replaced by what its thing takes."""
    if isinstance(expression, Slot):
        return values(expression.thing)
    if type(expression) is tuple:
        return tuple(filled(part, values) for part in expression)
    if is_dataclass(expression) and not isinstance(expression, Chosen):
        kind = _kind(expression)
        return kind(*(filled(getattr(expression, name), values) for name in _names(kind)))
    return expression


def parts_of(expression: Expression) -> Iterator[Expression]:
    """Yield the expression and all that it is made of."""
    yield expression
    if type(expression) is tuple:
        for part in expression:
            yield from parts_of(part)
    elif is_dataclass(expression) and not isinstance(expression, Chosen):
        for name in _names(_kind(expression)):
            yield from parts_of(getattr(expression, name))


def slots_of(expression: Expression) -> tuple[int, ...]:
    """Return the numbers of the things that it has slots for, ascending."""
    return tuple(sorted({part.thing for part in parts_of(expression) if isinstance(part, Slot)}))


class Need(NamedTuple):
    """The history that one series of an expression reads before a bar."""

    source: SourceKey | None
    own_bars: int
    """Bars of the series' own timeframe before its value of that bar."""
    extra_bars: int
    """Bars of the strategy before that bar, on which its value is read too."""
    own_values: int = 0
    """Bars of the series' own timeframe before that value whose values are read, not only computed with."""


def needs(expression: Expression, extra_bars: int = 0) -> Iterator[Need]:
    """Yield the history that each series reads; everything is fixed."""
    if isinstance(expression, IndicatorSeries):
        shift = int(expression.shift)
        yield Need(expression.source, expression.chosen.lookback_bars + shift, extra_bars, shift)
    elif isinstance(expression, PriceSeries):
        yield Need(expression.source, int(expression.shift), extra_bars, int(expression.shift))
    elif isinstance(expression, TimeSeries):
        yield Need(None, 0, extra_bars)
    elif isinstance(expression, RuleSide):
        yield Need(expression.source, expression.chosen.rule_lookback_bars, extra_bars)
    elif isinstance(expression, Crosses):
        yield from _needs_of((expression.left, expression.right), extra_bars + 1)
    elif isinstance(expression, Trend):
        bars = int(expression.bars)
        if counts_own_bars(expression.operand):
            yield from (
                need._replace(own_bars=need.own_bars + bars, own_values=need.own_values + bars)
                for need in needs(expression.operand, extra_bars)
            )
        else:
            yield from needs(expression.operand, extra_bars + bars)
    elif isinstance(expression, Spell):
        yield from needs(expression.condition, extra_bars + int(expression.bars) - 1)
    elif isinstance(expression, Earlier):
        yield from needs(expression.condition, extra_bars + int(expression.bars))
    elif type(expression) is tuple:
        yield from _needs_of(expression, extra_bars)
    elif is_dataclass(expression):
        yield from _needs_of([getattr(expression, name) for name in _names(_kind(expression))], extra_bars)


def _needs_of(parts: Sequence[Expression], extra_bars: int) -> Iterator[Need]:
    for part in parts:
        yield from needs(part, extra_bars)


def counts_own_bars(operand: Expression) -> bool:
    """Tell if bars in a row of an operand are those of other candles: a day's average rises from day to day."""
    return isinstance(operand, IndicatorSeries | PriceSeries) and operand.source is not None
