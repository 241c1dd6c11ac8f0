"""Planes of one variant on one more bar, where its conditions are plain: comparisons and crosses of series, rules.

A shard has thousands of runs, most made of these. Their series go on one by one; their comparisons are those of
`kernels.pairs`, which compares bar by bar: here it goes from condition to condition, over all of a shard.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple, Protocol, TypeAlias

import numpy as np
from numpy.typing import NDArray

from candleray.candles import FloatArray
from candleray.search.signals.expressions import (
    Chosen,
    Crosses,
    Expression,
    IndicatorSeries,
    IsAbove,
    IsBetween,
    PriceSeries,
    RuleSide,
)
from candleray.search.signals.growing_conditions import GrowingConditions, GrowingTape
from kernels import pairs
from kernels.advance import COLUMNS, BarWindow, GrowingSeries, GrowingSignal
from kernels.bits import unpack
from kernels.pairs import FAILS, HOLDS
from kernels.signals import column

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
    values: FloatArray
    """The values that comparisons read, `(2, n)`."""
    comparisons: Comparisons

    @property
    def earlier_bars(self) -> int:
        """The bars that the next step reads before the new one."""
        ...

    @property
    def most_bars(self) -> int:
        """The bars that a step reads at most, the new one among them."""
        ...

    def bind(self, values: FloatArray, truths: Truths) -> None:
        """Go on in these arrays, in which its values are already."""
        ...

    def step(self, window: BarWindow) -> None:
        """Take the last bar of the window; its comparisons are still to be told."""
        ...


class PlainSignals:
    """Indicators that must agree, a pair of long and short each."""

    def __init__(self, signals: Sequence[GrowingSignal], history: FloatArray) -> None:
        self.history, self._signals = history, signals
        self.values, self.comparisons = np.empty((2, 0)), Comparisons.of([])
        self._octets: list[tuple[NDArray[np.uint8], NDArray[np.uint8]]] = []

    @property
    def earlier_bars(self) -> int:
        return max(signal.series.earlier_bars for signal in self._signals)

    @property
    def most_bars(self) -> int:
        return max(signal.series.most_bars for signal in self._signals)

    def bind(self, values: FloatArray, truths: Truths) -> None:
        self.values, octets = values, truths.view(np.uint8)
        self._octets = [(octets[at, 0, :1], octets[at, 1, :1]) for at in range(len(self._signals))]

    def step(self, window: BarWindow) -> None:
        for signal, (long, short) in zip(self._signals, self._octets, strict=True):
            signal.step(window, long, short)


class PlainConditions:
    """The conditions of signals, where each is plain."""

    def __init__(self, growing: GrowingConditions) -> None:
        tape = growing.own
        self.history = tape.candles.values
        places: dict[Expression, int] = {}
        rows = []
        for at, condition in enumerate(growing.conditions):
            if not isinstance(condition, RuleSide):
                operands = _operands(condition)
                three = [places.setdefault(one, len(places)) for one in (*operands, operands[-1])[:3]]
                rows.append((_KINDS.index(type(condition)), *three, at))
        self.comparisons = Comparisons.of(rows)
        self.values = np.array([_last_two(operand, tape) for operand in places]).reshape(-1, 2).T.copy()
        self._before, self._now = self.values
        self._prices = [
            (COLUMNS.index(operand.column), at)
            for operand, at in places.items()
            if isinstance(operand, PriceSeries)
        ]
        read = [(series, _places_of(chosen, series, places)) for chosen, series in tape.series.items()]
        # Those that read the new bar alone write their values where they are compared.
        self._single = [one for one in read if one[0].reads_one_bar]
        self._longer = [one for one in read if not one[0].reads_one_bar]
        self._rules = [_Rule(signal, chosen, growing.conditions) for chosen, signal in tape.signals.items()]
        self._truths = np.empty((0, 2), np.uint64)

    @property
    def earlier_bars(self) -> int:
        return max((series.earlier_bars for series in self._every_series), default=0)

    @property
    def most_bars(self) -> int:
        return max((series.most_bars for series in self._every_series), default=1)

    @property
    def _every_series(self) -> Iterator[GrowingSeries]:
        yield from (series for series, _ in [*self._single, *self._longer])
        yield from (rule.signal.series for rule in self._rules)

    def bind(self, values: FloatArray, truths: Truths) -> None:
        self.values, self._truths = values, truths[..., 0]
        self._before, self._now = values
        for series, places in self._single:
            series.write_to({output: self._now[place : place + 1] for output, place in places})

    def step(self, window: BarWindow) -> None:
        now = self._now
        self._before[:] = now
        for series, _ in self._single:
            series.step(window)
        for series, places in self._longer:
            series.step(window)
            last = series.last
            for output, place in places:
                now[place] = last[output][0]
        for row, place in self._prices:
            now[place] = window.rows[row, window.stop - 1]
        for rule in self._rules:
            rule.step(window, self._truths)


class _Rule:
    """The conditions that read the signal of one indicator by its own rule."""

    def __init__(self, signal: GrowingSignal, chosen: Chosen, conditions: Sequence[Expression]) -> None:
        self.signal, self._lookback = signal, chosen.rule_lookback_bars
        self._octets = np.zeros((2, 1), np.uint8)
        self._places = [
            (at, ("long", "short").index(condition.side))
            for at, condition in enumerate(conditions)
            if isinstance(condition, RuleSide) and condition.chosen == chosen
        ]

    def step(self, window: BarWindow, truths: NDArray[np.uint64]) -> None:
        self.signal.step(window, *self._octets)
        is_known = self.signal.series.seen > self._lookback
        for at, side in self._places:
            holds = bool(self._octets[side, 0] & 1)
            truths[at, HOLDS], truths[at, FAILS] = is_known and holds, is_known and not holds


def plain_conditions(growing: GrowingConditions) -> PlainConditions | None:
    """The conditions as they go on by single bars; None where one of them is not plain."""
    return PlainConditions(growing) if all(map(_is_plain, growing.conditions)) else None


def _is_plain(condition: Expression) -> bool:
    if isinstance(condition, RuleSide):
        return condition.source is None
    return isinstance(condition, _KINDS) and all(map(_is_plain_operand, _operands(condition)))


def _is_plain_operand(operand: Expression) -> bool:
    if isinstance(operand, IndicatorSeries | PriceSeries):
        return operand.source is None and int(operand.shift) == 0
    return isinstance(operand, int | float)


def _operands(condition: Expression) -> tuple[Expression, ...]:
    if isinstance(condition, IsBetween):
        return condition.operand, condition.low, condition.high
    return condition.left, condition.right


def _last_two(operand: Expression, tape: GrowingTape) -> tuple[float, float]:
    """The operand's values on the last two bars so far."""
    if isinstance(operand, int | float):
        return float(operand), float(operand)
    series = (
        column(tape.candles.values, operand.column)
        if isinstance(operand, PriceSeries)
        else tape.values[operand.chosen, operand.output]
    )
    unknown = [np.nan, np.nan]
    before, now = [*unknown, *series[-2:].tolist()][-2:]
    return before, now


def _places_of(chosen: Chosen, series: GrowingSeries, places: Mapping[Expression, int]) -> list[tuple[int, int]]:
    """The outputs of an indicator that are read, by their numbers, and the place of each."""
    return [
        (series.indicator.outputs.index(operand.output), at)
        for operand, at in places.items()
        if isinstance(operand, IndicatorSeries) and operand.chosen == chosen
    ]
