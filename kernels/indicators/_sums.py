"""Sums over a sliding window that cannot drift: nothing is ever subtracted.

A window is the tail of one block of `window` bars and the head of the next; its sum is the sum of both parts. A
kernel walks block by block: `slide` for every bar of a block, then `fold`. The tails begin as `no_tails`, so that
windows which reach before the first bar sum to NaN. A NaN is in the sums of the windows that hold it, and in no
later one.
"""

import numpy as np

from kernels.jit import inline


@inline
def no_tails(window):
    tails = np.full(window + 1, np.nan)
    tails[window] = 0.0
    return tails


@inline
def slide(tails, slot, head, value):
    """The sum of the block up to its bar `slot` and that of the window; the slot keeps the value for `fold`."""
    head += value
    total = tails[slot + 1] + head
    tails[slot] = value
    return head, total


@inline
def fold(tails):
    """Turn a block's values into the sums of its tails: at a slot, what stands there and after it."""
    total = 0.0
    for slot in range(tails.size - 2, 0, -1):
        total += tails[slot]
        tails[slot] = total
