"""Numbering of variants whose signals are conditions.

Each thing with several values is an axis; those that a constraint ties together are one axis, and combinations
that break it have no number. A leaf of the program has one pair of planes for each combination of the things it
reads.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import combinations
from typing import Any, overload

import numpy as np
from numpy.typing import NDArray

from candleray.backtests.request import BacktestRequest
from candleray.backtests.signals.cross_references import COMPARISONS, all_parts, used_names
from candleray.backtests.signals.nodes import Place
from candleray.backtests.signals.speech import Speech, joined
from candleray.candles import IntArray
from candleray.errors import GuardExceeded, InvalidInput, Problem, invalid
from candleray.search.indicator_grid import MAX_CONSTRAINED, Radix
from candleray.search.signals.expressions import (
    Chosen,
    Crosses,
    Earlier,
    Expression,
    IndicatorSeries,
    IsAbove,
    Need,
    Negation,
    Slot,
    SourceKey,
    Spell,
    Trend,
    filled,
    needs,
    slots_of,
)
from candleray.search.signals.programs import ProgramBuilder
from candleray.search.signals.things import ExpressionBuilder, Thing
from kernels.simulation.programs import ABSENT, LAST_AXIS_BIT, Program

MAX_LEAF_PLANES = 200_000
"""Pairs of planes of one condition; each is built and kept."""


class Digits(Sequence[tuple[int, ...]]):
    """The combinations of one thing: each of its digits alone."""

    def __init__(self, size: int) -> None:
        self._every = range(size)

    def __len__(self) -> int:
        return len(self._every)

    @overload
    def __getitem__(self, at: int) -> tuple[int, ...]: ...
    @overload
    def __getitem__(self, at: slice) -> Sequence[tuple[int, ...]]: ...
    def __getitem__(self, at: int | slice) -> tuple[int, ...] | Sequence[tuple[int, ...]]:
        return [(digit,) for digit in self._every[at]] if isinstance(at, slice) else (self._every[at],)


class Axis:
    """One digit of a variant: a thing, or some that a constraint ties together."""

    def __init__(self, things: tuple[int, ...], sizes: Sequence[int], allowed: tuple[int, ...] | None) -> None:
        self.things = things
        self._radix = Radix(tuple(sizes))
        self._allowed = allowed
        self.size = self._radix.size if allowed is None else len(allowed)

    def digits(self, digit: int) -> tuple[int, ...]:
        """Return the digits of its things."""
        return self._radix.decode(digit if self._allowed is None else self._allowed[digit])

    def seen_by(self, things: Sequence[int]) -> tuple[Sequence[tuple[int, ...]], Sequence[int]]:
        """Return the combinations of some of its things, and the number of that of each digit."""
        if self._allowed is None:
            # One thing alone: nothing is listed before the guards have seen how many values it has.
            return Digits(self.size), range(self.size)
        columns = [self.things.index(thing) for thing in things]
        numbers: dict[tuple[int, ...], int] = {}
        steps = []
        for digit in range(self.size):
            digits = self.digits(digit)
            steps.append(numbers.setdefault(tuple(digits[column] for column in columns), len(numbers)))
        return list(numbers), steps


@dataclass(frozen=True)
class Leaf:
    """A condition of the program, and its pairs of planes by number."""

    condition: Expression
    axes: tuple[int, ...]
    """The axes that its planes depend on."""
    things: tuple[tuple[int, ...], ...]
    """The things that it reads of each of these axes."""
    combinations: tuple[Sequence[tuple[int, ...]], ...]
    """The digits of those things on each of these axes."""
    steps: tuple[Sequence[int], ...]
    values: Sequence[Thing]
    rows: tuple[int, ...]
    """The rows of its pairs that are kept."""

    @property
    def size(self) -> int:
        return math.prod(len(each) for each in self.combinations)

    @property
    def comparison(self) -> object:
        """Two operands and how they are compared: leaves that have it in common are told by one comparison."""
        if not isinstance(self.condition, Crosses | IsAbove):
            return None
        return type(self.condition), frozenset((self.condition.left, self.condition.right))

    def at(self, number: int) -> Expression:
        """Return the condition of that plane, everything fixed."""
        digits = Radix(tuple(len(each) for each in self.combinations)).decode(number)
        of_thing: dict[int, int] = {}
        for things, each, digit in zip(self.things, self.combinations, digits, strict=True):
            of_thing.update(zip(things, each[digit], strict=True))
        return self._with(self.condition, of_thing)

    def _with(self, part: Expression, digits: Mapping[int, int]) -> Expression:
        return filled(part, lambda thing: self.values[thing].at(digits[thing]))

    def forms_of(self, part: Expression, numbers: IntArray) -> tuple[IntArray, list[Expression]]:
        """Return which form a part of the condition takes in each of these planes, and the forms."""
        slots = slots_of(part)
        if not slots:
            return np.zeros(len(numbers), np.int64), [part]
        digits = np.unravel_index(numbers, tuple(len(each) for each in self.combinations))
        taken: dict[int, IntArray] = {}
        for things, each, digit in zip(self.things, self.combinations, digits, strict=True):
            for at, thing in enumerate(things):
                if thing in slots:
                    taken[thing] = np.array([combination[at] for combination in each])[digit]
        combined = np.stack([taken[slot] for slot in slots], axis=1)
        different, forms = np.unique(combined, axis=0, return_inverse=True)
        digits_of = [dict(zip(slots, row, strict=True)) for row in different.tolist()]
        return forms.reshape(-1), [self._with(part, each) for each in digits_of]

    def most_forms_of(self, part: Expression) -> int:
        """Return how many forms a part of the condition takes at most."""
        return min(self.size, math.prod(self.values[slot].size for slot in slots_of(part)))

    def lookback_at(self, number: int) -> int:
        """Return the bars of the strategy before the first bar on which it can be told.

        None of a spell or a trend: one bar may settle it, so that depends on the values.
        """
        condition = self.condition
        while isinstance(condition, Earlier):
            condition = condition.condition
        if isinstance(condition, Spell | Trend):
            return 0
        return max((_bars_before(need) for need in needs(self.at(number))), default=0)


def _bars_before(need: Need) -> int:
    """Return the bars of the strategy before a bar that a series reads on it."""
    return need.extra_bars + (need.own_bars if need.source is None else 0)


class SignalGrid:
    """The base variants of a resolved request with signals.

    Raises:
        InvalidInput: a constraint names what is not there, or leaves nothing.
        GuardExceeded: a condition has more combinations than planes can be kept of.
    """

    def __init__(self, request: BacktestRequest) -> None:
        assert request.signals is not None
        self._request = request
        self._built = ExpressionBuilder(request)
        self.things: list[Thing] = self._built.things
        self.axes = self._tied_axes()
        self.radix = Radix(tuple(axis.size for axis in self.axes))
        self._program = ProgramBuilder.of(self._built.signals)
        rows = self._program.kept_rows
        self.groups = tuple(map(self._leaf, self._program.leaves, rows))
        self.plane_rows = len(rows[0])

    @property
    def signals(self) -> Mapping[str, Expression]:
        """The conditions that open and close positions, by name."""
        return self._built.signals

    @property
    def conditions(self) -> Mapping[Place, Expression]:
        """Every condition by its place in the request."""
        return self._built.conditions

    @cached_property
    def together(self) -> Sequence[Sequence[int]]:
        found: dict[object, list[int]] = {}
        for at, leaf in enumerate(self.groups):
            found.setdefault(leaf.comparison or at, []).append(at)
        return list(found.values())

    def plane_numbers(self, base: int) -> list[int]:
        """Return the number of each leaf's plane, the leaves' planes counted one after the other."""
        digits = self.radix.decode(base)
        offset, numbers = 0, []
        for leaf in self.groups:
            moved = sum(steps[digits[axis]] * stride for axis, steps, stride in _strided(leaf))
            numbers.append(offset + moved)
            offset += leaf.size
        return numbers

    @cached_property
    def program(self) -> Program:
        steps: list[int] = []
        places = np.full((len(self.groups), len(self.axes)), ABSENT, np.int64)
        for number, leaf in enumerate(self.groups):
            for axis, each, stride in _strided(leaf):
                places[number, axis] = len(steps)
                steps.extend(step * stride for step in each)
        masks = [sum({1 << min(axis, LAST_AXIS_BIT) for axis in leaf.axes}) for leaf in self.groups]
        roots = np.array(self._program.roots, np.int64)
        return Program(self._program.node_rows(masks), roots, places, np.array(steps, np.int64))

    @cached_property
    def sources(self) -> tuple[Need, ...]:
        """The other candles that conditions read, each with the longest history that is read of them."""
        found: dict[SourceKey, Need] = {}
        for need in self._longest_needs:
            if need.source is not None:
                other = found.get(need.source, need)
                own, extra = max(need.own_bars, other.own_bars), max(need.extra_bars, other.extra_bars)
                found[need.source] = Need(need.source, own, extra)
        return tuple(found[source] for source in sorted(found))

    @cached_property
    def lookback_bars(self) -> int:
        """The most bars of the strategy that any condition reads before a bar."""
        return max(map(_bars_before, self._longest_needs), default=0)

    @cached_property
    def _longest_needs(self) -> list[Need]:
        longest = [thing.longest() for thing in self.things]
        return [need for leaf in self.groups for need in needs(filled(leaf.condition, lambda at: longest[at]))]

    def strategy_part(self, base: int) -> dict[str, Any]:
        """Return the request's part of one base variant: names and signals with single values."""
        request = self._request
        assert request.signals is not None
        used = used_names(request.let, request.signals)
        content = request.model_dump(mode="json", include={"let", "signals"}, by_alias=True)
        part: dict[str, Any] = {"signals": content["signals"]}
        if used:
            part["let"] = {name: operand for name, operand in content["let"].items() if name in used}
        for place, value in self._fixed(base).items():
            _put(part, place, value)
        return part

    def _fixed(self, base: int) -> dict[Place, Any]:
        found: dict[Place, Any] = {}
        for axis, digit in zip(self.axes, self.radix.decode(base), strict=True):
            for thing, inner in zip(axis.things, axis.digits(digit), strict=True):
                found.update(self.things[thing].fields(inner))
        return found

    def _leaf(self, condition: Expression, rows: tuple[int, ...]) -> Leaf:
        slots = slots_of(condition)
        axes = tuple(at for at, axis in enumerate(self.axes) if set(axis.things) & set(slots))
        things = tuple(tuple(thing for thing in self.axes[at].things if thing in slots) for at in axes)
        at_most = math.prod(self.things[slot].size for slot in slots)
        # Where constraints tie things together there are fewer; their number is limited by itself.
        if at_most > MAX_LEAF_PLANES and math.prod(self.axes[at].size for at in axes) > MAX_LEAF_PLANES:
            where = ".".join(map(str, self.things[slots[0]].place))
            message = f"{at_most} combinations of what one condition compares, at most {MAX_LEAF_PLANES}"
            raise GuardExceeded(f"{where}: {message}", [Problem(where, "over_the_limit", message)])
        seen = [self.axes[at].seen_by(each) for at, each in zip(axes, things, strict=True)]
        combinations, steps = tuple(one for one, _ in seen), tuple(one for _, one in seen)
        return Leaf(condition, axes, things, combinations, steps, self.things, rows)

    def title_of(self, at: int) -> str:
        """Return a condition's place in the request, and its words."""
        condition = self.groups[at].condition
        sides = (condition, Negation(condition))
        place = next((place for place, one in self._built.conditions.items() if one in sides), None)
        if place is None:
            return "a condition"
        return f"{'.'.join(map(str, place))}, {Speech(self._request.let).condition(self._parts[place])}"

    @cached_property
    def _parts(self) -> Mapping[Place, Any]:
        """The request's conditions and operands by their places."""
        assert self._request.signals is not None
        return dict(all_parts({}, self._request.signals))

    def _tied_axes(self) -> tuple[Axis, ...]:
        constraints = [self._constraint(at) for at in range(len(self._request.where))]
        groups = [{at} for at in range(len(self.things))]
        for tied in (each.things for each in constraints):
            joined = set().union(*(group for group in groups if group & tied))
            groups = [group for group in groups if not group & tied] + ([joined] if joined else [])
        for constraint in constraints:
            if not constraint.things and not constraint.holds({}):
                raise invalid("where", "constraint", f"{constraint.text} never holds")
        ordered = sorted(tuple(sorted(group)) for group in groups) or [()]
        return tuple(self._axis(group, constraints) for group in ordered)

    def _axis(self, things: tuple[int, ...], constraints: Sequence[Constraint]) -> Axis:
        sizes = [self.things[thing].size for thing in things]
        own = [constraint for constraint in constraints if constraint.things & set(things)]
        if not own:
            return Axis(things, sizes, None)
        radix = Radix(tuple(sizes))
        if radix.size > MAX_CONSTRAINED:
            message = f"{radix.size} combinations that {own[0].text} ties together, at most {MAX_CONSTRAINED}"
            raise GuardExceeded(message, [Problem("where", "over_the_limit", message)])
        kept = np.ones((len(own), radix.size), bool)
        for index in range(radix.size):
            digits = zip(things, radix.decode(index), strict=True)
            values = {thing: self.things[thing].at(digit) for thing, digit in digits}
            kept[:, index] = [constraint.holds(values) for constraint in own]
        allowed = np.flatnonzero(kept.all(axis=0)).tolist()
        if not allowed:
            raise invalid("where", "constraint", _contradiction(kept, [constraint.text for constraint in own]))
        return Axis(things, sizes, tuple(allowed))

    def _constraint(self, at: int) -> Constraint:
        left, comparison, right = self._request.where[at]
        terms = [self._term(term, at, side) for term, side in ((left, 0), (right, 2))]
        return Constraint(f"{left} {comparison} {right}", comparison, terms[0], terms[1])

    def _term(self, term: str | float, at: int, side: int) -> Term:
        if not isinstance(term, str):
            return Term(None, None, float(term))
        name, _, param = term.partition(".")
        request = self._request
        assert request.signals is not None
        if name not in used_names(request.let, request.signals):
            raise _wrong(at, side, f"{name} is read by no signal")
        expression = self._built.named(name)
        if not param:
            if isinstance(expression, Slot):
                return Term(expression.thing, None, 0.0)
            if isinstance(expression, float):
                return Term(None, None, expression)
            raise _wrong(at, side, f"{name} is no number: name one of its parameters, as {name}.window")
        if not isinstance(expression, IndicatorSeries):
            raise _wrong(at, side, f"{name} has no parameters")
        known = dict(
            (expression.chosen if isinstance(expression.chosen, Chosen) else self._first(expression)).params
        )
        if param not in known:
            raise _wrong(at, side, f"{name} has no parameter {param[:40]!r}; known: {', '.join(known)}")
        if isinstance(expression.chosen, Slot):
            return Term(expression.chosen.thing, param, 0.0)
        return Term(None, None, known[param])

    def _first(self, series: IndicatorSeries) -> Chosen:
        chosen: Chosen = self.things[series.chosen.thing].at(0)
        return chosen


