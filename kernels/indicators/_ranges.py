"""The reach of the price in a bar, the gap from the last close included, and Wilder's average of it."""

import numpy as np

from kernels.indicators._averages import smoothed
from kernels.jit import fma, inline


@inline
def true_range(high, low, previous_close):
    """Higher of high and last close, less the lower of low and last close; NaN if one is not finite."""
    reach = max(high, previous_close) - min(low, previous_close)
    return reach if np.isfinite(high - low - previous_close) else np.nan


@inline
def average_true_range(high, low, close, window, out):
    """Wilder's average of the true range, NaN before bar `window`: the first bar has no close before it."""
    out[:1] = np.nan
    average = 0.0
    seen, t = 0, 1
    while t < out.size:
        reach = true_range(high[t], low[t], close[t - 1])
        if np.isnan(reach):
            average = 0.0
            seen = 0
            out[t] = np.nan
        elif seen >= window:
            done, average = _average_on(high[t:], low[t:], close[t - 1 :], average, 1.0 / window, out[t:])
            t += done
            continue
        else:
            seen += 1
            average = smoothed(average, reach, seen, window, 1.0 / window)
            out[t] = average if seen >= window else np.nan
        t += 1


@inline
def _average_on(high, low, previous_close, average, rate, out):
    """Go on while ranges are known; return their number, and the average then."""
    kept = 1.0 - rate
    for i in range(out.size):
        reach = true_range(high[i], low[i], previous_close[i])
        if np.isnan(reach):
            return i, average
        average = fma(kept, average, rate * reach)
        out[i] = average
    return out.size, average
