"""Signals bar by bar in plain Python, from JSON: a condition is True, False, or None where a value is missing.

It shares no code with the planes: indicators and rules alone, which have references of their own, are theirs.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from itertools import pairwise
from typing import Any

import numpy as np

from kernels.bits import unpack
from kernels.indicators import INDICATORS
from kernels.rules import FAMILIES
from kernels.signals import build_plane, compute

MINUTES = {"1m": 1, "5m": 5, "15m": 15, "1h": 60, "4h": 240, "1d": 1440}
MINUTE_MS = 60_000
COLUMNS = ("open", "high", "low", "close", "volume")


class NaiveBars:
    """The bars of one timeframe, from minutes that may have holes."""

    def __init__(self, stamps: list[int], values: list[tuple[float, ...]], timeframe: str) -> None:
        self.bar_ms = MINUTES[timeframe] * MINUTE_MS
        minutes = dict(zip(stamps, values, strict=True))
        self.opens: list[int] = []
        self.rows: list[tuple[float, ...]] = []
        for opened in sorted({stamp - stamp % self.bar_ms for stamp in stamps}):
            inside = [minutes.get(opened + at * MINUTE_MS) for at in range(MINUTES[timeframe])]
            if all(row is not None for row in inside):
                whole: list[Any] = list(inside)
                self.opens.append(opened)
                self.rows.append(
                    (
                        whole[0][0],
                        max(row[1] for row in whole),
                        min(row[2] for row in whole),
                        whole[-1][3],
                        float(np.array([row[4] for row in whole]).sum()),
                    )
                )
        self.closes = [opened + self.bar_ms for opened in self.opens]
        self.place_of_close = {close: place for place, close in enumerate(self.closes)}
        self.array = np.ascontiguousarray(np.array(self.rows).reshape(-1, 5).T)

    def price(self, place: int, name: str) -> float:
        open_, high, low, close, volume = self.rows[place]
        if name == "hlc3":
            return low + ((high - low) + (close - low)) / 3.0
        if name == "ohlc4":
            return (open_ + high + low + close) / 4.0
        return (open_, high, low, close, volume)[COLUMNS.index(name)]


class NaiveSignals:
    """The signals of a request with single values, over the minutes of some instruments."""

    def __init__(self, content: dict[str, Any], minutes: dict[tuple[int, str], Any], warmup: int) -> None:
        self.content, self.minutes, self.warmup = content, minutes, warmup
        self.let = content.get("let", {})
        own = content["instrument"]
        self.own_source = (own["market_id"], own["symbol"], content["timeframe"])
        self._bars: dict[tuple[int, str, str], NaiveBars] = {}
        self.own = self.bars(self.own_source)
        self.start = 0
        self._series: dict[Any, Any] = {}
        self._memo: dict[Any, Any] = {}

    def of_range(self, start_ms: int, end_ms: int, condition: dict[str, Any]) -> list[bool | None]:
        """The condition on every bar that lies wholly in the range."""
        inside = [
            place
            for place, opened in enumerate(self.own.opens)
            if opened >= start_ms and self.own.closes[place] <= end_ms
        ]
        self.start = inside[0]
        return [self.holds(condition, place, 0) for place in inside]

    def bars(self, source: tuple[int, str, str]) -> NaiveBars:
        if source not in self._bars:
            stamps, values = self.minutes[source[:2]]
            self._bars[source] = NaiveBars(stamps, values, source[2])
        return self._bars[source]

    def source(self, node: dict[str, Any]) -> tuple[int, str, str]:
        own = self.content["instrument"]
        instrument = node.get("instrument") or own
        return (instrument["market_id"], instrument["symbol"], node.get("timeframe") or self.content["timeframe"])

    # Operands: a number, or None where it is missing. `extra` is how far back conditions around it reach.

    def value(self, operand: Any, t: int, extra: int) -> float | None:
        if isinstance(operand, str):
            return self.value(self.let[operand], t, extra)
        if isinstance(operand, int | float):
            return float(operand)
        if "time" in operand:
            if t < 0:
                return None
            opened = self.own.opens[t]
            hours = opened // 3_600_000
            return float(hours % 24 if operand["time"] == "hour" else (hours // 24 + 3) % 7)
        if "price" in operand or "id" in operand:
            place = self.place(operand, t)
            return None if place is None else self.at_place(operand, place - operand.get("shift", 0), extra, 0)
        ((kind, written),) = operand.items()
        parts = [self.value(part, t, extra) for part in (written if isinstance(written, list) else [written])]
        if any(part is None for part in parts):
            return None
        return finite(OPERATIONS[kind], parts)

    def place(self, operand: dict[str, Any], t: int) -> int | None:
        """The bar of the operand's own candles that was closed last at a bar's close."""
        if t < 0:
            return None
        bars = self.bars(self.source(operand))
        decision = self.own.closes[t]
        return bars.place_of_close.get(decision - decision % bars.bar_ms)

    def at_place(self, operand: dict[str, Any], place: int, extra: int, more: int) -> float | None:
        """The operand's value on a bar of its own candles."""
        if place < 0:
            return None
        bars = self.bars(self.source(operand))
        if "price" in operand:
            return bars.price(place, operand["price"])
        indicator = INDICATORS[operand["id"]]
        params = {name: param.default for name, param in indicator.params.items()} | operand.get("params", {})
        history = indicator.lookback(**params) + operand.get("shift", 0) + more
        first = self.first(operand, history, extra)
        output = operand.get("output") or (operand["id"] if len(indicator.outputs) > 1 else indicator.outputs[0])
        key = ("series", str(operand), first)
        if key not in self._series:
            inputs = {name: columns[0] for name, columns in indicator.inputs.items()} | operand.get("inputs", {})
            self._series[key] = compute(indicator, bars.array[:, first:], inputs, params)[output].tolist()
        if place < first:
            return None
        value = self._series[key][place - first]
        return None if math.isnan(value) else value

    def first(self, operand: dict[str, Any], history: int, extra: int) -> int:
        """The bar of its own candles that a series begins at."""
        source = self.source(operand)
        if source == self.own_source:
            return max(0, self.start - max(self.warmup, history + extra))
        closes = self.bars(source).closes
        at_start = sum(close <= self.own.closes[self.start] for close in closes)
        at_first = sum(close <= self.own.closes[max(0, self.start - extra)] for close in closes)
        return max(0, at_start - 1 - max(self.warmup, history + at_start - at_first))

    # Conditions.

    def holds(self, condition: dict[str, Any], t: int, extra: int) -> bool | None:
        key = (id(condition), t, extra)
        if key not in self._memo:
            self._memo[key] = self._holds(condition, t, extra)
        return self._memo[key]

    def _holds(self, condition: dict[str, Any], t: int, extra: int) -> bool | None:
        if "rule" in condition:
            return self.rule(condition, t, extra)
        ((kind, written),) = condition.items()
        if kind == "all":
            return every([self.holds(part, t, extra) for part in written])
        if kind == "any":
            return some([self.holds(part, t, extra) for part in written])
        if kind == "not":
            return negated(self.holds(written, t, extra))
        if kind in ("held_for", "within_last"):
            inner, length = written
            spell = [self.holds(inner, t - back, extra + length - 1) for back in range(length)]
            return every(spell) if kind == "held_for" else some(spell)
        if kind == "earlier":
            return self.holds(written[0], t - written[1], extra + written[1])
        if kind in ("rising", "falling"):
            return self.trend(written[0], written[1], kind == "rising", t, extra)
        if kind == "between":
            x, low, high = written
            return every([negated(self.is_above(low, x, t, extra)), negated(self.is_above(x, high, t, extra))])
        one, other = written if kind.endswith("above") else written[::-1]
        if kind in ("above", "below"):
            return self.is_above(one, other, t, extra)
        return every(
            [self.is_above(one, other, t, extra + 1), negated(self.is_above(one, other, t - 1, extra + 1))]
        )

    def is_above(self, one: Any, other: Any, t: int, extra: int) -> bool | None:
        left, right = self.value(one, t, extra), self.value(other, t, extra)
        return None if left is None or right is None else left > right

    def trend(self, operand: Any, length: int, rising: bool, t: int, extra: int) -> bool | None:
        while isinstance(operand, str):
            operand = self.let[operand]
        own = isinstance(operand, dict) and ("price" in operand or "id" in operand)
        if own and self.source(operand) != self.own_source:
            place = self.place(operand, t)
            if place is None:
                return None
            place -= operand.get("shift", 0)
            values = [self.at_place(operand, place - back, extra, length) for back in range(length + 1)]
        else:
            values = [self.value(operand, t - back, extra + length) for back in range(length + 1)]
        steps = []
        for now, before in pairwise(values):
            missing = now is None or before is None
            steps.append(None if missing else now > before if rising else now < before)
        return every(steps)

    def rule(self, rule: dict[str, Any], t: int, extra: int) -> bool | None:
        place = self.place(rule, t)
        if place is None:
            return None
        indicator = INDICATORS[rule["rule"]]
        params = {name: param.default for name, param in indicator.params.items()} | rule.get("params", {})
        signal = {name: one.default for name, one in indicator.rule.params.items()} | rule.get("signal", {})
        history = indicator.lookback(**params) + FAMILIES[indicator.rule.family].lookback(**signal)
        first = self.first(rule, history, extra)
        key = ("rule", str(rule), first)
        if key not in self._series:
            bars = self.bars(self.source(rule))
            count = len(bars.rows)
            plane = build_plane(indicator, bars.array, rule.get("inputs", {}), params, signal, first, first, count)
            self._series[key] = unpack(plane, count - first)[0 if rule["side"] == "long" else 1].tolist()
        if place - first < history:
            return None
        return self._series[key][place - first]


def every(parts: list[bool | None]) -> bool | None:
    if any(part is False for part in parts):
        return False
    return None if any(part is None for part in parts) else True


def some(parts: list[bool | None]) -> bool | None:
    if any(part is True for part in parts):
        return True
    return None if any(part is None for part in parts) else False


def negated(part: bool | None) -> bool | None:
    return None if part is None else not part


def finite(operation: Callable[..., float], parts: list[Any]) -> float | None:
    try:
        value = operation(*parts)
    except (ZeroDivisionError, OverflowError):
        return None
    return value if math.isfinite(value) else None


def added(*parts: float) -> float:
    total = parts[0]
    for part in parts[1:]:
        total += part
    return total


def multiplied(*parts: float) -> float:
    total = parts[0]
    for part in parts[1:]:
        total *= part
    return total


OPERATIONS: dict[str, Callable[..., float]] = {
    "plus": added,
    "minus": lambda one, other: one - other,
    "times": multiplied,
    "over": lambda one, other: one / other,
    "abs": abs,
    "max": max,
    "min": min,
}
