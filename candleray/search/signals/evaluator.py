"""Planes of conditions over the bars of a search.

Series of numbers are made when a condition reads them, and kept while there is room or somebody else has them: the
planes alone stay.
"""

from __future__ import annotations

import time
from collections import OrderedDict
from functools import reduce
from typing import Any, TypeAlias
from weakref import WeakValueDictionary

import numpy as np
from numpy.typing import NDArray

from candleray.candles import Candles, FloatArray, IntArray
from candleray.search.bars import Bars
from candleray.search.signals.expressions import (
    Arithmetic,
    Chosen,
    Crosses,
    Earlier,
    Every,
    Expression,
    IndicatorSeries,
    IsAbove,
    IsBetween,
    Negation,
    PriceSeries,
    RuleSide,
    Some,
    SourceKey,
    Spell,
    TimeSeries,
    Trend,
    counts_own_bars,
)
from candleray.timeframes import DAY_MS, MINUTE_MS, minutes_of
from kernels import pairs
from kernels.bits import pack, unpack
from kernels.indicators import INDICATORS
from kernels.pairs import Pair
from kernels.signals import build_plane, column, compute

Operand: TypeAlias = FloatArray | float

KEPT_BYTES = 128 * 2**20
"""Series that are kept at once: a hundred of a year of minutes would take 420 MB."""

_HOUR_MS = 60 * MINUTE_MS
_FIRST_WEEKDAY = 3  # 1970-01-01 was a Thursday


