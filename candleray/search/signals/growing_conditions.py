"""Conditions over bars that come in pieces: the bits of the planes over all bars at once.

Nothing is evaluated here: an `Evaluator` sees the new bars and as many before them as the conditions read, and the
series of indicators go on from piece to piece (`kernels.advance`). Every series begins with the first bar of its
candles, as in an `Evaluator` whose warm-up is all there is.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Protocol, TypeAlias, TypeVar

import numpy as np

from candleray.candles import Candles, FloatArray
from candleray.market_data.range_coverage import RangeCoverage
from candleray.search.bars import Bars
from candleray.search.signals.evaluator import Evaluator
from candleray.search.signals.expressions import (
    Chosen,
    Expression,
    IndicatorSeries,
    RuleSide,
    SourceKey,
    needs,
    parts_of,
)
from candleray.timeframes import MINUTE_MS, minutes_of
from kernels.advance import GrowingSeries, GrowingSignal, SeriesState
from kernels.bits import unpack
from kernels.indicators import INDICATORS
from kernels.pairs import Pair

Key: TypeAlias = tuple[Chosen, str]
"""An indicator, and one of its outputs or a side of its rule."""

Growing = TypeVar("Growing")

_NO_COVERAGE = RangeCoverage((0, 0), (0, 0), 0, np.empty((0, 4), np.int64), np.empty((0, 2), np.int64))
_SIDES = ("long", "short")


class GrowingConditions:
    """Conditions in which everything is fixed, over the bars of one strategy and the other candles they read."""

    def __init__(self, conditions: Sequence[Expression], bar_ms: int) -> None:
        self.conditions, self.bar_ms = conditions, bar_ms
        self._needs = [need for condition in conditions for need in needs(condition)]
        self._earlier = max(
            (need.extra_bars + (0 if need.source else need.own_values) for need in self._needs), default=0
        )
        parts = [part for condition in conditions for part in parts_of(condition)]
        self.own = GrowingTape(_read_of(parts, None))
        """The strategy's own bars, and what is read of them."""
        others = sorted({need.source for need in self._needs if need.source is not None})
        self.tapes = {source: GrowingTape(_read_of(parts, source)) for source in others}

    @property
    def others(self) -> Sequence[SourceKey]:
        """The other candles that are read."""
        return tuple(self.tapes)

    @property
    def kept_bars(self) -> int:
        """The bars, of the strategy's and of other candles, that the next ones are read with."""
        return len(self.own.candles) + sum(len(tape.candles) for tape in self.tapes.values())

    def advance(self, bars: Candles, others: Mapping[SourceKey, Candles]) -> list[Pair]:
        """The planes of each condition on these bars, which follow those that came before.

        Args:
            others: the other candles that have come since; all that were closed when the last of the bars was.

        Raises:
            ValueError: for a candle that is not later than those that came before; nothing has changed then.
        """
        read = self.tapes.keys() & others.keys()
        pieces = [(self.own, bars), *((self.tapes[source], others[source]) for source in read)]
        for tape, new in pieces:
            tape.refuse_known(new)
        for tape, new in pieces:
            # Most bars bring no other candle: with bands over 2,000 hours they take 0.12 ms then, not 0.18.
            if len(new):
                tape.append(new)
        if not len(bars):
            return [np.empty((2, 0), np.uint64) for _ in self.conditions]
        evaluator = self._evaluator(self.own.last(len(bars) + self._earlier), len(bars))
        planes = [evaluator.plane(condition) for condition in self.conditions]
        self._forget()
        return planes

    def saved(self) -> dict[str, Any]:
        """All that the next planes depend on besides the bars that come."""
        return {"own": self.own.saved(), "others": [tape.saved() for tape in self.tapes.values()]}

    def restore(self, saved: Mapping[str, Any]) -> None:
        """Go on from what was `saved`, before any bar.

        Raises:
            ValueError: it is the state of other conditions.
        """
        self.own.restore(saved["own"])
        for tape, each in zip(self.tapes.values(), saved["others"], strict=True):
            tape.restore(each)

    def _evaluator(self, window: Candles, new: int) -> Evaluator:
        """An evaluator of the new bars, the last ones of a window."""
        others = {source: tape.candles for source, tape in self.tapes.items()}
        bars = Bars(window, len(window) - new, self.bar_ms, hash="", coverage=_NO_COVERAGE, others=others)
        values: dict[tuple[Any, ...], FloatArray] = {}
        for key, series in self.own.values.items():
            values[None, *key] = series[series.size - len(window) :]
        for source, tape in self.tapes.items():
            values |= {(source, *key): series for key, series in tape.values.items()}
        return _WindowEvaluator(bars, values)

    def _forget(self) -> None:
        """Keep what the next bar reads."""
        self.own.keep(self._earlier + 1)
        first_ms = int(self.own.last(self._earlier + 1).ts_open_ms[0]) + self.bar_ms
        for source, tape in self.tapes.items():
            closes = tape.candles.ts_open_ms + minutes_of(source.timeframe) * MINUTE_MS
            read = max(need.own_values for need in self._needs if need.source == source)
            tape.keep(int((closes > first_ms).sum()) + 1 + read)


