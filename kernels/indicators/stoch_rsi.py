"""Stochastic RSI: where the relative strength index stands in its own range, smoothed, and its average.

    raw[t] = 100 · (rsi[t] - lowest rsi) / (highest rsi - lowest rsi), over the last `stoch_window` bars
    k[t] = mean of the last `k_smooth` raw values, d[t] = mean of the last `d_smooth` k

The index is `rsi` over `window`. Both outputs begin with d, at index window + stoch_window + k_smooth +
d_smooth - 3. A range of nothing counts as 50, its middle, where TA-Lib says 0. TA-Lib does not smooth k:
`k_smooth` 1 is its STOCHRSI, 3 is TradingView's. A NaN reaches what is made from it; after it the index begins
again.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from kernels.copying import copy
from kernels.declare import PRICES, Example, Indicator, Param, Rule
from kernels.indicators._extremes import channel
from kernels.indicators._means import mean_phase
from kernels.indicators._positions import smooth_positions
from kernels.indicators.rsi import RSI_STATE
from kernels.indicators.rsi import kernel as relative_strength_index
from kernels.indicators.stoch import position, smoothed
from kernels.jit import FLOATS, FLOATS_OUT, INT, jit, record_of


class Lines(NamedTuple):
    k: NDArray[np.float64]
    d: NDArray[np.float64]
    state: NDArray[np.float64]


LINES = record_of(Lines, *[FLOATS_OUT] * len(Lines._fields))


@jit(FLOATS, INT, INT, INT, INT, LINES, INT)
def kernel(source, window, stoch_window, k_smooth, d_smooth, lines, start):
    k, d = lines.k, lines.d
    # The index of earlier bars is kept, the last of them last: made of their prices alone it would be another one.
    kept = lines.state[RSI_STATE:]
    strength = np.empty(source.size)
    copy(kept[kept.size - start :], strength[:start])
    relative_strength_index(source[start:], window, strength[start:], lines.state)
    new = min(kept.size, strength.size - start)
    copy(kept[new:], kept[: kept.size - new])
    copy(strength[strength.size - new :], kept[kept.size - new :])
    channel(strength, strength, stoch_window, k, d)
    smooth_positions(strength, k_smooth, d_smooth, k, d)


def _earlier(stoch_window: int, k_smooth: int, d_smooth: int) -> int:
    """The bars before a bar whose index it is made of."""
    return stoch_window + k_smooth + d_smooth - 3


def _phase(k_smooth: int, d_smooth: int) -> int:
    return math.lcm(mean_phase(k_smooth), mean_phase(d_smooth))


def reference(
    source: Sequence[float], window: int, stoch_window: int, k_smooth: int, d_smooth: int
) -> list[list[float]]:
    # The kernel's own index: its reference differs in the last digit, and where the index hardly moves, its place
    # in its range is made of nothing else.
    strength = np.full(len(source), np.nan)
    relative_strength_index(np.array(source, np.float64), window, strength, np.zeros(RSI_STATE))
    raw = [math.nan] * len(source)
    for t in range(stoch_window - 1, len(source)):
        raw[t] = position(strength[t], strength[t - stoch_window + 1 : t + 1].tolist())
    return smoothed(raw, k_smooth, d_smooth)


INDICATOR = Indicator(
    title="Stochastic RSI",
    source="Chande & Kroll 1994, The New Technical Trader; TradingView's Stochastic RSI, TA-Lib STOCHRSI",
    kernel=kernel,
    reference=reference,
    inputs={"source": PRICES},
    outputs=("k", "d"),
    outputs_type=Lines,
    params={
        "window": Param("int", 14, 2, 5_000, 1, (7, 21, 7), "bars of the relative strength index"),
        "stoch_window": Param("int", 14, 2, 20_000, 1, (14, 14, 1), "bars of its range"),
        "k_smooth": Param("int", 3, 1, 1_000, 1, (3, 3, 1), "bars of the mean that is k"),
        "d_smooth": Param("int", 3, 1, 1_000, 1, (3, 3, 1), "bars of the mean of k that is d"),
    },
    lookback=lambda window, stoch_window, k_smooth, d_smooth: window + stoch_window + k_smooth + d_smooth - 3,
    state_size=lambda window, stoch_window, k_smooth, d_smooth: (
        RSI_STATE + _earlier(stoch_window, k_smooth, d_smooth) + _phase(k_smooth, d_smooth) - 1
    ),
    input_lookback=lambda window, stoch_window, k_smooth, d_smooth: _earlier(stoch_window, k_smooth, d_smooth),
    phase=lambda window, stoch_window, k_smooth, d_smooth: _phase(k_smooth, d_smooth),
    bounds={"k": (0.0, 100.0), "d": (0.0, 100.0)},
    fills=True,
    rule=Rule(
        "threshold_band",
        outputs=("k",),
        params={
            "long_threshold": Param("float", 20, 0, 100, 0.5, (10, 30, 5), "long at or below: oversold"),
            "short_threshold": Param("float", 80, 0, 100, 0.5, (70, 90, 5), "short at or above: overbought"),
        },
    ),
    version=2,
    example=Example(
        inputs={"source": (1.0, 2.0, 1.0, 2.0, 3.0)},
        params={"window": 2, "stoch_window": 2, "k_smooth": 1, "d_smooth": 1},
        expected={"k": (math.nan, math.nan, math.nan, 100.0, 100.0), "d": (math.nan,) * 3 + (100.0, 100.0)},
    ),
)
