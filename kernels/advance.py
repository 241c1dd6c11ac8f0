"""Indicators and their rules over bars that come in pieces, bar by bar if need be: the same bits as over all bars
at once.

Nothing here knows any indicator. A windowed one is computed anew over the last bars it is made of, from a bar of
its phase on; a recursive one goes on from its state. Both run the kernel that a search runs.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import cache
from typing import Any

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
        self.newest: list[FloatArray] = []
        """Each row's last bar alone."""
        self._write(kept, 0)

    def append(self, bar: FloatArray) -> None:
        """Add a candle `[5, 1]`."""
        if self.stop == self.rows.shape[1]:
            self.rows[:, : self.bars] = self.rows[:, self.stop - self.bars : self.stop].copy()
            self.stop = self.bars
        self._write(bar, self.stop)
        self.stop += 1
        self.newest = [*self.rows[:, self.stop - 1 : self.stop]]

    def ends_with(self, values: FloatArray) -> bool:
        """Tell if its last bars are these candles."""
        count = values.shape[1]
        own = self.rows[:_CANDLE_ROWS, max(0, self.stop - count) : self.stop]
        return own.shape == values.shape and bool((own == values).all())

    def last(self, bars: int) -> FloatArray:
        """The last candles, `[5, n]`."""
        return self.rows[:_CANDLE_ROWS, max(0, self.stop - bars) : self.stop]

    def _write(self, values: FloatArray, at: int) -> None:
        places = slice(at, at + values.shape[1])
        self.rows[:_CANDLE_ROWS, places] = values
        for row in range(_CANDLE_ROWS, len(COLUMNS)):
            self.rows[row, places] = column(values, COLUMNS[row])


def _cast(declared: Mapping[str, Param], given: Mapping[str, Number]) -> dict[str, Number]:
    return {name: param.cast(given[name]) for name, param in declared.items()}


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
        self._state = beginning(indicator, self._params)
        self.seen = 0
        """Bars so far."""
        self._rows = [COLUMNS.index(self._inputs.get(name, at[0])) for name, at in indicator.inputs.items()]
        self._reach, self._phase = indicator.reach(self._params), indicator.phase(**self._params)
        self.last: Sequence[FloatArray] = []
        """The outputs on the last bar after a `step`, in arrays of one value that are written again by others."""
        self._numbers = tuple(self._params.values())
        self.reads_one_bar = self.most_bars == 1
        """True where a step reads the new bar alone."""
        self._kernel: Callable[..., Any] = _not_loaded
        self._size = 0
        self._outputs: Sequence[FloatArray] = []
        self._arguments: tuple[Any, ...] = ()

    @property
    def earlier_bars(self) -> int:
        """The number of bars before the next one that `advance` wants to see again; never more than were seen."""
        first = max(0, self.seen - self._reach)
        return self.seen - (first - first % self._phase)

    @property
    def most_bars(self) -> int:
        """The bars that `step` reads at most, the new one among them."""
        return self._reach + self._phase

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
        self.indicator.compute_into(columns, self._params.values(), outputs, self._state, earlier)
        self.seen += new
        return {name: out[earlier:] for name, out in zip(self.indicator.outputs, outputs, strict=True)}

    def step(self, window: BarWindow) -> None:
        """Take the last bar of the window, which is new: its outputs are in `last`."""
        # There are thousands of these a minute, most below a microsecond in the kernel.
        size = 1 if self.reads_one_bar else self.earlier_bars + 1
        if size != self._size:
            outputs, last = _scratch(len(self.indicator.outputs), size)
            self._lay_out(size, outputs, last)
        if not self.indicator.fills:
            for each in self._outputs:
                each.fill(np.nan)
        if size == 1:
            newest = window.newest
            self._kernel(*[newest[row] for row in self._rows], *self._arguments)
        else:
            rows, first, stop = window.rows, window.stop - size, window.stop
            self._kernel(*[rows[row, first:stop] for row in self._rows], *self._arguments)
        self.seen += 1

    def write_to(self, outputs: Mapping[int, FloatArray]) -> None:
        """Have each `step` write these outputs, by their numbers, to arrays of one value; it reads one bar."""
        places = [outputs.get(number, np.empty(1)) for number in range(len(self.indicator.outputs))]
        self._lay_out(1, places, places)

    def _lay_out(self, size: int, outputs: Sequence[FloatArray], last: Sequence[FloatArray]) -> None:
        """Write to these arrays from the next step on, over so many bars with the new one."""
        self._size, self._outputs, self.last = size, outputs, last
        self._kernel = _loaded(self.indicator.kernel)
        self._arguments = self.indicator.arguments(self._numbers, outputs, self._state, size - 1)


