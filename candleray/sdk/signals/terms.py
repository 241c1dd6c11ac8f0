"""Operands and conditions as Python expressions: each operation writes a larger term, and nothing is computed."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator, Mapping
from numbers import Integral, Real
from typing import TYPE_CHECKING, Any, NoReturn, Self, TypeAlias, final

from candleray.errors import InvalidInput, invalid, nearest

MOST_SUMMANDS = 4
"""Operands of one `plus` or `times`; longer ones stand within one another."""
MOST_PARTS = 16
"""Conditions of one `all` or `any`."""


def no_truth_value(what: str) -> InvalidInput:
    return invalid(
        "signals",
        "no_truth_value",
        f"{what} is neither true nor false while it is written: use & in place of and, | in place of or, ~ in "
        "place of not, each comparison in parentheses; x.between(low, high) in place of low < x < high; "
        "maximum(a, b) in place of max(a, b)",
    )


def unparenthesized(what: object) -> InvalidInput:
    return invalid(
        "signals",
        "not_a_condition",
        f"{what!r} is no condition: put each comparison beside & and | in parentheses, (a > b) & (c < d)",
    )


class Term:
    """A part of a signal; `parts` are the terms, numbers and axes it is made of, in the order they are written."""

    parts: tuple[Term | float, ...] = ()
    __array_ufunc__ = None  # a number of numpy's on the left leaves the operation to the term

    def content(self, parts: tuple[Any, ...]) -> Any:
        """Return its JSON around that of its parts."""
        raise NotImplementedError

    def __bool__(self) -> bool:
        raise no_truth_value(f"{self!r}")

    def __iter__(self) -> Iterator[Any]:
        raise invalid("signals", "not_a_list", f"{self!r} is one value of each bar, not a list")

    def __repr__(self) -> str:
        return json.dumps(plain_json(self))


def plain_json(term: Term | float) -> Any:
    """Return a term as JSON in which nothing has a name."""
    return term.content(tuple(plain_json(part) for part in term.parts)) if isinstance(term, Term) else term


class Operand(Term):
    """A value of each bar: comparisons with it are conditions, arithmetic with it is another operand.

    An operand that is used twice is one: its axes have one value at a time.
    """

    label: str | None = None

    def named(self, name: str) -> Self:
        """Give it a name of its own in `let`: errors and the names of strategies say it."""
        self.label = name
        return self

    def _misplaced(self, other: object) -> NoReturn:
        raise unparenthesized(self)

    __and__ = __rand__ = __or__ = __ror__ = _misplaced

    def _no_arithmetic(self, other: object) -> NoReturn:
        text = f"{self!r}: arithmetic of operands is + - * /, abs(a), maximum(a, b) and minimum(a, b)"
        raise invalid("signals", "no_arithmetic", text)

    __pow__ = __rpow__ = __mod__ = __rmod__ = __floordiv__ = __rfloordiv__ = _no_arithmetic

    if not TYPE_CHECKING:  # which refuses it by itself

        def crosses(self, *others: object) -> NoReturn:
            """Refuse: two operands cross, one above or below the other."""
            text = f"{self!r} crosses another: write a.crosses_above(b), a.crosses_below(b) or (a > b).crosses()"
            raise invalid("signals", "no_comparison", text)

    def parameter(self, name: str | None = None) -> Parameter:
        """One of its axes, to be compared in `where`; without a name, an axis of numbers itself."""
        return Parameter(self, name)

    @property
    def identity(self) -> object:
        """A key that two operands share where they are the same one."""
        return id(self)

    def __gt__(self, other: OperandLike) -> Comparison:
        return Comparison("above", self, operand_of(other))

    def __lt__(self, other: OperandLike) -> Comparison:
        return Comparison("below", self, operand_of(other))

    def __ge__(self, other: OperandLike) -> Condition:
        return ~(self < other)

    def __le__(self, other: OperandLike) -> Condition:
        return ~(self > other)

    def __eq__(self, other: OperandLike) -> Condition:  # type: ignore[override]
        return self.between(other, other)

    def __ne__(self, other: OperandLike) -> Condition:  # type: ignore[override]
        return ~self.between(other, other)

    __hash__ = object.__hash__

    def between(self, low: OperandLike, high: OperandLike) -> Condition:
        """True where it is from `low` to `high`, both included."""
        return Listed("between", (self, operand_of(low), operand_of(high)))

    def crosses_above(self, other: OperandLike) -> Condition:
        """True on the bar on which it is above and was not on the bar before."""
        return (self > other).crosses()

    def crosses_below(self, other: OperandLike) -> Condition:
        """True on the bar on which it is below and was not on the bar before."""
        return (self < other).crosses()

    def rising(self, bars: float | Axis = 1) -> Condition:
        """True where it is above its value of the bar before, so many bars in a row."""
        return Listed("rising", (self, operand_of(bars)))

    def falling(self, bars: float | Axis = 1) -> Condition:
        """True where it is below its value of the bar before, so many bars in a row."""
        return Listed("falling", (self, operand_of(bars)))

    def __add__(self, other: OperandLike) -> Operand:
        return _joined("plus", self, operand_of(other))

    def __radd__(self, other: float) -> Operand:
        return Arithmetic("plus", (operand_of(other), self))

    def __sub__(self, other: OperandLike) -> Operand:
        return Arithmetic("minus", (self, operand_of(other)))

    def __rsub__(self, other: float) -> Operand:
        return Arithmetic("minus", (operand_of(other), self))

    def __mul__(self, other: OperandLike) -> Operand:
        return _joined("times", self, operand_of(other))

    def __rmul__(self, other: float) -> Operand:
        return Arithmetic("times", (operand_of(other), self))

    def __truediv__(self, other: OperandLike) -> Operand:
        return Arithmetic("over", (self, operand_of(other)))

    def __rtruediv__(self, other: float) -> Operand:
        return Arithmetic("over", (operand_of(other), self))

    def __neg__(self) -> Operand:
        return Arithmetic("minus", (0, self))

    def __abs__(self) -> Operand:
        return Arithmetic("abs", (self,))


@final
class Axis(Operand):
    """An axis of numbers: each is tried. As an operand that is used twice it is one axis."""

    def __init__(self, written: Mapping[str, Any]) -> None:
        self.written = dict(written)

    def content(self, parts: tuple[Any, ...]) -> Any:
        return self.written


Number: TypeAlias = float | Axis
"""A number, or an axis of numbers."""
OperandLike: TypeAlias = Operand | float


class Leaf(Operand):
    """An indicator, a price or a time.

    Args:
        written: its JSON.
        origin: the operand of which this is another output, or the value some bars earlier: one axis for both.
    """

    def __init__(self, written: Mapping[str, Any], origin: Leaf | None = None) -> None:
        self.written = dict(written)
        self.origin: Leaf = self if origin is None else origin

    def content(self, parts: tuple[Any, ...]) -> Any:
        return self.written

    @property
    def identity(self) -> object:
        return id(self.origin), json.dumps(self.written, sort_keys=True)


@final
class CandleLeaf(Leaf):
    """A price or a time."""

    def shift(self, bars: Number) -> CandleLeaf:
        """The price so many bars earlier, of its own timeframe."""
        return CandleLeaf(self.written | {"shift": number_of(bars)}, self.origin)


@final
class IndicatorLeaf(Leaf):
    """An indicator of the catalogue."""

    # No class of a leaf is below another: Python would ask the one below first, and turn a > b into b < a.

    def __init__(self, written: Mapping[str, Any], outputs: tuple[str, ...], origin: Leaf | None = None) -> None:
        super().__init__(written, origin)
        self.outputs = outputs

    def output(self, name: str) -> IndicatorLeaf:
        """Another output of it; their axes are the same."""
        if name not in self.outputs:
            text = f"unknown output {name[:40]!r}; {nearest(name, self.outputs)}"
            raise invalid(f"signals.{self.written['id']}", "unknown_name", f"{self.written['id']}: {text}")
        return IndicatorLeaf(self.written | {"output": name}, self.outputs, self.origin)

    def shift(self, bars: Number) -> IndicatorLeaf:
        """Its value so many bars earlier, of its own timeframe; its axes are the same."""
        return IndicatorLeaf(self.written | {"shift": number_of(bars)}, self.outputs, self.origin)


@final
class Arithmetic(Operand):
    """A sum, a product and the like of operands."""

    def __init__(self, key: str, parts: tuple[OperandLike, ...]) -> None:
        self.key, self.parts = key, parts

    def content(self, parts: tuple[Any, ...]) -> Any:
        return {self.key: parts[0] if self.key == "abs" else list(parts)}


class Condition(Term):
    """True or false of each bar, and neither where a value that it reads is missing."""

    def __and__(self, other: Condition) -> Condition:
        return _all_or_any("all", self, other)

    def __or__(self, other: Condition) -> Condition:
        return _all_or_any("any", self, other)

    def _misplaced(self, other: object) -> NoReturn:
        raise unparenthesized(other)

    __rand__ = __ror__ = _misplaced

    def __invert__(self) -> Condition:
        return Negation(self)

    if not TYPE_CHECKING:  # which refuses it by itself

        def crosses(self) -> Condition:
            """Refuse: comparisons cross, and no other condition."""
            raise invalid(
                "signals",
                "no_comparison",
                f"{self!r} does not cross: crosses() is of a > b and of a < b alone, so write (a > b).crosses() "
                "in place of (a >= b).crosses(); an entry opens anyway on the bar on which it becomes true",
            )

    def held_for(self, bars: Number) -> Condition:
        """True where it is true on this bar and the `bars` - 1 before it."""
        return Listed("held_for", (self, operand_of(bars)))

    def within_last(self, bars: Number) -> Condition:
        """True where it is true on this bar or one of the `bars` - 1 before it."""
        return Listed("within_last", (self, operand_of(bars)))

    def earlier(self, bars: Number) -> Condition:
        """True where it was true `bars` bars before."""
        return Listed("earlier", (self, operand_of(bars)))


class Listed(Condition):
    """A condition that is written as a list: `{"between": [x, low, high]}`."""

    def __init__(self, key: str, parts: tuple[Term | float, ...]) -> None:
        self.key, self.parts = key, parts

    def content(self, parts: tuple[Any, ...]) -> Any:
        return {self.key: list(parts)}


@final
class Comparison(Listed):
    """One operand above or below another."""

    def __init__(self, key: str, left: OperandLike, right: OperandLike) -> None:
        super().__init__(key, (left, right))

    def crosses(self) -> Condition:
        """True on the bar on which it becomes true: not on the bar before, and known there."""
        return Listed(f"cross_{self.key}", self.parts)


@final
class Negation(Condition):
    """True where the condition is false; where that is neither, so is this."""

    def __init__(self, condition: Condition) -> None:
        self.parts = (condition,)

    def __invert__(self) -> Condition:
        (condition,) = self.parts
        assert isinstance(condition, Condition)
        return condition

    def content(self, parts: tuple[Any, ...]) -> Any:
        return {"not": parts[0]}


@final
class RuleTerm(Condition):
    """One side of an indicator's own rule."""

    def __init__(self, written: Mapping[str, Any]) -> None:
        self.written = dict(written)

    def content(self, parts: tuple[Any, ...]) -> Any:
        return self.written


