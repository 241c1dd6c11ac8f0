"""The times at which trades filled."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from candleray.candles import IntArray
from candleray.timeframes import MINUTE_MS
from kernels.simulation.equity_curve import ReportedBars
from kernels.simulation.exits import EXIT_SIGNAL
from kernels.simulation.fills import Fills


class TradeTimes(NamedTuple):
    entry_ms: IntArray
    exit_ms: IntArray
    """A level inside a bar is reached by the close of its minute."""


def trade_times(trades: NDArray[np.void], bars: ReportedBars, fills: Fills) -> TradeTimes:
    """Return when these trades filled: at opens, closes, or minutes between."""
    opens, bar = bars.ts_open_ms, trades["exit_bar"]
    entry_ms = opens[trades["entry_bar"]] + (0 if fills.delay else bars.bar_ms)
    if fills.is_inside:
        exit_ms = opens[bar] + (trades["exit_time"] % fills.times_a_bar + 1) * MINUTE_MS
    else:
        exit_ms = opens[bar] + bars.bar_ms
    if fills.delay:
        exit_ms = np.where(trades["exit_reason"] == EXIT_SIGNAL, opens[bar], exit_ms)
    return TradeTimes(entry_ms, exit_ms)
