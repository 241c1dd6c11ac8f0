"""The agreement of a strategy's signals with one another: names, depths, timeframes, constraints."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from pydantic_core import InitErrorDetails, PydanticCustomError

from candleray.backtests.axes import Steps, Values, levels
from candleray.backtests.signals.conditions import CONDITIONS, SPELLS, TRENDS
from candleray.backtests.signals.name_hints import name_hint
from candleray.backtests.signals.nodes import Node, Place
from candleray.backtests.signals.operands import ARITHMETIC, MAX_SHIFT, IndicatorOperand, PriceOperand
from candleray.backtests.signals.signals import Bound, Signals
from candleray.backtests.signals.size_limits import MAX_ARITHMETIC, MAX_DEPTH
from candleray.errors import nearest
from candleray.timeframes import Timeframe, minutes_of

Let = Mapping[str, Any]


def walk(part: Any, place: Place) -> Iterator[tuple[Place, Any]]:
    """Yield a part and everything within it, each with its place; names are not followed."""
    yield place, part
    if isinstance(part, Node):
        for inner, one in part.parts():
            yield from walk(one, (*place, *inner))


def roots(let: Let, signals: Signals) -> Iterator[tuple[Place, Any]]:
    """Yield the named operands in the order of their names, then the four signals, each with its place."""
    for name in sorted(let):
        yield ("let", name), let[name]
    for name in Signals.model_fields:
        if (signal := getattr(signals, name)) is not None:
            yield ("signals", name), signal


def all_parts(let: Let, signals: Signals) -> Iterator[tuple[Place, Any]]:
    """Yield every node, name, number and axis."""
    for place, root in roots(let, signals):
        yield from walk(root, place)


def read_names(signals: Signals) -> set[str]:
    """Return the names that signals read themselves."""
    return {part for place, part in all_parts({}, signals) if _is_reference(place, part)}


def used_names(let: Let, signals: Signals) -> set[str]:
    """Return the names that the signals read, directly or through others."""
    used: set[str] = set()
    left = [part for place, part in all_parts({}, signals) if _is_reference(place, part)]
    while left:
        name = left.pop()
        if name in let and name not in used:
            used.add(name)
            left.extend(part for place, part in walk(let[name], ("let", name)) if _is_reference(place, part))
    return used


def axes_of(let: Let, signals: Signals) -> Iterator[tuple[Place, Any]]:
    """Yield whatever may be an axis, with its place: numbers, and the groups of indicators."""
    for place, part in all_parts(let, signals):
        if isinstance(part, Node):
            for group in ("inputs", "params", "signal"):
                for name, axis in getattr(part, group, {}).items():
                    yield (*place, group, name), axis
        elif isinstance(part, int | float | Values | Steps):
            yield place, part


def _is_reference(place: Place, part: Any) -> bool:
    """Tell a name from the other texts of a node: operands stand in lists, in `abs`, or are a name's whole."""
    if not isinstance(part, str):
        return False
    return isinstance(place[-1], int) or place[-1] == "abs" or (place[0] == "let" and len(place) == 2)


Fault = tuple[Place, str, str]


def faults(let: Let, signals: Signals, where: tuple[Bound, ...], timeframe: Timeframe) -> list[Fault]:
    """Return what is wrong, each with its place, a code and a message."""
    found = [*_unknown_names(let, signals)]
    cycles = [*_cycles(let)]
    found += cycles
    if not cycles:
        found += _too_deep(let, signals)
    found += _timeframes(let, signals, timeframe)
    found += _counts(let, signals)
    found += _constraints(let, where)
    return found


def line_errors(found: list[Fault], given: Any) -> list[InitErrorDetails]:
    return [
        InitErrorDetails(type=PydanticCustomError(code, "{text}", {"text": text}), loc=place, input=given)
        for place, code, text in found
    ]


def _unknown_names(let: Let, signals: Signals) -> Iterator[Fault]:
    for place, part in all_parts(let, signals):
        if _is_reference(place, part) and part not in let:
            yield place, "unknown_name", f"unknown name {part[:40]!r}; {name_hint(part, sorted(let))}"