Bound: TypeAlias = tuple[str | float, str, str | float]
"""A constraint as it stands in `where`."""


@final
class Constraint:
    """A comparison of parameters for `where`; of `==` two are written there, `<=` and `>=`."""

    def __init__(self, left: Parameter, comparison: str, right: Parameter | float) -> None:
        self.left, self.comparison = left, comparison
        self.right = right if isinstance(right, Parameter) else _plain_number(right)

    def __bool__(self) -> bool:
        raise no_truth_value("a constraint")


@final
class Parameter:
    """An axis of an operand, or an operand that is an axis, to be compared in `where`."""

    def __init__(self, operand: Operand, name: str | None) -> None:
        self.operand, self.name = operand, name

    def __lt__(self, other: Parameter | float) -> Constraint:
        return Constraint(self, "<", other)

    def __le__(self, other: Parameter | float) -> Constraint:
        return Constraint(self, "<=", other)

    def __gt__(self, other: Parameter | float) -> Constraint:
        return Constraint(self, ">", other)

    def __ge__(self, other: Parameter | float) -> Constraint:
        return Constraint(self, ">=", other)

    def __ne__(self, other: Parameter | float) -> Constraint:  # type: ignore[override]
        return Constraint(self, "!=", other)

    def __eq__(self, other: Parameter | float) -> Constraint:  # type: ignore[override]
        return Constraint(self, "==", other)

    def _no_arithmetic(self, *others: object) -> NoReturn:
        text = "where compares a parameter with another or with a number, as they are: no arithmetic of them"
        raise invalid("where", "no_arithmetic", text)

    __add__ = __radd__ = __sub__ = __rsub__ = __mul__ = __rmul__ = __truediv__ = __rtruediv__ = _no_arithmetic

    __hash__ = object.__hash__


