"""Sums over a sliding window that cannot drift: nothing is ever subtracted.

A window of 14 values is two of 7, 7 are two of 3 and one value more, 3 are two of 1 and one more. Each step goes
over a stretch of bars, and as no bar waits for another it fills vectors; a running sum waits 3 cycles for each
bar, and its counterpart from behind 3 more. A longer window takes more steps: beyond `_LONG` it is the tail of one
block of bars and the head of the next. A NaN is in the sums of the windows that hold it alone.
"""

import numpy as np

from kernels.copying import copy
from kernels.jit import inline

_STRETCH = 1024
_LONG = 512
_LINE = 8  # numbers of a cache line


@inline
def stretch_of(window):
    """The number of bars to sum at a time: as many as stay in the fastest caches, or one block."""
    return window if window > _LONG else _STRETCH


def sum_phase(window: int) -> int:
    """The bars from one block to the next, where sums depend on where blocks begin."""
    return window if window > _LONG else 1


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
    if window == 1:
        copy(values, sums)
        return
    bit = 1
    while 4 * bit <= window:
        bit *= 2
    length, part, longer = 1, spare[0], spare[1]
    while bit:
        odd = window // bit % 2
        room = longer[: values.size - 2 * length - odd + 1] if bit > 1 else sums
        if length == 1:
            _double(values, length, odd, values, room)
        else:
            _double(part, length, odd, values, room)
        part, longer = longer, part
        length = 2 * length + odd
        bit //= 2


@inline
def _double(part, length, odd, values, longer):
    later, last = part[length:], values[2 * length :]
    if odd:
        for i in range(longer.size):
            longer[i] = part[i] + later[i] + last[i]
    else:
        for i in range(longer.size):
            longer[i] = part[i] + later[i]


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