@cache
def _scratch(outputs: int, size: int) -> tuple[Sequence[FloatArray], Sequence[FloatArray]]:
    """Arrays for so many outputs over so many bars, which all series share, and the last value of each."""
    rooms = [np.empty(size) for _ in range(outputs)]
    return rooms, [room[size - 1 :] for room in rooms]


def _not_loaded(*arguments: Any) -> None:
    raise AssertionError("a kernel is loaded when its arguments are laid out")


def _loaded(kernel: Any) -> Callable[..., Any]:
    # A call through the declaration takes half as long as the kernel.
    loaded: Callable[..., Any] = getattr(kernel, "compiled", kernel)
    return loaded


class GrowingSignal:
    """The signal of an indicator's own rule from a first bar on, with the outputs that the rule reads again."""

    def __init__(self, series: GrowingSeries, signal: Mapping[str, Number]) -> None:
        rule = series.indicator.rule
        self.series = series
        self._family = FAMILIES[rule.family]
        self._params = _cast(rule.params, signal)
        self._kept = np.empty((len(rule.outputs), 0))
        self._last: Sequence[FloatArray] = []
        self._long: NDArray[np.uint8] | None = None
        self._kernel: Callable[..., Any] = _not_loaded
        self._arguments: tuple[Any, ...] = ()
        self._lookback = self._family.lookback(**self._params)
        self._outputs = [series.indicator.outputs.index(name) for name in rule.outputs]
        self._rows = [COLUMNS.index(name) for name in self._family.columns]

    def advance(self, values: FloatArray, new: int) -> NDArray[np.uint64]:
        """Long and short bits `uint64[2, words]` of the last `new` bars, as `GrowingSeries.advance` takes them."""
        series = self.series.advance(values, new)
        fresh = np.stack([series[name] for name in self.series.indicator.rule.outputs])
        outputs = np.concatenate([self._kept, fresh], axis=1)
        start = outputs.shape[1] - new
        # A rule reads the bars before in its outputs alone.
        unread = np.full(start, np.nan)
        bars = values[:, values.shape[1] - new :]
        columns = [np.concatenate([unread, column(bars, name)]) for name in self._family.columns]
        plane = np.empty((2, words(new)), np.uint64)
        self._family.kernel(*columns, *outputs, *self._params.values(), start, *plane.view(np.uint8))
        # A copy: a view would keep the outputs on all bars.
        self._kept = outputs[:, max(0, outputs.shape[1] - self._lookback) :].copy()
        return plane

    def step(self, window: BarWindow, long: NDArray[np.uint8], short: NDArray[np.uint8]) -> None:
        """Write the signal of the last bar of the window, which is new, into two octets, `uint8[1]` each."""
        series = self.series
        series.step(window)
        newest = window.newest
        if self._lookback:
            self._step_over_earlier(newest, long, short)
            return
        if self._last is not series.last or self._long is not long:
            self._last, self._long, self._kernel = series.last, long, _loaded(self._family.kernel)
            outputs = [series.last[at] for at in self._outputs]
            self._arguments = (*outputs, *self._params.values(), 0, long, short)
        self._kernel(*[newest[row] for row in self._rows], *self._arguments)

    def _step_over_earlier(
        self, newest: Sequence[FloatArray], long: NDArray[np.uint8], short: NDArray[np.uint8]
    ) -> None:
        start = self._kept.shape[1]
        outputs = np.concatenate([self._kept, [self.series.last[at] for at in self._outputs]], axis=1)
        unread = np.full(start, np.nan)
        columns = [np.concatenate([unread, newest[row]]) for row in self._rows]
        self._kept = outputs[:, max(0, start + 1 - self._lookback) :]
        self._family.kernel(*columns, *outputs, *self._params.values(), start, long, short)
