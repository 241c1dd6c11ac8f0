"""Indicators and their rules over bars that come in pieces, bar by bar if need be: the same bits as over all bars
at once.

Nothing here knows any indicator. A windowed one is computed anew over the last bars it is made of, from a bar of
its phase on; a recursive one goes on from its state. Both run the kernel that a search runs.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from kernels.bits import words
from kernels.declare import Indicator, Number, Param
from kernels.rules import FAMILIES
from kernels.signals import FloatArray, beginning, column, room


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

    @property
    def earlier_bars(self) -> int:
        """The number of bars before the next one that `advance` wants to see again; never more than were seen."""
        return self.indicator.earlier_bars(self.seen, self._params)

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


class GrowingSignal:
    """The signal of an indicator's own rule from a first bar on, with the outputs that the rule reads again."""

    def __init__(self, series: GrowingSeries, signal: Mapping[str, Number]) -> None:
        rule = series.indicator.rule
        self.series = series
        self._family = FAMILIES[rule.family]
        self._params = _cast(rule.params, signal)
        self._kept = np.empty((len(rule.outputs), 0))
        self._lookback = self._family.lookback(**self._params)

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
        self._kept = outputs[:, max(0, outputs.shape[1] - self._lookback) :]
        return plane
