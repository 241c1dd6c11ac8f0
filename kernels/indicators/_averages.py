"""Recursive averages: exponential and Wilder's, alone and one after another.

They begin with the mean of their first `window` values. Values are taken as distances from the first one, so that
the average of a flat price is that price to the bit; after a value that is not finite everything begins again.

Each loop begins with what `state` says and leaves there how it ends; zeros begin a history.
"""

import numpy as np

from kernels.jit import fma, inline

MEAN_STATE = 3
MIX_STATE = 5
CONVERGENCE_STATE = 5
"""The floats that live across each loop: averages, anchor, and the number of values while they are few."""


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
def recursive_mean(source, window, rate, out, state):
    """The average of a series, from its `window`-th value on; NaN before. `out` may be the source itself."""
    average, anchor, seen = state[0], state[1], int(state[2])
    t = 0
    while t < source.size:
        value = source[t]
        if not np.isfinite(value):
            average = 0.0
            seen = 0
            out[t] = np.nan
        elif seen >= window:
            done, average = average_on(source[t:], anchor, average, rate, out[t:])
            t += done
            continue
        else:
            if seen == 0:
                anchor = value
            seen += 1
            average = smoothed(average, value - anchor, seen, window, rate)
            out[t] = anchor + average if seen >= window else np.nan
        t += 1
    state[0], state[1], state[2] = average, anchor, seen


@inline
def average_on(source, anchor, average, rate, out):
    """Go on while values are known; return their number, and the average then.

    A loop without the questions of the first bars waits for one `fma` a bar; with them two averages took twice as
    long.
    """
    kept = 1.0 - rate
    for i in range(source.size):
        value = source[i]
        if not np.isfinite(value):
            return i, average
        average = fma(kept, average, rate * (value - anchor))
        out[i] = anchor + average
    return source.size, average


@inline
def mixed_emas(source, window, depth, weights, out, state):
    """A weighted sum of an EMA, the EMA of it and the EMA of that one, from where the first `depth` of them stand.

    The weights sum to 1.
    """
    of_one, of_two, of_three = weights
    rate = 2.0 / (window + 1)
    first = depth * (window - 1)
    averages = (state[0], state[1], state[2])
    anchor, seen = state[3], int(state[4])
    t = 0
    while t < source.size:
        value = source[t]
        if not np.isfinite(value):
            averages = (0.0, 0.0, 0.0)
            seen = 0
            out[t] = np.nan
        elif seen > first:
            done, averages = _mix_on(source[t:], anchor, averages, rate, depth, weights, out[t:])
            t += done
            continue
        else:
            if seen == 0:
                anchor = value
            seen += 1
            averages = smoothed_thrice(averages, value - anchor, seen, window, rate)
            one, two, three = averages
            mixed = anchor + (of_one * one + of_two * two + of_three * three)
            out[t] = mixed if seen > first else np.nan
        t += 1
    state[0], state[1], state[2] = averages
    state[3], state[4] = anchor, seen


@inline
def _mix_on(source, anchor, averages, rate, depth, weights, out):
    """Go on while values are known; return their number, and the averages then."""
    of_one, of_two, of_three = weights
    one, two, three = averages
    kept = 1.0 - rate
    for i in range(source.size):
        if not np.isfinite(source[i]):
            return i, (one, two, three)
        one = fma(kept, one, rate * (source[i] - anchor))
        two = fma(kept, two, rate * one)
        if depth == 3:
            three = fma(kept, three, rate * two)
        out[i] = anchor + (of_one * one + of_two * two + of_three * three)
    return source.size, (one, two, three)


@inline
def convergence(source, windows, late, percent, lines, state):
    """Write three lines: the distance of a fast EMA from a slow one, that line's EMA, and the distance of both.

    With `percent` the distance is in percent of the slow EMA. `windows` are those of the fast, the slow and the
    signal EMA; the fast one takes no notice of the first `late` values. All lines begin where the signal line
    does.
    """
    fast, slow, signal = windows
    line, signal_line, histogram = lines
    rates = 2.0 / (fast + 1), 2.0 / (slow + 1), 2.0 / (signal + 1)
    averages = (state[0], state[1], state[2])
    anchor, seen = state[3], int(state[4])
    t = 0
    while t < source.size:
        value = source[t]
        if not np.isfinite(value):
            averages = (0.0, 0.0, 0.0)
            seen = 0
            line[t] = signal_line[t] = histogram[t] = np.nan
        elif seen >= slow + signal - 1:
            done, averages = _converge_on(
                source[t:], anchor, averages, rates, percent, line[t:], signal_line[t:], histogram[t:]
            )
            t += done
            continue
        else:
            if seen == 0:
                anchor = value
            seen += 1
            averages = _converge(value - anchor, seen, windows, late, anchor, averages, rates, percent)
            line[t] = signal_line[t] = histogram[t] = np.nan
            if seen == slow + signal - 1:
                line[t] = _distance(averages, anchor, percent)
                signal_line[t] = averages[2]
                histogram[t] = line[t] - averages[2]
        t += 1
    state[0], state[1], state[2] = averages
    state[3], state[4] = anchor, seen


@inline
def _converge(value, seen, windows, late, anchor, averages, rates, percent):
    """The fast, the slow and the signal average after value number `seen`."""
    fast, slow, signal = windows
    fast_average, slow_average, signal_average = averages
    if seen > late:
        fast_average = smoothed(fast_average, value, seen - late, fast, rates[0])
    slow_average = smoothed(slow_average, value, seen, slow, rates[1])
    if seen >= slow:
        distance = _distance((fast_average, slow_average, 0.0), anchor, percent)
        signal_average = smoothed(signal_average, distance, seen - (slow - 1), signal, rates[2])
    return fast_average, slow_average, signal_average


@inline
def _distance(averages, anchor, percent):
    distance = averages[0] - averages[1]
    return distance * (100.0 / (anchor + averages[1])) if percent else distance


@inline
def _converge_on(source, anchor, averages, rates, percent, line, signal_line, histogram):
    """Go on while values are known; return their number, and the averages then."""
    fast, slow, signal = averages
    fast_rate, slow_rate, signal_rate = rates
    for i in range(source.size):
        if not np.isfinite(source[i]):
            return i, (fast, slow, signal)
        value = source[i] - anchor
        fast = fma(1.0 - fast_rate, fast, fast_rate * value)
        slow = fma(1.0 - slow_rate, slow, slow_rate * value)
        distance = _distance((fast, slow, signal), anchor, percent)
        signal = fma(1.0 - signal_rate, signal, signal_rate * distance)
        line[i], signal_line[i], histogram[i] = distance, signal, distance - signal
    return source.size, (fast, slow, signal)
