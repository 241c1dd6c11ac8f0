"""Recursive averages: exponential and Wilder's, alone and one after another.

They begin with the mean of their first `window` values. Values are taken as distances from the first one, so that
the average of a flat price is that price to the bit; after a value that is not finite everything begins again.
"""

import numpy as np

from kernels.jit import fma, inline


@inline
def smoothed(average, value, seen, window, rate):
    """The average after its value number `seen`; the running sum of the values while `seen < window`.

    Begin with an average of 0. A bar costs the latency of one `fma`: the branch always goes the same way.
    """
    if seen > window:
        return fma(1.0 - rate, average, rate * value)
    total = average + value
    return total / window if seen == window else total


@inline
def smoothed_thrice(averages, value, seen, window, rate):
    """Three averages, each but the first one of the average before it; `seen` counts the values of the first."""
    one, two, three = averages
    one = smoothed(one, value, seen, window, rate)
    if seen >= window:
        two = smoothed(two, one, seen - (window - 1), window, rate)
    if seen >= 2 * window - 1:
        three = smoothed(three, two, seen - 2 * (window - 1), window, rate)
    return one, two, three


@inline
def recursive_mean(source, window, rate, out):
    """The average of a series, from its `window`-th value on; NaN before. `out` may be the source itself."""
    average = anchor = 0.0
    seen = 0
    for t in range(source.size):
        value = source[t]
        if not np.isfinite(value):
            average = 0.0
            seen = 0
            out[t] = np.nan
            continue
        if seen == 0:
            anchor = value
        seen += 1
        average = smoothed(average, value - anchor, seen, window, rate)
        out[t] = anchor + average if seen >= window else np.nan


@inline
def mixed_emas(source, window, depth, weights, out):
    """A weighted sum of an EMA, the EMA of it and the EMA of that one, from where the first `depth` of them stand.

    The weights sum to 1.
    """
    of_one, of_two, of_three = weights
    rate = 2.0 / (window + 1)
    first = depth * (window - 1)
    averages = (0.0, 0.0, 0.0)
    anchor = 0.0
    seen = 0
    for t in range(source.size):
        value = source[t]
        if not np.isfinite(value):
            averages = (0.0, 0.0, 0.0)
            seen = 0
            out[t] = np.nan
            continue
        if seen == 0:
            anchor = value
        seen += 1
        averages = smoothed_thrice(averages, value - anchor, seen, window, rate)
        one, two, three = averages
        mixed = anchor + (of_one * one + of_two * two + of_three * three)
        out[t] = mixed if seen > first else np.nan


@inline
def convergence(source, windows, late, percent, line, signal_line, histogram):
    """How far a fast EMA is from a slow one (in percent of the slow one, if asked for), that line's EMA, and the
    distance of both.

    `windows` are those of the fast, the slow and the signal EMA; the fast one takes no notice of the first `late`
    values. All outputs begin where the signal line does.
    """
    fast, slow, signal = windows
    fast_rate, slow_rate, signal_rate = 2.0 / (fast + 1), 2.0 / (slow + 1), 2.0 / (signal + 1)
    fast_average = slow_average = signal_average = anchor = 0.0
    seen = 0
    for t in range(source.size):
        value = source[t]
        if not np.isfinite(value):
            fast_average = slow_average = signal_average = 0.0
            seen = 0
            line[t] = signal_line[t] = histogram[t] = np.nan
            continue
        if seen == 0:
            anchor = value
        seen += 1
        value -= anchor
        if seen > late:
            fast_average = smoothed(fast_average, value, seen - late, fast, fast_rate)
        slow_average = smoothed(slow_average, value, seen, slow, slow_rate)
        if seen < slow:
            line[t] = signal_line[t] = histogram[t] = np.nan
            continue
        distance = fast_average - slow_average
        if percent:
            distance *= 100.0 / (anchor + slow_average)
        signal_average = smoothed(signal_average, distance, seen - (slow - 1), signal, signal_rate)
        known = seen >= slow + signal - 1
        line[t] = distance if known else np.nan
        signal_line[t] = signal_average if known else np.nan
        histogram[t] = distance - signal_average if known else np.nan
