"""Conditions: true or false on each bar, and neither where a value that they read is missing.

A condition that is neither does not hold, and nor does its `not`.
"""

from __future__ import annotations

from typing import Annotated, Any, ClassVar, Literal, TypeAlias

from pydantic import Field, PlainValidator, WithJsonSchema

from candleray.backtests.axes import Axis
from candleray.backtests.indicator_axes import Columns
from candleray.backtests.signals.name_hints import written_otherwise
from candleray.backtests.signals.nodes import DUMPED, Node, form, one_node
from candleray.backtests.signals.operands import (
    IndicatorOperand,
    Operand,
    OtherInstrument,
    OtherTimeframe,
    Pair,
    PriceOperand,
)
from candleray.backtests.signals.speech import Speech, bars, every, indicator, joined, levels_in_words, with_source
from candleray.errors import nearest

MAX_PARTS = 16
"""Conditions in one list."""


def _condition(value: Any) -> Node:
    return one_node(CONDITIONS, "a condition", '{"above": ["fast", "slow"]}', _hint)(value)


_OTHER_WORDS = {
    **dict.fromkeys((">", ">=", "gt", "gte", "greater", "greater_than", "over"), "above"),
    **dict.fromkeys(("<", "<=", "lt", "lte", "less", "less_than", "under"), "below"),
    **dict.fromkeys(("==", "=", "eq", "equals"), "between"),
    **dict.fromkeys(("and", "&", "&&"), "all"),
    **dict.fromkeys(("or", "|", "||"), "any"),
    **dict.fromkeys(("cross", "crosses", "crossover", "cross_over"), "cross_above"),
    **dict.fromkeys(("crossunder", "cross_under"), "cross_below"),
    **dict.fromkeys(("ago", "before", "delay", "delayed", "lag", "previous"), "earlier"),
}
"""Words of other languages for kinds of conditions."""


def _hint(key: str) -> str:
    known = _OTHER_WORDS.get(key.lower())
    if known:
        return f"did you mean {known!r}?"
    operand = written_otherwise(key)
    return f"{operand}, and stands within a condition" if operand else nearest(key, list(CONDITIONS))


Condition: TypeAlias = Annotated[
    Any,
    PlainValidator(_condition),
    DUMPED,
    WithJsonSchema(
        {
            "title": "Condition",
            "description": "An object with one of the keys `above`, `below`, `between`, `cross_above`, "
            "`cross_below`, `rising`, `falling`, `held_for`, `within_last`, `earlier`, `all`, `any`, `not`, "
            "`rule`.",
            "type": "object",
        }
    ),
]
"""One of `CONDITIONS`."""

Parts: TypeAlias = Annotated[
    tuple[Condition, ...],
    Field(min_length=1, max_length=MAX_PARTS),
    form(f"[1 to {MAX_PARTS} conditions]", 1, MAX_PARTS),
]
Trend: TypeAlias = Annotated[tuple[Operand, Axis], form("[a, bars]", 2, 2)]
Spell: TypeAlias = Annotated[tuple[Condition, Axis], form("[condition, bars]", 2, 2)]


class ConditionNode(Node):
    """A condition of any kind."""

    noun: ClassVar[str] = "a condition"

    def words(self, speech: Speech, denied: bool = False) -> str:
        """Say it, or that it is not so, in plain English, as a part of a sentence."""
        raise NotImplementedError(type(self).__name__)


class Above(ConditionNode):
    above: Pair

    def words(self, speech: Speech, denied: bool = False) -> str:
        return _compared(speech, self.above, "is not above" if denied else "is above")


class Below(ConditionNode):
    below: Pair

    def words(self, speech: Speech, denied: bool = False) -> str:
        return _compared(speech, self.below, "is not below" if denied else "is below")


class Between(ConditionNode):
    """`[x, low, high]`, both bounds included."""

    between: Annotated[tuple[Operand, Operand, Operand], form("[x, low, high]", 3, 3)]

    def words(self, speech: Speech, denied: bool = False) -> str:
        x, low, high = map(speech.operand, self.between)
        return f"{x} is {'not ' if denied else ''}between {low} and {high}"


class CrossAbove(ConditionNode):
    """Above now, and not above on the bar before."""

    cross_above: Pair

    def words(self, speech: Speech, denied: bool = False) -> str:
        verb = "does not cross above" if denied else "crosses above"
        return _compared(speech, self.cross_above, verb)


class CrossBelow(ConditionNode):
    """Below now, and not below on the bar before."""

    cross_below: Pair

    def words(self, speech: Speech, denied: bool = False) -> str:
        verb = "does not cross below" if denied else "crosses below"
        return _compared(speech, self.cross_below, verb)


class Rising(ConditionNode):
    """`[a, n]`: above its own value of the bar before, n bars in a row."""

    rising: Trend

    def words(self, speech: Speech, denied: bool = False) -> str:
        return _trend(speech, self.rising, "has not risen" if denied else "has risen")


