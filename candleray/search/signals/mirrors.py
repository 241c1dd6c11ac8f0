"""Combinations that stand in a grid twice, because two of its things take the same values."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping
from itertools import combinations
from typing import Any

from candleray.backtests.axes import levels
from candleray.backtests.indicator_axes import IndicatorAxes
from candleray.backtests.request import BacktestRequest
from candleray.search.indicator_grid import IndicatorGrid
from candleray.search.signals.expressions import (
    Crosses,
    Every,
    Expression,
    IndicatorSeries,
    IsAbove,
    Slot,
    Some,
    filled,
    parts_of,
)
from candleray.search.signals.signal_grid import SignalGrid
from candleray.search.signals.things import IndicatorThing


def mirrored_things(signals: SignalGrid) -> Iterator[str]:
    """Say which two things may be swapped: that gives the same strategies again, or the mirrored ones."""
    tied = {frozenset(pair) for axis in signals.axes for pair in combinations(axis.things, 2)}
    alike: Mapping[object, list[int]] = defaultdict(list)
    for at, thing in enumerate(signals.things):
        if isinstance(thing, IndicatorThing):
            alike[thing.axes.model_dump_json()].append(at)
    for group in alike.values():
        for one, other in combinations(group, 2):
            if frozenset((one, other)) not in tied:
                yield from _mirrored(signals, one, other)


def _mirrored(signals: SignalGrid, one: int, other: int) -> Iterator[str]:
    swapped = {one: Slot(other), other: Slot(one)}
    conditions = signals.signals.values()
    if all(_unordered(_swapped(each, swapped)) == _unordered(each) for each in conditions):
        yield _told(signals, one, other, "give the same strategy")
    elif any(_faces(part, swapped) for each in conditions for part in parts_of(each)):
        yield _told(signals, one, other, "mirror each other")


def _told(signals: SignalGrid, one: int, other: int, what: str) -> str:
    places = [signals.things[thing].place for thing in (one, other)]
    first, second = (".".join(map(str, place[1:] if place[0] == "let" else place)) for place in places)
    size = signals.things[one].size
    told = f"{first} and {second} take the same {size} values: two combinations with these swapped {what}"
    alone = f", and {size} have the same value in both"
    return f"{told}{alone}; {_remedy(signals, one, other, first, second)}"


def _remedy(signals: SignalGrid, one: int, other: int, first: str, second: str) -> str:
    things: tuple[Any, Any] = (signals.things[one], signals.things[other])
    param = next((name for name, axis in things[0].axes.params.items() if levels(axis).count > 1), None)
    if param is None:
        return "leave one of them out"
    if any(thing.place[0] != "let" for thing in things):
        return f'named in let, one of them can be kept by "where": [["a.{param}", "<", "b.{param}"]]'
    return f'"where": [["{first}.{param}", "<", "{second}.{param}"]] keeps one of them'


def _swapped(expression: Expression, slots: Mapping[int, Slot]) -> Expression:
    return filled(expression, lambda thing: slots.get(thing, Slot(thing)))


def _unordered(expression: Expression) -> Any:
    """Return the expression with the parts of `all` and `any` in one order."""
    if isinstance(expression, Every | Some):
        return type(expression), tuple(sorted((_unordered(part) for part in expression.parts), key=repr))
    return expression


def _faces(part: Expression, slots: Mapping[int, Slot]) -> bool:
    """Tell if a condition compares one of two series with the other."""
    if not isinstance(part, IsAbove | Crosses):
        return False
    sides = part.left, part.right
    return all(isinstance(side, IndicatorSeries) and side.chosen in slots.values() for side in sides) and (
        _swapped(part.left, slots) == part.right
    )


def repeated_indicators(request: BacktestRequest) -> Iterator[tuple[IndicatorAxes, int]]:
    """Yield those of `indicators` that stand several times with the same values, and how often."""
    seen: dict[str, list[IndicatorAxes]] = defaultdict(list)
    for one in request.indicators:
        seen[one.model_dump_json()].append(one)
    for same in seen.values():
        if len(same) > 1 and IndicatorGrid(same[0]).size > 1:
            yield same[0], len(same)
