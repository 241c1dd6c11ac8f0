"""The new bars of runs that go on together."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from candleray.candles import Candles, FloatArray, IntArray
from candleray.search.signals.expressions import SourceKey
from kernels.live.steps import Tapes


class LaneBars(NamedTuple):
    """New bars of a lane, and what has come with them."""

    candles: Candles
    after_gap: NDArray[np.uint8]
    """1 for a bar that a gap lies before over which no position is held."""
    others: Mapping[SourceKey, Candles]
    """The other candles since the last bar; none where there is no new bar."""
    gaps: list[tuple[int, int]]
    """Runs of missing minutes of its instrument, `[start, end)` in ms; the minute at the end has come."""
    are_told: bool = False
    """True where what the bars have to say is known already."""

    @property
    def close(self) -> FloatArray:
        return self.candles.column("close")

    @property
    def opens_ms(self) -> IntArray:
        return self.candles.ts_open_ms

    def part(self, first: int, stop: int) -> LaneBars:
        """Some of the bars; the other candles come with the first ones."""
        candles = Candles(self.opens_ms[first:stop], self.candles.values[:, first:stop])
        others = self.others if first == 0 else {}
        return LaneBars(candles, self.after_gap[first:stop], others, [])


def tapes_of(bars: Sequence[LaneBars]) -> Tapes:
    """The new bars of some lanes, as many of each, a row each."""
    return Tapes(
        np.stack([each.opens_ms for each in bars]),
        np.stack([each.close for each in bars]),
        np.stack([each.after_gap for each in bars]),
    )