class Falling(ConditionNode):
    """`[a, n]`: below its own value of the bar before, n bars in a row."""

    falling: Trend

    def words(self, speech: Speech, denied: bool = False) -> str:
        return _trend(speech, self.falling, "has not fallen" if denied else "has fallen")


class HeldFor(ConditionNode):
    """`[condition, n]`: true on this bar and the n - 1 before it."""

    is_compound: ClassVar[bool] = True

    held_for: Spell

    def words(self, speech: Speech, denied: bool = False) -> str:
        condition, count = self.held_for
        every_bar = "on this bar" if count == 1 else f"on each of the last {bars(count)}"
        return _denied(f"{every_bar} {speech.clause(condition)}", denied)


class WithinLast(ConditionNode):
    """`[condition, n]`: true on this bar or one of the n - 1 before it."""

    is_compound: ClassVar[bool] = True

    within_last: Spell

    def words(self, speech: Speech, denied: bool = False) -> str:
        condition, count = self.within_last
        some_bar = "on this bar" if count == 1 else f"on at least one of the last {bars(count)}"
        return _denied(f"{some_bar} {speech.clause(condition)}", denied)


class Earlier(ConditionNode):
    """`[condition, n]`: true n bars before this one."""

    is_compound: ClassVar[bool] = True

    earlier: Spell

    def words(self, speech: Speech, denied: bool = False) -> str:
        condition, count = self.earlier
        return _denied(f"{bars(count)} earlier {speech.clause(condition)}", denied)


class AllOf(ConditionNode):
    is_compound: ClassVar[bool] = True

    all: Parts

    def words(self, speech: Speech, denied: bool = False) -> str:
        return _together(speech, self.all, "and", denied)


class AnyOf(ConditionNode):
    is_compound: ClassVar[bool] = True

    any: Parts

    def words(self, speech: Speech, denied: bool = False) -> str:
        either = "" if len(self.any) == 1 or denied else "either "
        return either + _together(speech, self.any, "or", denied)


class Not(ConditionNode):
    negated: Condition = Field(alias="not")

    def words(self, speech: Speech, denied: bool = False) -> str:
        return speech.clause(self.negated) if denied else speech.condition(self.negated, denied=True)


class RuleCondition(ConditionNode):
    """One side of the rule that the catalogue has for an indicator: what `indicators` of a request read."""

    rule: str = Field(examples=["rsi"])
    side: Literal["long", "short"]
    inputs: dict[str, str | Columns] = {}
    params: dict[str, Axis] = {}
    signal: dict[str, Axis] = {}
    timeframe: OtherTimeframe = None
    instrument: OtherInstrument = None

    def words(self, speech: Speech, denied: bool = False) -> str:
        name = with_source(indicator(self.rule, self.params), self.inputs, self.timeframe, self.instrument)
        levels = [f"{key.replace('_', ' ')} {levels_in_words(axis)}" for key, axis in self.signal.items()]
        told = f" ({', '.join(levels)})" if levels else ""
        return f"{name} {'does not say' if denied else 'says'} {self.side}{told}"


def _compared(speech: Speech, sides: tuple[Any, Any], verb: str) -> str:
    left, right = map(speech.operand, sides)
    return f"{left} {verb} {right}"


def _trend(speech: Speech, sides: tuple[Any, Any], verb: str) -> str:
    operand, count = sides
    node = speech.named(operand)
    # A series of other candles is counted in bars of its own.
    own = node.timeframe if isinstance(node, IndicatorOperand | PriceOperand) else None
    if count == 1:
        return f"{speech.operand(operand)} {verb} since the {every(own) + ' ' if own else ''}bar before"
    return f"{speech.operand(operand)} {verb} on {bars(count, own)} in a row"


def _together(speech: Speech, parts: tuple[Any, ...], word: str, denied: bool) -> str:
    if len(parts) == 1:
        return speech.condition(parts[0], denied)
    return _denied(joined([speech.clause(part) for part in parts], word), denied)


def _denied(words: str, denied: bool) -> str:
    return f"it is not so that ({words})" if denied else words


COMPARISONS: tuple[type[Node], ...] = (Above, Below, Between, CrossAbove, CrossBelow)
TRENDS: tuple[type[Node], ...] = (Rising, Falling)
SPELLS: tuple[type[Node], ...] = (HeldFor, WithinLast, Earlier)

CONDITIONS: dict[str, type[ConditionNode]] = {
    "above": Above,
    "below": Below,
    "between": Between,
    "cross_above": CrossAbove,
    "cross_below": CrossBelow,
    "rising": Rising,
    "falling": Falling,
    "held_for": HeldFor,
    "within_last": WithinLast,
    "earlier": Earlier,
    "all": AllOf,
    "any": AnyOf,
    "not": Not,
    "rule": RuleCondition,
}
"""Every kind of condition by the key that tells it apart."""