def _read_of(parts: Iterable[Expression], source: SourceKey | None) -> tuple[set[Chosen], set[Chosen]]:
    """The indicators whose outputs are read of these candles, and those whose rules are."""
    of_source = [part for part in parts if isinstance(part, IndicatorSeries | RuleSide) and part.source == source]
    series = {part.chosen for part in of_source if isinstance(part, IndicatorSeries)}
    return series, {part.chosen for part in of_source if isinstance(part, RuleSide)}


def _growing(chosen: Chosen) -> GrowingSeries:
    return GrowingSeries(INDICATORS[chosen.id], dict(chosen.inputs), dict(chosen.params))


def in_order(series: Mapping[Chosen, Growing]) -> list[Growing]:
    """The series or signals of indicators, in an order that is the same in every process."""
    return [series[chosen] for chosen in sorted(series, key=_order)]


def _order(chosen: Chosen) -> tuple[Any, ...]:
    return chosen.id, chosen.inputs, chosen.params, chosen.signal


class _Saved(Protocol):
    def saved(self) -> SeriesState: ...


def saved_series(series: Mapping[Chosen, _Saved], signals: Mapping[Chosen, _Saved]) -> dict[str, Any]:
    """The states of series, and of signals, that are read of some candles."""
    of_series, of_signals = ([one.saved() for one in in_order(each)] for each in (series, signals))
    return {"series": of_series, "signals": of_signals}


class GrowingTape:
    """The last candles of a source, and the last values of what is read of them, bar by bar as the candles."""

    def __init__(self, read: tuple[set[Chosen], set[Chosen]]) -> None:
        self.series = {chosen: _growing(chosen) for chosen in read[0]}
        self.signals = {chosen: GrowingSignal(_growing(chosen), dict(chosen.signal)) for chosen in read[1]}
        self.candles = Candles.empty()
        self.values: dict[Key, FloatArray] = {}
        self.append(Candles.empty())

    def refuse_known(self, new: Candles) -> None:
        if len(new) and len(self.candles) and new.ts_open_ms[0] <= self.candles.ts_open_ms[-1]:
            raise ValueError(f"candle {new.ts_open_ms[0]} comes after candle {self.candles.ts_open_ms[-1]}")

    def append(self, new: Candles) -> None:
        candles, count = self.candles, len(new)
        if len(candles):
            stamps = np.concatenate([candles.ts_open_ms, new.ts_open_ms])
            self.candles = Candles(stamps, np.concatenate([candles.values, new.values], axis=1))
        else:  # no copy of a whole history
            self.candles = new
        for chosen, series in self.series.items():
            for name, made in series.advance(self.candles.values, count).items():
                self._extend((chosen, name), made)
        for chosen, signal in self.signals.items():
            seen = signal.series.seen
            flags = unpack(signal.advance(self.candles.values, count), count).astype(float)
            flags[:, : max(0, chosen.rule_lookback_bars - seen)] = np.nan
            for side, made in zip(_SIDES, flags, strict=True):
                self._extend((chosen, side), made)

    def saved(self) -> dict[str, Any]:
        return {
            "candles": [self.candles.ts_open_ms, self.candles.values],
            "values": [self.values[key] for key in self._keys()],
            **saved_series(self.series, self.signals),
        }

    def restore(self, saved: Mapping[str, Any]) -> None:
        """Go on from what was `saved`.

        Raises:
            ValueError: it is the state of others.
        """
        for series, state in zip(in_order(self.series), saved["series"], strict=True):
            series.restore(SeriesState(*state))
        for signal, state in zip(in_order(self.signals), saved["signals"], strict=True):
            signal.restore(SeriesState(*state))
        if "candles" in saved:
            self.candles = Candles(*saved["candles"])
            self.values = dict(zip(self._keys(), saved["values"], strict=True))

    def _keys(self) -> list[Key]:
        return sorted(self.values, key=lambda key: (*_order(key[0]), key[1]))

    def _extend(self, key: Key, made: FloatArray) -> None:
        earlier = self.values.get(key)
        self.values[key] = made if earlier is None or not earlier.size else np.concatenate([earlier, made])

    def last(self, count: int) -> Candles:
        first = max(0, len(self.candles) - count)
        return Candles(self.candles.ts_open_ms[first:], self.candles.values[:, first:])

    def keep(self, values: int) -> None:
        """Forget all but the last values, and the candles before those that some series will see again."""
        growing = [*self.series.values(), *(signal.series for signal in self.signals.values())]
        kept = self.last(max([values, *(series.earlier_bars for series in growing)]))
        # Copies: a view would keep all of a long piece.
        self.candles = Candles(kept.ts_open_ms.copy(), kept.values.copy())
        self.values = {
            key: series[max(0, series.size - len(kept)) :].copy() for key, series in self.values.items()
        }


class _WindowEvaluator(Evaluator):
    """An evaluator over the last bars, whose series are there already."""

    def __init__(self, bars: Bars, values: Mapping[tuple[Any, ...], FloatArray]) -> None:
        super().__init__(bars, 0)
        self._values = values

    def _first(self, history: int) -> int:
        return 0

    def _first_of(self, source: SourceKey, history: int, extra: int) -> int:
        return 0

    def _indicator(self, chosen: Chosen, output: str, source: SourceKey | None, first: int) -> FloatArray:
        return self._values[source, chosen, output]

    def _rule_flags(self, rule: RuleSide, source: SourceKey | None, first: int) -> FloatArray:
        return self._values[source, rule.chosen, rule.side]
