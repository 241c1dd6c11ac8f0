"""Stochastic oscillator: where the close stands in the range of the last `window` bars, smoothed, and its average.

    raw[t] = 100 · (close[t] - lowest low) / (highest high - lowest low), over the last `window` bars
    k[t] = mean of the last `k_smooth` raw values, d[t] = mean of the last `d_smooth` k

Both outputs begin with d, at index window + k_smooth + d_smooth - 3. A range of nothing counts as 50, its
middle: TA-Lib says 0 there, which would read as deeply oversold. A NaN reaches what is made from it, and
nothing after.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from kernels.declare import Example, Indicator, Param, Rule
from kernels.indicators._extremes import channel
from kernels.indicators._means import mean_phase
from kernels.indicators._positions import smooth_positions
from kernels.indicators.sma import reference as sma
from kernels.jit import FLOATS, FLOATS_OUT, INT, jit


@jit(FLOATS, FLOATS, FLOATS, INT, INT, INT, FLOATS_OUT, FLOATS_OUT)
def kernel(high, low, close, window, k_smooth, d_smooth, k, d):
    channel(high, low, window, k, d)
    smooth_positions(close, k_smooth, d_smooth, k, d)


def position(value: float, values: Sequence[float]) -> float:
    """Compute for references where a value stands between the lowest and the highest of some, 0 to 100."""
    if not all(map(math.isfinite, values)):
        return math.nan
    low, high = min(values), max(values)
    return 100 * (value - low) / (high - low) if high > low else 50.0


def smoothed(raw: Sequence[float], k_smooth: int, d_smooth: int) -> list[list[float]]:
    """Compute for references the mean of the positions from where its own mean begins, and that one."""
    [k] = sma(raw, k_smooth)
    [d] = sma(k, d_smooth)
    return [[value if math.isfinite(other) else math.nan for value, other in zip(k, d, strict=True)], d]


def reference(
    high: Sequence[float],
    low: Sequence[float],
    close: Sequence[float],
    window: int,
    k_smooth: int,
    d_smooth: int,
) -> list[list[float]]:
    raw = [math.nan] * len(close)
    for t in range(window - 1, len(close)):
        bars = slice(t - window + 1, t + 1)
        raw[t] = position(close[t], [*high[bars], *low[bars]])
    return smoothed(raw, k_smooth, d_smooth)


INDICATOR = Indicator(
    title="Stochastic Oscillator",
    source="Lane 1957; TA-Lib STOCH with simple means, TradingView's Stoch",
    kernel=kernel,
    reference=reference,
    inputs={"high": ("high",), "low": ("low",), "close": ("close",)},
    outputs=("k", "d"),
    params={
        "window": Param("int", 14, 2, 20_000, 1, (5, 20, 5), "bars of the range"),
        "k_smooth": Param(
            "int", 3, 1, 1_000, 1, (3, 3, 1), "bars of the mean that is k; 1 for the fast stochastic"
        ),
        "d_smooth": Param("int", 3, 1, 1_000, 1, (3, 3, 1), "bars of the mean of k that is d"),
    },
    lookback=lambda window, k_smooth, d_smooth: window + k_smooth + d_smooth - 3,
    phase=lambda window, k_smooth, d_smooth: math.lcm(mean_phase(k_smooth), mean_phase(d_smooth)),
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
        inputs={"high": (2.0, 3.0, 5.0, 4.0), "low": (1.0, 2.0, 3.0, 1.0), "close": (1.5, 2.5, 5.0, 2.0)},
        params={"window": 2, "k_smooth": 1, "d_smooth": 2},
        expected={"k": (math.nan, math.nan, 100.0, 25.0), "d": (math.nan, math.nan, 87.5, 62.5)},
    ),
)
