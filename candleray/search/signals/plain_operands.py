"""Operands of plain conditions on one more bar: series of own and of other candles, arithmetic, time."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any, Protocol

import numpy as np

from candleray.candles import Candles, FloatArray
from candleray.search.signals.evaluator import arithmetic, time_values
from candleray.search.signals.expressions import (
    Arithmetic,
    Expression,
    IndicatorSeries,
    PriceSeries,
    RuleSide,
    SourceKey,
    TimeSeries,
)
from candleray.search.signals.growing_conditions import GrowingConditions, GrowingTape
from candleray.timeframes import MINUTE_MS, minutes_of
from kernels.advance import COLUMNS, GrowingSeries
from kernels.live.series_steps import SeriesStep, Value, address_at
from kernels.signals import column

_UNKNOWN = float("nan")


def is_plain(operand: Expression) -> bool:
    """Tell if an operand has its place among the values of plain conditions."""
    if isinstance(operand, Arithmetic):
        return all(map(is_plain, operand.parts))
    return isinstance(operand, int | float | IndicatorSeries | PriceSeries | TimeSeries)


class PlainOperands:
    """The values of operands on the last two bars, each at a place."""

    def __init__(self, operands: Sequence[Expression], growing: GrowingConditions) -> None:
        self.places: dict[Expression, int] = {}
        for operand in operands:
            self._give_place(operand)
        tape = growing.own
        derived = (self._derivation(operand, growing) for operand in self.places)
        self._derived = [one for one in derived if one is not None]
        pairs: list[tuple[float, float]] = []
        for operand in self.places:
            pairs.append(self._last_two(operand, pairs, growing))
        self.values = np.array(pairs).reshape(-1, 2).T.copy()
        self.are_derived = bool(self._derived)
        self.series = {chosen: SeriesStep(series) for chosen, series in tape.series.items()}
        self._read: list[tuple[SeriesStep, list[tuple[int, int]]]] = [
            (step, self._places_of(chosen, tape.series[chosen])) for chosen, step in self.series.items()
        ]
        prices = [
            (COLUMNS.index(operand.column), at) for operand, at in self._own() if isinstance(operand, PriceSeries)
        ]
        if prices:
            self._read.append((SeriesStep(None), prices))

    @property
    def steps(self) -> list[SeriesStep]:
        return [step for step, _ in self._read]

    def bind(self, values: FloatArray) -> None:
        """Go on in this array, in which the values are already."""
        self.values = values
        for step, places in self._read:
            step.write_values(
                Value(number, address_at(values, 1, place), address_at(values, 0, place))
                for number, place in places
            )

    def complete(self, open_ms: int) -> None:
        """Take a bar whose steps are taken."""
        before, now = self.values
        for derived in self._derived:
            before[derived.place] = now[derived.place]
            derived.write(now, open_ms)

    def saved(self) -> dict[str, Any]:
        """The values, and those of the bars before that some are still to have."""
        delayed = [np.array(one.earlier) for one in self._derived if isinstance(one, _Delayed)]
        return {"values": self.values, "delayed": delayed}

    def restore(self, saved: Mapping[str, Any]) -> None:
        """Go on from what was `saved`, before any bar.

        Raises:
            ValueError: it is the state of other operands.
        """
        if saved["values"].shape != self.values.shape:
            raise ValueError(f"{self.values.shape[1]} operands have values {saved['values'].shape}")
        self.values = saved["values"].copy()
        delayed = [one for one in self._derived if isinstance(one, _Delayed)]
        for one, earlier in zip(delayed, saved["delayed"], strict=True):
            one.go_on(earlier)

    def _give_place(self, operand: Expression) -> None:
        if operand not in self.places:
            for part in _made_of(operand):
                self._give_place(part)
            self.places[operand] = len(self.places)

    def _own(self) -> Iterator[tuple[Any, int]]:
        """Yield the series of the strategy's own bars as they are."""
        for operand, at in self.places.items():
            if isinstance(operand, IndicatorSeries | PriceSeries) and operand.source is None and not operand.shift:
                yield operand, at

    def _places_of(self, chosen: Any, series: GrowingSeries) -> list[tuple[int, int]]:
        """The outputs of an indicator that are read, by their numbers, and the place of each."""
        return [
            (series.indicator.outputs.index(operand.output), at)
            for operand, at in self._own()
            if isinstance(operand, IndicatorSeries) and operand.chosen == chosen
        ]

    def _derivation(self, operand: Expression, growing: GrowingConditions) -> _Derived | None:
        place = self.places[operand]
        if isinstance(operand, TimeSeries):
            return _Timed(place, operand.part)
        if isinstance(operand, Arithmetic):
            return _Computed(place, operand.kind, [self.places[part] for part in operand.parts])
        if isinstance(operand, IndicatorSeries | PriceSeries):
            if operand.source is not None:
                return _Aligned(place, OtherSeries(operand, growing))
            if operand.shift:
                [unshifted] = _made_of(operand)
                return _Delayed(place, self.places[unshifted], _last(unshifted, growing.own, operand.shift))
        return None

    def _last_two(
        self, operand: Expression, pairs: list[tuple[float, float]], growing: GrowingConditions
    ) -> tuple[float, float]:
        """The operand's values on the last two bars so far; those of what it is made of are there."""
        if isinstance(operand, int | float):
            return float(operand), float(operand)
        opens_ms = growing.own.candles.ts_open_ms
        if isinstance(operand, Arithmetic):
            parts = [pairs[self.places[part]] for part in operand.parts]
            before, now = (float(arithmetic(operand.kind, [part[at] for part in parts])) for at in (0, 1))
            return before, now
        if isinstance(operand, TimeSeries):
            values = time_values(opens_ms, operand.part)
        elif operand.source is not None:
            other = OtherSeries(operand, growing)
            values = np.array([other.value(open_ms) for open_ms in opens_ms[-2:].tolist()])
        else:
            shift = int(operand.shift)
            values = np.array(_last(operand, growing.own, 2 + shift)[:2])
        before, now = [_UNKNOWN, _UNKNOWN, *values.tolist()][-2:]
        return before, now


