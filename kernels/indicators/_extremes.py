"""The highest and the lowest of a sliding window, in constant time a bar.

A window is the tail of one block of `window` bars and the head of the next: its extreme is the more extreme one
of both parts (van Herk 1992; Gil & Werman 1993). Nothing branches on the data, so a bar costs the same whatever
prices do and however long the window is. A bar without a finite high and low is a hole: after it the window begins
anew.
"""

from __future__ import annotations

import numpy as np

from kernels.jit import FLOATS, FLOATS_OUT, INT, jit

# `a if a > b else b`, in this order and not `max`, is one machine instruction: a third of the time.


@jit(FLOATS, FLOATS, INT, FLOATS_OUT, FLOATS_OUT)
def channel(high, low, window, highest, lowest):
    """The highest high and the lowest low of each bar's last `window` bars; NaN before."""
    tops = np.full(window + 1, -np.inf)
    bottoms = np.full(window + 1, np.inf)
    run = 0
    for start in range(0, high.size, window):
        stop = min(start + window, high.size)
        top, bottom = -np.inf, np.inf
        for t in range(start, stop):
            up, down = high[t], low[t]
            run = run + 1 if np.isfinite(up - down) else 0
            top = up if up > top else top
            bottom = down if down < bottom else bottom
            if run >= window:
                earlier_top, earlier_bottom = tops[t - start + 1], bottoms[t - start + 1]
                highest[t] = top if top > earlier_top else earlier_top
                lowest[t] = bottom if bottom < earlier_bottom else earlier_bottom
            else:
                highest[t] = lowest[t] = np.nan
        top, bottom = -np.inf, np.inf
        for t in range(stop - 1, start, -1):
            up, down = high[t], low[t]
            top = up if up > top else top
            bottom = down if down < bottom else bottom
            tops[t - start], bottoms[t - start] = top, bottom


@jit(FLOATS, FLOATS, INT, FLOATS_OUT, FLOATS_OUT)
def bars_since(high, low, window, since_highest, since_lowest):
    """Write how many bars ago the last `window` bars had their highest high and their lowest low, the last one of
    equals; NaN before."""
    tops = np.full(window + 1, -np.inf)
    bottoms = np.full(window + 1, np.inf)
    top_bars = np.zeros(window + 1, np.int64)
    bottom_bars = np.zeros(window + 1, np.int64)
    run = 0
    for start in range(0, high.size, window):
        stop = min(start + window, high.size)
        top, bottom = -np.inf, np.inf
        top_bar = bottom_bar = start
        for t in range(start, stop):
            up, down = high[t], low[t]
            run = run + 1 if np.isfinite(up - down) else 0
            top, top_bar = (up, t) if up >= top else (top, top_bar)
            bottom, bottom_bar = (down, t) if down <= bottom else (bottom, bottom_bar)
            if run >= window:
                slot = t - start + 1
                since_highest[t] = t - (top_bar if top >= tops[slot] else top_bars[slot])
                since_lowest[t] = t - (bottom_bar if bottom <= bottoms[slot] else bottom_bars[slot])
            else:
                since_highest[t] = since_lowest[t] = np.nan
        top, bottom = -np.inf, np.inf
        top_bar = bottom_bar = stop - 1
        for t in range(stop - 1, start, -1):
            up, down = high[t], low[t]
            top, top_bar = (up, t) if up > top else (top, top_bar)
            bottom, bottom_bar = (down, t) if down < bottom else (bottom, bottom_bar)
            slot = t - start
            tops[slot], top_bars[slot] = top, top_bar
            bottoms[slot], bottom_bars[slot] = bottom, bottom_bar
