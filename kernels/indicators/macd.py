"""Moving average convergence divergence: how far a fast EMA is from a slow one, and where that is heading.

    macd[t] = ema(x, fast)[t] - ema(x, slow)[t]
    signal[t] = ema(macd, signal)[t], histogram[t] = macd[t] - signal[t]

Seeds are TA-Lib's: both averages begin on bar `slow - 1`, each with the mean of its window there, and the signal
line with the mean of its first `signal` values. All three outputs begin with the signal line, at index
slow + signal - 2. After a NaN everything begins again. Its own reading is the histogram's sign: the line above its
signal line.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from kernels.declare import PRICES, Example, Indicator, Param, Rule
from kernels.indicators._averages import CONVERGENCE_STATE, convergence
from kernels.indicators.ema import reference as ema
from kernels.jit import FLOATS, FLOATS_OUT, INT, jit


@jit(FLOATS, INT, INT, INT, FLOATS_OUT, FLOATS_OUT, FLOATS_OUT, FLOATS_OUT)
def kernel(source, fast, slow, signal, macd, signal_line, histogram, state):
    convergence(source, (fast, slow, signal), slow - fast, False, (macd, signal_line, histogram), state)


def with_signal(line: Sequence[float], signal: int) -> list[list[float]]:
    """Compute for references the line from where its EMA begins, that EMA, and the distance of both."""
    [signal_line] = ema(line, signal)
    begun = [value if math.isfinite(other) else math.nan for value, other in zip(line, signal_line, strict=True)]
    return [begun, signal_line, [value - other for value, other in zip(begun, signal_line, strict=True)]]


def reference(source: Sequence[float], fast: int, slow: int, signal: int) -> list[list[float]]:
    late = slow - fast
    held_back = [
        value if t >= late and all(map(math.isfinite, source[t - late : t])) else math.nan
        for t, value in enumerate(source)
    ]
    [fast_line], [slow_line] = ema(held_back, fast), ema(source, slow)
    return with_signal([one - other for one, other in zip(fast_line, slow_line, strict=True)], signal)


INDICATOR = Indicator(
    title="Moving Average Convergence Divergence",
    source="Appel 1979, The Moving Average Convergence-Divergence Method; TA-Lib MACD",
    kernel=kernel,
    reference=reference,
    inputs={"source": PRICES},
    outputs=("macd", "signal", "histogram"),
    params={
        "fast": Param("int", 12, 2, 10_000, 1, (8, 16, 4), "bars of the fast EMA"),
        "slow": Param("int", 26, 3, 20_000, 1, (20, 32, 6), "bars of the slow EMA"),
        "signal": Param("int", 9, 1, 10_000, 1, (6, 12, 3), "bars of the signal line's EMA"),
    },
    lookback=lambda fast, slow, signal: slow + signal - 2,
    state_size=lambda fast, slow, signal: CONVERGENCE_STATE,
    constraint=lambda fast, slow, signal: None if fast < slow else f"fast {fast} must be below slow {slow}",
    fills=True,
    rule=Rule("sign_of_output", outputs=("histogram",)),
    example=Example(
        inputs={"source": (1.0, 2.0, 6.0, 3.0)},
        params={"fast": 2, "slow": 3, "signal": 2},
        expected={
            "macd": (math.nan, math.nan, math.nan, 1 / 3),
            "signal": (math.nan, math.nan, math.nan, 2 / 3),
            "histogram": (math.nan, math.nan, math.nan, -1 / 3),
        },
    ),
)