def _cycles(let: Let) -> Iterator[Fault]:
    names_in = {
        name: [part for place, part in walk(operand, ("let", name)) if _is_reference(place, part)]
        for name, operand in let.items()
    }
    done: set[str] = set()

    def visit(name: str, path: tuple[str, ...]) -> tuple[str, ...] | None:
        if name in path:
            return (*path[path.index(name) :], name)
        if name in done or name not in names_in:
            return None
        for other in names_in[name]:
            if circle := visit(other, (*path, name)):
                return circle
        done.add(name)
        return None

    for name in sorted(let):
        circle = visit(name, ())
        if circle and circle[0] == name:
            yield ("let", name), "cycle", f"{' → '.join(circle)}: an operand cannot be made of itself"


def _too_deep(let: Let, signals: Signals) -> Iterator[Fault]:
    of_names: dict[str, int] = {}

    def arithmetic(part: Any) -> int:
        if isinstance(part, str) and part in let:
            # Once a name: twenty names that each take the next one four times would be walked 4^20 times.
            if part not in of_names:
                of_names[part] = arithmetic(let[part])
            return of_names[part]
        if not isinstance(part, ARITHMETIC):
            return 0
        return 1 + max(arithmetic(one) for _, one in part.parts())

    conditions = tuple(CONDITIONS.values())
    for place, root in roots(let, signals):
        for inner, part in walk(root, place):
            levels = arithmetic(part) if isinstance(part, ARITHMETIC) else 0
            if levels > MAX_ARITHMETIC:
                yield inner, "too_deep", f"arithmetic of {levels} levels, at most {MAX_ARITHMETIC}"
        depth, deepest = _depth(root, place, conditions)
        if depth > MAX_DEPTH:
            yield deepest, "too_deep", f"{depth} conditions within one another, at most {MAX_DEPTH}"


def _depth(part: Any, place: Place, conditions: tuple[type[Node], ...]) -> tuple[int, Place]:
    if not isinstance(part, conditions):
        return 0, place
    below = [_depth(one, (*place, *inner), conditions) for inner, one in part.parts()]
    depth, deepest = max(below, key=lambda one: one[0], default=(0, place))
    return depth + 1, deepest if depth else place


def _timeframes(let: Let, signals: Signals, own: Timeframe) -> Iterator[Fault]:
    for place, part in all_parts(let, signals):
        other = getattr(part, "timeframe", None)
        if other is not None and minutes_of(other) % minutes_of(own):
            message = f"a timeframe is {own}, the strategy's, or a multiple of it: got {other}"
            yield (*place, "timeframe"), "timeframe_below", message


def _counts(let: Let, signals: Signals) -> Iterator[Fault]:
    """Yield numbers of bars that are no whole numbers, or too large."""
    for place, part in all_parts(let, signals):
        if isinstance(part, TRENDS + SPELLS):
            key = type(part).key()
            yield from _count((*place, key, 1), getattr(part, key)[1], least=1)
        elif isinstance(part, IndicatorOperand | PriceOperand):
            yield from _count((*place, "shift"), part.shift, least=0)


def _count(place: Place, axis: Any, least: int) -> Iterator[Fault]:
    sequence = levels(axis)
    ends = (sequence.at(0), sequence.at(sequence.count - 1))
    parts = sequence.values if isinstance(sequence, Values) else (sequence.start, sequence.step)
    wrong = next((one for one in (*ends, *parts[:MAX_SHIFT]) if not float(one).is_integer()), None)
    if wrong is not None:
        yield place, "not_whole", f"a whole number of bars is needed, got {wrong:g}"
    elif not least <= ends[0] <= ends[1] <= MAX_SHIFT:
        yield (
            place,
            "out_of_bounds",
            f"{least} to {MAX_SHIFT} bars, got {ends[0] if ends[0] < least else ends[1]:g}",
        )


COMPARISONS: dict[str, Callable[[float, float], bool]] = {
    "<": lambda left, right: left < right,
    "<=": lambda left, right: left <= right,
    ">": lambda left, right: left > right,
    ">=": lambda left, right: left >= right,
    "!=": lambda left, right: left != right,
}


def _constraints(let: Let, where: tuple[Bound, ...]) -> Iterator[Fault]:
    for at, (left, _, right) in enumerate(where):
        for side, term in ((0, left), (2, right)):
            if isinstance(term, str):
                name = term.partition(".")[0]
                if name not in let:
                    yield ("where", at, side), "unknown_name", f"unknown name {name[:40]!r}; {_hint(name, let)}"


def _hint(name: str, let: Let) -> str:
    return nearest(name, sorted(let)) if let else 'let names what is compared: "let": {"fast": {"id": "ema"}}'
