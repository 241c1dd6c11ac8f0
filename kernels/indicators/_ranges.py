"""How far price moved in a bar, the gap from the last close included, and Wilder's average of it."""

import numpy as np

from kernels.indicators._averages import smoothed
from kernels.jit import inline


@inline
def true_range(high, low, previous_close):
    """From the higher of high and last close down to the lower of low and last close; NaN if one is not finite."""
    reach = max(high, previous_close) - min(low, previous_close)
    return reach if np.isfinite(high - low - previous_close) else np.nan


@inline
def average_true_range(high, low, close, window, out):
    """Wilder's average of the true range, NaN before bar `window`: the first bar has no close before it."""
    out[:1] = np.nan
    average = 0.0
    seen = 0
    for t in range(1, close.size):
        reach = true_range(high[t], low[t], close[t - 1])
        if np.isnan(reach):
            average = 0.0
            seen = 0
            out[t] = np.nan
            continue
        seen += 1
        average = smoothed(average, reach, seen, window, 1.0 / window)
        out[t] = average if seen >= window else np.nan