def operand_of(value: Any) -> OperandLike:
    """Return an operand or a plain number.

    Raises:
        InvalidInput: it is neither, with what to write instead.
    """
    return value if isinstance(value, Operand) else _plain_number(value)


def number_of(value: Any) -> Any:
    """Return a number or an axis as JSON."""
    return value.written if isinstance(value, Axis) else _plain_number(value)


def _plain_number(value: Any) -> float:
    if isinstance(value, bool) or not (isinstance(value, Real) and math.isfinite(value)):
        raise invalid("signals", "not_an_operand", _remedy(value))
    return int(value) if isinstance(value, Integral) else float(value)


def _remedy(value: Any) -> str:
    if isinstance(value, Condition):
        return f"{value!r} is a condition; an operand or a number is needed, and & and | join conditions"
    if isinstance(value, str) and re.fullmatch(r"\d+[mhdw]", value):
        return f"{value!r} is a timeframe, which is given by its name: ema(20, timeframe={value!r})"
    if isinstance(value, str):
        return f"{value!r} is a text; an operand is written ema(20), price('close') or a number"
    if isinstance(value, list | tuple | range):
        return f"{value!r} may mean two things: values(5, 10) are those two, steps(5, 10, 1) all between them too"
    return f"{value!r} is no operand: it is an operand, a finite number, values(…) or steps(…)"


def _joined(key: str, left: Operand, right: OperandLike) -> Operand:
    """Return `a + b + c` as one sum, of so many operands as one may have."""
    if isinstance(left, Arithmetic) and left.key == key and left.label is None and len(left.parts) < MOST_SUMMANDS:
        return Arithmetic(key, (*(operand_of(part) for part in left.parts), right))
    return Arithmetic(key, (left, right))


def _all_or_any(key: str, left: Condition, right: Condition) -> Condition:
    if not isinstance(right, Condition):
        raise unparenthesized(right)
    parts = [left, right]
    if isinstance(left, Listed) and left.key == key and len(left.parts) < MOST_PARTS:
        return Listed(key, (*left.parts, right))
    return Listed(key, tuple(parts))
