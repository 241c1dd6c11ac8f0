"""Percentage price oscillator: MACD in percent of the slow average, comparable between markets and years.

    ppo[t] = 100 · (ema(x, fast)[t] - ema(x, slow)[t]) / ema(x, slow)[t]
    signal[t] = ema(ppo, signal)[t], histogram[t] = ppo[t] - signal[t]

As in TA-Lib each average begins with the mean of its own first values, other than in `macd`. All three outputs
begin with the signal line, at index slow + signal - 2; TA-Lib has the first of them alone, from bar `slow - 1` on.
After a NaN everything begins again. Its own reading is the histogram's sign.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from kernels.declare import PRICES, Example, Indicator, Param, Rule
from kernels.indicators._averages import CONVERGENCE_STATE, convergence
from kernels.indicators.ema import reference as ema
from kernels.indicators.macd import with_signal
from kernels.jit import FLOATS, FLOATS_OUT, INT, jit


@jit(FLOATS, INT, INT, INT, FLOATS_OUT, FLOATS_OUT, FLOATS_OUT, FLOATS_OUT)
def kernel(source, fast, slow, signal, ppo, signal_line, histogram, state):
    convergence(source, (fast, slow, signal), 0, True, (ppo, signal_line, histogram), state)


def reference(source: Sequence[float], fast: int, slow: int, signal: int) -> list[list[float]]:
    # From the first price up: of two averages that differ in their last digits nothing would be left.
    base = next(filter(math.isfinite, source), 0.0)
    [fast_line], [slow_line] = (ema([value - base for value in source], window) for window in (fast, slow))
    ppo = [100 * (one - other) / (base + other) for one, other in zip(fast_line, slow_line, strict=True)]
    return with_signal(ppo, signal)


INDICATOR = Indicator(
    title="Percentage Price Oscillator",
    source="Appel's MACD as a ratio; TA-Lib PPO with exponential averages, TradingView's PPO",
    kernel=kernel,
    reference=reference,
    inputs={"source": PRICES},
    outputs=("ppo", "signal", "histogram"),
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
            "ppo": (math.nan, math.nan, math.nan, 50 / 3),
            "signal": (math.nan, math.nan, math.nan, 100 / 3),
            "histogram": (math.nan, math.nan, math.nan, -50 / 3),
        },
    ),
)