def _wrong(at: int, side: int, message: str) -> InvalidInput:
    return invalid(f"where.{at}.{side}", "unknown_name", message)


@dataclass(frozen=True)
class Term:
    """One side of a constraint: a parameter of a thing, the value of a thing, or a number."""

    thing: int | None
    param: str | None
    number: float

    def value(self, values: Mapping[int, Any]) -> float:
        if self.thing is None:
            return self.number
        value = values[self.thing]
        return float(value if self.param is None else dict(value.params)[self.param])


@dataclass(frozen=True)
class Constraint:
    text: str
    comparison: str
    left: Term
    right: Term

    @property
    def things(self) -> set[int]:
        return {term.thing for term in (self.left, self.right) if term.thing is not None}

    def holds(self, values: Mapping[int, Any]) -> bool:
        return COMPARISONS[self.comparison](self.left.value(values), self.right.value(values))


def _contradiction(kept: NDArray[np.bool_], texts: Sequence[str]) -> str:
    """Name the fewest constraints, the first of them, that together leave no combination.

    Args:
        kept: a row each constraint, a column each combination.
    """
    blamed = next(
        some
        for count in range(1, len(texts) + 1)
        for some in combinations(range(len(texts)), count)
        if not kept[list(some)].all(axis=0).any()
    )
    told = joined([texts[at] for at in blamed], "and")
    return f"{told} leaves no combination" if len(blamed) == 1 else f"{told} together leave no combination"


def _strided(leaf: Leaf) -> list[tuple[int, Sequence[int], int]]:
    """Return each axis of a leaf with its digits' numbers and how far the plane moves from one to the next."""
    stride, found = 1, []
    for axis, each, steps in zip(
        reversed(leaf.axes), reversed(leaf.combinations), reversed(leaf.steps), strict=True
    ):
        found.append((axis, steps, stride))
        stride *= len(each)
    return found[::-1]


def _put(part: dict[str, Any], place: Place, value: Any) -> None:
    inner: Any = part
    for key in place[:-1]:
        inner = inner[key]
    inner[place[-1]] = value