class Evaluator:
    """Evaluates expressions in which everything is fixed, over the bars of one search.

    A series begins `max(default_warmup, what its condition reads)` bars before the range: that depends on the
    variant alone, so a variant taken out of a grid has the grid's planes.
    """

    def __init__(self, bars: Bars, default_warmup: int) -> None:
        self._bars = bars
        self._default_warmup = default_warmup
        self._decisions_ms = bars.candles.ts_open_ms + bars.bar_ms
        self._series: OrderedDict[object, FloatArray] = OrderedDict()
        self._in_use: WeakValueDictionary[object, FloatArray] = WeakValueDictionary()
        self._closed: dict[SourceKey, IntArray] = {}
        self._kept_bytes = 0
        self.series_made = 0
        """Series of indicators that were computed."""
        self.compared, self.series_s = 0, 0.0
        """Operands that were made to be compared with many others, and the seconds that took."""

    def plane(self, condition: Expression) -> Pair:
        """Return the bars of the range on which the condition holds, and those on which it is known not to."""
        return self._pair(condition, 0)

    def missing(self, source: SourceKey) -> int:
        """Return on how many bars of the range these candles have no closed bar."""
        return int((self._closed_bars(source)[self._bars.start :] < 0).sum())

    def series(self, operand: Expression, before: int) -> FloatArray:
        """Return an operand on the bars of the range and so many before it."""
        began = time.perf_counter()
        value = self._operand(operand, before)
        series = np.full(self._bars.count + before, value) if isinstance(value, float) else value
        self.series_s += time.perf_counter() - began
        self.compared += 1
        return np.ascontiguousarray(series)

    # Each of the following covers the bars `[start - extra, stop)`, even where there are not so many before it.

    def _pair(self, condition: Expression, extra: int) -> Pair:
        bars = self._bars.count + extra
        match condition:
            case IsAbove(left, right):
                return pairs.above_pair(self._operand(left, extra), self._operand(right, extra), 0, bars)
            case IsBetween(operand, low, high):
                x, least, most = (self._operand(one, extra) for one in (operand, low, high))
                outside = pairs.either(pairs.above_pair(least, x, 0, bars), pairs.above_pair(x, most, 0, bars))
                return pairs.opposite(outside)
            case Crosses(left, right):
                wide = (self._operand(left, extra + 1), self._operand(right, extra + 1))
                return pairs.cross_above_pair(*wide, 1, bars)
            case Trend(operand, length, rising):
                if counts_own_bars(operand):
                    return self._flags_pair(self._own_trend(condition, extra))
                return self._trend(operand, int(length), rising, extra)
            case RuleSide():
                return self._rule(condition, extra)
            case Spell(inner, length, held):
                join = pairs.held if held else pairs.within
                return join(self._pair(inner, extra + int(length) - 1), int(length), bars)
            case Earlier(inner, length):
                # Held for one bar, the first of those that the pair begins with.
                return pairs.held(self._pair(inner, extra + int(length)), 1, bars)
            case Every(parts):
                return reduce(pairs.both, (self._pair(part, extra) for part in parts))
            case Some(parts):
                return reduce(pairs.either, (self._pair(part, extra) for part in parts))
            case Negation(part):
                return pairs.opposite(self._pair(part, extra))
        raise TypeError(f"no condition: {condition!r}")

    def _trend(self, operand: Expression, length: int, rising: bool, extra: int) -> Pair:
        series = self._operand(operand, extra + length)
        if isinstance(series, float):
            return pairs.constant(False, not np.isnan(series), self._bars.count + extra)
        now, before = series[1:], series[:-1]
        steps = pairs.above_pair(*((now, before) if rising else (before, now)), 0, now.size)
        return pairs.held(steps, length, self._bars.count + extra)

    def _operand(self, operand: Expression, extra: int) -> Operand:
        bars = self._bars.count + extra
        match operand:
            case int() | float():
                return float(operand)
            case TimeSeries(part):
                return self._time(part, extra)
            case Arithmetic(kind, parts):
                return arithmetic(kind, [self._operand(part, extra) for part in parts])
            case IndicatorSeries(chosen, output, source, shift) if source is None:
                first = self._first(chosen.lookback_bars + int(shift) + extra)
                series = self._indicator(chosen, output, None, first)
                return _slice(series, self._bars.start - extra - int(shift) - first, bars)
            case PriceSeries(name, source, shift) if source is None:
                series = self._price(name)
                return _slice(series, self._bars.start - extra - int(shift), bars)
            case IndicatorSeries(chosen, output, source, shift):
                assert source is not None
                first = self._first_of(source, chosen.lookback_bars + int(shift), extra)
                return self._aligned(
                    self._indicator(chosen, output, source, first), source, first, int(shift), extra
                )
            case PriceSeries(name, source, shift):
                assert source is not None
                values = column(self._bars.others[source].values, name)
                return self._aligned(values, source, 0, int(shift), extra)
        raise TypeError(f"no operand: {operand!r}")

    def _first(self, history: int) -> int:
        """Return the bar from which a series of the strategy's own bars is computed."""
        return max(0, self._bars.start - max(self._default_warmup, history))

    def _first_of(self, source: SourceKey, history: int, extra: int) -> int:
        """Return the bar from which a series of other candles is computed."""
        closes = self._closes_ms(source)
        start = self._bars.start
        at_start, at_first = np.searchsorted(
            closes, self._decisions_ms[[start, max(0, start - extra)]], side="right"
        )
        return max(0, int(at_start) - 1 - max(self._default_warmup, history + int(at_start - at_first)))

    def _indicator(self, chosen: Chosen, output: str, source: SourceKey | None, first: int) -> FloatArray:
        """Return an output from a bar of its candles on, to their end."""
        key = (chosen, output, source, first)
        if key in self._series:
            self._series.move_to_end(key)
            return self._series[key]
        if (read := self._in_use.get(key)) is not None:
            return read
        candles = self._candles(source)
        made = compute(INDICATORS[chosen.id], candles.values[:, first:], dict(chosen.inputs), dict(chosen.params))
        self.series_made += 1
        for name, series in made.items():
            # Those outputs are kept that something may read next: of one indicator, most read one.
            if name == output:
                self._keep(key, series)
                self._in_use[key] = series
        return made[output]

    def _price(self, name: str) -> FloatArray:
        if name in ("hlc3", "ohlc4"):
            key = ("price", name)
            if key not in self._series:
                self._keep(key, column(self._bars.candles.values, name))
            return self._series[key]
        return column(self._bars.candles.values, name)

    def _keep(self, key: object, series: FloatArray) -> None:
        self._series[key] = series
        self._kept_bytes += series.nbytes
        while self._kept_bytes > KEPT_BYTES and len(self._series) > 1:
            _, oldest = self._series.popitem(last=False)
            self._kept_bytes -= oldest.nbytes

    def _time(self, part: str, extra: int) -> FloatArray:
        values = time_values(self._bars.candles.ts_open_ms, part)
        return _slice(values, self._bars.start - extra, self._bars.count + extra)

    def _rule(self, rule: RuleSide, extra: int) -> Pair:
        history, source = rule.chosen.rule_lookback_bars, rule.source
        if source is None:
            first = self._first(history + extra)
            flags = self._rule_flags(rule, None, first)
            return self._flags_pair(_slice(flags, self._bars.start - extra - first, self._bars.count + extra))
        first = self._first_of(source, history, extra)
        flags = self._rule_flags(rule, source, first)
        return self._flags_pair(self._aligned(flags, source, first, 0, extra))

    def _rule_flags(self, rule: RuleSide, source: SourceKey | None, first: int) -> FloatArray:
        """Return 1 on each bar from `first` on that has the signal, 0 where not, NaN before its look-back."""
        candles, chosen = self._candles(source), rule.chosen
        plane = build_plane(
            INDICATORS[chosen.id],
            candles.values,
            dict(chosen.inputs),
            dict(chosen.params),
            dict(chosen.signal),
            first,
            first,
            len(candles),
        )
        flags = unpack(plane[("long", "short").index(rule.side)], len(candles) - first).astype(float)
        flags[: chosen.rule_lookback_bars] = np.nan
        return flags

    def _own_trend(self, trend: Trend, extra: int) -> FloatArray:
        """Return the trend of a series of other candles, from bar to bar of theirs, as flags of our bars."""
        operand, length, source = trend.operand, int(trend.bars), trend.operand.source
        if isinstance(operand, PriceSeries):
            first = 0
            series = column(self._bars.others[source].values, operand.column)
        else:
            first = self._first_of(source, operand.chosen.lookback_bars + int(operand.shift) + length, extra)
            series = self._indicator(operand.chosen, operand.output, source, first)
        # A step that fails decides also where there are fewer steps than asked for.
        known = np.concatenate([np.full(length, np.nan), series])
        now, before = known[1:], known[:-1]
        steps = pairs.above_pair(*((now, before) if trend.rising else (before, now)), 0, now.size)
        holds, fails = unpack(pairs.held(steps, length, series.size), series.size)
        flags = np.where(holds, 1.0, np.where(fails, 0.0, np.nan))
        return self._aligned(flags, source, first, int(operand.shift), extra)

    @staticmethod
    def _flags_pair(flags: FloatArray) -> Pair:
        return pack(np.stack([flags == 1.0, flags == 0.0]))

    def _aligned(self, series: FloatArray, source: SourceKey, first: int, shift: int, extra: int) -> FloatArray:
        """Return, for each bar of the strategy, the value of the bar of other candles that was closed last.

        Args:
            first: the bar of the other candles that the series begins at.
        """
        closed = self._closed_bars(source)
        start = self._bars.start
        wanted = np.full(self._bars.count + extra, -1, np.int64)
        there = closed[max(0, start - extra) :]
        wanted[wanted.size - there.size :] = there
        places = np.where(wanted >= 0, wanted - shift - first, -1)
        if not series.size:
            return np.full(places.size, np.nan)
        return np.where(places >= 0, series[np.maximum(places, 0)], np.nan)

    def _candles(self, source: SourceKey | None) -> Candles:
        return self._bars.candles if source is None else self._bars.others[source]

    def _closes_ms(self, source: SourceKey) -> IntArray:
        closes: IntArray = self._bars.others[source].ts_open_ms + minutes_of(source.timeframe) * MINUTE_MS
        return closes

    def _closed_bars(self, source: SourceKey) -> IntArray:
        """Return the bar of other candles that was closed last at each bar's close; -1 where it is missing."""
        if source not in self._closed:
            closes, bar_ms = self._closes_ms(source), minutes_of(source.timeframe) * MINUTE_MS
            due = self._decisions_ms // bar_ms * bar_ms
            places = np.searchsorted(closes, due)
            found = places < closes.size
            found[found] = closes[places[found]] == due[found]
            self._closed[source] = np.where(found, places, -1)
        return self._closed[source]


