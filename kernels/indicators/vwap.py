"""Rolling VWAP: the average price paid over the last `window` bars, each bar's price weighted by its volume.

    vwap[t] = Σ price[i] · volume[i] / Σ volume[i], i = t-window+1 … t, price = (high + low + close) / 3

It is the volume-weighted moving average of the typical price. The VWAP of exchanges begins anew with each
session; a market that never closes has none, and one that begins at midnight knows one bar at 00:01 and a day
at 23:59. A window always holds as much, and its value does not depend on where history starts. The first stands
at index `window - 1`. A window without any volume has none. A NaN makes every window that holds it NaN, and
nothing after.
"""

from __future__ import annotations

import math

from kernels.declare import PRICES, Example, Indicator, Param, Rule
from kernels.indicators.vwma import kernel, reference

INDICATOR = Indicator(
    title="Rolling Volume-Weighted Average Price",
    source="Berkowitz, Logue & Noser 1988, over a sliding window; TradingView Rolling VWAP",
    kernel=kernel,
    reference=reference,
    inputs={"source": ("hlc3", *(price for price in PRICES if price != "hlc3")), "volume": ("volume",)},
    outputs=("vwap",),
    params={"window": Param("int", 60, 2, 20_000, 1, (20, 240, 20), "bars in the average")},
    lookback=lambda window: window - 1,
    phase=lambda window: window,
    rule=Rule("price_against_output", outputs=("vwap",)),
    example=Example(
        inputs={"source": (1.0, 2.0, 4.0), "volume": (1.0, 3.0, 1.0)},
        params={"window": 2},
        expected={"vwap": (math.nan, 7 / 4, 10 / 4)},
    ),
)
