"""Signals of a request from expressions: operands that are used twice get a name in `let`."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator
from typing import Any, Never

from candleray.errors import invalid, nearest
from candleray.sdk.signals.terms import (
    Arithmetic,
    Axis,
    Bound,
    Condition,
    Constraint,
    IndicatorLeaf,
    Leaf,
    Listed,
    Operand,
    Parameter,
    RuleTerm,
    Term,
)

_NAME = re.compile(r"[a-z][a-z0-9_]{0,31}")
_OTHER_WORDS = {
    **dict.fromkeys(("entry", "buy", "long"), "did you mean 'long_entry'?"),
    **dict.fromkeys(("exit", "sell"), "did you mean 'long_exit'?"),
    **dict.fromkeys(("sl_pct", "tp_pct", "risk"), 'stops stand in the request: "risk": {"sl_pct": 2}'),
}


def signals(
    *unnamed: Never,
    long_entry: Condition | None = None,
    long_exit: Condition | None = None,
    short_entry: Condition | None = None,
    short_exit: Condition | None = None,
    where: Iterable[Constraint] | Constraint = (),
    **others: Never,
) -> dict[str, Any]:
    """The parts `let`, `signals` and `where` of a request.

    Args:
        where: constraints of axes, `fast.parameter("window") < slow.parameter("window")`; combinations that break
            one do not exist.

    >>> from candleray.sdk.signals import ema, signals
    >>> fast, slow = ema(10, 50, 5).named("fast"), ema(100).named("slow")
    >>> parts = signals(long_entry=(fast > slow).crosses(), long_exit=fast < slow)
    >>> parts["signals"]
    {'long_entry': {'cross_above': ['fast', 'slow']}, 'long_exit': {'below': ['fast', 'slow']}}
    >>> parts["let"]["fast"]
    {'id': 'ema', 'params': {'window': {'start': 10, 'stop': 50, 'step': 5}}}
    """
    conditions = {
        "long_entry": long_entry,
        "long_exit": long_exit,
        "short_entry": short_entry,
        "short_exit": short_exit,
    }
    if unnamed:
        raise invalid("signals", "no_name", "each signal has its name: signals(long_entry=a > b)")
    for name in others:
        hint = _OTHER_WORDS.get(name) or nearest(name, [*conditions, "where"])
        raise invalid(f"signals.{name[:40]}", "unknown_name", f"unknown signal {name[:40]!r}; {hint}")
    given: dict[str, Any] = {name: one for name, one in conditions.items() if one is not None}
    for name, condition in given.items():
        if not isinstance(condition, Condition):
            text = f"{condition!r} is no condition: compare operands, a > b"
            raise invalid(f"signals.{name}", "not_a_condition", text)
    return _Writing(given, [*_constraints(where)]).written()


def _constraints(where: Iterable[Constraint] | Constraint) -> Iterator[Constraint]:
    for one in [where] if isinstance(where, Constraint | Term) else where:
        if not isinstance(one, Constraint):
            text = f"{one!r} is no constraint: compare parameters, fast.parameter('window') < 50"
            raise invalid("where", "not_a_constraint", text)
        yield one


class _Writing:
    """The operands of some conditions, and their names."""

    def __init__(self, conditions: dict[str, Condition], where: list[Constraint]) -> None:
        self._conditions, self._where = conditions, where
        self._operands: dict[object, Operand] = {}
        self._uses: Counter[object] = Counter()
        self._seen_conditions: set[int] = set()
        for condition in conditions.values():
            self._look_at(condition)
        for parameter in self._parameters():
            if parameter.operand.identity not in self._operands:
                text = f"where compares a parameter of {parameter.operand!r}, which no signal reads"
                raise invalid("where", "unknown_operand", text)
        self._ties = [*self._tied()]
        self._names = self._named()

    def written(self) -> dict[str, Any]:
        let = {name: self._json(self._operands[key], top=True) for key, name in self._names.items()}
        parts: dict[str, Any] = {"let": let} if let else {}
        parts["signals"] = {name: self._json(condition) for name, condition in self._conditions.items()}
        if where := [*self._bounds(), *self._bounds_of_ties()]:
            parts["where"] = where
        return parts

    def _look_at(self, term: Term | float) -> None:
        if isinstance(term, Condition):
            self._refuse_unnamed_axis(term)
        if isinstance(term, Operand):
            self._uses[term.identity] += 1
            known = self._operands.setdefault(term.identity, term)
            known.label = known.label or term.label
            if self._uses[term.identity] > 1:
                return
        if isinstance(term, Term):
            for part in term.parts[:1] if _counts_bars(term) else term.parts:
                self._look_at(part)

    def _refuse_unnamed_axis(self, condition: Condition) -> None:
        """Refuse a condition with an axis that can have no name and would be two axes where it stands twice."""
        twice = id(condition) in self._seen_conditions
        self._seen_conditions.add(id(condition))
        if twice and _has_unnamed_axis(condition):
            text = f"{condition!r} stands twice, and its axis would be two: give it one number, or write it twice"
            raise invalid("signals", "axis_twice", text)

    def _parameters(self) -> Iterator[Parameter]:
        for constraint in self._where:
            yield constraint.left
            if isinstance(constraint.right, Parameter):
                yield constraint.right

    def _tied(self) -> Iterator[tuple[Leaf, Leaf]]:
        """Yield the outputs and shifts of one indicator with an axis: each with the first of them."""
        first: dict[int, Leaf] = {}
        for operand in self._operands.values():
            if isinstance(operand, IndicatorLeaf) and [*_axes(operand)]:
                one = first.setdefault(id(operand.origin), operand)
                if one is not operand:
                    yield one, operand

    def _named(self) -> dict[object, str]:
        needed = {operand.identity for tie in self._ties for operand in tie}
        needed |= {parameter.operand.identity for parameter in self._parameters()}
        twice = [key for key in self._operands if self._uses[key] > 1]
        needed |= {key for key in twice if _is_worth_a_name(self._operands[key])}
        labels = {key: operand.label for key, operand in self._operands.items() if operand.label is not None}
        names: dict[object, str] = {}
        for key, label in labels.items():
            if not _NAME.fullmatch(label):
                text = f"{label[:40]!r} is no name: a small letter, then small letters, digits and _, 32 at most"
                raise invalid("let", "not_a_name", text)
            if label in names.values():
                text = f"two operands are named {label!r}: give each a name of its own"
                raise invalid("let", "name_twice", text)
            names[key] = label
        for key, operand in self._operands.items():
            if key in needed and key not in names:
                names[key] = _free_name(operand, {*names.values()})
        return {key: names[key] for key in self._operands if key in names}

    def _json(self, term: Term | float, top: bool = False) -> Any:
        if not isinstance(term, Term):
            return term
        if isinstance(term, Operand) and not top and term.identity in self._names:
            return self._names[term.identity]
        bars = _counts_bars(term)
        return term.content(
            tuple(part.written if bars and isinstance(part, Axis) else self._json(part) for part in term.parts)
        )

    def _bounds(self) -> Iterator[Bound]:
        for constraint in self._where:
            left, right = self._term(constraint.left), constraint.right
            other = self._term(right) if isinstance(right, Parameter) else right
            for comparison in ("<=", ">=") if constraint.comparison == "==" else (constraint.comparison,):
                yield left, comparison, other

    def _term(self, parameter: Parameter) -> str:
        name = self._names[parameter.operand.identity]
        return name if parameter.name is None else f"{name}.{parameter.name}"

    def _bounds_of_ties(self) -> Iterator[Bound]:
        for one, other in self._ties:
            for name in _axes(other):
                left, right = self._term(one.parameter(name)), self._term(other.parameter(name))
                yield from ((left, comparison, right) for comparison in ("<=", ">="))


def _counts_bars(term: Term) -> bool:
    """Tell if the last part of a term is a number of bars, which can have no name."""
    return isinstance(term, Listed) and term.key in ("rising", "falling", "held_for", "within_last", "earlier")


def _axes(leaf: Leaf) -> Iterator[str]:
    for name, value in leaf.written.get("params", {}).items():
        if isinstance(value, dict):
            yield name


def _has_unnamed_axis(condition: Condition) -> bool:
    if isinstance(condition, RuleTerm):
        groups = [condition.written.get(group, {}).values() for group in ("params", "signal")]
        return any(isinstance(one, dict) for group in groups for one in group)
    return _counts_bars(condition) and isinstance(condition.parts[1], Axis)


def _is_worth_a_name(operand: Operand) -> bool:
    """Tell if it is one that would be two axes, or long, where it stood twice; a price and a time are written."""
    return isinstance(operand, Arithmetic | Axis | IndicatorLeaf) or (
        isinstance(operand, Leaf) and isinstance(operand.written.get("shift"), dict)
    )


def _free_name(operand: Operand, taken: set[str]) -> str:
    base = "number"
    if isinstance(operand, Arithmetic):
        base = operand.key
    elif isinstance(operand, Leaf):
        base = str(operand.written.get("output") or operand.written.get("id") or operand.written.get("price"))
    count = 1
    while (name := base if count == 1 else f"{base}_{count}") in taken:
        count += 1
    return name
