"""The reach of the price in a bar, the gap from the last close included, and Wilder's average of it."""

import numpy as np

from kernels.indicators._averages import smoothed
from kernels.indicators._lasts import LAST_STATE, keep_last, last_of
from kernels.jit import fma, inline

RANGE_STATE = LAST_STATE + 2
"""The floats that live across the loop: the last close, the average, the number of ranges."""


@inline
def true_range(high, low, previous_close):
    """Higher of high and last close, less the lower of low and last close; NaN if one is not finite."""
    reach = max(high, previous_close) - min(low, previous_close)
    return reach if np.isfinite(high - low - previous_close) else np.nan


@inline
def average_true_range(high, low, close, window, out, state):
    """Wilder's average of the true range, NaN before bar `window`: the first bar has no close before it.

    It begins with what `state` says and leaves there how it ends; zeros begin a history.
    """
    last, average, seen = last_of(state), state[LAST_STATE], int(state[LAST_STATE + 1])
    t = 0
    while t < out.size:
        reach = true_range(high[t], low[t], last)
        if np.isnan(reach):
            average = 0.0
            seen = 0
            out[t] = np.nan
        elif seen >= window and t > 0:
            done, average = _average_on(high[t:], low[t:], close[t - 1 :], average, 1.0 / window, out[t:])
            t += done
            last = close[t - 1]
            continue
        else:
            seen += 1
            average = smoothed(average, reach, seen, window, 1.0 / window)
            out[t] = average if seen >= window else np.nan
        last = close[t]
        t += 1
    keep_last(last, state)
    state[LAST_STATE], state[LAST_STATE + 1] = average, seen


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
