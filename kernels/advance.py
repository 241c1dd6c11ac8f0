"""Indicators and their rules over bars that come in pieces: the same bits as over all bars at once.

Nothing here knows any indicator. A windowed one is computed anew over the last bars it is made of, from a bar of
its phase on; a recursive one goes on from its state. Both run the kernel that a search runs.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from kernels.bits import words
from kernels.declare import Indicator, Number, Param
from kernels.rules import FAMILIES
from kernels.signals import FloatArray, beginning, column, room

COLUMNS = ("open", "high", "low", "close", "volume", "hlc3", "ohlc4")
"""The rows of a `BarWindow`: those of candles, and the means of prices that indicators read."""

_CANDLE_ROWS = 5


class BarWindow:
    """The last bars of some candles, for indicators and rules that take one more bar at a time."""

    def __init__(self, values: FloatArray, bars: int) -> None:
        """
        Args:
            values: candles `[5, n]`, the last of which are kept.
            bars: how many are kept.
        """
        self.bars = bars
        kept = values[:, max(0, values.shape[1] - bars) :]
        self.stop = kept.shape[1]
        """The bars lie in the columns before this one."""
        # Some at a time are forgotten, so that most bars move nothing.
        self.rows = np.empty((len(COLUMNS), bars + 32 + bars // 2))
        self.place = np.array([self.rows.ctypes.data, self.rows.shape[1], self.stop])
        """The address of the first row, the length of each, and where the bars stop: for compiled code."""
        self.rows[:, : self.stop] = with_means(kept)

    def append(self, bar: FloatArray) -> None:
        """Add a bar `[7, 1]`, as `with_means` makes it."""
        if self.stop == self.rows.shape[1]:
            self.rows[:, : self.bars] = self.rows[:, self.stop - self.bars : self.stop].copy()
            self.stop = self.bars
        self.rows[:, self.stop] = bar[:, 0]
        self.stop += 1
        self.place[2] = self.stop

    def ends_with(self, values: FloatArray) -> bool:
        """Tell if its last bars are these candles."""
        count = values.shape[1]
        own = self.rows[:_CANDLE_ROWS, max(0, self.stop - count) : self.stop]
        return own.shape == values.shape and bool((own == values).all())

    def last(self, bars: int) -> FloatArray:
        """The last candles, `[5, n]`."""
        return self.rows[:_CANDLE_ROWS, max(0, self.stop - bars) : self.stop]


def with_means(values: FloatArray) -> FloatArray:
    """Candles `[5, n]` with the means of their prices, in the rows of a `BarWindow`."""
    return np.stack([column(values, name) for name in COLUMNS])


def _cast(declared: Mapping[str, Param], given: Mapping[str, Number]) -> dict[str, Number]:
    return {name: param.cast(given[name]) for name, param in declared.items()}


class SeriesState(NamedTuple):
    """All that the next bars of a series, and of its rule, depend on besides the bars themselves."""

    seen: int
    state: FloatArray
    """Floats of a recursive indicator; a windowed one has none."""
    kept: FloatArray
    """`(outputs, bars)` that the rule reads again."""

    @classmethod
    def of(cls, seen: int, state: FloatArray | None, kept: FloatArray | None = None) -> SeriesState:
        none = np.empty(0) if state is None else state.copy()
        return cls(seen, none, np.empty((0, 0)) if kept is None else kept.copy())


class GrowingSeries:
    """The outputs of an indicator from a first bar on."""

    def __init__(self, indicator: Indicator, inputs: Mapping[str, str], params: Mapping[str, Number]) -> None:
        """
        Raises:
            KeyError: for a missing parameter; ValueError: for a fraction where a whole number is wanted.
        """
        self.indicator = indicator
        self._inputs = dict(inputs)
        self._params = _cast(indicator.params, params)
        self.numbers = tuple(self._params.values())
        self.state = beginning(indicator, self._params)
        self.seen = 0
        """Bars so far."""
        self.rows = [COLUMNS.index(self._inputs.get(name, at[0])) for name, at in indicator.inputs.items()]
        """The rows of a `BarWindow` that are its inputs."""
        self.reach, self.phase = indicator.reach(self._params), indicator.phase(**self._params)

    @property
    def earlier_bars(self) -> int:
        """The number of bars before the next one that `advance` wants to see again; never more than were seen."""
        first = max(0, self.seen - self.reach)
        return self.seen - (first - first % self.phase)

    def saved(self) -> SeriesState:
        return SeriesState.of(self.seen, self.state)

    def restore(self, saved: SeriesState) -> None:
        """Go on from there.

        Raises:
            ValueError: it is the state of another series.
        """
        size = 0 if self.state is None else self.state.size
        if saved.seen < 0 or saved.state.shape != (size,):
            raise ValueError(f"{self.indicator.name} has {size} floats of state: got {saved.state.shape}")
        self.seen = saved.seen
        if self.state is not None:
            self.state = saved.state.copy()

    def advance(self, values: FloatArray, new: int) -> dict[str, FloatArray]:
        """The outputs on the last `new` bars of the candles `values[5, n]`; those before them were seen.

        Raises:
            ValueError: for fewer earlier bars than are wanted; nothing has changed then.
        """
        earlier, before = self.earlier_bars, values.shape[1] - new
        if new < 0 or before < earlier:
            raise ValueError(f"{self.indicator.name} wants {earlier} bars before {new} new ones: got {before}")
        window = values[:, before - earlier :]
        columns = [column(window, self._inputs.get(name, at[0])) for name, at in self.indicator.inputs.items()]
        outputs = [room(self.indicator, earlier + new) for _ in self.indicator.outputs]
        self.indicator.compute_into(columns, self.numbers, outputs, self.state, earlier)
        self.seen += new
        return {name: out[earlier:] for name, out in zip(self.indicator.outputs, outputs, strict=True)}


class GrowingSignal:
    """The signal of an indicator's own rule from a first bar on, with the outputs that the rule reads again."""

    def __init__(self, series: GrowingSeries, signal: Mapping[str, Number]) -> None:
        rule = series.indicator.rule
        self.series = series
        self.family = FAMILIES[rule.family]
        self._params = _cast(rule.params, signal)
        self.numbers = tuple(self._params.values())
        self.lookback = self.family.lookback(**self._params)
        self.outputs = [series.indicator.outputs.index(name) for name in rule.outputs]
        """The numbers of the outputs that it reads."""
        self.rows = [COLUMNS.index(name) for name in self.family.columns]
        self.kept = np.empty((len(rule.outputs), 0))
        """The outputs that it reads again."""

    def saved(self) -> SeriesState:
        return SeriesState.of(self.series.seen, self.series.state, self.kept)

    def restore(self, saved: SeriesState) -> None:
        """Go on from there.

        Raises:
            ValueError: it is the state of another signal.
        """
        wanted = len(self.outputs), min(saved.seen, self.lookback)
        if saved.kept.shape != wanted:
            raise ValueError(f"{self.series.indicator.name} keeps outputs {wanted}: got {saved.kept.shape}")
        self.series.restore(saved)
        self.kept = saved.kept.copy()

    def advance(self, values: FloatArray, new: int) -> NDArray[np.uint64]:
        """Long and short bits `uint64[2, words]` of the last `new` bars, as `GrowingSeries.advance` takes them."""
        series = self.series.advance(values, new)
        fresh = np.stack([series[name] for name in self.series.indicator.rule.outputs])
        outputs = np.concatenate([self.kept, fresh], axis=1)
        start = outputs.shape[1] - new
        # A rule reads the bars before in its outputs alone.
        unread = np.full(start, np.nan)
        bars = values[:, values.shape[1] - new :]
        columns = [np.concatenate([unread, column(bars, name)]) for name in self.family.columns]
        plane = np.empty((2, words(new)), np.uint64)
        self.family.kernel(*columns, *outputs, *self.numbers, start, *plane.view(np.uint8))
        # A copy: a view would keep the outputs on all bars.
        self.kept = outputs[:, max(0, outputs.shape[1] - self.lookback) :].copy()
        return plane
