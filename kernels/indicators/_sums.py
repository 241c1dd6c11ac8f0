"""Sums over a sliding window that cannot drift: nothing is ever subtracted, and its bars alone decide a sum.

Sums of 4, 16, 64 … values are made from one another over a stretch of bars, and a window is put together of those
that its length is made of. A bar waits for no other, so every step fills vectors, where a running sum waits 3
cycles for each bar, and its counterpart from behind 3 more. A longer window takes more steps: from `_LONG` on it
is the tail of one block of bars and the head of the next. A NaN is in the sums of the windows that hold it alone.
"""

import numpy as np

from kernels.jit import inline

_STRETCH = 1024
_LONG = 512
_LINE = 8  # numbers of a cache line


@inline
def stretch_of(window):
    """How many bars to sum at a time: what stays in the fastest caches, or one block."""
    return window if window > _LONG else _STRETCH


@inline
def rows_for(count, window):
    """Rows with room for the values of a stretch of windows, which begin with a cache line: vectors that cross two
    take half as long again.

    Take them by number: numba knows of an unpacked row only that it has strides, and fills no vectors from it.
    """
    width = (stretch_of(window) + window + _LINE) // _LINE * _LINE
    room = np.empty(count * width + _LINE)
    first = -(room.ctypes.data // 8) % _LINE
    return room[first : first + count * width].reshape(count, width)


@inline
def window_sums(values, window, spare, sums):
    """`sums[i]` becomes the sum of `values[i : i + window]`; there are `sums.size + window - 1` values.

    `spare` are two rows.
    """
    if window > _LONG:
        _long_sums(values, window, sums)
        return
    sums[:] = 0.0
    length, done = 1, window % 4
    _take(values, 0, 1, done, sums)
    size = values.size
    part, longer = spare[0], spare[1]
    while 4 * length <= window:
        size -= 3 * length
        if length == 1:
            _put_four_together(values, 1, longer[:size])
        else:
            _put_four_together(part, length, longer[:size])
        part, longer = longer, part
        length *= 4
        times = window // length % 4
        _take(part, done, length, times, sums)
        done += times * length


@inline
def _take(part, done, length, times, sums):
    """Add as many parts, one after another; not more than three."""
    one, two, three = part[done:], part[done + length :], part[done + 2 * length :]
    if times == 1:
        for i in range(sums.size):
            sums[i] += one[i]
    elif times == 2:
        for i in range(sums.size):
            sums[i] += one[i] + two[i]
    elif times == 3:
        for i in range(sums.size):
            sums[i] += one[i] + two[i] + three[i]


@inline
def _put_four_together(part, length, four):
    two, three, last = part[length:], part[2 * length :], part[3 * length :]
    for i in range(four.size):
        four[i] = (part[i] + two[i]) + (three[i] + last[i])


@inline
def _long_sums(values, window, sums):
    for start in range(0, sums.size, window):
        block, before = sums[start : start + window], values[start : start + window - 1]
        behind = values[start + window - 1 :]
        total = block[block.size - 1] = 0.0
        for i in range(window - 2, block.size - 1, -1):
            total += before[i]
        for i in range(min(window - 1, block.size) - 1, -1, -1):
            total += before[i]
            block[i] = total
        total = 0.0
        for i in range(block.size):
            total += behind[i]
            block[i] += total
