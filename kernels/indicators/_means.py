"""Means and spreads of a sliding window, exact to the rounding of one window.

A window is the tail of one block of bars and the head of the next. Sums of both parts, instead of adding
and subtracting at the ends, leave nothing to drift or to cancel and let a NaN leave with its bar. Values are taken
as distances from the first bar of the later block, which every window across the two holds: so the mean of a flat
window is its price to the bit and its spread is 0, and squares of distances are as small as they can be.

Sums run in one short loop and are put together in another, because the compiler makes vectors of the second alone:
half the time of one loop for both. No series-long array is made on the way: fresh pages cost more than the sums.
"""

import numpy as np

from kernels.copying import copy
from kernels.jit import fma, inline

FEW = 10  # bars up to which a window is faster weighed bar by bar than built from blocks
_STRIDE = 1024


@inline
def sliding_weighing(source, weights, out):
    """The mean of each bar's last `weights.size` values under these weights, whose sum is 1; NaN before.

    Bar by bar a sum would wait for itself; weight by weight over a stretch of bars it fills vectors.
    """
    window = weights.size
    out[: window - 1] = np.nan
    for start in range(window - 1, source.size, _STRIDE):
        last, means = source[start : start + _STRIDE], out[start : start + _STRIDE]
        copy(last, means)
        for i in range(window - 1):
            earlier = source[start - window + 1 + i :]
            weight = weights[i]
            for bar in range(last.size):
                means[bar] = fma(weight, earlier[bar] - last[bar], means[bar])


def _block_length(window):
    """The largest of 8, 16, 24, 32, 48, 64, 96 … that is no more than the window.

    Not the window itself: windows of one length share their sums in a sweep, at no more adding for one alone.
    """
    length = 8
    while 2 * length <= window:
        length *= 2
    longer = length + length // 2
    return longer if longer % 8 == 0 and longer <= window else length


block_length = inline(_block_length)


def mean_phase(window: int) -> int:
    """The bars from one block of a sliding mean to the next, on which its last digits depend."""
    return 1 if window <= FEW else int(_block_length(window))


@inline
def sum_up(source, start, heads, head, tails, tail, block, longest):
    """Distances from the bar `start`: sums from it on into `heads`, and back from the bar before it into `tails`.

    `heads[head:]` takes one sum for each of the `block` bars; of the `longest` places from `tails[tail]` the last
    is 0, and the `k`-th before it the sum of the last `k` bars before. Numbers and not slices, which cost as much
    to hand over as eight bars.
    """
    anchor = source[start]
    values = source[start : start + block]
    ahead = heads[head : head + values.size]
    total = 0.0
    for i in range(values.size):
        total += values[i] - anchor
        ahead[i] = total
    reach = min(longest - 1, start)
    end = tail + longest - 1
    before, behind = source[start - reach : start], tails[end - reach : end]
    tails[end] = total = 0.0
    for i in range(reach - 1, -1, -1):
        total += before[i] - anchor
        behind[i] = total


@inline
def sliding_mean(source, window, out):
    """The mean of each bar's last `window` values; NaN before there are so many."""
    if window <= FEW:
        sliding_weighing(source, np.full(window, 1.0 / window), out)
        return
    block, rate = block_length(window), 1.0 / window
    tails = np.full(window, np.nan)
    for start in range(0, source.size, block):
        means = out[start : start + block]
        sum_up(source, start, means, 0, tails, 0, block, window)
        anchor = source[start]
        for i in range(means.size):
            means[i] = fma(means[i] + tails[i], rate, anchor)


@inline
def sliding_weighted_mean(source, window, out):
    """The mean of each bar's last `window` values weighted 1, 2 … window, the last bar most; NaN before."""
    total_weight = 0.5 * window * (window + 1)
    if window < FEW:
        sliding_weighing(source, np.arange(1, window + 1) / total_weight, out)
        return
    rate = 1.0 / total_weight
    tails = np.full(window + 1, np.nan)
    tails[window] = 0.0
    anchor = source[0] if source.size else 0.0
    for start in range(0, source.size, window):
        block, means = source[start : start + window], out[start : start + window]
        total = ramp = 0.0
        for i in range(block.size):
            distance = block[i] - anchor
            ramp += window * distance - total
            total += distance
            means[i] = ramp
        for i in range(block.size):
            means[i] = fma(means[i] + tails[i + 1], rate, anchor)
        if start + window >= source.size:
            return
        anchor = source[start + window]
        total = ramp = 0.0
        for i in range(window - 1, 0, -1):
            total += block[i] - anchor
            ramp += total
            tails[i] = ramp


def weighted_mean_phase(window: int) -> int:
    """The bars from one block of a sliding weighted mean to the next, on which its last digits depend."""
    return 1 if window < FEW else window


@inline
def sliding_spread(source, window, above, variance):
    """Write the distance of each value above the mean of the last `window` values, and the mean of the squares
    about that mean; NaN before.

    The distance and not the mean, which has lost its digits where prices hardly move. For what nobody wants, give
    room for `window` values.
    """
    rate = 1.0 / window
    tails, square_tails = np.full(window + 1, np.nan), np.full(window + 1, np.nan)
    tails[window] = square_tails[window] = 0.0
    anchor = source[0] if source.size else 0.0
    for start in range(0, source.size, window):
        block = source[start : start + window]
        block_above = above[start : start + window] if above.size == source.size else above
        block_squares = variance[start : start + window] if variance.size == source.size else variance
        total = square = 0.0
        for i in range(block.size):
            distance = block[i] - anchor
            total += distance
            square += distance * distance
            block_above[i] = total
            block_squares[i] = square
        for i in range(block.size):
            total = block_above[i] + tails[i + 1]
            mean = total * rate
            square = block_squares[i] + square_tails[i + 1] - total * mean
            block_above[i] = block[i] - anchor - mean
            # Asked so and not as `max`, and with a rate for three divisions: a quarter of the time.
            block_squares[i] = 0.0 if square < 0.0 else square * rate
        if start + window >= source.size:
            return
        anchor = source[start + window]
        total = square = 0.0
        for i in range(window - 1, 0, -1):
            distance = block[i] - anchor
            total += distance
            square += distance * distance
            tails[i] = total
            square_tails[i] = square