def _slice(series: FloatArray, first: int, count: int) -> FloatArray:
    """Return `count` values from a place on, NaN for those before the series."""
    if first >= 0:
        return series[first : first + count]
    return np.concatenate([np.full(min(-first, count), np.nan), series[: max(0, first + count)]])


def time_values(opens_ms: IntArray, part: str) -> FloatArray:
    """Return the hour or the weekday, Monday 0, of bars that open then."""
    if part == "hour":
        return (opens_ms % DAY_MS // _HOUR_MS).astype(float)
    return ((opens_ms // DAY_MS + _FIRST_WEEKDAY) % 7).astype(float)


def arithmetic(kind: str, parts: list[Any]) -> Operand:
    """Return what operands make together, bar by bar; NaN where that is no finite number."""
    value: Any
    with np.errstate(all="ignore"):
        if kind == "plus":
            value = reduce(np.add, parts)
        elif kind == "minus":
            value = np.subtract(*parts)
        elif kind == "times":
            value = reduce(np.multiply, parts)
        elif kind == "over":
            value = np.divide(*parts)
        elif kind == "abs":
            value = np.abs(parts[0])
        elif kind == "max":
            value = reduce(np.maximum, parts)
        else:
            value = reduce(np.minimum, parts)
    if np.ndim(value) == 0:
        return float(value) if np.isfinite(value) else float("nan")
    array: NDArray[np.float64] = np.asarray(value)
    return np.where(np.isfinite(array), array, np.nan)
