"""Planes of one variant on one more bar, where its conditions are plain: comparisons and crosses of series, rules.

A shard has thousands of runs, most made of these. Their series go on one by one; their comparisons are those of
`kernels.pairs`, which compares bar by bar: here it goes from condition to condition, over all of a shard.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple, Protocol, TypeAlias

import numpy as np
from numpy.typing import NDArray

from candleray.candles import Candles, FloatArray
from candleray.search.signals.expressions import (
    Chosen,
    Crosses,
    Expression,
    IsAbove,
    IsBetween,
    RuleSide,
    SourceKey,
)
from candleray.search.signals.growing_conditions import GrowingConditions, saved_series
from candleray.search.signals.plain_operands import OtherSeries, OtherTapes, PlainOperands, is_plain
from kernels import pairs
from kernels.advance import GrowingSignal
from kernels.bits import unpack
from kernels.live.series_steps import Flag, SeriesStep, address_at
from kernels.pairs import FAILS, HOLDS

Truths: TypeAlias = NDArray[np.uint64]
"""Pairs of planes of one bar, `(conditions, 2, 1)`."""
BEFORE, NOW = range(2)
"""The rows of an array of values: on the bar before, and on the last bar."""

_KINDS = (IsAbove, Crosses, IsBetween)


class Comparisons(NamedTuple):
    """Comparisons by the places of what they compare, and of the conditions that they are."""

    kind: NDArray[np.int64]
    operands: NDArray[np.int64]
    """`(3, n)`: the third is that of `IsBetween`."""
    condition: NDArray[np.int64]

    @classmethod
    def of(cls, rows: Sequence[tuple[int, ...]]) -> Comparisons:
        """
        Args:
            rows: kind, three operands, condition.
        """
        columns = np.array(rows, np.int64).reshape(-1, 5).T
        return cls(columns[0], columns[1:4], columns[4])

    @classmethod
    def joined(cls, parts: Sequence[Comparisons], values: Sequence[int], conditions: Sequence[int]) -> Comparisons:
        """The comparisons of several, whose values and conditions begin at these places."""
        parts, counts = [cls.of([]), *parts], [0, *(part.kind.size for part in parts)]
        values, conditions = [0, *values], [0, *conditions]
        return cls(
            np.concatenate([part.kind for part in parts]),
            np.concatenate([part.operands for part in parts], axis=1) + np.repeat(values, counts),
            np.concatenate([part.condition for part in parts]) + np.repeat(conditions, counts),
        )

    def tell(self, values: FloatArray, truths: Truths) -> None:
        """Write on one bar which of the conditions hold, and which are known not to."""
        for kind, told in ((IsAbove, _above), (Crosses, _crosses), (IsBetween, _between)):
            of_kind = np.flatnonzero(self.kind == _KINDS.index(kind))
            if of_kind.size:
                flags = told(*(np.take(values, places, axis=1) for places in self.operands[:, of_kind]))
                truths[self.condition[of_kind], :, 0] = flags.T


def _above(left: FloatArray, right: FloatArray, _: FloatArray) -> NDArray[np.bool_]:
    return unpack(pairs.above_pair(left[NOW], right[NOW], 0, left.shape[1]), left.shape[1])


def _crosses(left: FloatArray, right: FloatArray, _: FloatArray) -> NDArray[np.bool_]:
    # One after the other, each as a series of two bars; of every other one there is no question.
    bars = 2 * left.shape[1]
    one, other = (np.ascontiguousarray(side.T).reshape(-1) for side in (left, right))
    return unpack(pairs.cross_above_pair(one, other, 1, bars - 1), bars - 1)[:, ::2]


def _between(x: FloatArray, least: FloatArray, most: FloatArray) -> NDArray[np.bool_]:
    count = x.shape[1]
    below, above = pairs.above_pair(least[NOW], x[NOW], 0, count), pairs.above_pair(x[NOW], most[NOW], 0, count)
    return unpack(pairs.opposite(pairs.either(below, above)), count)


class PlainPlanes(Protocol):
    """The planes of a variant on one more bar, of candles that runs share."""

    history: FloatArray
    """The last candles `[5, n]`, until a window has them."""
    comparisons: Comparisons

    @property
    def values(self) -> FloatArray:
        """The values that comparisons read, `(2, n)`."""
        ...

    steps: list[SeriesStep]
    """The steps of its series, which compiled code takes; they write its values and the truths of its rules."""

    @property
    def is_done(self) -> bool:
        """True where these are all that a bar takes before comparisons: there is nothing to `complete`."""
        ...

    def bind(self, values: FloatArray, truths: Truths) -> None:
        """Go on in these arrays, in which its values are already."""
        ...

    def complete(self, open_ms: int, others: Mapping[SourceKey, Candles]) -> None:
        """Take the bar that opens then, whose steps are taken; its comparisons are still to be told.

        Args:
            others: the other candles that have come since the bar before.
        """
        ...

    def saved(self) -> dict[str, Any]:
        """All that the next bars depend on besides themselves and those of the window."""
        ...

    def restore(self, saved: Mapping[str, Any]) -> None:
        """Go on from what was `saved`, before any bar; the steps of its series do already.

        Raises:
            ValueError: it is the state of other planes.
        """
        ...


class PlainSignals:
    """Indicators that must agree, a pair of long and short each."""

    is_done = True

    def __init__(self, signals: Sequence[GrowingSignal], history: FloatArray) -> None:
        self.history, self.steps = history, [SeriesStep(signal) for signal in signals]
        self.values: FloatArray = np.empty((2, 0))
        self.comparisons = Comparisons.of([])

    def bind(self, values: FloatArray, truths: Truths) -> None:
        self.values = values
        for step, octets in zip(self.steps, truths.view(np.uint8), strict=True):
            step.write_signal(octets)

    def complete(self, open_ms: int, others: Mapping[SourceKey, Candles]) -> None:
        pass

    def saved(self) -> dict[str, Any]:
        return {"signals": [step.saved() for step in self.steps]}

    def restore(self, saved: Mapping[str, Any]) -> None:
        pass


class PlainConditions:
    """The conditions of signals, where each is plain."""

    def __init__(self, growing: GrowingConditions) -> None:
        conditions, tape = growing.conditions, growing.own
        self.history = tape.candles.values
        compared = [(at, one) for at, one in enumerate(conditions) if not isinstance(one, RuleSide)]
        self._operands = PlainOperands([part for _, one in compared for part in _operands(one)], growing)
        self.comparisons = Comparisons.of([self._comparison(at, one) for at, one in compared])
        self._rules = [_Rule(signal, chosen, conditions) for chosen, signal in tape.signals.items()]
        self.steps = [*self._operands.steps, *(rule.step for rule in self._rules)]
        rules = [(at, one) for at, one in enumerate(conditions) if isinstance(one, RuleSide) and one.source]
        self._other_rules = [(at, OtherSeries(one, growing)) for at, one in rules]
        read = [one for one in self._operands.places if getattr(one, "source", None)]
        self._others = OtherTapes(read, growing)
        self._truths = np.empty((0, 2), np.uint64)
        self._reads_others, self._tapes = bool(growing.others), growing.tapes

    def _comparison(self, at: int, condition: Expression) -> tuple[int, ...]:
        operands = _operands(condition)
        three = [self._operands.places[one] for one in (*operands, operands[-1])[:3]]
        return _KINDS.index(type(condition)), *three, at

    @property
    def values(self) -> FloatArray:
        return self._operands.values

    @property
    def is_done(self) -> bool:
        return not self._reads_others and not self._operands.are_derived

    def bind(self, values: FloatArray, truths: Truths) -> None:
        self._truths = truths[..., 0]
        self._operands.bind(values)
        for rule in self._rules:
            rule.bind(self._truths)

    def complete(self, open_ms: int, others: Mapping[SourceKey, Candles]) -> None:
        if others:
            self._others.append(others)
        self._operands.complete(open_ms)
        for at, other in self._other_rules:
            flag = other.value(open_ms)
            self._truths[at, HOLDS], self._truths[at, FAILS] = flag == 1.0, flag == 0.0

    def saved(self) -> dict[str, Any]:
        rules = {rule.chosen: rule.step for rule in self._rules}
        others = [tape.saved() for tape in self._tapes.values()]
        return {"own": saved_series(self._operands.series, rules), "others": others, **self._operands.saved()}

    def restore(self, saved: Mapping[str, Any]) -> None:
        self._operands.restore(saved)


class _Rule:
    """The conditions that read the signal of one indicator by its own rule."""

    def __init__(self, signal: GrowingSignal, chosen: Chosen, conditions: Sequence[Expression]) -> None:
        self.chosen, self.step, self._lookback = chosen, SeriesStep(signal), chosen.rule_lookback_bars
        self._places = [
            (at, ("long", "short").index(condition.side))
            for at, condition in enumerate(conditions)
            if isinstance(condition, RuleSide) and condition.source is None and condition.chosen == chosen
        ]

    def bind(self, truths: NDArray[np.uint64]) -> None:
        flags = [
            Flag(side, address_at(truths, at, HOLDS), address_at(truths, at, FAILS)) for at, side in self._places
        ]
        self.step.write_flags(flags, self._lookback)


def plain_conditions(growing: GrowingConditions) -> PlainConditions | None:
    """The conditions as they go on by single bars; None where one of them is not plain."""
    return PlainConditions(growing) if all(map(_is_plain, growing.conditions)) else None


def _is_plain(condition: Expression) -> bool:
    if isinstance(condition, RuleSide):
        return True
    return isinstance(condition, _KINDS) and all(map(is_plain, _operands(condition)))


def _operands(condition: Expression) -> tuple[Expression, ...]:
    if isinstance(condition, IsBetween):
        return condition.operand, condition.low, condition.high
    return condition.left, condition.right
