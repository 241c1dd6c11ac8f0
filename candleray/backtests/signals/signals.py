"""The conditions that open and close positions, and what stands beside them: names and constraints."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, Literal, TypeAlias

from pydantic import BeforeValidator, Discriminator, Field, Tag, model_validator
from pydantic_core import PydanticCustomError

from candleray.backtests.axes import Number
from candleray.backtests.signals.conditions import Condition
from candleray.backtests.signals.operands import Name, Operand
from candleray.backtests.signals.size_limits import LimitedSize
from candleray.validation import Model

SIDES = ("long", "short")


def _is_none(value: Any) -> bool:
    return value is None


OneSignal: TypeAlias = Annotated[Condition | None, Field(exclude_if=_is_none)]


class Signals(Model):
    """The conditions that open and close positions."""

    other_words: ClassVar[Mapping[str, str]] = {
        **dict.fromkeys(("entry", "buy", "long"), "long_entry"),
        **dict.fromkeys(("sell", "exit"), "long_exit"),
        "short": "short_entry",
    }

    long_entry: OneSignal = None
    """Opens a long position on the bar on which it becomes true."""
    long_exit: OneSignal = None
    """Closes a long position, and lets none open on its bar; `exit_on` decides where it is left out."""
    short_entry: OneSignal = None
    """Opens a short position on the bar on which it becomes true."""
    short_exit: OneSignal = None
    """Closes a short position, and lets none open on its bar; `exit_on` decides where it is left out."""

    @model_validator(mode="after")
    def _exits_of_entries(self) -> Signals:
        for side in SIDES:
            if getattr(self, f"{side}_exit") is not None and getattr(self, f"{side}_entry") is None:
                raise PydanticCustomError(
                    "exit_without_entry",
                    "{side}_exit closes nothing: there is no {side}_entry",
                    {"side": side},
                )
        if self.long_entry is None and self.short_entry is None:
            raise PydanticCustomError("no_entry", "long_entry or short_entry is needed: nothing opens a position")
        return self


Let: TypeAlias = Annotated[dict[Name, Operand], LimitedSize, Field(max_length=32)]
"""Operands by name; an axis of one is one axis wherever the name stands."""

Comparison: TypeAlias = Literal["<", "<=", ">", ">=", "!="]


def _require_three(value: Any) -> Any:
    if not isinstance(value, list | tuple) or len(value) != 3:
        raise PydanticCustomError("no_constraint", 'a constraint is written ["fast.window", "<", "slow.window"]')
    return value


def _require_term(value: Any) -> Any:
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        raise PydanticCustomError("no_term", "a number is needed, or a parameter of a name, such as fast.window")
    return value


Term: TypeAlias = Annotated[
    Annotated[str, Tag("<name>")] | Annotated[Number, Tag("<number>")],
    Discriminator(lambda value: "<name>" if isinstance(value, str) else "<number>"),
    BeforeValidator(_require_term),
]
Bound: TypeAlias = Annotated[tuple[Term, Comparison, Term], BeforeValidator(_require_three)]
"""`["fast.window", "<", "slow.window"]`: a parameter of a name in `let`, or a number."""

Where: TypeAlias = Annotated[tuple[Bound, ...], Field(max_length=8)]
"""Constraints: combinations of parameters that break one do not exist."""

LimitedSignals: TypeAlias = Annotated[Signals, LimitedSize]
