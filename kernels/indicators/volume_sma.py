"""Volume average: the simple moving average of volume, the measure of a busy bar.

    volume_sma[t] = (volume[t] + volume[t-1] + … + volume[t-window+1]) / window

A NaN makes every window that holds it NaN, and nothing after.
"""

from __future__ import annotations

import math

from kernels.declare import Example, Indicator, Param, Rule
from kernels.indicators._means import mean_phase
from kernels.indicators.sma import kernel, reference

INDICATOR = Indicator(
    title="Volume Average",
    source="Arithmetic mean of a sliding window; TA-Lib SMA of volume",
    kernel=kernel,
    reference=reference,
    inputs={"volume": ("volume",)},
    outputs=("volume_sma",),
    params={"window": Param("int", 20, 2, 20_000, 1, (10, 100, 10), "bars in the average")},
    lookback=lambda window: window - 1,
    phase=lambda window: mean_phase(window),
    bounds={"volume_sma": (0.0, math.inf)},
    fills=True,
    rule=Rule("volume_against_output", outputs=("volume_sma",)),
    version=2,
    example=Example(
        inputs={"volume": (10.0, 30.0, 20.0)},
        params={"window": 2},
        expected={"volume_sma": (math.nan, 20.0, 25.0)},
    ),
)
