"""Conditions: true or false on each bar, and neither where a value that they read is missing.

A condition that is neither does not hold, and nor does its `not`.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal, TypeAlias

from pydantic import Field, PlainValidator, WithJsonSchema

from candleray.backtests.axes import Axis
from candleray.backtests.indicator_axes import Columns
from candleray.backtests.signals.nodes import DUMPED, Node, one_node
from candleray.backtests.signals.operands import Operand, OtherInstrument, OtherTimeframe

MAX_PARTS = 16
"""Conditions in one list."""


def _condition(value: Any) -> Node:
    return one_node(CONDITIONS, "a condition", '{"above": ["fast", "slow"]}')(value)


Condition: TypeAlias = Annotated[
    Any,
    PlainValidator(_condition),
    DUMPED,
    WithJsonSchema(
        {
            "title": "Condition",
            "description": "An object with one of the keys `above`, `below`, `between`, `cross_above`, "
            "`cross_below`, `rising`, `falling`, `held_for`, `within_last`, `all`, `any`, `not`, `rule`.",
            "type": "object",
        }
    ),
]
"""One of `CONDITIONS`."""

Parts: TypeAlias = Annotated[tuple[Condition, ...], Field(min_length=1, max_length=MAX_PARTS)]


class Above(Node):
    above: tuple[Operand, Operand]


class Below(Node):
    below: tuple[Operand, Operand]


class Between(Node):
    """`[x, low, high]`, both bounds included."""

    between: tuple[Operand, Operand, Operand]


class CrossAbove(Node):
    """Above now, and not above on the bar before."""

    cross_above: tuple[Operand, Operand]


class CrossBelow(Node):
    """Below now, and not below on the bar before."""

    cross_below: tuple[Operand, Operand]


class Rising(Node):
    """`[a, n]`: above its own value of the bar before, n bars in a row."""

    rising: tuple[Operand, Axis]


class Falling(Node):
    """`[a, n]`: below its own value of the bar before, n bars in a row."""

    falling: tuple[Operand, Axis]


class HeldFor(Node):
    """`[condition, n]`: true on this bar and the n - 1 before it."""

    held_for: tuple[Condition, Axis]


class WithinLast(Node):
    """`[condition, n]`: true on this bar or one of the n - 1 before it."""

    within_last: tuple[Condition, Axis]


class AllOf(Node):
    all: Parts


class AnyOf(Node):
    any: Parts


class Not(Node):
    negated: Condition = Field(alias="not")


class RuleCondition(Node):
    """One side of the rule that the catalogue has for an indicator: what `indicators` of a request read."""

    rule: str = Field(examples=["rsi"])
    side: Literal["long", "short"]
    inputs: dict[str, str | Columns] = {}
    params: dict[str, Axis] = {}
    signal: dict[str, Axis] = {}
    timeframe: OtherTimeframe = None
    instrument: OtherInstrument = None


COMPARISONS: tuple[type[Node], ...] = (Above, Below, Between, CrossAbove, CrossBelow)
TRENDS: tuple[type[Node], ...] = (Rising, Falling)
SPELLS: tuple[type[Node], ...] = (HeldFor, WithinLast)

CONDITIONS: dict[str, type[Node]] = {
    "above": Above,
    "below": Below,
    "between": Between,
    "cross_above": CrossAbove,
    "cross_below": CrossBelow,
    "rising": Rising,
    "falling": Falling,
    "held_for": HeldFor,
    "within_last": WithinLast,
    "all": AllOf,
    "any": AnyOf,
    "not": Not,
    "rule": RuleCondition,
}
"""Every kind of condition by the key that tells it apart."""