def _made_of(operand: Expression) -> tuple[Expression, ...]:
    if isinstance(operand, Arithmetic):
        return operand.parts
    is_series = isinstance(operand, IndicatorSeries | PriceSeries)
    return (replace(operand, shift=0),) if is_series and operand.source is None and operand.shift else ()


def _last(operand: Any, tape: GrowingTape, count: int) -> list[float]:
    """The last values of a series of the strategy's own bars, unknown before its first."""
    values = _values(operand, tape)[-int(count) :]
    return [*[_UNKNOWN] * (int(count) - values.size), *map(float, values)]


def _values(operand: Any, tape: GrowingTape) -> FloatArray:
    if isinstance(operand, PriceSeries):
        return column(tape.candles.values, operand.column)
    key = (operand.chosen, operand.side) if isinstance(operand, RuleSide) else (operand.chosen, operand.output)
    return tape.values[key]


class OtherSeries:
    """A series of other candles, or the signal of a rule over them, as the strategy's bars see it."""

    def __init__(self, operand: Any, growing: GrowingConditions) -> None:
        self._operand, self._tape = operand, growing.tapes[operand.source]
        self._bar_ms = growing.bar_ms
        self._other_ms = minutes_of(operand.source.timeframe) * MINUTE_MS
        self._shift = int(getattr(operand, "shift", 0))

    def value(self, open_ms: int) -> float:
        """The value of the candle that was closed last at the close of a bar; unknown where it is missing."""
        due_ms = (open_ms + self._bar_ms) // self._other_ms * self._other_ms - self._other_ms
        stamps = self._tape.candles.ts_open_ms
        at = int(np.searchsorted(stamps, due_ms))
        if at == stamps.size or stamps[at] != due_ms or at < self._shift:
            return _UNKNOWN
        return float(_values(self._operand, self._tape)[at - self._shift])


class OtherTapes:
    """The other candles that conditions read, with the last values of what is read of them."""

    def __init__(self, read: Sequence[Any], growing: GrowingConditions) -> None:
        self._tapes = growing.tapes
        self._kept = {
            source: 1 + max((int(getattr(one, "shift", 0)) for one in read if one.source == source), default=0)
            for source in growing.tapes
        }

    def append(self, others: Mapping[SourceKey, Candles]) -> None:
        for source, candles in others.items():
            if len(candles):
                self._tapes[source].append(candles)
                self._tapes[source].keep(self._kept[source])


class _Derived(Protocol):
    place: int

    def write(self, now: FloatArray, open_ms: int) -> None:
        """Write the value on the bar that opens then; the values it is made of are there."""
        ...


class _Timed:
    def __init__(self, place: int, part: str) -> None:
        self.place, self._part = place, part

    def write(self, now: FloatArray, open_ms: int) -> None:
        now[self.place] = time_values(np.array([open_ms]), self._part)[0]


class _Computed:
    def __init__(self, place: int, kind: str, parts: Sequence[int]) -> None:
        self.place, self._kind, self._parts = place, kind, parts

    def write(self, now: FloatArray, open_ms: int) -> None:
        now[self.place] = arithmetic(self._kind, [now[part] for part in self._parts])


class _Aligned:
    def __init__(self, place: int, other: OtherSeries) -> None:
        self.place, self._other = place, other

    def write(self, now: FloatArray, open_ms: int) -> None:
        now[self.place] = self._other.value(open_ms)


class _Delayed:
    def __init__(self, place: int, of: int, earlier: Sequence[float]) -> None:
        self.place, self._of = place, of
        self.earlier = deque(earlier, maxlen=len(earlier))

    def go_on(self, earlier: FloatArray) -> None:
        if earlier.shape != (self.earlier.maxlen,):
            raise ValueError(f"a shift of {self.earlier.maxlen} bars goes on from {earlier.shape}")
        self.earlier.extend(earlier.tolist())

    def write(self, now: FloatArray, open_ms: int) -> None:
        now[self.place] = self.earlier[0]
        self.earlier.append(float(now[self._of]))
