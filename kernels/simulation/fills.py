"""The places where orders fill: signals at a close or the next open, levels at a close or inside the bar.

A bar's signal is known at its close. Where it fills at the next open, nothing comes between but the time to place
the order, so entries and exits keep the bar of their signal while ends are compared; `filled_bar` is the bar that
a fill belongs to, whose close is the first to mark it.

A level is looked at a time after the other: at the closes, or at the minutes of the bars, each of which may touch
it. The minutes are those of whole bars, one bar's after the other's, so that a bar is a quotient.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from kernels.jit import FLOAT, FLOATS, INT, inline, record_of
from kernels.simulation.exits import EXIT_SIGNAL

_NOTHING = np.empty(0)


class Minutes(NamedTuple):
    """The minutes of some bars, all of the first bar, then all of the second."""

    opens: NDArray[np.float64]
    highs: NDArray[np.float64]
    lows: NDArray[np.float64]


class Fills(NamedTuple):
    """The prices at which the signals of some bars fill, and the times at which levels are looked at."""

    prices: NDArray[np.float64]
    """The price at which a signal of each bar fills, before slippage."""
    delay: int
    """1 where that is the open of the next bar, 0 where it is the close."""
    times_a_bar: int
    """The times of a bar at which a level may be reached: its minutes, or 1 for its close."""
    bars_a_time: float
    """1 / `times_a_bar`."""
    opens: NDArray[np.float64]
    """The opens of the minutes; empty where levels are looked at on closes, as are `highs` and `lows`."""
    highs: NDArray[np.float64]
    lows: NDArray[np.float64]
    target_first: int
    """1 where a minute that touches both levels counts as a take-profit, 0 as a stop-loss."""

    @classmethod
    def at_closes(cls, close: NDArray[np.float64]) -> Fills:
        return cls.of(close)

    @classmethod
    def of(
        cls,
        close: NDArray[np.float64],
        *,
        opens: NDArray[np.float64] | None = None,
        minutes: Minutes | None = None,
        target_first: bool = False,
    ) -> Fills:
        """
        Args:
            opens: those of the bars, where signals fill at the next one.
            minutes: where a level is reached by a minute's high or low.
        """
        # No signal of the last bar fills: its close stands there for a number.
        prices = close if opens is None else np.append(opens[1:], close[-1:])
        inside = minutes or Minutes(_NOTHING, _NOTHING, _NOTHING)
        times = 1 if minutes is None else minutes.opens.size // max(1, close.size)
        return cls(prices, int(opens is not None), times, 1.0 / max(1, times), *inside, int(target_first))

    def check(self, n_bars: int) -> None:
        """
        Raises:
            ValueError: for prices or minutes of another number of bars.
        """
        sizes = {self.opens.size, self.highs.size, self.lows.size}
        wanted = {self.times_a_bar * n_bars} if self.is_inside else {0}
        if self.prices.size != n_bars or sizes != wanted or self.times_a_bar < 1:
            raise ValueError(f"fills of {self.prices.size} bars and {sorted(sizes)} minutes for {n_bars} bars")

    @property
    def is_inside(self) -> bool:
        return self.opens.size > 0

    @property
    def times(self) -> int:
        """The number of times of all bars."""
        return self.prices.size * self.times_a_bar


FILLS = record_of(Fills, FLOATS, INT, INT, FLOAT, FLOATS, FLOATS, FLOATS, INT)
"""The compiled type of `Fills`."""


@inline
def bar_at(fills, time):
    """The bar of a time: the quotient of whole numbers, by one multiplication. It is exact below 2^52 / bars."""
    return np.int64((time + 0.5) * fills.bars_a_time)


@inline
def closing_time(fills, bar):
    """The last time of a bar: its close."""
    return (bar + 1) * fills.times_a_bar - 1


@inline
def filled_bar(fills, bar, reason):
    """The bar at whose open or close an exit of that reason fills."""
    return bar + fills.delay if reason == EXIT_SIGNAL else bar


@inline
def price_of_exit(prices, bar, reason):
    """The price of an exit that is not at a level inside the bar, before slippage."""
    return prices.fills.prices[bar] if reason == EXIT_SIGNAL else prices.close[bar]


@inline
def price_at_level(opened, level, towards):
    """The price at a level that a minute touches: the level, or the minute's open where that is beyond it."""
    return min(level, opened) if towards < 0.0 else max(level, opened)


@inline
def exits_early(fills):
    """1 where an exit may come before the close of its bar, which then ruins nobody."""
    return 1 if fills.delay == 1 or fills.opens.size > 0 else 0
