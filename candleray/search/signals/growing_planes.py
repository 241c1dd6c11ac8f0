"""Planes of one variant over bars that come in pieces: the bits that a search makes over all bars at once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from candleray.candles import Candles
from candleray.search.indicator_grid import IndicatorVariant
from candleray.search.signals.expressions import SourceKey
from candleray.search.signals.growing_conditions import GrowingConditions
from candleray.search.signals.plain_planes import PlainPlanes, PlainSignals, plain_conditions
from candleray.search.variants import VariantGrid
from kernels.advance import GrowingSeries, GrowingSignal, SeriesState
from kernels.indicators import INDICATORS


class GrowingPlanes(Protocol):
    """A pair of planes for each group of a grid of one variant: its indicators, or its signals' conditions."""

    @property
    def others(self) -> Sequence[SourceKey]:
        """The other candles that are read."""
        ...

    def advance(self, bars: Candles, others: Mapping[SourceKey, Candles]) -> NDArray[np.uint64]:
        """The planes `(groups, 2, words)` of these bars, which follow those that came before.

        Args:
            others: the other candles that have come since.
        """
        ...

    def plain(self) -> PlainPlanes | None:
        """The same planes, going on by single bars of candles that runs share; None where they are not plain."""
        ...

    def saved(self) -> dict[str, Any]:
        """All that the next planes depend on besides the bars that come, as arrays and whole numbers."""
        ...

    def restore(self, saved: Mapping[str, Any]) -> PlainPlanes | None:
        """Go on from what was `saved`, of these or of the plain ones: as plain ones where they are plain.

        Raises:
            ValueError: it is the state of others.
        """
        ...


def growing_planes(grid: VariantGrid, bar_ms: int) -> GrowingPlanes:
    if grid.request.signals is None:
        return _IndicatorPlanes([group.at(0) for group in grid.groups])
    return _ConditionPlanes(GrowingConditions([leaf.at(0) for leaf in grid.groups], bar_ms))


class _ConditionPlanes:
    def __init__(self, conditions: GrowingConditions) -> None:
        self._conditions = conditions
        self.others = conditions.others

    def advance(self, bars: Candles, others: Mapping[SourceKey, Candles]) -> NDArray[np.uint64]:
        return np.stack(self._conditions.advance(bars, others))

    def plain(self) -> PlainPlanes | None:
        return plain_conditions(self._conditions)

    def saved(self) -> dict[str, Any]:
        return self._conditions.saved()

    def restore(self, saved: Mapping[str, Any]) -> PlainPlanes | None:
        self._conditions.restore(saved)
        plain = plain_conditions(self._conditions)
        if plain is not None:
            plain.restore(saved)
        return plain


class _IndicatorPlanes:
    others: Sequence[SourceKey] = ()

    def __init__(self, variants: Sequence[IndicatorVariant]) -> None:
        self._signals = [
            GrowingSignal(GrowingSeries(INDICATORS[one.id], one.inputs, one.params), one.signal)
            for one in variants
        ]
        self._values = Candles.empty().values

    def advance(self, bars: Candles, others: Mapping[SourceKey, Candles]) -> NDArray[np.uint64]:
        before = self._values
        values = np.concatenate([before, bars.values], axis=1) if before.size else bars.values
        planes = np.stack([signal.advance(values, len(bars)) for signal in self._signals])
        kept = max(signal.series.earlier_bars for signal in self._signals)
        self._values = values[:, values.shape[1] - kept :].copy()
        return planes

    def plain(self) -> PlainPlanes:
        return PlainSignals(self._signals, self._values)

    def saved(self) -> dict[str, Any]:
        return {"signals": [signal.saved() for signal in self._signals]}

    def restore(self, saved: Mapping[str, Any]) -> PlainPlanes:
        for signal, state in zip(self._signals, saved["signals"], strict=True):
            signal.restore(SeriesState(*state))
        return PlainSignals(self._signals, self._values)
