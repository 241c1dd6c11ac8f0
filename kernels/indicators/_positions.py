"""The position of a value between the lowest and the highest of a window, and the stochastics' means of that."""

import numpy as np

from kernels.indicators._means import sliding_mean
from kernels.jit import inline


@inline
def position(value, lowest, highest):
    """0 at the lowest, 1 at the highest, 0.5 where both are one."""
    reach = highest - lowest
    return (value - lowest) / reach if reach != 0.0 else 0.5


@inline
def smooth_positions(source, k_smooth, d_smooth, k, d):
    """The two lines of a stochastic; `k` and `d` come with the highest and the lowest of the windows."""
    for t in range(source.size):
        d[t] = 100.0 * position(source[t], d[t], k[t])
    sliding_mean(d, k_smooth, k)
    sliding_mean(k, d_smooth, d)
    for t in range(source.size):
        k[t] = k[t] if np.isfinite(d[t]) else np.nan
