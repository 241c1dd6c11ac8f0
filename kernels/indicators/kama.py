"""Kaufman's adaptive moving average: fast where price goes straight, slow where it goes to and fro.

    efficiency[t] = |x[t] - x[t-window]| / Σ |x[i] - x[i-1]| over the last `window` changes
    rate[t] = (efficiency[t] · (2 / (fast + 1) - 2 / (slow + 1)) + 2 / (slow + 1))²
    kama[t] = kama[t-1] + (x[t] - kama[t-1]) · rate[t]

The first value stands at index `window` and starts from the price before it. Where nothing moved the efficiency is
1, as in TA-Lib. After a NaN it begins again.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from kernels.declare import PRICES, Example, Indicator, Param, Rule
from kernels.indicators._sums import rows_for, stretch_of, sum_phase, window_sums
from kernels.jit import FLOATS, FLOATS_OUT, INT, fma, inline, jit


@jit(FLOATS, INT, INT, INT, FLOATS_OUT, FLOATS_OUT, INT)
def kernel(source, window, fast, slow, out, state, start):
    fastest, slowest = 2.0 / (fast + 1), 2.0 / (slow + 1)
    _rates(source, window, fastest - slowest, slowest, out)
    # Averaged as a distance from an anchor: a flat price is its own average to the bit.
    average, anchor, begun = state[0], state[1], state[2] != 0.0
    for t in range(max(window, start), source.size):
        rate = out[t]
        if np.isnan(rate):
            average = 0.0
            begun = False
            continue
        if not begun:
            anchor = source[t - 1]
            begun = True
        average = fma(1.0 - rate, average, rate * (source[t] - anchor))
        out[t] = anchor + average
    state[0], state[1], state[2] = average, anchor, begun


@inline
def _rates(source, window, span, slowest, out):
    """Write the share of its distance to the price that the average covers at each bar; NaN if unknown."""
    stretch = stretch_of(window)
    rows, spare = rows_for(2, window), rows_for(2, window)
    changes, paths = rows[0], rows[1]
    out[:window] = np.nan
    for start in range(1, source.size - window + 1, stretch):
        stop = min(start + stretch + window - 1, source.size)
        prices, before = source[start:stop], source[start - 1 : stop]
        for i in range(prices.size):
            changes[i] = abs(prices[i] - before[i])
        last, rates = source[start + window - 1 : stop], out[start + window - 1 : stop]
        window_sums(changes[: prices.size], window, spare, paths[: rates.size])
        for i in range(rates.size):
            path, net = paths[i], abs(last[i] - before[i])
            root = (net / path if net < path else 1.0) * span + slowest
            rates[i] = root * root if np.isfinite(path) else np.nan


def reference(source: Sequence[float], window: int, fast: int, slow: int) -> list[list[float]]:
    out = [math.nan] * len(source)
    for t in range(window, len(source)):
        path = sum(abs(source[i] - source[i - 1]) for i in range(t - window + 1, t + 1))
        if math.isfinite(path):
            efficiency = abs(source[t] - source[t - window]) / path if path else 1.0
            rate = (efficiency * (2 / (fast + 1) - 2 / (slow + 1)) + 2 / (slow + 1)) ** 2
            before = source[t - 1] if math.isnan(out[t - 1]) else out[t - 1]
            out[t] = before + (source[t] - before) * rate
    return [out]


INDICATOR = Indicator(
    title="Kaufman's Adaptive Moving Average",
    source="Kaufman 1995, Smarter Trading; TA-Lib KAMA, whose fast and slow are 2 and 30",
    kernel=kernel,
    reference=reference,
    inputs={"source": PRICES},
    outputs=("kama",),
    params={
        "window": Param("int", 10, 2, 20_000, 1, (5, 60, 5), "bars of the efficiency ratio"),
        "fast": Param("int", 2, 1, 1_000, 1, (2, 2, 1), "EMA bars where price goes straight"),
        "slow": Param("int", 30, 2, 10_000, 1, (30, 30, 1), "EMA bars where price gets nowhere"),
    },
    lookback=lambda window, fast, slow: window,
    state_size=lambda window, fast, slow: 3,
    input_lookback=lambda window, fast, slow: window,
    phase=lambda window, fast, slow: sum_phase(window),
    constraint=lambda window, fast, slow: None if fast < slow else f"fast {fast} must be below slow {slow}",
    fills=True,
    rule=Rule("price_against_output", outputs=("kama",)),
    example=Example(
        inputs={"source": (1.0, 2.0, 3.0, 2.0)},
        params={"window": 2, "fast": 1, "slow": 3},
        expected={"kama": (math.nan, math.nan, 3.0, 2.75)},
    ),
    version=2,
)
